//! Lends the writer's connection to the game's code, and keeps hold of the transaction meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::transaction::InTransaction;

/// The writer's connection.
///
/// While it is lent out, statements that would end the transaction, meddle with the store's savepoint or
/// write the store's own tables are refused. Should the transaction end all the same (`INSERT OR
/// ROLLBACK` does that), every further commit is vetoed until the connection is back, so that nothing is
/// half-written.
pub(super) struct Leashed {
    connection: Connection,
    is_lent: Arc<AtomicBool>,
    has_savepoints: Arc<AtomicBool>,
}

/// How the game's code ended.
pub(super) enum Returned<T> {
    With(T),
    Panicked,
    /// The transaction of the whole group is gone.
    TransactionEnded,
}

impl Leashed {
    pub(super) fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let is_lent = Arc::new(AtomicBool::new(false));
        let has_savepoints = Arc::new(AtomicBool::new(false));
        let lent = Arc::clone(&is_lent);
        let savepoints = Arc::clone(&has_savepoints);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if !lent.load(Ordering::Relaxed) {
                return Authorization::Allow;
            }
            if is_forbidden(&context.action) {
                return Authorization::Deny;
            }
            if matches!(context.action, AuthAction::Savepoint { .. }) {
                savepoints.store(true, Ordering::Relaxed);
            }
            Authorization::Allow
        }))?;
        let lent = Arc::clone(&is_lent);
        connection.commit_hook(Some(move || lent.load(Ordering::Relaxed)))?;
        Ok(Self {
            connection,
            is_lent,
            has_savepoints,
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the game's code has ever prepared a statement about savepoints. One that is left open reaches into the
    /// next deliveries, unless each has one of its own around it.
    pub(super) fn has_savepoints(&self) -> bool {
        self.has_savepoints.load(Ordering::Relaxed)
    }

    /// Lends the connection out, inside the group's transaction.
    pub(super) fn lend<T>(&self, work: impl FnOnce(&InTransaction<'_>) -> T) -> Returned<T> {
        self.is_lent.store(true, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| {
            work(&InTransaction::new(&self.connection))
        }));
        self.is_lent.store(false, Ordering::Relaxed);
        if self.connection.is_autocommit() {
            return Returned::TransactionEnded;
        }
        result.map_or(Returned::Panicked, Returned::With)
    }

    /// Begins the group's transaction.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.execute("BEGIN IMMEDIATE -- postback")
    }

    /// Nothing of it happened, and it begins again.
    pub(super) fn begin_again(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("ROLLBACK")?;
        self.begin()
    }

    /// Ends it: all of it is on the disk, or an error says why not.
    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        self.execute("COMMIT -- postback")
    }

    /// What follows can be undone by itself.
    pub(super) fn mark(&self) -> rusqlite::Result<()> {
        self.execute("SAVEPOINT postback_job -- postback")
    }

    /// What came since the mark stays, if the group is committed.
    pub(super) fn keep(&self) -> rusqlite::Result<()> {
        self.execute("RELEASE postback_job -- postback")
    }

    /// Prepared once. The comment sets the store's statements apart: a handler that prepares the bare words by
    /// way of the connection's cache meets the authorizer, not a statement that was prepared while it allowed it.
    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// What came since the mark never happened, whatever savepoints were left open in it.
    pub(super) fn undo(&self) -> rusqlite::Result<()> {
        self.connection
            .execute_batch("ROLLBACK TO postback_job; RELEASE postback_job")
    }
}

fn is_forbidden(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Transaction { .. } => true,
        AuthAction::Savepoint {
            savepoint_name: name,
            ..
        }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Update {
            table_name: name, ..
        }
        | AuthAction::Delete { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::AlterTable {
            table_name: name, ..
        } => is_ours(name),
        _ => false,
    }
}

fn is_ours(name: &str) -> bool {
    const PREFIX: &[u8] = b"postback_";
    name.as_bytes()
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
