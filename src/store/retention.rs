//! How long records are kept: forever, unless the operator removes them.
//!
//! A removed record is a reward that can be paid again if its callback is repeated or replayed. Networks reconcile
//! months later; most reversals arrive within 30 days, but any time is possible. So nothing is pruned automatically.

use std::future::Future;

use super::{DedupStore, KeptCallback, StoreError, SwapOutcome, Version};
use crate::clock::Timestamp;
use crate::id::{PlayerId, RecordKey};
use crate::verify::Query;

/// A store from which records can be removed. What to remove is decided by [`prune`] and [`erase_player`].
pub trait Retention: DedupStore {
    /// Removes the record if the stored version is the expected one. Returns whether it did. Compares and removes in
    /// one step.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was removed is unknown.
    fn remove(&self, key: &RecordKey, expected: Version) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The keys of up to `limit` records without a pending decision that have not changed since `moment`
    /// ([`Record::last_change`](super::Record::last_change)), in the order of their text, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer.
    fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;

    /// The keys of up to `limit` records of this player
    /// ([`Record::lookup_player`](super::Record::lookup_player)), in the order of their text, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer.
    fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;
}

/// How many keys or callbacks are listed at a time.
const PAGE: usize = 256;

/// The result of [`prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The number of records removed.
    pub removed: usize,
    /// The number of kept callbacks removed.
    pub unusable: usize,
    /// The number of records that stayed because they cannot be read: repair them, or upgrade.
    pub unreadable: usize,
}

/// Removes every record that has not changed since `older_than`, except those with a pending decision, and every kept
/// callback that arrived before.
///
/// After that, a repetition of such a conversion's callback pays again, and such a kept callback cannot be replayed.
/// Prune only what no network can send any more.
///
/// # Errors
/// [`StoreError`]. What was removed by then stays removed; it is safe to run it again.
pub async fn prune<S: Retention>(store: &S, older_than: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    for kept in all_unusable(store).await?.iter().filter(|kept| kept.received < older_than) {
        pruned.unusable += usize::from(store.remove_unusable(&kept.id).await?);
    }
    let mut after = None;
    loop {
        let keys = store.list_unchanged_since(older_than, after.as_ref(), PAGE).await?;
        for key in &keys {
            // It may have changed since it was listed: the version says what is being removed.
            let stored = match store.load(key).await {
                Ok(Some(stored)) => stored,
                Ok(None) => continue,
                Err(error) if error.is_about_one_record() => {
                    pruned.unreadable += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_old = !stored.record.is_pending() && stored.record.last_change() < older_than;
            if is_old && store.remove(key, stored.version).await? {
                pruned.removed += 1;
            }
        }
        if keys.len() < PAGE {
            return Ok(pruned);
        }
        after = keys.last().cloned();
    }
}

/// The result of [`erase_player`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Erased {
    /// The number of records whose personal data was erased.
    pub redacted: usize,
    /// The number of records about nothing but the player (a ban), which were removed.
    pub removed: usize,
    /// The number of records with a pending decision, which needs the player: erase again once it is delivered.
    pub pending: usize,
    /// The number of kept callbacks with the player's id in a parameter. They may be money, so they stay: replay or
    /// remove them, and erase again.
    pub kept: usize,
    /// The number of records that cannot be read: repair them, or upgrade, and erase again.
    pub unreadable: usize,
}

/// Erases a player: the id, the queries (with addresses and names) and the reasons of network and handler are removed
/// from the player's records. Transactions, amounts and decisions stay, so that nothing is paid twice.
///
/// A later callback brings the id again. A record of another player that mentions this one only in a contradiction
/// keeps that message.
///
/// # Errors
/// [`StoreError`]. What was erased by then stays erased; it is safe to run it again.
pub async fn erase_player<S: Retention>(store: &S, player: &PlayerId) -> Result<Erased, StoreError> {
    let names_player =
        |kept: &&KeptCallback| Query::new(&kept.callback.query).parameters().any(|(_, value)| *player == *value);
    let kept = all_unusable(store).await?.iter().filter(names_player).count();
    let mut erased = Erased { kept, ..Erased::default() };
    let mut after = None;
    loop {
        let keys = store.list_by_player(player, after.as_ref(), PAGE).await?;
        for key in &keys {
            erase_record(store, key, player, &mut erased).await?;
        }
        if keys.len() < PAGE {
            return Ok(erased);
        }
        after = keys.last().cloned();
    }
}

/// Every kept callback: at most [`MAX_KEPT`](super::MAX_KEPT).
pub(crate) async fn all_unusable<S: DedupStore>(store: &S) -> Result<Vec<KeptCallback>, StoreError> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|kept: &KeptCallback| kept.id.clone());
        let page = store.list_unusable(after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn erase_record<S: Retention>(
    store: &S,
    key: &RecordKey,
    player: &PlayerId,
    erased: &mut Erased,
) -> Result<(), StoreError> {
    loop {
        let stored = match store.load(key).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(()),
            Err(error) if error.is_about_one_record() => {
                erased.unreadable += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // It may be another player's since it was listed: a contradiction came first, then the player whose it is.
        if stored.record.lookup_player() != Some(player) {
            return Ok(());
        }
        let Some(record) = stored.record.erased() else {
            erased.pending += 1;
            return Ok(());
        };
        if key.is_player() {
            if store.remove(key, stored.version).await? {
                erased.removed += 1;
                return Ok(());
            }
        } else if let SwapOutcome::Replaced(_) = store.swap(Some(stored.version), &record).await? {
            erased.redacted += 1;
            return Ok(());
        }
    }
}
