//! A game with a wallet in the store's file, and callbacks for it.

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use postback::store::{Record, RecordStatus, Stored};
use postback::{
    Decision, DedupStore, Event, HandlerError, InTransaction, Receipt, ReceiveError, Receiver, Recovery,
    RecoverySummary, Verified,
};
use postback_sqlite::rusqlite::Connection;
use postback_sqlite::{SqliteBuilder, SqliteStore, SqliteTransaction};
pub(crate) use postback_test_servers::events::{completed, is_settled, key};
pub(crate) use postback_test_servers::{PATIENCE, chain, eventually};

pub(crate) type GameReceiver = Receiver<SqliteStore, InTransaction<SqliteStore>>;
pub(crate) type Received = Result<Receipt, ReceiveError>;

/// A directory with the game's database.
pub(crate) struct Game {
    directory: tempfile::TempDir,
}

impl Game {
    /// A game with a wallet.
    pub(crate) fn new() -> Self {
        let game = Self::without_file();
        game.connect().execute_batch("CREATE TABLE credits (id TEXT, player TEXT, amount TEXT)").unwrap();
        game
    }

    /// A game with a wallet, its store, and a receiver that pays into the wallet.
    pub(crate) fn start() -> (Self, SqliteStore, GameReceiver) {
        let game = Self::new();
        let store = game.open();
        let receiver = paying(&store);
        (game, store, receiver)
    }

    pub(crate) fn without_file() -> Self {
        Self { directory: postback_test_servers::directory() }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory().join("game.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.file()).unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// The sum of all credits, and how many there are.
    pub(crate) fn wallet(&self) -> (i64, i64) {
        let select = "SELECT coalesce(sum(amount), 0), count(*) FROM credits";
        self.connect().query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    /// The names of the files beside the database, and its own.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Gives up on locks quickly.
pub(crate) fn impatient() -> SqliteBuilder {
    SqliteStore::builder().busy_timeout(Duration::from_millis(50))
}

/// A handler that pays into the wallet.
pub(crate) fn credit(tx: &SqliteTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    tx.execute(
        "INSERT INTO credits VALUES (?1, ?2, ?3)",
        (decision.id().as_str(), decision.player().as_str(), decision.balance_change().to_string()),
    )?;
    Ok(())
}

pub(crate) fn paying(store: &SqliteStore) -> GameReceiver {
    store.receiver(credit).without_recovery()
}

/// Delivers what is pending at once, however often it failed.
pub(crate) async fn recover(receiver: &GameReceiver) -> RecoverySummary {
    let at_once = Recovery::default().backoff(Duration::ZERO, Duration::ZERO);
    receiver.clone().recovery(at_once).recover().await.unwrap()
}

pub(crate) async fn stored(store: &SqliteStore, transaction: &str) -> Option<Stored> {
    store.load(&key(transaction)).await.unwrap()
}

pub(crate) async fn record(store: &SqliteStore, transaction: &str) -> Record {
    stored(store, transaction).await.unwrap().record
}

pub(crate) async fn status(store: &SqliteStore, transaction: &str) -> RecordStatus {
    record(store, transaction).await.status()
}

/// A future that was started.
pub(crate) type Started<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Polls a future once, so that what it asks of the store is queued.
pub(crate) async fn start<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Started<'a, T> {
    let mut future = Box::pin(future);
    let is_pending = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending()));
    assert!(is_pending.await, "it must wait for the store");
    future
}

/// Keeps the writer busy until it is dropped.
pub(crate) struct Holder {
    release: Sender<()>,
    received: tokio::task::JoinHandle<Received>,
}

impl Holder {
    /// Returns once the writer is busy.
    pub(crate) async fn new(store: &SqliteStore, transaction: &str) -> Self {
        let (release, released) = channel::<()>();
        let (started, mut is_held) = tokio::sync::mpsc::unbounded_channel();
        let released = Mutex::new(released);
        let receiver = store
            .receiver(move |tx, decision| {
                let _ = started.send(());
                let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
                credit(tx, decision)
            })
            .without_recovery();
        let event = completed(transaction, 1);
        let received = tokio::spawn(async move { receiver.receive(event).await });
        is_held.recv().await.unwrap();
        Self { release, received }
    }

    /// Lets the writer go on, and returns what became of the callback that held it.
    pub(crate) async fn release(self) -> Received {
        drop(self.release);
        self.received.await.unwrap()
    }
}

/// Receives all of these in one batch, in this order.
pub(crate) async fn receive_in_one_batch(receiver: &GameReceiver, events: Vec<Verified<Event>>) -> Vec<Received> {
    let holder = Holder::new(receiver.store(), &format!("holder-{}", unique())).await;
    let mut started = Vec::new();
    for event in events {
        started.push(start(receiver.receive(event)).await);
    }
    holder.release().await.unwrap();
    let mut received = Vec::new();
    for one in started {
        received.push(one.await);
    }
    received
}

fn unique() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What a process that a test starts works on.
const CHILD_FILE: &str = "POSTBACK_TEST_CHILD_FILE";

/// This program, running only the test with this path, on a file.
pub(crate) fn child(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD_FILE, file);
    command
}

/// The file to work on, if this process was started by a test.
#[allow(clippy::disallowed_methods, reason = "a test passes it to its own child process")]
pub(crate) fn child_file() -> Option<PathBuf> {
    std::env::var_os(CHILD_FILE).map(PathBuf::from)
}

/// Counts calls.
pub(crate) type Calls = Arc<Mutex<Vec<String>>>;

/// How often the handler was called for a transaction.
pub(crate) fn calls_for(calls: &Calls, transaction: &str) -> usize {
    let wanted = format!("/conversion/{transaction}#");
    let calls = calls.lock().unwrap();
    calls.iter().filter(|id| id.contains(&wanted)).count()
}
