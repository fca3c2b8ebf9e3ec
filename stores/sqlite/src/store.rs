//! The store: queues in front of its three connections.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use postback::store::{KeptCallback, KeptId, Record, Retention, Stored, SwapOutcome, TransactionWork, Version, json};
use postback::{
    Decision, DedupStore, HandlerError, InTransaction, PlayerId, Receiver, RecordKey, StoreError, Timestamp,
    TransactionalStore,
};
use rusqlite::{Connection, Params};
use tokio::sync::watch;
use tracing::Span;

use crate::error::{no_reply, open_failed, roll_back, unavailable};
use crate::rows;
use crate::sync::mpsc::{self, SyncSender, TrySendError};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{RwLock, oneshot, timeout};
use crate::transaction::{SqliteHandler, SqliteTransaction, WriteConnection, swap_outcome};
use crate::writer::{Task, Work, Writer};

/// Keeps records in one SQLite file. Cheap to clone; clones share the connections.
///
/// It is used inside a tokio runtime with its timer enabled. When the last clone is dropped, what is queued is still
/// done, in the background; [`close`](Self::close) waits for that.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    location: String,
    timeout: Duration,
    /// `None`: closed.
    queues: RwLock<Option<Queues>>,
    /// The sender is dropped after the last connection was closed.
    closed: watch::Receiver<()>,
}

/// One for each connection, so that a load waits neither for the writer nor for a long listing.
struct Queues {
    /// `None`: opened read-only.
    write: Option<SyncSender<Box<dyn Task>>>,
    load: SyncSender<Query>,
    list: SyncSender<Query>,
}

/// What a connection is asked to read. It replies by itself.
type Query = Box<dyn FnOnce(&Connection) + Send>;

/// What callers may ask of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a caller waits.
    pub(crate) timeout: Duration,
    /// How many operations wait for each thread.
    pub(crate) queue: usize,
}

/// The connections of a store.
pub(crate) struct Connections {
    /// `None`: opened read-only.
    pub(crate) writer: Option<Connection>,
    pub(crate) loading: Connection,
    pub(crate) listing: Connection,
}

impl SqliteStore {
    /// A receiver whose handler runs inside the transaction that settles its decision: what it writes and the record are
    /// committed together, or not at all, so it needs no idempotency.
    ///
    /// If the handler fails, declines or panics, what it wrote is rolled back. It is called once for a decision, unless
    /// its transaction is rolled back: by a crash, a failing disk, or another handler that ends the transaction it
    /// shares (`INSERT OR ROLLBACK`). So it must change nothing outside the transaction.
    ///
    /// It runs on the thread that writes, and every other delivery waits for it meanwhile: keep it short, do not call
    /// other services, and do not wait for the store.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("game.db");
    /// use postback::{Action, HandlerError};
    /// use postback_sqlite::SqliteStore;
    ///
    /// let receiver = SqliteStore::open(path)?.receiver(|tx, decision| {
    ///     if let Action::Reward(reward) = decision.action() {
    ///         let rows = tx.execute(
    ///             "UPDATE players SET gems = gems + ?2 WHERE id = ?1",
    ///             (decision.player().as_str(), reward.amount().to_string()),
    ///         )?;
    ///         if rows == 0 {
    ///             return Err(HandlerError::declined("no such player"));
    ///         }
    ///     }
    ///     Ok(())
    /// });
    /// # let _ = receiver;
    /// # Ok(())
    /// # }
    /// ```
    pub fn receiver(
        &self,
        handler: impl Fn(&SqliteTransaction<'_>, &Decision) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Receiver<Self, InTransaction<Self>> {
        Receiver::in_transaction(self.clone(), Arc::new(handler))
    }

    /// Closes the store for all clones: carries out what is queued, moves the write-ahead log into the file, and closes
    /// it. If no other process has the file open, it is a single file afterwards.
    ///
    /// Every later operation is [`StoreError::Closed`]. Waits for a handler that is running, however long that takes.
    pub async fn close(&self) {
        let queues = self.shared.queues.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(queues);
        let mut closed = self.shared.closed.clone();
        while closed.changed().await.is_ok() {}
    }

    pub(crate) fn start(path: &Path, connections: Connections, limits: Limits) -> Result<Self, StoreError> {
        let Connections { writer, loading, listing } = connections;
        let failed = |error| open_failed(path, "the system cannot start another thread", error);
        let (sender, closed) = watch::channel(());
        let sender = Arc::new(sender);

        // Each thread closes its connection after the one before it. The last to close moves the log into the file; if
        // two close at the same time, neither does.
        let (list, listings) = mpsc::sync_channel(limits.queue);
        let serve = move || serve_queries(listing, &listings);
        let previous = spawn("postback-list", None, &sender, serve).map_err(failed)?;
        let (load, loads) = mpsc::sync_channel(limits.queue);
        let serve = move || serve_queries(loading, &loads);
        let previous = spawn("postback-load", Some(previous), &sender, serve).map_err(failed)?;
        let mut write = None;
        if let Some(connection) = writer {
            let db = WriteConnection::new(connection)
                .map_err(|error| open_failed(path, "SQLite reported an error", error))?;
            let (tasks, queue) = mpsc::sync_channel(limits.queue);
            let serve = move || Writer { db, queue }.run();
            spawn("postback-write", Some(previous), &sender, serve).map_err(failed)?;
            write = Some(tasks);
        }
        let queues = RwLock::new(Some(Queues { write, load, list }));
        let location = path.display().to_string();
        let timeout = limits.timeout;
        let shared = Shared { location, timeout, queues, closed };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has the writer do some work, which may be done again after a rollback.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnMut(&mut WriteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(|queues| match &queues.write {
            Some(queue) => send(queue, Box::new(Work::new(work, reply))),
            None => Err(StoreError::Unavailable {
                operation,
                hint: "open it with SqliteBuilder::open to change something",
                source: "the store was opened read-only".into(),
            }),
        })?;
        self.answer(operation, answer).await
    }

    /// The same for a single statement.
    async fn execute<T: Send + 'static>(
        &self,
        operation: &'static str,
        statement: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work =
            move |db: &mut WriteConnection| statement(db.connection()).map_err(|error| unavailable(operation, error));
        self.write(operation, work).await
    }

    /// Lists something. It may take long, so there is no time limit.
    async fn list<T: Send + 'static>(
        &self,
        operation: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(|queues| send(&queues.list, reply_with(operation, query, reply)))?;
        answer.await.unwrap_or_else(|_| Err(no_reply(operation)))
    }

    async fn list_keys(
        &self,
        operation: &'static str,
        select: &'static str,
        params: impl Params + Send + 'static,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.list(operation, move |db| rows::list_keys(db, select, params, limit)).await
    }

    fn submit(&self, submit: impl FnOnce(&Queues) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let queues = self.shared.queues.read().unwrap_or_else(PoisonError::into_inner);
        submit(queues.as_ref().ok_or(StoreError::Closed)?)
    }

    async fn answer<T>(
        &self,
        operation: &'static str,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.shared.timeout, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(no_reply(operation))),
            Err(_) => Err(StoreError::Overloaded),
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("location", &self.shared.location).finish_non_exhaustive()
    }
}

impl DedupStore for SqliteStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let operation = "load a record";
        let wanted = key.clone();
        let query = move |db: &Connection| rows::load(db, &wanted);
        let (reply, answer) = oneshot::channel();
        self.submit(|queues| send(&queues.load, reply_with(operation, query, reply)))?;
        let row = self.answer(operation, answer).await?;
        row.map(|row| row.parse(key)).transpose()
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let (row, json) = (record.clone(), json::write(record)?);
        let statement = move |db: &Connection| rows::swap(db, expected, &row, &json);
        let swapped = self.execute("store a record", statement).await?;
        swap_outcome(swapped, expected, record.key())
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let params = (text(after),);
        self.list_keys("list pending records", rows::PENDING, params, limit).await
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        let operation = "keep a callback";
        let json = serde_json::to_string(kept).map_err(|error| StoreError::Unavailable {
            operation,
            hint: "report this error",
            source: error.into(),
        })?;
        let kept = kept.clone();
        let statement = move |db: &Connection| rows::keep_unusable(db, &kept, &json);
        self.execute(operation, statement).await
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let query = move |db: &Connection| rows::list_unusable(db, &after, limit);
        self.list("list kept callbacks", query).await
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        let id = id.clone();
        let statement = move |db: &Connection| rows::remove_unusable(db, &id);
        self.execute("remove a kept callback", statement).await
    }
}

impl Retention for SqliteStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let key = key.clone();
        let statement = move |db: &Connection| rows::remove(db, &key, expected);
        self.execute("remove a record", statement).await
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let params = (text(after), rows::millis(moment));
        self.list_keys("list old records", rows::UNCHANGED, params, limit).await
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let params = (text(after), player.to_string());
        self.list_keys("list a player's records", rows::BY_PLAYER, params, limit).await
    }
}

impl TransactionalStore for SqliteStore {
    type Handler = SqliteHandler;

    async fn transact<W: TransactionWork>(
        &self,
        _: &RecordKey,
        handler: &Arc<SqliteHandler>,
        work: W,
    ) -> Result<W::Output, StoreError> {
        let handler = Arc::clone(handler);
        // What the handler logs belongs to the callback.
        let span = Span::current();
        let work = move |db: &mut WriteConnection| span.in_scope(|| db.run(&*handler, &work));
        self.write("run a transaction", work).await
    }
}

/// The text of a key to list after. No key is empty.
fn text(after: Option<&RecordKey>) -> String {
    after.map(ToString::to_string).unwrap_or_default()
}

fn send<T>(queue: &SyncSender<T>, item: T) -> Result<(), StoreError> {
    queue.try_send(item).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Overloaded,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}

fn reply_with<T: Send + 'static>(
    operation: &'static str,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    reply: oneshot::Sender<Result<T, StoreError>>,
) -> Query {
    Box::new(move |db| {
        let result = query(db).map_err(|error| unavailable(operation, error));
        // The caller may have gone.
        let _ = reply.send(result);
    })
}

/// Serves a queue until it is closed and empty.
fn serve_queries(connection: Connection, queue: &mpsc::Receiver<Query>) -> Connection {
    while let Ok(query) = queue.recv() {
        // After a panic the caller finds that its reply was dropped, and the next are served.
        let _ = catch_unwind(AssertUnwindSafe(|| query(&connection)));
        roll_back(&connection);
    }
    connection
}

/// Starts a thread that serves a connection, and closes it after the previous thread has closed its own.
fn spawn(
    name: &str,
    previous: Option<JoinHandle<()>>,
    closed: &Arc<watch::Sender<()>>,
    serve: impl FnOnce() -> Connection + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let closed = Arc::clone(closed);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let connection = serve();
        if let Some(previous) = previous {
            let _ = previous.join();
        }
        if let Err((_, error)) = connection.close() {
            tracing::error!(target: "postback::store", %error, "SQLite could not close the file");
        }
        drop(closed);
    })
}
