//! The game's side, inside the store's transaction.

use std::future::Future;

use sqlx::PgConnection;

use crate::decision::Decision;
use crate::handler::HandlerError;

/// Carries decisions out in the very transaction that settles them.
///
/// What it writes is committed together with the record, or not at all: a crash at any moment leaves either
/// both or neither. It needs no idempotency for that. It may be called more than once for a decision, but
/// what it wrote before was rolled back then; so it must change nothing outside the transaction.
///
/// It is given a connection inside a transaction that somebody else commits. Savepoints of its own (sqlx's
/// `begin` on it) are fine. It must not end the transaction: a raw `COMMIT` or `ROLLBACK` is found out and
/// answered as a failure. Deferred constraints are checked when it returns.
///
/// It should be short: the conversion is locked and a connection taken meanwhile. Use a
/// [`Handler`](crate::handler::Handler) for what calls other services; that writes an intent down first and may
/// take its time.
///
/// ```
/// use postback::decision::Decision;
/// use postback::handler::HandlerError;
/// use postback::store::postgres::PostgresHandler;
/// use postback::store::postgres::sqlx::{self, PgConnection};
///
/// struct Wallet;
///
/// impl PostgresHandler for Wallet {
///     async fn handle(&self, game: &mut PgConnection, decision: &Decision) -> Result<(), HandlerError> {
///         // Above zero for a reward, below for a reversal, otherwise zero.
///         let change = decision.balance_change();
///         let changed = sqlx::query("UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1")
///             .bind(decision.player().as_str())
///             .bind(change.to_string())
///             .execute(game)
///             .await?;
///         if changed.rows_affected() == 0 {
///             return Err(HandlerError::refused("no such player"));
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait PostgresHandler: Send + Sync + 'static {
    /// Carries one decision out.
    ///
    /// # Errors
    /// In both cases, and when it panics or takes too long, what it wrote is rolled back.
    /// [`HandlerError::Failed`] (any error, by `?`) leaves the decision open, to be repeated.
    /// [`HandlerError::Refused`] closes the conversion for good.
    fn handle(
        &self,
        transaction: &mut PgConnection,
        decision: &Decision,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}
