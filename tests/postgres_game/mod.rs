//! A small game whose wallet lives in the store's database, with a handler that can be made to misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::{Effect, Event, EventKind};
use postback::guard::{Considered, Record, consider};
use postback::handler::HandlerError;
use postback::receiver::{Receive, ReceiveError};
use postback::steps::Receipt;
use postback::store::StoreError;
use postback::store::postgres::sqlx::{self, Connection, PgConnection, PgPool};
use postback::store::postgres::{PostgresHandler, PostgresReceiver, PostgresStore};
use rust_decimal::Decimal;

pub(crate) fn event(transaction: &str, effect: Effect) -> Event {
    let kind = EventKind::Conversion {
        transaction: transaction.parse().unwrap(),
        original: None,
        effect,
    };
    let mut event = Event::new(
        "bitlabs".parse().unwrap(),
        "game".parse().unwrap(),
        "player-7".parse().unwrap(),
        kind,
    );
    event.endpoint = "offers".into();
    event.signed = format!("player=player-7&tx={transaction}");
    event
}

pub(crate) fn completed(transaction: &str, amount: i64) -> Event {
    event(
        transaction,
        Effect::Completed {
            amount: amount.into(),
            milestone: None,
            reinstates: false,
        },
    )
}

pub(crate) fn reconciled(transaction: &str, by: i64) -> Event {
    event(
        transaction,
        Effect::Adjusted {
            by: by.into(),
            is_state_change: true,
        },
    )
}

pub(crate) fn open_record(transaction: &str) -> Record {
    let event = Arc::new(completed(transaction, 500));
    match consider(
        &Record::new(event.key()),
        &event,
        Timestamp::from_millis(1_700_000_000_123),
    ) {
        Considered::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

/// The wallet. Deliberately without a unique id: nothing but the store keeps it from paying twice.
pub(crate) async fn create_wallet(pool: &PgPool) {
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS credits (id text NOT NULL, player text NOT NULL, amount numeric NOT NULL)",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// What the wallet holds, and in how many entries.
pub(crate) async fn wallet(pool: &PgPool) -> (Decimal, i64) {
    let (sum, count): (String, i64) =
        sqlx::query_as("SELECT coalesce(sum(amount), 0)::text, count(*) FROM credits")
            .fetch_one(pool)
            .await
            .unwrap();
    (sum.parse().unwrap(), count)
}

/// The status of a conversion's record.
pub(crate) async fn status(pool: &PgPool, transaction: &str) -> Option<String> {
    sqlx::query_scalar("SELECT status FROM postback_records WHERE key = $1")
        .bind(format!("bitlabs/game/conversion/{transaction}"))
        .fetch_optional(pool)
        .await
        .unwrap()
}

/// What a handler does, once it has credited, to the decisions about a transaction named `bad…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    Fail,
    Panic,
    Refuse,
    Hang,
    HangInSql,
    /// As a process does that is stopped.
    SleepThrough(Duration),
    Swallow,
    BreakDeferred,
    LeaveSavepoints,
    Run(&'static str),
}

#[derive(Clone)]
pub(crate) struct Wallet {
    pub(crate) then: Then,
    is_bad: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Wallet {
    pub(crate) fn new(then: Then) -> Self {
        Self {
            then,
            is_bad: Arc::new(AtomicBool::new(true)),
            calls: Arc::default(),
        }
    }

    pub(crate) fn get_along(&self) {
        self.is_bad.store(false, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl PostgresHandler for Wallet {
    async fn handle(
        &self,
        game: &mut PgConnection,
        decision: &Decision,
    ) -> Result<(), HandlerError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let amount = decision.balance_change();
        if !amount.is_zero() {
            sqlx::query(
                "INSERT INTO credits (id, player, amount) VALUES ($1, $2, $3::text::numeric)",
            )
            .bind(decision.id().as_str())
            .bind(decision.player().as_str())
            .bind(amount.to_string())
            .execute(&mut *game)
            .await?;
        }
        if !self.is_bad.load(Ordering::SeqCst) || !decision.id().as_str().contains("/bad") {
            return Ok(());
        }
        match self.then {
            Then::Nothing => {}
            Then::Fail => return Err(HandlerError::failed("the bank is closed")),
            Then::Panic => panic!("the handler's own panic"),
            Then::Refuse => return Err(HandlerError::refused("no such player")),
            Then::Hang => std::future::pending().await,
            Then::HangInSql => {
                sqlx::raw_sql("SELECT pg_sleep(600)").execute(game).await?;
            }
            Then::SleepThrough(span) => std::thread::sleep(span),
            Then::Swallow => {
                let _ = sqlx::raw_sql("SELECT 1 / 0").execute(game).await;
            }
            Then::BreakDeferred => {
                sqlx::raw_sql("INSERT INTO players_of VALUES ('nobody')")
                    .execute(game)
                    .await?;
            }
            Then::LeaveSavepoints => {
                let inner = game.begin().await?;
                std::mem::forget(inner);
            }
            Then::Run(statement) => {
                let _ = sqlx::raw_sql(statement).execute(game).await;
            }
        }
        Ok(())
    }
}

/// A game on this pool, its tables made.
pub(crate) async fn game(pool: PgPool, then: Then) -> (PostgresReceiver<Wallet>, Wallet) {
    let store = PostgresStore::new(pool);
    store.migrate().await.unwrap();
    create_wallet(store.pool()).await;
    let wallet = Wallet::new(then);
    (store.receiver(wallet.clone()), wallet)
}

/// Delivers all of them at once.
pub(crate) async fn deliver<R: Receive + Clone>(
    receiver: &R,
    events: Vec<Event>,
) -> Vec<Result<Receipt, ReceiveError>> {
    let deliveries: Vec<_> = events
        .into_iter()
        .map(|event| {
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(event).await })
        })
        .collect();
    let mut results = Vec::new();
    for delivery in deliveries {
        results.push(delivery.await.unwrap());
    }
    results
}

/// Delivers until it is taken, as the network does.
pub(crate) async fn insist(receiver: &impl Receive, event: &Event) -> Receipt {
    for _ in 0..600 {
        if let Ok(receipt) = receiver.receive(event.clone()).await {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never taken");
}

pub(crate) fn is_settled(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(result, Ok(Receipt::Settled(..)))
}

pub(crate) fn is_unavailable(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(
        result,
        Err(ReceiveError::Store(StoreError::Unavailable { .. }))
    )
}
