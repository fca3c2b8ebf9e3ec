//! Interleaved operations on SQLite, through its writer thread, and the same ones one by one in memory: every result, every
//! record and the balance are the same, whichever of them share a commit.
#![no_main]

use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use postback::testing::ManualClock;
use postback::{
    Decimal, Decision, DedupStore, Deliver, Effect, Event, EventKind, HandlerError, InTransaction, MemoryStore,
    PlayerId, Receipt, ReceiveError, Receiver, RecordKey, Timestamp, TransactionalStore, Verified,
};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::Connection;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Handler {
    Pays,
    Fails,
    Declines,
    Panics,
    /// Ends the transaction that it shares with others.
    Ends,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Operation {
    Receive,
    Accept,
    Deliver,
    /// The caller goes away.
    Abandon,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Message {
    Pending,
    Completed(u16),
    Adjusted(u8, i16),
    Revoked,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
struct Step {
    operation: Operation,
    conversion: u8,
    message: Message,
    handler: Handler,
    /// Waits for those before it.
    waits: bool,
}

impl Step {
    fn event(self) -> Event {
        let number = self.conversion % 4;
        // If a handler ends the transaction, no decision of its delivery is carried out. So there is one only.
        let (name, message) = match self.handler {
            Handler::Ends => (format!("e{number}"), Message::Completed(7)),
            _ => (format!("o{number}"), self.message),
        };
        let original = Some(name.parse().unwrap());
        let (transaction, original, effect) = match message {
            Message::Pending => (name, None, Effect::Pending { stage: "PENDING".into(), amount: None }),
            Message::Completed(amount) => {
                (name, None, Effect::Completed { amount: amount.into(), milestone: None, reinstates: false })
            }
            Message::Adjusted(number, by) => {
                (format!("{name}-r{number}"), original, Effect::Adjusted { by: by.into(), same_transaction: false })
            }
            Message::Revoked => (name, None, Effect::Revoked),
        };
        let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original, effect };
        let mut event = Event::new("fuzz".parse().unwrap(), "app".parse().unwrap(), "p1".parse().unwrap(), kind);
        event.query = format!("{:?}", self.handler);
        event
    }
}

/// What the handler does, by the query of the decision's callback. `ends` ends a transaction.
fn act(decision: &Decision, ends: impl Fn()) -> Result<(), HandlerError> {
    match &*decision.event().query {
        "Fails" => Err(HandlerError::failed("fuzz")),
        "Declines" => Err(HandlerError::declined("fuzz")),
        // Without the hook, which would end the fuzzer.
        "Panics" => resume_unwind(Box::new("fuzz")),
        "Ends" => {
            ends();
            Err(HandlerError::failed("the transaction ended while the handler ran"))
        }
        _ => Ok(()),
    }
}

type Fuzzed<S> = Receiver<S, InTransaction<S>, ManualClock>;

/// One database for all runs. `fuzz/smoke` puts it in memory, where a sync costs nothing.
struct Sqlite {
    runtime: Runtime,
    receiver: Fuzzed<SqliteStore>,
    game: Mutex<Connection>,
    clock: ManualClock,
}

static SQLITE: LazyLock<Sqlite> = LazyLock::new(|| {
    let path = tempfile::tempdir().unwrap().keep().join("fuzz.db");
    let store = SqliteStore::open(&path).unwrap();
    let game = Connection::open(&path).unwrap();
    game.execute_batch("CREATE TABLE wallet (amount INTEGER); CREATE TABLE once (id PRIMARY KEY)").unwrap();
    game.execute_batch("INSERT INTO once VALUES (1)").unwrap();
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let receiver = store.receiver(|tx, decision| {
        tx.execute("INSERT INTO wallet VALUES (?1)", [decision.balance_change().to_string()])?;
        act(decision, || assert!(tx.execute_batch("INSERT OR ROLLBACK INTO once VALUES (1)").is_err()))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Sqlite { runtime, receiver: receiver.without_recovery().clock(clock.clone()), game: game.into(), clock }
});

async fn run<S>(receiver: &Fuzzed<S>, operation: Operation, event: Event) -> Result<Receipt, ReceiveError>
where
    S: TransactionalStore,
    InTransaction<S>: Deliver<S, ManualClock>,
{
    match operation {
        Operation::Receive | Operation::Abandon => receiver.receive(Verified::assume_genuine(event)).await,
        Operation::Accept => receiver.accept(Verified::assume_genuine(event)).await,
        Operation::Deliver => receiver.deliver(event.key()).await,
    }
}

/// The result in a form that can be compared.
fn text(result: &Result<Receipt, ReceiveError>) -> String {
    match result {
        Ok(receipt) => format!("{receipt:?}"),
        // Its source differs between the stores.
        Err(error) => error.as_str().to_owned(),
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let sqlite = &*SQLITE;
    let game = sqlite.game.lock().unwrap();
    game.execute_batch("BEGIN IMMEDIATE; DELETE FROM postback_records; DELETE FROM wallet; COMMIT").unwrap();
    let memory = MemoryStore::new();
    let in_memory: Fuzzed<MemoryStore> = memory
        .receiver(|tx, decision| {
            tx.add(decision.player(), decision.balance_change());
            act(decision, || {})
        })
        .without_recovery()
        .clock(sqlite.clock.clone());
    let player: PlayerId = "p1".parse().unwrap();
    sqlite.runtime.block_on(async {
        let mut sent = JoinSet::new();
        let mut expected = Vec::new();
        for (at, step) in steps.iter().take(48).enumerate() {
            // It is stored in two steps, between which others could come.
            let is_alone = matches!(step.operation, Operation::Accept);
            if is_alone {
                check(&mut sent, &expected).await;
            }
            expected.push(text(&run(&in_memory, step.operation, step.event()).await));
            let (receiver, step) = (sqlite.receiver.clone(), *step);
            // Tasks of this runtime are first polled in the order in which they were spawned.
            let call = sent.spawn(async move { (at, run(&receiver, step.operation, step.event()).await) });
            if matches!(step.operation, Operation::Abandon) {
                // Queued, then dropped.
                tokio::task::yield_now().await;
                call.abort();
            }
            if step.waits || is_alone {
                check(&mut sent, &expected).await;
            }
        }
        check(&mut sent, &expected).await;
        let key = |name: &str| -> RecordKey { format!("fuzz/app/conversion/{name}").parse().unwrap() };
        // What was abandoned is done before this.
        sqlite.receiver.deliver(key("none")).await.unwrap();
        for name in ["o0", "o1", "o2", "o3", "e0", "e1", "e2", "e3"] {
            let key = key(name);
            let (stored, reference) = (sqlite.receiver.store().load(&key).await, memory.load(&key).await);
            assert_eq!(stored.unwrap(), reference.unwrap());
        }
        let sum: i64 = game.query_row("SELECT coalesce(sum(amount), 0) FROM wallet", [], |row| row.get(0)).unwrap();
        assert_eq!(Decimal::from(sum), memory.balance(&player).await);
    });
});

async fn check(sent: &mut JoinSet<(usize, Result<Receipt, ReceiveError>)>, expected: &[String]) {
    while let Some(ended) = sent.join_next().await {
        if let Ok((at, result)) = ended {
            assert_eq!(text(&result), expected[at], "step {at}");
        }
    }
}
