//! The store's threads and its callers under random schedules. Whatever runs next: each accepted call gets one reply, none
//! before its commit, and closing loses nothing.
//!
//! A failure prints its schedule and how to replay it.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use postback::store::{KeptCallback, KeptId, Record, RecordStatus, Stored, SwapOutcome, Version};
use postback::testing::ManualClock;
use postback::{
    Decimal, Decision, DedupStore, Effect, Event, EventKind, HandlerError, InTransaction, MemoryStore, Receipt,
    ReceiveError, Receiver, RecordKey, StoreError, Timestamp, Verified,
};
use postback_sqlite_schedules::rusqlite::Connection;
use postback_sqlite_schedules::{SqliteStore, SqliteTransaction};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};

type Received = Result<Receipt, ReceiveError>;

/// Runs a scenario under many schedules, half of them random, half of them with few preemptions (PCT).
fn explore<F: Future<Output = ()> + Send>(scenario: impl Fn() -> F + Clone + Send + Sync + 'static) {
    let schedules = std::env::var("POSTBACK_SCHEDULES").map_or(200, |number| number.parse().unwrap());
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    let run = move || block_on(scenario());
    shuttle::Runner::new(RandomScheduler::new(schedules / 2), config.clone()).run(run.clone());
    shuttle::Runner::new(PctScheduler::new(3, schedules / 2), config).run(run);
}

/// The game's database, in memory if the system has a directory for that.
struct Game {
    directory: tempfile::TempDir,
    watcher: Connection,
}

impl Game {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let watcher = Connection::open(directory.path().join("game.db")).unwrap();
        watcher.execute_batch("CREATE TABLE credits (id TEXT); CREATE TABLE once (id PRIMARY KEY)").unwrap();
        watcher.execute_batch("INSERT INTO once VALUES (1)").unwrap();
        Self { directory, watcher }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("game.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.file()).unwrap()
    }

    /// How often a transaction was paid, as another connection sees it.
    fn payments(&self, transaction: &str) -> i64 {
        let select = "SELECT count(*) FROM credits WHERE instr(id, '/' || ?1 || '#') > 0";
        self.watcher.query_row(select, [transaction], |row| row.get(0)).unwrap()
    }

    /// The names of the files beside the database, and its own, while this connection is closed.
    fn files_without_watcher(&mut self) -> Vec<String> {
        self.watcher = Connection::open_in_memory().unwrap();
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Whether the transaction's callback is stored.
    fn is_stored(&self, transaction: &str) -> bool {
        let select = "SELECT count(*) FROM postback_records WHERE key = ?1";
        let key = completed(transaction).key();
        self.watcher.query_row(select, [key.as_str()], |row| row.get::<_, i64>(0)).unwrap() == 1
    }
}

fn completed(transaction: &str) -> Event {
    let effect = Effect::Completed { amount: 5.into(), milestone: None, reinstates: false };
    event(transaction, None, effect)
}

/// Takes 2 of the 5 back.
fn reversed(transaction: &str, original: &str) -> Event {
    event(transaction, Some(original), Effect::Adjusted { by: (-2).into(), same_transaction: false })
}

fn event(transaction: &str, original: Option<&str>, effect: Effect) -> Event {
    let original = original.map(|original| original.parse().unwrap());
    let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original, effect };
    Event::new("bitlabs".parse().unwrap(), "game".parse().unwrap(), "p1".parse().unwrap(), kind)
}

fn genuine(transaction: &str) -> Verified<Event> {
    Verified::assume_genuine(completed(transaction))
}

/// Does what the transaction's name says.
fn act(tx: &SqliteTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    tx.execute("INSERT INTO credits VALUES (?1)", [decision.id().as_str()])?;
    // Others run while the handler does.
    shuttle::thread::yield_now();
    let id = decision.id().as_str();
    match id {
        _ if id.contains("/fails") => Err(HandlerError::failed("wallet is down")),
        _ if id.contains("/declines") => Err(HandlerError::declined("no such player")),
        // Does not print the panic.
        _ if id.contains("/panics") => resume_unwind(Box::new("on purpose")),
        _ if id.contains("/ends") => {
            assert!(tx.execute_batch("INSERT OR ROLLBACK INTO once VALUES (1)").is_err());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn paying(store: &SqliteStore) -> Receiver<SqliteStore, InTransaction<SqliteStore>> {
    store.receiver(act).without_recovery()
}

fn is_settled(received: &Received) -> bool {
    matches!(received, Ok(Receipt::Settled(_)))
}

fn is_closed(received: &Received) -> bool {
    matches!(received, Err(ReceiveError::Store(StoreError::Closed)))
}

fn is_overloaded(received: &Received) -> bool {
    matches!(received, Err(ReceiveError::Store(StoreError::Overloaded)))
}

/// Receives each transaction in a task of its own, and checks when it is replied that it was committed.
async fn receive_all(game: &Arc<Mutex<Game>>, store: &SqliteStore, transactions: &[&'static str]) -> Vec<Received> {
    let tasks: Vec<_> = transactions
        .iter()
        .map(|&transaction| {
            let (game, receiver) = (Arc::clone(game), paying(store));
            spawn(async move {
                let received = receiver.receive(genuine(transaction)).await;
                let game = game.lock().unwrap();
                if is_settled(&received) {
                    assert_eq!(game.payments(transaction), 1, "replied before its commit: {transaction}");
                }
                if !is_closed(&received) && !is_overloaded(&received) {
                    assert!(game.is_stored(transaction), "replied before its commit: {transaction}: {received:?}");
                }
                received
            })
        })
        .collect();
    let mut received = Vec::new();
    for task in tasks {
        received.push(task.await.unwrap());
    }
    received
}

#[test]
fn replies_come_after_the_commit() {
    explore(|| async {
        let game = Arc::new(Mutex::new(Game::new()));
        let store = game.lock().unwrap().open();
        let received = receive_all(&game, &store, &["o1", "o2", "o1", "o3"]).await;
        let duplicates = received.iter().filter(|one| matches!(one, Ok(Receipt::Duplicate))).count();
        assert_eq!(duplicates, 1, "{received:?}");
        assert_eq!(received.iter().filter(|one| is_settled(one)).count(), 3, "{received:?}");
        store.close().await;
    });
}

#[test]
fn handlers_of_a_batch_do_not_affect_each_other() {
    explore(|| async {
        let game = Arc::new(Mutex::new(Game::new()));
        let store = game.lock().unwrap().open();
        let transactions = ["fails", "o1", "panics", "ends", "declines", "o2"];
        let received = receive_all(&game, &store, &transactions).await;
        for (transaction, received) in transactions.iter().zip(received) {
            let is_paid = transaction.starts_with('o');
            let declines = *transaction == "declines";
            assert_eq!(received.is_ok(), is_paid || declines, "{transaction}: {received:?}");
            assert_eq!(game.lock().unwrap().payments(transaction), i64::from(is_paid), "{transaction}");
            let stored = store.load(&completed(transaction).key()).await.unwrap().unwrap();
            let expected = match *transaction {
                "declines" => RecordStatus::Closed,
                _ if is_paid => RecordStatus::Settled,
                _ => RecordStatus::Pending,
            };
            assert_eq!(stored.record.status(), expected, "{transaction}");
        }
        store.close().await;
    });
}

#[test]
fn closing_does_everything_that_was_accepted() {
    explore(|| async {
        let game = Arc::new(Mutex::new(Game::new()));
        let store = game.lock().unwrap().open();
        let closing = {
            let store = store.clone();
            spawn(async move { store.close().await })
        };
        let transactions = ["o1", "o2", "o3"];
        let received = receive_all(&game, &store, &transactions).await;
        closing.await.unwrap();
        for (transaction, received) in transactions.iter().zip(received) {
            assert!(is_settled(&received) || is_closed(&received), "{received:?}");
            let paid = game.lock().unwrap().payments(transaction);
            assert_eq!(paid, i64::from(is_settled(&received)), "{transaction}: {received:?}");
        }
        assert_eq!(
            game.lock().unwrap().files_without_watcher(),
            ["game.db"],
            "closed, and the log moved into the file"
        );
    });
}

#[test]
fn callback_whose_caller_goes_away_is_paid_once() {
    explore(|| async {
        let game = Arc::new(Mutex::new(Game::new()));
        let store = game.lock().unwrap().open();
        let receiver = paying(&store);
        let caller = spawn(async move { receiver.receive(genuine("o1")).await });
        let others = {
            let (game, store) = (Arc::clone(&game), store.clone());
            spawn(async move { receive_all(&game, &store, &["o2"]).await })
        };
        caller.abort();
        drop(caller);
        assert!(is_settled(&others.await.unwrap()[0]));
        let again = paying(&store).receive(genuine("o1")).await;
        assert!(matches!(again, Ok(Receipt::Settled(_) | Receipt::Duplicate)), "{again:?}");
        assert_eq!(game.lock().unwrap().payments("o1"), 1);
        store.close().await;
    });
}

#[test]
fn callback_that_timed_out_is_paid_once() {
    explore(|| async {
        let game = Arc::new(Mutex::new(Game::new()));
        let file = game.lock().unwrap().file();
        let store = SqliteStore::builder().timeout(Duration::ZERO).open(&file).unwrap();
        let received = receive_all(&game, &store, &["o1", "o2"]).await;
        assert!(received.iter().all(|one| is_settled(one) || is_overloaded(one)), "{received:?}");
        store.close().await;
        let store = SqliteStore::open(&file).unwrap();
        for transaction in ["o1", "o2"] {
            assert_eq!(game.lock().unwrap().payments(transaction), 1, "what was queued is done before closing ends");
            let again = paying(&store).receive(genuine(transaction)).await;
            assert!(matches!(again, Ok(Receipt::Duplicate)), "{again:?}");
        }
        store.close().await;
    });
}

#[test]
fn callback_refused_by_a_full_queue_is_not_paid() {
    explore(|| async {
        let game = Game::new();
        let store = SqliteStore::builder().queue(64).open(game.file()).unwrap();
        let receiver = paying(&store);
        let names: Vec<String> = (0..68).map(|number| format!("o{number}")).collect();
        let mut calls: Vec<_> = names.iter().map(|name| Box::pin(receiver.receive(genuine(name)))).collect();
        let mut received = BTreeMap::new();
        // One task polls all of them, so that each is queued before any is answered.
        poll_fn(|context| {
            for (at, call) in calls.iter_mut().enumerate() {
                if !received.contains_key(&at)
                    && let Poll::Ready(result) = call.as_mut().poll(context)
                {
                    received.insert(at, result);
                }
            }
            if received.len() == names.len() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(calls);
        store.close().await;
        for (at, name) in names.iter().enumerate() {
            let result = &received[&at];
            assert!(is_settled(result) || is_overloaded(result), "{result:?}");
            assert_eq!(game.payments(name), i64::from(is_settled(result)), "{name}: {result:?}");
        }
    });
}

#[test]
fn dropping_the_last_clone_does_what_is_queued() {
    explore(|| async {
        let game = Game::new();
        let store = game.open();
        let receiver = paying(&store);
        let mut call = Box::pin(async move { receiver.receive(genuine("o1")).await });
        // Queues it. It may be replied at once.
        poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        drop((call, store));
        while game.payments("o1") == 0 {
            yield_now().await;
        }
        assert_eq!(game.payments("o1"), 1);
    });
}

/// A store with a point before each of its operations at which another task may run.
#[derive(Clone)]
struct Interleaved<S>(S);

impl<S: DedupStore> DedupStore for Interleaved<S> {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        yield_now().await;
        self.0.load(key).await
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        yield_now().await;
        self.0.swap(expected, record).await
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        yield_now().await;
        self.0.list_pending(after, limit).await
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        self.0.keep_unusable(kept).await
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        self.0.list_unusable(after, limit).await
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        self.0.remove_unusable(id).await
    }
}

/// A wallet elsewhere, which carries out each decision once.
type Wallet = Arc<Mutex<BTreeMap<String, Decimal>>>;

/// Callbacks of one conversion at the same time, while the clock moves, so that leases expire while handlers run.
async fn race<S: DedupStore + Clone>(store: S) {
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let wallet = Wallet::default();
    let pay = {
        let wallet = Arc::clone(&wallet);
        move |decision: Decision| {
            let wallet = Arc::clone(&wallet);
            async move {
                yield_now().await;
                let (id, amount) = (decision.id().to_string(), decision.balance_change());
                let paid = *wallet.lock().unwrap().entry(id).or_insert(amount);
                assert_eq!(paid, amount, "a decision keeps its amount");
                yield_now().await;
                Ok(())
            }
        }
    };
    let receiver = Receiver::new(Interleaved(store), pay).clock(clock.clone()).without_recovery();
    let calls: Vec<_> = [completed("o1"), reversed("r1", "o1"), completed("o1")]
        .map(|event| {
            let receiver = receiver.clone();
            spawn(async move { receiver.receive(Verified::assume_genuine(event)).await })
        })
        .into();
    let is_over = Arc::new(AtomicBool::new(false));
    let time = {
        let (clock, is_over) = (clock.clone(), Arc::clone(&is_over));
        spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                clock.advance(Duration::from_secs(10));
                yield_now().await;
            }
        })
    };
    for call in calls {
        let received = call.await.unwrap();
        assert!(!matches!(received, Err(ReceiveError::Store(_))), "{received:?}");
    }
    // What is still pending is delivered when its lease is over.
    loop {
        let stored = receiver.store().load(&completed("o1").key()).await.unwrap().unwrap();
        if stored.record.status() == RecordStatus::Settled {
            break;
        }
        let _ = receiver.deliver_loaded(stored).await;
    }
    is_over.store(true, Ordering::Relaxed);
    time.await.unwrap();
    assert_eq!(wallet.lock().unwrap().values().sum::<Decimal>(), Decimal::from(3));
    for event in [completed("o1"), reversed("r1", "o1")] {
        let again = receiver.receive(Verified::assume_genuine(event)).await;
        assert!(matches!(again, Ok(Receipt::Duplicate)), "{again:?}");
    }
}

#[test]
fn expired_leases_end_at_what_is_due() {
    explore(|| race(MemoryStore::new()));
}

#[test]
fn expired_leases_on_sqlite_end_at_what_is_due() {
    explore(|| async {
        let game = Game::new();
        let store = game.open();
        race(store.clone()).await;
        store.close().await;
    });
}
