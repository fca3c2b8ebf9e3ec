//! How fast the Postgres store is, each time beside bare statements of the same client that do the same work over
//! a pool of the same size. Starts a server of its own:
//!
//! ```sh
//! cargo bench --bench postgres --features postgres,testing                                # from empty tables
//! cargo bench --bench postgres --features postgres,testing -- fill DIRECTORY 10000000     # minutes, some 10 GB
//! cargo bench --bench postgres --features postgres,testing -- history DIRECTORY
//! ```
//!
//! `POSTBACK_ORDER=random`, of the first two: transactions that come in no order. A history goes on as it was filled.
//!
//! Figures and what they mean: docs/performance-stores.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

mod measured;
#[path = "../tests/postgres_server/mod.rs"]
mod postgres_server;

use std::path::Path;
use std::time::{Duration, Instant};

use measured::callers::{Round, call};
use measured::figures::Figures;
use measured::offers::{Kept, Offers, Order, this_run};
use measured::words;
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::Receive;
use postback::steps::Receipt;
use postback::store::postgres::sqlx::postgres::PgPoolOptions;
use postback::store::postgres::sqlx::{self, PgConnection, PgPool, raw_sql};
use postback::store::postgres::{PostgresHandler, PostgresReceiver, PostgresStore};
use postgres_server::Server;

const CALLERS: usize = 64;
const SETTINGS: [&str; 2] = ["max_connections = 100", "max_wal_size = '4GB'"];

const WALLET: &str =
    "CREATE TABLE credits (id text PRIMARY KEY, player text NOT NULL, amount numeric NOT NULL)";
const CREDIT: &str = "INSERT INTO credits (id, player, amount) VALUES ($1, $2, $3::text::numeric)";
const RECORD: &str = "INSERT INTO postback_records \
    (key, version, status, player, settled, record, updated, source, app) \
    VALUES ($1, $2, $3, $4, $5::text::numeric, $6::text::json, $7, $8, $9) ON CONFLICT (key) DO NOTHING";
/// How the tables were filled.
const FILLED: &str = "CREATE TABLE filled (random boolean NOT NULL)";
/// Both rows by one statement, which is a transaction of its own.
const BOTH: &str = "WITH record AS (INSERT INTO postback_records \
    (key, version, status, player, settled, record, updated, source, app) \
    VALUES ($1, $2, $3, $4, $5::text::numeric, $6::text::json, $7, $8, $9) ON CONFLICT (key) DO NOTHING RETURNING 1) \
    INSERT INTO credits (id, player, amount) SELECT $10, $4, $5::text::numeric FROM record";

#[derive(Clone, Copy)]
struct Wallet;

impl PostgresHandler for Wallet {
    async fn handle(
        &self,
        game: &mut PgConnection,
        decision: &Decision,
    ) -> Result<(), HandlerError> {
        sqlx::query(CREDIT)
            .bind(decision.id().as_str())
            .bind(decision.player().as_str())
            .bind(decision.balance_change().to_string())
            .execute(game)
            .await?;
        Ok(())
    }
}

macro_rules! bound {
    ($query:expr, $kept:expr) => {
        $query
            .bind(&$kept.key)
            .bind(1_i64)
            .bind("settled")
            .bind(&$kept.player)
            .bind(&$kept.settled)
            .bind(&$kept.record)
            .bind($kept.updated)
            .bind("bitlabs")
            .bind("game")
    };
}

/// Begin, two statements, commit.
async fn transaction(pool: &PgPool, kept: &Kept) {
    let mut transaction = pool.begin().await.unwrap();
    let record = bound!(sqlx::query(RECORD), kept);
    let done = record.execute(&mut *transaction).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    sqlx::query(CREDIT)
        .bind(&kept.decision)
        .bind(&kept.player)
        .bind(&kept.settled)
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn statement(pool: &PgPool, kept: &Kept) {
    let both = bound!(sqlx::query(BOTH), kept).bind(&kept.decision);
    let done = both.execute(pool).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

fn kept(offers: &Offers, most: usize) -> Vec<Kept> {
    (0..most).map(|_| offers.kept()).collect()
}

async fn round(
    name: &str,
    receiver: &PostgresReceiver<Wallet>,
    pool: &PgPool,
    offers: &Offers,
) -> Round {
    let span = words::span();
    let most = usize::try_from(40 * span.as_millis()).unwrap();
    let (receiver, pool) = (receiver.clone(), pool.clone());
    match name {
        "store" => {
            call(offers.events(most), CALLERS, span, move |event| {
                let receiver = receiver.clone();
                async move {
                    let receipt = receiver.receive(event).await.unwrap();
                    assert!(matches!(receipt, Receipt::Settled(..)));
                }
            })
            .await
        }
        "duplicates" => {
            let known = offers.events(2000);
            let deliver = receiver.clone();
            let hour = Duration::from_secs(3600);
            call(known.clone(), CALLERS, hour, move |event| {
                let receiver = deliver.clone();
                async move {
                    receiver.receive(event).await.unwrap();
                }
            })
            .await;
            let again = known.iter().cycle().take(most).cloned().collect();
            call(again, CALLERS, span, move |event| {
                let receiver = receiver.clone();
                async move {
                    let receipt = receiver.receive(event).await.unwrap();
                    assert_eq!(receipt, Receipt::Duplicate);
                }
            })
            .await
        }
        "bare transaction" => {
            call(kept(offers, most), CALLERS, span, move |kept| {
                let pool = pool.clone();
                async move { transaction(&pool, &kept).await }
            })
            .await
        }
        _ => {
            call(kept(offers, most), CALLERS, span, move |kept| {
                let pool = pool.clone();
                async move { statement(&pool, &kept).await }
            })
            .await
        }
    }
}

/// Fills both tables with settled offers, as the store would have.
async fn fill(pool: &PgPool, count: u64) {
    const ROWS: u64 = 5000;
    let order = words::order();
    let offers = Offers::new(order, this_run());
    raw_sql(FILLED).execute(pool).await.unwrap();
    sqlx::query("INSERT INTO filled VALUES ($1)")
        .bind(order == Order::Random)
        .execute(pool)
        .await
        .unwrap();
    let started = Instant::now();
    let mut connection = pool.acquire().await.unwrap();
    raw_sql("SET synchronous_commit = off")
        .execute(&mut *connection)
        .await
        .unwrap();
    for group in 0..count / ROWS {
        let kept = kept(&offers, usize::try_from(ROWS).unwrap());
        let column = |field: fn(&Kept) -> &String| -> Vec<String> {
            kept.iter().map(|kept| field(kept).clone()).collect()
        };
        let (keys, players) = (column(|kept| &kept.key), column(|kept| &kept.player));
        sqlx::query(
            "INSERT INTO postback_records (key, version, status, player, settled, record, updated, source, app) \
             SELECT key, 1, 'settled', player, 500, record::json, 1760000000000, 'bitlabs', 'game' \
             FROM unnest($1::text[], $2::text[], $3::text[]) AS row (key, player, record)",
        )
        .bind(&keys)
        .bind(&players)
        .bind(column(|kept| &kept.record))
        .execute(&mut *connection)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO credits SELECT id, player, 500 FROM unnest($1::text[], $2::text[]) AS row (id, player)",
        )
        .bind(column(|kept| &kept.decision))
        .bind(&players)
        .execute(&mut *connection)
        .await
        .unwrap();
        if group % 100 == 99 {
            let (done, after) = ((group + 1) * ROWS, started.elapsed().as_secs());
            eprintln!("{done} after {after} s");
        }
    }
    connection.close().await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        raw_sql(statement).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    pool.close().await;
}

/// A pool on a database with both tables, made if need be.
async fn open(url: &str) -> PgPool {
    let connections = u32::try_from(words::number("POSTBACK_CONNECTIONS", 32)).unwrap();
    // Without asking the server whether it is still there before each use, on both sides.
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .connect(url)
        .await
        .unwrap();
    println!("{connections} connections, {CALLERS} callers");
    pool
}

async fn make(server: &Server) -> PgPool {
    let pool = open(&server.database().await).await;
    PostgresStore::new(pool.clone()).migrate().await.unwrap();
    raw_sql(WALLET).execute(&pool).await.unwrap();
    pool
}

/// How much has been logged so far, in bytes.
async fn logged(pool: &PgPool) -> u64 {
    let select = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
    let bytes: i64 = sqlx::query_scalar(select).fetch_one(pool).await.unwrap();
    bytes.unsigned_abs()
}

async fn measure(pool: &PgPool) {
    let store = PostgresStore::new(pool.clone());
    let receiver = store.receiver(Wallet);
    // As the tables were filled, if they were.
    let random = sqlx::query_scalar("SELECT random FROM filled");
    let order = match random.fetch_one(pool).await {
        Ok(true) => Order::Random,
        Ok(false) => Order::Ascending,
        Err(_) => words::order(),
    };
    let offers = Offers::new(order, this_run());
    let mut figures = Figures::default();
    let cases = ["store", "bare transaction", "bare statement", "duplicates"];
    for at in 1..=words::rounds() {
        eprintln!("round {at}");
        for name in cases {
            let before = logged(pool).await;
            let mut round = round(name, &receiver, pool, &offers).await;
            // What is repeated was logged when it was first delivered, in the same round.
            if name != "duplicates" {
                round = round.having_written(logged(pool).await - before);
            }
            figures.add(name, round);
        }
    }
    let select = "SELECT count(*) FROM postback_records";
    let rows: i64 = sqlx::query_scalar(select).fetch_one(pool).await.unwrap();
    println!("{rows} conversions at the end");
    figures.print();
    println!();
    for than in ["bare transaction", "bare statement"] {
        figures.ratio("store", than);
        figures.wait_ratio("store", than);
    }
    figures.ratio("duplicates", "store");
}

async fn run(words: &[&str]) {
    match words {
        [] => {
            let Some(server) = Server::start(&SETTINGS) else {
                return;
            };
            measure(&make(&server).await).await;
        }
        ["fill", directory, count] => {
            let Some(server) = Server::kept(Path::new(directory), &SETTINGS) else {
                return;
            };
            fill(&make(&server).await, count.parse().unwrap()).await;
        }
        ["history", directory] => {
            let Some(server) = Server::kept(Path::new(directory), &SETTINGS) else {
                return;
            };
            measure(&open(&server.first_database()).await).await;
        }
        _ => eprintln!("unknown words: {words:?}"),
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let words = words::given();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    runtime.block_on(run(&words));
}
