//! Stores whose transactions can include the handler's own work.

use std::future::Future;
use std::sync::Arc;

use super::{DedupStore, StoreError, Stored, SwapOutcome, Version};
use crate::decision::Decision;
use crate::guard::Record;
use crate::handler::HandlerError;
use crate::id::RecordKey;

/// A store that can run the handler inside its own transaction, so that the player's balance and the record commit
/// together or not at all.
///
/// An implementation opens a transaction, runs the work with it, and commits. The library decides what happens in
/// between, the same way for every store.
///
/// # A complete store
///
/// Over tables in memory: a transaction works on a copy of them, and committing replaces them. A store over a database
/// has the same shape. It is complete because it passes the conformance suite (`testing::conformance`).
///
/// ```
/// use std::collections::BTreeMap;
/// use std::ops::Bound::{Excluded, Unbounded};
/// use std::sync::Arc;
///
/// use postback::store::{
///     DedupStore, KeptCallback, KeptId, MAX_KEPT, Record, StoreError, Stored, SwapOutcome, Transaction,
///     TransactionWork, TransactionalStore, Version, json,
/// };
/// use postback::{Decimal, Decision, HandlerError, InTransaction, PlayerId, Receiver, RecordKey};
///
/// #[derive(Clone, Default)]
/// struct Tables {
///     records: BTreeMap<RecordKey, Row>,
///     unusable: BTreeMap<KeptId, KeptCallback>,
///     gems: BTreeMap<PlayerId, Decimal>,
/// }
///
/// #[derive(Clone)]
/// struct Row {
///     version: u64,
///     json: String,
///     is_pending: bool,
/// }
///
/// impl Tables {
///     fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
///         let row = self.records.get(key);
///         row.map(|row| json::read(key, row.version, row.json.as_bytes())).transpose()
///     }
///
///     fn swap(&mut self, expected: Option<Version>, record: &Record, json: &str) -> Result<SwapOutcome, StoreError> {
///         let current = self.load(record.key())?;
///         if current.as_ref().map(|stored| stored.version) != expected {
///             return Ok(SwapOutcome::Conflict(current));
///         }
///         let version = Version::after(expected);
///         let (json, is_pending) = (json.to_owned(), record.is_pending());
///         self.records.insert(record.key().clone(), Row { version: version.number(), json, is_pending });
///         Ok(SwapOutcome::Replaced(version))
///     }
/// }
///
/// #[derive(Clone, Default)]
/// struct TableStore(Arc<tokio::sync::Mutex<Tables>>);
///
/// impl DedupStore for TableStore {
///     async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
///         self.0.lock().await.load(key)
///     }
///
///     async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
///         self.0.lock().await.swap(expected, record, &json::write(record)?)
///     }
///
///     async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
///         let (tables, from) = (self.0.lock().await, after.map_or(Unbounded, Excluded));
///         let pending = tables.records.range::<RecordKey, _>((from, Unbounded)).filter(|(_, row)| row.is_pending);
///         Ok(pending.map(|(key, _)| key.clone()).take(limit).collect())
///     }
///
///     async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
///         let unusable = &mut self.0.lock().await.unusable;
///         unusable.entry(kept.id.clone()).or_insert_with(|| kept.clone());
///         let before = unusable.len();
///         while unusable.len() > MAX_KEPT {
///             let first = unusable.values().min_by_key(|known| known.received).map(|known| known.id.clone());
///             first.and_then(|id| unusable.remove(&id));
///         }
///         Ok(before - unusable.len())
///     }
///
///     async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
///         let (tables, from) = (self.0.lock().await, after.map_or(Unbounded, Excluded));
///         let found = tables.unusable.range::<KeptId, _>((from, Unbounded));
///         Ok(found.map(|(_, kept)| kept.clone()).take(limit).collect())
///     }
///
///     async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
///         Ok(self.0.lock().await.unusable.remove(id).is_some())
///     }
/// }
///
/// type Wallet = dyn Fn(&mut Tables, &Decision) -> Result<(), HandlerError> + Send + Sync;
///
/// impl TransactionalStore for TableStore {
///     type Handler = Wallet;
///
///     async fn transact<W: TransactionWork>(
///         &self,
///         _: &RecordKey,
///         handler: &Arc<Wallet>,
///         work: W,
///     ) -> Result<W::Output, StoreError> {
///         let mut committed = self.0.lock().await;
///         let (tables, savepoint) = (committed.clone(), committed.clone());
///         let mut transaction = TableTransaction { tables, savepoint, handler: Arc::clone(handler) };
///         let output = work.run(&mut transaction).await?;
///         *committed = transaction.tables;
///         Ok(output)
///     }
/// }
///
/// struct TableTransaction {
///     tables: Tables,
///     savepoint: Tables,
///     handler: Arc<Wallet>,
/// }
///
/// impl Transaction for TableTransaction {
///     async fn load(&mut self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
///         self.tables.load(key)
///     }
///
///     async fn swap(
///         &mut self,
///         expected: Option<Version>,
///         record: &Record,
///         json: &str,
///     ) -> Result<SwapOutcome, StoreError> {
///         self.tables.swap(expected, record, json)
///     }
///
///     async fn savepoint(&mut self) -> Result<(), StoreError> {
///         self.savepoint = self.tables.clone();
///         Ok(())
///     }
///
///     async fn release_savepoint(&mut self) -> Result<(), StoreError> {
///         Ok(())
///     }
///
///     async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
///         self.tables = self.savepoint.clone();
///         Ok(())
///     }
///
///     async fn handle(&mut self, decision: &Decision) -> Result<(), HandlerError> {
///         (self.handler)(&mut self.tables, decision)
///     }
/// }
///
/// impl TableStore {
///     /// The closure's types are inferred from these bounds.
///     fn receiver(
///         &self,
///         handler: impl Fn(&mut Tables, &Decision) -> Result<(), HandlerError> + Send + Sync + 'static,
///     ) -> Receiver<Self, InTransaction<Self>> {
///         Receiver::in_transaction(self.clone(), Arc::new(handler))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # #[cfg(feature = "testing")] {
/// use postback::testing::conformance;
///
/// conformance::plain(async || TableStore::default()).await;
/// conformance::transactional(
///     async || TableStore::default(),
///     |store, script| {
///         store.receiver(move |tables, decision| {
///             *tables.gems.entry(decision.player().clone()).or_default() += decision.balance_change();
///             script.end()
///         })
///     },
///     async |store, player| store.0.lock().await.gems.get(player).copied().unwrap_or_default(),
/// )
/// .await;
/// # }
/// # }
/// ```
pub trait TransactionalStore: DedupStore {
    /// The handler in the store's own terms, such as
    /// `dyn Fn(&Transaction, &Decision) -> Result<(), HandlerError> + Send + Sync`.
    type Handler: ?Sized + Send + Sync + 'static;

    /// Runs the work in one transaction and commits if it returns `Ok`; otherwise rolls back and returns its error.
    /// It may run the work again after a rollback, for example after a serialization failure.
    ///
    /// # Errors
    /// [`StoreError`] of the work, of the store, or of the commit. After a failed commit it is unknown whether the
    /// transaction took effect.
    fn transact<W: TransactionWork>(
        &self,
        key: &RecordKey,
        handler: &Arc<Self::Handler>,
        work: W,
    ) -> impl Future<Output = Result<W::Output, StoreError>> + Send;
}

/// What the library does inside a transaction.
pub trait TransactionWork: Send + Sync + 'static {
    /// Its result.
    type Output: Send + 'static;

    /// Does the work. In a store whose operations never wait, the future is ready when it is first polled.
    ///
    /// # Errors
    /// [`StoreError`] of the transaction: it must be rolled back.
    fn run<T: Transaction>(&self, transaction: &mut T)
    -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// An open transaction of a store, with the handler.
pub trait Transaction: Send {
    /// As [`DedupStore::load`], inside the transaction.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back, except after [`StoreError::Unreadable`].
    fn load(&mut self, key: &RecordKey) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// As [`DedupStore::swap`], inside the transaction. `json` is the record as [`json::write`](super::json::write)
    /// writes it.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back.
    fn swap(
        &mut self,
        expected: Option<Version>,
        record: &Record,
        json: &str,
    ) -> impl Future<Output = Result<SwapOutcome, StoreError>> + Send;

    /// Sets a savepoint. Savepoints do not nest.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back.
    fn savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what was done since the savepoint.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back.
    fn release_savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Undoes what was done since the savepoint.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back.
    fn rollback_to_savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets the handler carry out a decision. A store whose handlers can wait bounds their time.
    ///
    /// # Errors
    /// [`HandlerError`] of the handler.
    fn handle(&mut self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send;
}
