//! Settling in one transaction with the wallet.

use std::fmt;
use std::ops::Deref;

use rusqlite::Connection;

use super::SqliteStore;
use super::rows::{Row, RowSwapped};
use crate::decision::Decision;
use crate::guard::Record;
use crate::handler::HandlerError;
use crate::store::{SettleError, StoreError, Version};

/// A connection inside a transaction that somebody else commits.
///
/// It derefs to [`rusqlite::Connection`]: read and write the game's own tables as usual. `BEGIN`,
/// `COMMIT`, `ROLLBACK` and changes to the store's own tables are refused; savepoints of your own are fine (once
/// there are any, each delivery has one of the store's around it, an eighth of the writer's work).
pub struct InTransaction<'a> {
    connection: &'a Connection,
}

impl<'a> InTransaction<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

impl Deref for InTransaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl fmt::Debug for InTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTransaction").finish_non_exhaustive()
    }
}

/// Carries decisions out in the very transaction that settles them.
///
/// What it writes is committed together with the record, or not at all: a crash at any moment leaves either
/// both or neither. It needs no idempotency for that. It may be called more than once for a decision, for
/// instance when another delivery that shares its transaction fails, but what it wrote before was rolled back
/// then; so it must change nothing outside the transaction. It runs on
/// the writer's thread, and all other deliveries wait for it: it should be short, must not wait for the store,
/// and should not call other services. Use a [`Handler`](crate::handler::Handler) for those, which writes an
/// intent down first and may take its time.
///
/// A closure is a handler, too:
///
/// ```
/// use postback::decision::Decision;
/// use postback::handler::HandlerError;
/// use postback::store::sqlite::{InTransaction, SqliteHandler};
///
/// fn wallet() -> impl SqliteHandler {
///     |game: &InTransaction<'_>, decision: &Decision| {
///         if let Decision::Reward(reward) = decision {
///             game.execute(
///                 "INSERT INTO credits (id, player, amount) VALUES (?1, ?2, ?3)",
///                 [reward.id().as_str(), reward.player().as_str(), &reward.amount().to_string()],
///             )?;
///         }
///         Ok::<(), HandlerError>(())
///     }
/// }
/// ```
pub trait SqliteHandler: Send + Sync + 'static {
    /// Carries one decision out.
    ///
    /// # Errors
    /// In both cases, and when it panics, what it wrote is rolled back. [`HandlerError::Failed`] (any error,
    /// by `?`) leaves the decision open, to be repeated. [`HandlerError::Refused`] closes the conversion for
    /// good.
    fn handle(
        &self,
        transaction: &InTransaction<'_>,
        decision: &Decision,
    ) -> Result<(), HandlerError>;
}

impl<F> SqliteHandler for F
where
    F: Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError> + Send + Sync + 'static,
{
    fn handle(
        &self,
        transaction: &InTransaction<'_>,
        decision: &Decision,
    ) -> Result<(), HandlerError> {
        self(transaction, decision)
    }
}

impl SqliteStore {
    /// Settles a record in a transaction of the caller's own, on a connection of the caller's own to the
    /// same file, so that it is committed together with the wallet.
    ///
    /// `expected` and `record` are what [`Steps::settlement`](crate::steps::Steps::settlement) gives. Begin
    /// the transaction as [`Immediate`](rusqlite::TransactionBehavior::Immediate), so that it cannot fail
    /// half-way for want of the lock, and leave `synchronous` at `FULL`, SQLite's default: otherwise a power
    /// cut may undo what the network was told is done.
    ///
    /// ```
    /// # use postback::guard::Record;
    /// use postback::store::sqlite::{SettleError, SqliteStore, rusqlite};
    /// use postback::store::Version;
    /// use rusqlite::{Connection, TransactionBehavior};
    ///
    /// fn pay(
    ///     game: &mut Connection,
    ///     expected: Option<Version>,
    ///     settled: &Record,
    /// ) -> Result<(), Box<dyn std::error::Error>> {
    ///     let transaction = game.transaction_with_behavior(TransactionBehavior::Immediate)?;
    ///     transaction.execute("UPDATE players SET gems = gems + 500 WHERE id = 'player-7'", [])?;
    ///     SqliteStore::settle_in(&transaction, expected, settled)?; // dropped on error: rolled back
    ///     transaction.commit()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SettleError`]; the transaction must then be rolled back.
    pub fn settle_in(
        transaction: &rusqlite::Transaction<'_>,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<(), SettleError> {
        let swapped = Row::new(expected, record)?
            .swap(transaction)
            .map_err(|error| StoreError::Unavailable {
                doing: "settle a record",
                source: Box::new(error),
            })?;
        match swapped {
            RowSwapped::Done => Ok(()),
            RowSwapped::Lost(found) => {
                let current = found.map(|found| found.parse(record.key())).transpose()?;
                Err(SettleError::TakenOver {
                    current: current.map(Box::new),
                })
            }
        }
    }
}
