//! A store that loses everything when the program ends.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use rust_decimal::Decimal;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    DedupStore, KeptCallback, KeptId, MAX_KEPT, Retention, StoreError, Stored, SwapOutcome, Transaction,
    TransactionWork, TransactionalStore, Version,
};
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::guard::Record;
use crate::handler::HandlerError;
use crate::id::{PlayerId, RecordKey};

/// Keeps records in memory. **For tests only**: a restart forgets what was paid and pays it again, and nothing bounds its
/// size.
///
/// It is transactional: its transactions contain a table of balances.
///
/// ```
/// use postback::MemoryStore;
///
/// let receiver = MemoryStore::new().receiver(|tx, decision| {
///     tx.add(decision.player(), decision.balance_change());
///     Ok(())
/// });
/// # let _ = receiver;
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Clone, Default)]
struct Tables {
    records: BTreeMap<RecordKey, Stored>,
    kept: BTreeMap<KeptId, KeptCallback>,
    balances: BTreeMap<PlayerId, Decimal>,
}

/// The handler of a [`MemoryStore`] inside its transaction.
type MemoryHandler = dyn Fn(&mut MemoryTransaction, &Decision) -> Result<(), HandlerError> + Send + Sync;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A player's balance, as handlers changed it inside transactions.
    pub async fn balance(&self, player: &PlayerId) -> Decimal {
        self.tables.lock().await.balances.get(player).copied().unwrap_or_default()
    }

    async fn keys(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
        wanted: impl Fn(&Record) -> bool + Send,
    ) -> Vec<RecordKey> {
        let from = after.map_or(Unbounded, |key| Excluded(key.clone()));
        let tables = self.tables.lock().await;
        let found = tables.records.range((from, Unbounded)).filter(|(_, stored)| wanted(&stored.record));
        found.map(|(key, _)| key.clone()).take(limit).collect()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl DedupStore for MemoryStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.tables.lock().await.records.get(key).cloned())
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let mut tables = self.tables.lock().await;
        let current = tables.records.get(record.key());
        if current.map(|stored| stored.version) != expected {
            return Ok(SwapOutcome::Conflict(current.cloned()));
        }
        let version = Version::after(expected);
        tables.records.insert(record.key().clone(), Stored { version, record: record.clone() });
        Ok(SwapOutcome::Replaced(version))
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.keys(after, limit, Record::is_pending).await)
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        let mut tables = self.tables.lock().await;
        let before = tables.kept.len();
        let is_new = !tables.kept.contains_key(&kept.id);
        tables.kept.entry(kept.id.clone()).or_insert_with(|| kept.clone());
        while tables.kept.len() > MAX_KEPT {
            let first = tables.kept.values().min_by_key(|known| known.received).map(|known| known.id.clone());
            first.and_then(|id| tables.kept.remove(&id));
        }
        Ok((before + usize::from(is_new)).saturating_sub(tables.kept.len()))
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        let from = after.map_or(Unbounded, |id| Excluded(id.clone()));
        let tables = self.tables.lock().await;
        Ok(tables.kept.range((from, Unbounded)).map(|(_, kept)| kept.clone()).take(limit).collect())
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        Ok(self.tables.lock().await.kept.remove(id).is_some())
    }
}

impl Retention for MemoryStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let mut tables = self.tables.lock().await;
        let is_expected = tables.records.get(key).is_some_and(|stored| stored.version == expected);
        Ok(is_expected && tables.records.remove(key).is_some())
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let is_old = |record: &Record| !record.is_pending() && record.last_change() < moment;
        Ok(self.keys(after, limit, is_old).await)
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(self.keys(after, limit, |record| record.lookup_player() == Some(player)).await)
    }
}

/// An open transaction of a [`MemoryStore`].
pub struct MemoryTransaction {
    store: OwnedMutexGuard<Tables>,
    /// Every change so far, with what was there before, to be undone from the last to the first.
    undo: Vec<Undo>,
    savepoint: usize,
}

enum Undo {
    Record(RecordKey, Option<Stored>),
    Balance(PlayerId, Option<Decimal>),
}

impl MemoryTransaction {
    /// Adds an amount to a player's balance.
    pub fn add(&mut self, player: &PlayerId, amount: Decimal) {
        let before = self.store.balances.get(player).copied();
        let after = before.unwrap_or_default().saturating_add(amount);
        self.store.balances.insert(player.clone(), after);
        self.undo.push(Undo::Balance(player.clone(), before));
    }

    /// A player's balance.
    pub fn balance(&self, player: &PlayerId) -> Decimal {
        self.store.balances.get(player).copied().unwrap_or_default()
    }

    fn undo_to(&mut self, savepoint: usize) {
        for change in self.undo.drain(savepoint..).rev() {
            match change {
                Undo::Record(key, Some(stored)) => {
                    self.store.records.insert(key, stored);
                }
                Undo::Record(key, None) => {
                    self.store.records.remove(&key);
                }
                Undo::Balance(player, Some(amount)) => {
                    self.store.balances.insert(player, amount);
                }
                Undo::Balance(player, None) => {
                    self.store.balances.remove(&player);
                }
            }
        }
    }
}

impl fmt::Debug for MemoryTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransaction").finish_non_exhaustive()
    }
}

/// A transaction that was not committed is rolled back.
impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.undo_to(0);
    }
}

impl TransactionalStore for MemoryStore {
    type Handler = MemoryHandler;

    async fn transact<W: TransactionWork>(
        &self,
        _: &RecordKey,
        handler: &Arc<MemoryHandler>,
        work: W,
    ) -> Result<W::Output, StoreError> {
        let store = Arc::clone(&self.tables).lock_owned().await;
        let transaction = MemoryTransaction { store, undo: Vec::new(), savepoint: 0 };
        let mut open = OpenTransaction { transaction, handler: Arc::clone(handler) };
        let output = work.run(&mut open).await?;
        open.transaction.undo.clear();
        Ok(output)
    }
}

struct OpenTransaction {
    transaction: MemoryTransaction,
    handler: Arc<MemoryHandler>,
}

impl Transaction for OpenTransaction {
    async fn load(&mut self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.transaction.store.records.get(key).cloned())
    }

    async fn swap(&mut self, expected: Option<Version>, record: &Record, _: &str) -> Result<SwapOutcome, StoreError> {
        let tables = &mut self.transaction;
        let current = tables.store.records.get(record.key()).cloned();
        if current.as_ref().map(|stored| stored.version) != expected {
            return Ok(SwapOutcome::Conflict(current));
        }
        let version = Version::after(expected);
        tables.store.records.insert(record.key().clone(), Stored { version, record: record.clone() });
        tables.undo.push(Undo::Record(record.key().clone(), current));
        Ok(SwapOutcome::Replaced(version))
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.transaction.savepoint = self.transaction.undo.len();
        Ok(())
    }

    async fn release_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        let savepoint = self.transaction.savepoint;
        self.transaction.undo_to(savepoint);
        Ok(())
    }

    fn handle(&mut self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send {
        std::future::ready((self.handler)(&mut self.transaction, decision))
    }
}
