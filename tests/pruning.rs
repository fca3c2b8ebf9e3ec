//! What was listed for pruning is looked at once more before it is removed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use ledger::{Ledger, completed};
use postback::clock::Timestamp;
use postback::event::{PlayerId, RecordKey};
use postback::guard::Record;
use postback::steps::{Handled, Steps, Timing};
use postback::store::{
    DedupStore, MemoryStore, Retention, StoreError, Stored, Swapped, Version, prune,
};

/// A store whose listing is out of date: every record changed after it was listed.
struct Changed(MemoryStore, Vec<RecordKey>);

impl DedupStore for Changed {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        self.0.swap(expected, record).await
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.0.unsettled(after, limit).await
    }
}

impl Retention for Changed {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        self.0.remove(key, expected).await
    }

    async fn unchanged_since(
        &self,
        _: Timestamp,
        _: Option<&RecordKey>,
        _: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.1.clone())
    }

    async fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.0.of_player(player, after, limit).await
    }
}

#[tokio::test]
async fn what_changed_after_it_was_listed_is_left() {
    let moment = 50_000;
    let store = MemoryStore::new();
    let mut keys = Vec::new();
    for (transaction, changed, handled) in [
        ("old", moment - 1, Handled::Done),
        ("at-the-moment", moment, Handled::Done),
        ("later", moment + 1, Handled::Done),
        ("old-and-open", moment - 1, Handled::Failed),
    ] {
        let mut ledger = Ledger {
            now: changed,
            ..Ledger::default()
        };
        let steps = Steps::receive(completed(transaction, "5"), Timing::default());
        ledger.run(steps, |_, _| handled.clone());
        let (key, stored) = ledger.records.pop_first().unwrap();
        store.swap(None, &stored.record).await.unwrap();
        keys.push(key);
    }
    let store = Changed(store, keys.clone());
    let pruned = prune(&store, Timestamp::from_millis(moment)).await.unwrap();
    assert_eq!((pruned.removed, pruned.left), (1, 3));
    for key in &keys[1..] {
        assert!(store.load(key).await.unwrap().is_some(), "{key}");
    }
}
