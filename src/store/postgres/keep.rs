//! What a handler wrote is kept; and committed in the same message, where that is all.

use std::future::poll_fn;

use sqlx::{AssertSqlSafe, Either, PgConnection, Row};

use super::session::{Begun, SLACK};
use super::{PostgresStore, failure};
use crate::steps::Receipt;
use crate::store::StoreError;

/// What is deferred is checked here, where its failure can be told from the store's and be undone alone.
const KEEP: &str = "SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT postback_decision";

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Followed by the next `BEGIN`: for sqlx, which counts a transaction as ended only when it has sent a message of its
/// own for that, it is this one that goes on.
const COMMIT: &str = "COMMIT";

/// So many commands, and it is kept.
const KEPT: usize = 2;
/// So many, and it is committed.
const COMMITTED: usize = 3;

pub(super) enum Kept {
    /// The transaction goes on.
    Open,
    /// And so much was begun.
    Committed(Receipt, Begun),
    /// It is committed, but then the connection failed.
    Cut(Receipt),
    /// The savepoint is there still, unless the handler has ended the transaction.
    Not(sqlx::Error),
    /// Nobody knows.
    Unknown(StoreError),
}

/// Releases the savepoint. Where the receipt is known already, commits, and begins the next transaction: by this
/// opening, if there is one.
pub(super) async fn keep(
    store: &PostgresStore,
    connection: &mut PgConnection,
    receipt: Option<Receipt>,
    opening: Option<&str>,
) -> Kept {
    let (doing, commands) = match (&receipt, opening) {
        (Some(_), Some(opening)) => ("commit", format!("{KEEP}; {COMMIT}; {BEGIN}; {opening}")),
        (Some(_), None) => ("commit", format!("{KEEP}; {COMMIT}; {BEGIN}")),
        (None, _) => ("release a savepoint", KEEP.to_owned()),
    };
    let limit = store.options().timeout.saturating_add(SLACK);
    let (mut done, mut begun) = (0, Begun::Empty);
    let ended = {
        let commands = sqlx::raw_sql(AssertSqlSafe(commands));
        let mut answers = commands.fetch_many(connection);
        let work = async {
            while let Some(answer) = poll_fn(|context| answers.as_mut().poll_next(context)).await {
                match answer? {
                    // One for each command that is done.
                    Either::Left(_) => done += 1,
                    Either::Right(row) => {
                        let is_locked = row.try_get("is_locked")?;
                        begun = Begun::Opened { is_locked };
                    }
                }
            }
            Ok(())
        };
        tokio::time::timeout(limit, work).await
    };
    match (ended, receipt) {
        (Ok(Ok(())), None) => Kept::Open,
        (Ok(Ok(())), Some(receipt)) => Kept::Committed(receipt, begun),
        (_, Some(receipt)) if done >= COMMITTED => Kept::Cut(receipt),
        (Ok(Err(error)), _) if done < KEPT => Kept::Not(error),
        (Ok(Err(error)), _) => Kept::Unknown(store.failed(doing, error)),
        (Err(_), _) => Kept::Unknown(failure::too_slow(doing, limit)),
    }
}
