//! Removing records, and finding those to be removed.

use super::operations::Changing;
use super::{SqliteStore, gone, rows};
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey};
use crate::store::{Retention, StoreError, Version};
use crate::sync::oneshot;

impl Retention for SqliteStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let key = key.to_string();
        let Ok(expected) = i64::try_from(expected.number()) else {
            return Ok(false);
        };
        let (reply, answer) = oneshot::channel();
        let doing = "remove a record";
        let remove = move |db: &rusqlite::Connection| rows::remove(db, &key, expected);
        self.submit(Box::new(Changing::new(doing, remove, reply)))?;
        answer.await.unwrap_or_else(|_| Err(gone(doing)))
    }

    async fn unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let moment = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
        self.select("list old records", move |db| {
            let select = "SELECT key FROM postback_records \
                          WHERE status <> 'open' AND updated < ?1 AND key > ?2 ORDER BY key";
            rows::keys(db.prepare_cached(select)?.query((moment, after))?, limit)
        })
        .await
    }

    async fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let player = player.to_string();
        self.select("list a player's records", move |db| {
            let select =
                "SELECT key FROM postback_records WHERE player = ?1 AND key > ?2 ORDER BY key";
            rows::keys(db.prepare_cached(select)?.query((player, after))?, limit)
        })
        .await
    }
}
