//! Removing records, and finding those to be removed.

use super::RedisStore;
use super::listing::Wanted;
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey};
use crate::store::{Retention, StoreError, Version};

impl Retention for RedisStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        self.shared.remove(key, expected).await
    }

    async fn unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let wanted = Wanted::UnchangedSince(moment);
        self.shared
            .list("list old records", wanted, after, limit)
            .await
    }

    async fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let wanted = Wanted::OfPlayer(player.to_string());
        self.shared
            .list("list a player's records", wanted, after, limit)
            .await
    }
}
