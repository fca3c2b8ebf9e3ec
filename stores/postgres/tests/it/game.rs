//! A game with its wallet in the store's database, and the callbacks that it gets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use postback::store::DedupStore as _;
use postback::{Decimal, Decision, Event, HandlerError, InTransaction, Receipt, ReceiveError, Receiver, Verified};
use postback_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use postback_postgres::sqlx::{self, Connection as _, PgConnection, PgPool};
use postback_postgres::{PostgresOptions, PostgresStore};
pub(crate) use postback_test_servers::events::{completed, completed_by, insist, is_settled, key, reversed};
pub(crate) use postback_test_servers::eventually;
use postback_test_servers::{PATIENCE, Postgres, wait_until};
use tokio::task::JoinHandle;

pub(crate) type Result<T = Receipt> = std::result::Result<T, ReceiveError>;
pub(crate) type WalletReceiver = Receiver<PostgresStore, InTransaction<PostgresStore>>;

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
    RunAndFail(&'static str),
    /// Leaves a nested transaction open.
    LeakNested,
    /// Blocks its thread until it is to do something else.
    Block,
}

/// The tables `players` and `credits`, and a handler that pays into them.
#[derive(Clone)]
pub(crate) struct Wallet {
    pub(crate) pool: PgPool,
    then: Arc<Mutex<Then>>,
    calls: Arc<AtomicUsize>,
    /// Keeps the shared server running.
    server: Option<Arc<Postgres>>,
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
        Self { pool: pool.clone(), then: Arc::new(Mutex::new(Then::Succeed)), calls: Arc::default(), server: None }
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
            Then::RunAndFail(statements) => {
                sqlx::raw_sql(statements).execute(tx).await?;
                return Err(HandlerError::failed("failed on purpose"));
            }
            Then::LeakNested => std::mem::forget(tx.begin().await?),
            Then::Block => wait_until("the handler goes on", || *self.then.lock().unwrap() != Then::Block),
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

/// The server that tests share, and the URL of a new database on it. `None`: Postgres is not installed.
pub(crate) fn database() -> Option<(Arc<Postgres>, String)> {
    let server = Postgres::shared()?;
    let url = server.create_database();
    Some((server, url))
}

/// Receives a callback in a task of its own.
pub(crate) fn spawn(receiver: &WalletReceiver, callback: Verified<Event>) -> JoinHandle<Result> {
    let receiver = receiver.clone();
    tokio::spawn(async move { receiver.receive(callback).await })
}

/// A store and a wallet in a new database of the server that tests share. `None`: Postgres is not installed.
pub(crate) async fn new_game(connections: u32, options: PostgresOptions) -> Option<(WalletReceiver, Wallet)> {
    let (server, url) = database()?;
    let (receiver, mut wallet) = game(&url, connections, options).await;
    wallet.server = Some(server);
    Some((receiver, wallet))
}

/// A store and a wallet in an empty database.
pub(crate) async fn game(url: &str, connections: u32, options: PostgresOptions) -> (WalletReceiver, Wallet) {
    let pool = pool(url, connections);
    let store = PostgresStore::with_options(pool.clone(), options).await.unwrap();
    let wallet = Wallet::create(&pool).await;
    (wallet.receiver(&store), wallet)
}

pub(crate) fn is_unavailable(result: &Result) -> bool {
    matches!(result, Err(ReceiveError::Store(_)))
}

#[track_caller]
pub(crate) fn assert_unavailable(result: &Result) {
    assert!(is_unavailable(result), "{result:?}");
}

pub(crate) async fn is_pending(receiver: &WalletReceiver, transaction: &str) -> bool {
    let stored = receiver.store().load(&key(transaction)).await.unwrap();
    stored.is_some_and(|stored| stored.record.is_pending())
}
