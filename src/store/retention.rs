//! How long records are kept: for ever, unless the operator says otherwise.
//!
//! A record that is gone is a reward that can be paid again, should its callback be repeated or replayed.
//! Networks reconcile months later; most reversals come within 30 days, but any time is possible. So
//! nothing is pruned by itself.

use std::future::Future;

use super::{DedupStore, StoreError, Swapped, Version};
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey, Subject};

/// A store from which records can be removed. As small as [`DedupStore`]: what to remove is decided above it,
/// once for all stores, by [`prune`] and [`forget`].
pub trait Retention: DedupStore {
    /// Removes the record if the stored version is the expected one; says whether it did. Compares and
    /// removes in one step.
    fn remove(
        &self,
        key: &RecordKey,
        expected: Version,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The keys of up to `limit` records, open ones left out, in which nothing has happened since `moment`
    /// ([`Record::last_change`](crate::guard::Record::last_change)), in the order of their keys' text,
    /// beginning after `after`.
    fn unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;

    /// The keys of up to `limit` records of this player
    /// ([`Record::named_player`](crate::guard::Record::named_player)), in the order of their keys' text,
    /// beginning after `after`.
    fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;
}

/// How many keys are asked for at a time.
const PAGE: usize = 256;

/// What pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// So many records were removed.
    pub removed: usize,
    /// So many changed meanwhile and were left.
    pub left: usize,
}

/// Removes every record in which nothing has happened since `older_than`. One with a decision left open is
/// never touched.
///
/// After that, a repetition of such a conversion's callback is news and pays again. Prune only what no
/// network can send any more.
///
/// # Errors
/// [`StoreError`]: what had been removed by then stays removed; it is safe to begin again.
pub async fn prune<S: Retention>(store: &S, older_than: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    let mut after = None;
    loop {
        let keys = store
            .unchanged_since(older_than, after.as_ref(), PAGE)
            .await?;
        for key in &keys {
            // What was listed may have changed since: the version says what is being removed.
            let Some(stored) = store.load(key).await? else {
                continue;
            };
            let is_open = stored.record.open().is_some();
            let is_old = stored.record.last_change() < older_than;
            if !is_open && is_old && store.remove(key, stored.version).await? {
                pruned.removed += 1;
            } else {
                pruned.left += 1;
            }
        }
        if keys.len() < PAGE {
            return Ok(pruned);
        }
        after = keys.last().cloned();
    }
}

/// What forgetting a player did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Forgotten {
    /// So many records were stripped of his name and of the raw callbacks.
    pub stripped: usize,
    /// So many records were about nothing but him (a ban) and were removed.
    pub removed: usize,
    /// So many have a decision left open, which takes his name: settle them and forget again.
    pub left_open: usize,
}

/// Forgets a player: his id and the raw callbacks (with addresses and names) are stripped from his records;
/// transactions, amounts and decisions stay, so that nothing is paid twice.
///
/// A later callback brings his id along again. Of a record that names him only in a conflict, and is another
/// player's, that message stays.
///
/// # Errors
/// [`StoreError`]: what had been stripped by then stays so; it is safe to begin again.
pub async fn forget<S: Retention>(store: &S, player: &PlayerId) -> Result<Forgotten, StoreError> {
    let mut forgotten = Forgotten::default();
    let mut after = None;
    loop {
        let keys = store.of_player(player, after.as_ref(), PAGE).await?;
        for key in &keys {
            match forget_record(store, key).await? {
                Fate::Stripped => forgotten.stripped += 1,
                Fate::Removed => forgotten.removed += 1,
                Fate::LeftOpen => forgotten.left_open += 1,
                Fate::Gone => {}
            }
        }
        if keys.len() < PAGE {
            return Ok(forgotten);
        }
        after = keys.last().cloned();
    }
}

enum Fate {
    Stripped,
    Removed,
    LeftOpen,
    Gone,
}

async fn forget_record<S: Retention>(store: &S, key: &RecordKey) -> Result<Fate, StoreError> {
    loop {
        let Some(stored) = store.load(key).await? else {
            return Ok(Fate::Gone);
        };
        let Some(record) = stored.record.without_personal_fields() else {
            return Ok(Fate::LeftOpen);
        };
        if matches!(key.subject(), Subject::Player(_)) {
            if store.remove(key, stored.version).await? {
                return Ok(Fate::Removed);
            }
        } else if let Swapped::Done(_) = store.swap(Some(stored.version), &record).await? {
            return Ok(Fate::Stripped);
        }
    }
}
