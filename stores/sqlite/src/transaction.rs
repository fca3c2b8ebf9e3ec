//! The writer's connection, and the handler's code on it.

use std::fmt;
use std::future::{Future, ready};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use postback::store::{Record, Stored, SwapOutcome, Transaction, TransactionWork, Version};
use postback::{Decision, HandlerError, RecordKey, StoreError};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::error::{roll_back, unavailable};
use crate::rows::{self, RowSwap};

/// A handler that runs inside the store's transaction. A closure is one: see
/// [`SqliteStore::receiver`](crate::SqliteStore::receiver).
pub type SqliteHandler = dyn Fn(&SqliteTransaction<'_>, &Decision) -> Result<(), HandlerError> + Send + Sync;

/// A connection inside the transaction that settles a decision.
///
/// It dereferences to [`rusqlite::Connection`]: read and write the game's tables as usual. What would break the
/// transaction that other deliveries share is denied ("not authorized"): `BEGIN`, `COMMIT`, `ROLLBACK`, `ATTACH`,
/// pragmas that change something (except `defer_foreign_keys`), and changes to tables whose names begin with `postback_`.
/// Savepoints are allowed.
pub struct SqliteTransaction<'a> {
    connection: &'a Connection,
}

impl Deref for SqliteTransaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl fmt::Debug for SqliteTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTransaction").finish_non_exhaustive()
    }
}

/// The connection that writes. While user code runs on it, an authorizer denies what would end the transaction. A
/// statement can end it all the same (`INSERT OR ROLLBACK`); then every commit is vetoed until user code returns, so that
/// nothing is half-written.
pub(crate) struct WriteConnection {
    connection: Connection,
    guard: Arc<Guard>,
    savepoint: Savepoint,
    /// The error that handlers return instead of being called.
    refusal: Option<String>,
}

/// The statements for the savepoint of a delivery. Its name is random: these statements are in the connection's cache,
/// which user code shares, and which does not ask the authorizer again.
struct Savepoint {
    set: String,
    release: String,
    roll_back: String,
}

impl Savepoint {
    fn new() -> Self {
        let name = format!("postback_{:016x}", RandomState::new().hash_one(()));
        Self {
            set: format!("SAVEPOINT {name}"),
            release: format!("RELEASE {name}"),
            roll_back: format!("ROLLBACK TO {name}"),
        }
    }
}

#[derive(Default)]
struct Guard {
    runs_user_code: AtomicBool,
    /// User code ended the transaction.
    was_ended: AtomicBool,
}

impl WriteConnection {
    pub(crate) fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let guard = Arc::new(Guard::default());
        let state = Arc::clone(&guard);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if state.runs_user_code.load(Ordering::Relaxed) && is_denied(&context.action) {
                Authorization::Deny
            } else {
                Authorization::Allow
            }
        }))?;
        let state = Arc::clone(&guard);
        connection.commit_hook(Some(move || state.runs_user_code.load(Ordering::Relaxed)))?;
        let state = Arc::clone(&guard);
        connection.rollback_hook(Some(move || {
            if state.runs_user_code.load(Ordering::Relaxed) {
                state.was_ended.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(Self { connection, guard, savepoint: Savepoint::new(), refusal: None })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, with the write-ahead log moved into the file unless others use it.
    pub(crate) fn into_connection(self) -> Connection {
        let checkpoint = || {
            // Closing must not wait for others who read.
            self.connection.busy_timeout(Duration::ZERO)?;
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        if let Err(error) = checkpoint() {
            tracing::warn!(target: "postback::store", %error, "SQLite could not move its log into the file");
        }
        self.connection
    }

    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.guard.was_ended.store(false, Ordering::Relaxed);
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }

    /// Rolls back, if a transaction is open.
    pub(crate) fn roll_back(&self) {
        roll_back(&self.connection);
    }

    /// Whether the transaction is gone because user code ended it.
    pub(crate) fn was_ended(&self) -> bool {
        self.guard.was_ended.load(Ordering::Relaxed)
    }

    /// Makes handlers fail with this error instead of calling them, or calls them again.
    pub(crate) fn set_refusal(&mut self, refusal: Option<String>) {
        self.refusal = refusal;
    }

    /// Does the library's work inside the open transaction.
    pub(crate) fn run<W: TransactionWork>(
        &mut self,
        handler: &SqliteHandler,
        work: &W,
    ) -> Result<W::Output, StoreError> {
        let mut transaction = OpenTransaction { db: self, handler };
        let future = pin!(work.run(&mut transaction));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(StoreError::Unavailable {
                operation: "run a transaction",
                hint: "inside a SQLite transaction, nothing can be awaited but its own operations",
                source: "the work waits for something else".into(),
            }),
        }
    }

    fn call(&self, handler: &SqliteHandler, decision: &Decision) -> Result<(), HandlerError> {
        if let Some(refusal) = &self.refusal {
            return Err(HandlerError::failed(refusal.clone()));
        }
        let transaction = SqliteTransaction { connection: &self.connection };
        self.guard.runs_user_code.store(true, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| handler(&transaction, decision)));
        self.guard.runs_user_code.store(false, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The open transaction, as the library's driver sees it. Nothing in it waits.
struct OpenTransaction<'a> {
    db: &'a mut WriteConnection,
    handler: &'a SqliteHandler,
}

impl OpenTransaction<'_> {
    fn execute(&self, operation: &'static str, statement: impl Fn(&Savepoint) -> &str) -> Result<(), StoreError> {
        let WriteConnection { connection, savepoint, .. } = &*self.db;
        let execute = || connection.prepare_cached(statement(savepoint))?.execute([]);
        execute().map(drop).map_err(|error| unavailable(operation, error))
    }
}

impl Transaction for OpenTransaction<'_> {
    async fn load(&mut self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let row = rows::load(&self.db.connection, key).map_err(|error| unavailable("load a record", error))?;
        row.map(|row| row.parse(key)).transpose()
    }

    async fn swap(
        &mut self,
        expected: Option<Version>,
        record: &Record,
        json: &str,
    ) -> Result<SwapOutcome, StoreError> {
        let swapped = rows::swap(&self.db.connection, expected, record, json)
            .map_err(|error| unavailable("store a record", error))?;
        swap_outcome(swapped, expected, record.key())
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.execute("set a savepoint", |savepoint| &savepoint.set)
    }

    async fn release_savepoint(&mut self) -> Result<(), StoreError> {
        self.execute("release a savepoint", |savepoint| &savepoint.release)
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        let operation = "roll back to a savepoint";
        self.execute(operation, |savepoint| &savepoint.roll_back)?;
        self.execute(operation, |savepoint| &savepoint.release)
    }

    fn handle(&mut self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send {
        ready(self.db.call(self.handler, decision))
    }
}

/// Turns the outcome of a swap of rows into that of a swap of records.
pub(crate) fn swap_outcome(
    swapped: RowSwap,
    expected: Option<Version>,
    key: &RecordKey,
) -> Result<SwapOutcome, StoreError> {
    Ok(match swapped {
        RowSwap::Replaced => SwapOutcome::Replaced(Version::after(expected)),
        RowSwap::Conflict(row) => SwapOutcome::Conflict(row.map(|row| row.parse(key)).transpose()?),
    })
}

/// What user code may not do: end the transaction, reach other files, change the connection or the store's tables.
fn is_denied(action: &AuthAction<'_>) -> bool {
    use AuthAction as A;
    match *action {
        A::Transaction { .. } | A::Attach { .. } | A::Detach { .. } | A::Unknown { .. } => true,
        A::Pragma { pragma_name: name, pragma_value: value } => value.is_some() && !is_harmless_pragma(name),
        #[rustfmt::skip]
        A::Insert { table_name: name }
        | A::Update { table_name: name, .. }
        | A::Delete { table_name: name }
        | A::CreateTable { table_name: name }
        | A::CreateTempTable { table_name: name }
        | A::CreateVtable { table_name: name, .. }
        | A::AlterTable { table_name: name, .. }
        | A::DropTable { table_name: name }
        | A::CreateView { view_name: name }
        | A::CreateTempView { view_name: name }
        | A::DropView { view_name: name }
        | A::CreateIndex { table_name: name, .. }
        | A::DropIndex { table_name: name, .. }
        | A::CreateTrigger { table_name: name, .. }
        | A::CreateTempTrigger { table_name: name, .. }
        | A::Savepoint { savepoint_name: name, .. } => is_ours(name),
        _ => false,
    }
}

/// Pragmas that take a value and change nothing beyond the transaction.
fn is_harmless_pragma(name: &str) -> bool {
    const HARMLESS: [&str; 9] = [
        "defer_foreign_keys",
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    ];
    HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
}

fn is_ours(name: &str) -> bool {
    const PREFIX: &[u8] = b"postback_";
    name.as_bytes().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
