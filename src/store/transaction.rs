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
    fn run<T: Transaction>(
        &self,
        transaction: &mut T,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// An open transaction of a store, with the handler.
pub trait Transaction: Send {
    /// As [`DedupStore::load`], inside the transaction.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back, except after [`StoreError::Unreadable`].
    fn load(
        &mut self,
        key: &RecordKey,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// As [`DedupStore::swap`], inside the transaction.
    ///
    /// # Errors
    /// [`StoreError`]: the transaction must be rolled back.
    fn swap(
        &mut self,
        expected: Option<Version>,
        record: &Record,
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
    fn handle(
        &mut self,
        decision: &Decision,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}
