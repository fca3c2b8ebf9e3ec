//! A game with its wallet in the store's database, and the callbacks that it gets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::store::DedupStore as _;
use postback::{
    Decimal, Decision, Effect, Event, EventKind, HandlerError, InTransaction, Receipt, ReceiveError, Receiver,
    RecordKey, Verified,
};
use postback_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use postback_postgres::sqlx::{self, Connection as _, PgConnection, PgPool};
use postback_postgres::{PostgresOptions, PostgresStore};
use postback_test_servers::PATIENCE;
pub(crate) use postback_test_servers::eventually;

pub(crate) type Result<T = Receipt> = std::result::Result<T, ReceiveError>;
pub(crate) type WalletReceiver = Receiver<PostgresStore, InTransaction<PostgresStore>>;

pub(crate) fn event(player: &str, transaction: &str, effect: Effect) -> Event {
    let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original: None, effect };
    let (network, app) = ("acme".parse().unwrap(), "game".parse().unwrap());
    let mut event = Event::new(network, app, player.parse().unwrap(), kind);
    event.endpoint = "offers".into();
    event.query = format!("player={player}&tx={transaction}");
    event
}

/// A player completed an offer.
pub(crate) fn completed_by(player: &str, transaction: &str, amount: i64) -> Verified<Event> {
    let effect = Effect::Completed { amount: amount.into(), milestone: None, reinstates: false };
    Verified::assume_genuine(event(player, transaction, effect))
}

pub(crate) fn completed(transaction: &str, amount: i64) -> Verified<Event> {
    completed_by("player-7", transaction, amount)
}

/// The network takes some of it back.
pub(crate) fn reversed(transaction: &str, amount: i64) -> Verified<Event> {
    let effect = Effect::Adjusted { by: (-amount).into(), same_transaction: true };
    Verified::assume_genuine(event("player-7", transaction, effect))
}

pub(crate) fn key(transaction: &str) -> RecordKey {
    completed(transaction, 1).key()
}

/// A pool with this many connections. Waits for them as long as a test may take.
pub(crate) fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

/// Time limits that a slow machine does not exceed.
pub(crate) fn patient() -> PostgresOptions {
    PostgresOptions::default().timeout(PATIENCE).lock_timeout(PATIENCE).handler_timeout(PATIENCE)
}

/// What the handler does after it has paid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Succeed,
    Fail,
    Decline,
    Panic,
    Hang,
    /// Waits for a statement that does not end.
    HangInStatement,
    /// Ignores the error of a statement.
    IgnoreError,
    /// Violates a constraint that is checked at the end.
    ViolateDeferred,
    Run(&'static str),
    /// Leaves a nested transaction open.
    LeakNested,
    /// Blocks its thread.
    Block(Duration),
}

/// The tables `players` and `credits`, and a handler that pays into them.
#[derive(Clone)]
pub(crate) struct Wallet {
    pub(crate) pool: PgPool,
    then: Arc<Mutex<Then>>,
    calls: Arc<AtomicUsize>,
}

impl Wallet {
    pub(crate) async fn create(pool: &PgPool) -> Self {
        let tables = "CREATE TABLE IF NOT EXISTS players (id text PRIMARY KEY, gems numeric NOT NULL); \
             CREATE TABLE IF NOT EXISTS credits (id text PRIMARY KEY, player text NOT NULL, amount numeric NOT NULL); \
             CREATE TABLE IF NOT EXISTS sponsors (player text REFERENCES players DEFERRABLE INITIALLY DEFERRED)";
        sqlx::raw_sql(tables).execute(pool).await.unwrap();
        Self::of(pool)
    }

    /// The wallet in tables that exist.
    pub(crate) fn of(pool: &PgPool) -> Self {
        Self { pool: pool.clone(), then: Arc::new(Mutex::new(Then::Succeed)), calls: Arc::default() }
    }

    pub(crate) fn then(&self, then: Then) {
        *self.then.lock().unwrap() = then;
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until the handler was called this often.
    pub(crate) async fn called(&self, times: usize) {
        eventually("the handler is called", async || self.calls() >= times).await;
    }

    pub(crate) fn receiver(&self, store: &PostgresStore) -> WalletReceiver {
        let wallet = self.clone();
        let receiver = store.receiver(move |tx, decision| {
            let wallet = wallet.clone();
            Box::pin(async move { wallet.handle(tx, &decision).await })
        });
        receiver.without_recovery()
    }

    async fn handle(&self, tx: &mut PgConnection, decision: &Decision) -> std::result::Result<(), HandlerError> {
        pay(tx, decision).await?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        let then = *self.then.lock().unwrap();
        match then {
            Then::Hang => std::future::pending().await,
            Then::HangInStatement => {
                sqlx::raw_sql("SELECT pg_sleep(600)").execute(tx).await?;
            }
            Then::IgnoreError => {
                let _ = sqlx::raw_sql("SELECT 1 / 0").execute(tx).await;
            }
            Then::ViolateDeferred => {
                sqlx::raw_sql("INSERT INTO sponsors VALUES ('nobody')").execute(tx).await?;
            }
            Then::Run(statements) => {
                sqlx::raw_sql(statements).execute(tx).await?;
            }
            Then::LeakNested => std::mem::forget(tx.begin().await?),
            Then::Block(span) => std::thread::sleep(span),
            _ => return self.end(),
        }
        Ok(())
    }

    /// How a handler ends that does nothing more.
    pub(crate) fn end(&self) -> std::result::Result<(), HandlerError> {
        let then = *self.then.lock().unwrap();
        match then {
            Then::Fail => Err(HandlerError::failed("failed on purpose")),
            Then::Decline => Err(HandlerError::declined("declined on purpose")),
            Then::Panic => panic!("panicked on purpose"),
            _ => Ok(()),
        }
    }

    /// The gems of all players, and how many payments there were.
    pub(crate) async fn total(&self) -> (i64, i64) {
        total(&self.pool).await
    }
}

pub(crate) async fn pay(tx: &mut PgConnection, decision: &Decision) -> std::result::Result<(), HandlerError> {
    let amount = decision.balance_change().to_string();
    let credit = "INSERT INTO credits (id, player, amount) VALUES ($1, $2, $3::text::numeric)";
    sqlx::query(credit)
        .bind(decision.id().as_str())
        .bind(decision.player().as_str())
        .bind(&amount)
        .execute(&mut *tx)
        .await?;
    let add = "INSERT INTO players (id, gems) VALUES ($1, $2::text::numeric) \
         ON CONFLICT (id) DO UPDATE SET gems = players.gems + excluded.gems";
    sqlx::query(add).bind(decision.player().as_str()).bind(&amount).execute(&mut *tx).await?;
    Ok(())
}

pub(crate) async fn total(pool: &PgPool) -> (i64, i64) {
    let select = "SELECT coalesce(sum(gems), 0)::bigint, (SELECT count(*) FROM credits) FROM players";
    sqlx::query_as(select).fetch_one(pool).await.unwrap()
}

/// The balance of a player as text, zero if unknown.
pub(crate) async fn balance(pool: &PgPool, player: &str) -> Decimal {
    let select = "SELECT gems::text FROM players WHERE id = $1";
    let gems: Option<String> = sqlx::query_scalar(select).bind(player).fetch_optional(pool).await.unwrap();
    gems.map_or(Decimal::ZERO, |gems| gems.parse().unwrap())
}

/// A store and a wallet in a new database.
pub(crate) async fn game(url: &str, connections: u32, options: PostgresOptions) -> (WalletReceiver, Wallet) {
    let pool = pool(url, connections);
    let store = PostgresStore::with_options(pool.clone(), options).await.unwrap();
    let wallet = Wallet::create(&pool).await;
    (wallet.receiver(&store), wallet)
}

/// Sends a callback until it is answered, as a network does.
pub(crate) async fn insist(receiver: &WalletReceiver, callback: &Verified<Event>) -> Receipt {
    let started = Instant::now();
    loop {
        match receiver.receive(callback.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(started.elapsed() < PATIENCE, "never answered: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn is_settled(result: &Result) -> bool {
    matches!(result, Ok(Receipt::Settled(_)))
}

pub(crate) fn is_unavailable(result: &Result) -> bool {
    matches!(result, Err(ReceiveError::Store(_)))
}

pub(crate) async fn is_pending(receiver: &WalletReceiver, transaction: &str) -> bool {
    let stored = receiver.store().load(&key(transaction)).await.unwrap();
    stored.is_some_and(|stored| stored.record.is_pending())
}
