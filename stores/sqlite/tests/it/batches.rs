//! Deliveries that share a transaction do not affect each other.

use std::sync::{Arc, Mutex};

use postback::store::RecordStatus;
use postback::{Clock, Decision, HandlerError, ReceiveError, StoreError};
use postback_sqlite::{SqliteStore, SqliteTransaction};
use proptest::prelude::*;

use crate::fixture::{
    Calls, Game, Holder, calls_for, completed, credit, is_settled, paying, receive_in_one_batch, recover, start, status,
};

/// What the handler does for a delivery. All of them write to the wallet first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Pays,
    Fails,
    Panics,
    Declines,
    /// Uses a savepoint as one should.
    Saves,
    /// Leaves a savepoint open.
    LeavesOpen,
    /// Leaves a savepoint open and fails.
    LeavesOpenAndFails,
    /// Rolls back to a savepoint that it did not set.
    RollsBackTo,
    /// Tries to commit, and returns the error.
    Commits,
    /// Repeats the callback of the delivery before.
    Repeats,
    /// Ends the transaction in the one way that cannot be denied.
    Ends,
    /// The same, then sets a savepoint, so that a transaction is open again.
    EndsAndBegins,
    /// Violates a constraint that is checked at the commit.
    ViolatesLate,
}

use Role::{
    Commits, Declines, Ends, EndsAndBegins, Fails, LeavesOpen, LeavesOpenAndFails, Panics, Pays, Repeats, RollsBackTo,
    Saves, ViolatesLate,
};

const ROLES: [Role; 13] = [
    Pays,
    Fails,
    Panics,
    Declines,
    Saves,
    LeavesOpen,
    LeavesOpenAndFails,
    RollsBackTo,
    Commits,
    Repeats,
    Ends,
    EndsAndBegins,
    ViolatesLate,
];

impl Role {
    /// Whether its delivery makes the whole transaction fail.
    fn aborts(self) -> bool {
        matches!(self, Ends | EndsAndBegins | ViolatesLate)
    }

    fn expected(self) -> RecordStatus {
        match self {
            Pays | Saves | LeavesOpen | Repeats => RecordStatus::Settled,
            Declines => RecordStatus::Closed,
            _ => RecordStatus::Pending,
        }
    }

    fn act(self, tx: &SqliteTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
        if matches!(self, Saves | LeavesOpen | LeavesOpenAndFails) {
            tx.execute_batch("SAVEPOINT mine")?;
        }
        credit(tx, decision)?;
        match self {
            Saves => tx.execute_batch("RELEASE mine")?,
            Fails | LeavesOpenAndFails => return Err(HandlerError::failed("wallet is down")),
            Panics => panic!("on purpose"),
            Declines => return Err(HandlerError::declined("no such player")),
            RollsBackTo => tx.execute_batch("ROLLBACK TO mine")?,
            Commits => tx.execute_batch("COMMIT")?,
            Ends | EndsAndBegins => {
                let ended = tx.execute_batch("INSERT OR ROLLBACK INTO once VALUES (1)");
                assert!(ended.is_err() && tx.is_autocommit());
                let stray = tx.execute("INSERT INTO credits VALUES ('stray', 'x', '1000')", []);
                assert!(stray.is_err(), "every commit must be vetoed");
                if self == EndsAndBegins {
                    tx.execute_batch("SAVEPOINT mine")?;
                    credit(tx, decision)?;
                }
            }
            ViolatesLate => tx.execute_batch("INSERT INTO items VALUES ('nobody')")?,
            Pays | LeavesOpen | Repeats => {}
        }
        Ok(())
    }
}

const TABLES: &str = "
    CREATE TABLE once (id PRIMARY KEY);
    INSERT INTO once VALUES (1);
    CREATE TABLE players (id TEXT PRIMARY KEY);
    CREATE TABLE items (player TEXT REFERENCES players (id) DEFERRABLE INITIALLY DEFERRED);";

fn prepare() -> (Game, SqliteStore) {
    let game = Game::new();
    game.connect().execute_batch(TABLES).unwrap();
    let store = game.open();
    (game, store)
}

/// A transaction's name says what its handler does.
fn name(roles: &[Role], at: usize) -> String {
    match roles[at] {
        Repeats if at > 0 => name(roles, at - 1),
        role => format!("{role:?}-{at}"),
    }
}

fn role_of(transaction: &str) -> Role {
    let word = transaction.split('-').next().unwrap();
    let role = ROLES.into_iter().find(|role| format!("{role:?}") == word);
    role.unwrap()
}

/// A handler that does what the transaction's name says, and notes its calls.
fn acting(store: &SqliteStore, calls: &Calls) -> crate::fixture::GameReceiver {
    let calls = Arc::clone(calls);
    let act = move |tx: &SqliteTransaction<'_>, decision: &Decision| {
        let id = decision.id().as_str();
        calls.lock().unwrap().push(id.to_owned());
        let transaction = id.split(['/', '#']).nth(3).unwrap();
        role_of(transaction).act(tx, decision)
    };
    store.receiver(act).without_recovery()
}

async fn each_delivery_ends_as_if_alone(roles: &[Role]) {
    let (game, store) = prepare();
    let calls = Calls::default();
    let names: Vec<String> = (0..roles.len()).map(|at| name(roles, at)).collect();
    let events = names.iter().map(|name| completed(name, 1)).collect();
    let received = receive_in_one_batch(&acting(&store, &calls), events).await;

    let is_aborted = roles.iter().any(|role| role.aborts());
    let count = "SELECT count(*) FROM credits WHERE instr(id, '/' || ?1 || '#') > 0";
    let paid = |name: &str| -> i64 {
        let db = game.connect();
        db.query_row(count, [name], |row| row.get(0)).unwrap()
    };
    for (at, name) in names.iter().enumerate() {
        let expected = role_of(name).expected();
        let context = format!("{name} of {roles:?}: {:?}", received[at]);
        assert_eq!(status(&store, name).await, expected, "{context}");
        assert_eq!(received[at].is_ok(), expected != RecordStatus::Pending, "{context}");
        let is_handler_error = matches!(received[at], Err(ReceiveError::Handler { .. }));
        assert!(received[at].is_ok() || is_handler_error, "{context}");
        let is_paid = expected == RecordStatus::Settled;
        assert_eq!(paid(name), i64::from(is_paid), "{context}");
        let calls = calls_for(&calls, name);
        if is_paid && !is_aborted {
            assert_eq!(calls, 1, "called once for a delivery that succeeds: {context}");
        }
    }
    assert_eq!(paid("stray"), 0);

    // What is pending is paid once, when the handler behaves.
    let summary = recover(&paying(&store)).await;
    assert_eq!(summary.pending(), 0);
    for name in &names {
        let is_declined = role_of(name) == Declines;
        assert_eq!(paid(name), i64::from(!is_declined), "{name} of {roles:?}");
    }
    store.close().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn every_kind_of_handler_affects_only_its_own_delivery() {
    for shift in 0..ROLES.len() {
        let mut roles = ROLES.to_vec();
        roles.rotate_left(shift);
        runtime().block_on(each_delivery_ends_as_if_alone(&roles));
        roles.retain(|role| !role.aborts());
        runtime().block_on(each_delivery_ends_as_if_alone(&roles));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deliveries_of_any_batch_are_independent(
        roles in prop::collection::vec(prop::sample::select(&ROLES[..]), 1..10),
    ) {
        runtime().block_on(each_delivery_ends_as_if_alone(&roles));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_shares_one_commit() {
    let (game, store) = prepare();
    let watcher = game.connect();
    let version = || -> i64 { watcher.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let before = version();
    let receiver = paying(&store);
    let holder = Holder::new(&store, "holder").await;
    let mut started = Vec::new();
    for number in 0..100 {
        started.push(start(receiver.receive(completed(&format!("o{number}"), 1))).await);
    }
    assert_eq!(version(), before, "nothing is committed yet");
    holder.release().await.unwrap();
    assert_eq!(game.wallet(), (101, 101), "all of it is committed at once");
    for one in started {
        assert!(is_settled(&one.await));
    }
}

/// The writer's limit: a batch that never ends would keep every caller waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_256_deliveries_share_a_commit() {
    let (game, store) = prepare();
    let committed = Arc::<Mutex<Vec<i64>>>::default();
    let (watcher, seen) = (Mutex::new(game.connect()), Arc::clone(&committed));
    let watching = store.receiver(move |tx, decision| {
        let count = "SELECT count(*) FROM credits";
        seen.lock().unwrap().push(watcher.lock().unwrap().query_row(count, [], |row| row.get(0))?);
        credit(tx, decision)
    });
    // They follow the one that keeps the writer busy meanwhile.
    let events = (0..256).map(|at| completed(&format!("o{at}"), 1)).collect();
    receive_in_one_batch(&watching.without_recovery(), events).await;
    assert_eq!(*committed.lock().unwrap(), [vec![0; 255], vec![256]].concat());
}

/// Every statement with which a handler may try to end or leave the transaction, or to change the store's tables.
const DENIED: [&str; 20] = [
    "COMMIT",
    "END",
    "ROLLBACK",
    "BEGIN",
    "SAVEPOINT Postback_delivery",
    "RELEASE postback_delivery",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = ON",
    "PRAGMA synchronous = OFF",
    "PRAGMA journal_mode = DELETE",
    "DELETE FROM postback_records",
    "UPDATE postback_records SET version = 9",
    "INSERT INTO postback_records (key) VALUES ('x')",
    "DROP TABLE postback_records",
    "ALTER TABLE postback_records ADD COLUMN x",
    "DROP VIEW postback_history",
    "CREATE TEMP TABLE postback_records (key)",
    "CREATE TRIGGER t AFTER INSERT ON postback_records BEGIN SELECT 1; END",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_cannot_leave_the_transaction() {
    for is_ignored in [true, false] {
        let (game, store) = prepare();
        let meddling = store
            .receiver(move |tx, decision| {
                for statement in DENIED {
                    // Through the cache as well, where the store keeps statements of its own.
                    let cached = tx.prepare_cached(statement).map(drop);
                    let result = tx.execute_batch(statement);
                    assert!(result.is_err() && cached.is_err(), "{statement}");
                    if !is_ignored {
                        result?;
                    }
                }
                assert!(tx.unchecked_transaction().is_err());
                credit(tx, decision)
            })
            .without_recovery();
        let events = (0..5).map(|at| completed(&format!("o{at}"), 1)).collect();
        let received = receive_in_one_batch(&meddling, events).await;
        assert!(received.iter().all(|one| is_settled(one) == is_ignored), "{received:?}");
        assert_eq!(game.wallet().1, if is_ignored { 6 } else { 1 });
        assert!(is_settled(&paying(&store).receive(completed("good", 1)).await));
    }
}

#[tokio::test]
async fn handler_may_use_the_connection_freely_otherwise() {
    let (game, store) = prepare();
    let receiver = store
        .receiver(|tx, decision| {
            tx.execute_batch(
                "CREATE TABLE extra (id INTEGER PRIMARY KEY, amount TEXT);
                 CREATE INDEX extra_amount ON extra (amount);
                 PRAGMA table_info(extra);
                 PRAGMA defer_foreign_keys = ON;
                 ALTER TABLE extra ADD COLUMN note TEXT;
                 CREATE TEMP TABLE scratch AS SELECT key FROM postback_records",
            )?;
            let own: i64 = tx.query_row("SELECT count(*) FROM scratch", [], |row| row.get(0))?;
            assert_eq!(own, 1, "the record is stored in the same transaction");
            credit(tx, decision)
        })
        .without_recovery();
    assert!(is_settled(&receiver.receive(completed("o1", 5)).await));
    assert_eq!(game.wallet(), (5, 1));
}

#[tokio::test]
async fn panic_outside_the_handler_is_an_error_and_no_more() {
    struct BrokenClock;
    impl Clock for BrokenClock {
        fn now(&self) -> postback::Timestamp {
            assert_ne!(std::thread::current().name(), Some("postback-write"), "on purpose");
            postback::SystemClock.now()
        }

        async fn sleep(&self, _: std::time::Duration) {}
    }
    let (game, store) = prepare();
    let broken = paying(&store).clock(BrokenClock);
    let failed = broken.receive(completed("o1", 500)).await;
    let is_unavailable = matches!(failed, Err(ReceiveError::Store(StoreError::Unavailable { .. })));
    assert!(is_unavailable, "{failed:?}");
    assert!(is_settled(&paying(&store).receive(completed("o1", 500)).await));
    assert_eq!(game.wallet(), (500, 1));
}
