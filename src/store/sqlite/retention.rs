//! Removing records, and finding those to be removed.

use super::answer::ask;
use super::operations::Changing;
use super::{SqliteStore, rows};
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey};
use crate::store::{Retention, StoreError, Version};

/// Looks once into each block of the players' index, from one that is not empty to the next.
const OF_PLAYER: &str = "\
    WITH RECURSIVE block (n) AS (\
        SELECT min(arrival >> 12) FROM postback_records \
        UNION ALL \
        SELECT (SELECT min(arrival >> 12) FROM postback_records WHERE arrival >> 12 > block.n) \
        FROM block WHERE block.n IS NOT NULL) \
    SELECT r.key FROM block CROSS JOIN postback_records AS r ON r.arrival >> 12 = block.n AND r.player = ?1 \
    WHERE r.key > ?2 ORDER BY r.key";

impl Retention for SqliteStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let key = key.to_string();
        let Ok(expected) = i64::try_from(expected.number()) else {
            return Ok(false);
        };
        let doing = "remove a record";
        let remove = move |db: &rusqlite::Connection| rows::remove(db, &key, expected);
        let answer = ask(&self.shared.writer, doing, |reply| {
            Box::new(Changing::new(doing, remove, reply))
        })?;
        answer.await?
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
            rows::keys(db.prepare_cached(OF_PLAYER)?.query((player, after))?, limit)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn a_player_is_looked_for_in_the_index_alone() {
        let mut db = rusqlite::Connection::open_in_memory().unwrap();
        assert!(schema::migrate(&mut db).is_ok());
        let mut explain = db
            .prepare(&format!("EXPLAIN QUERY PLAN {OF_PLAYER}"))
            .unwrap();
        let steps: Vec<String> = explain
            .query_map(["player-7", ""], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let index = "USING INDEX postback_records_player (<expr>=? AND player=?)";
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        let is_scan = |step: &&String| step.starts_with("SCAN") && !step.ends_with("block");
        assert_eq!(steps.iter().find(is_scan), None, "{steps:?}");
    }
}
