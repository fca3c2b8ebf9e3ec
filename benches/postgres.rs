//! How fast the Postgres store is, beside what one statement with many rows could bring at best. Starts a server of
//! its own: `cargo bench --bench postgres --features postgres,testing`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../tests/postgres_game/mod.rs"]
mod postgres_game;
#[path = "../tests/postgres_server/mod.rs"]
mod postgres_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postback::receiver::Receive;
use postback::store::DedupStore;
use postback::store::postgres::sqlx;
use postgres_game::{Then, completed, game, open_record};
use postgres_server::{Server, pool};

const SPAN: Duration = Duration::from_secs(4);

/// So many callers at once, each doing one thing after the other; how many a second.
async fn rate<F>(callers: u64, work: impl Fn(u64) -> F + Send + Sync + 'static) -> f64
where
    F: Future<Output = u64> + Send,
{
    let (work, count) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (work, count) = (Arc::clone(&work), Arc::clone(&count));
            tokio::spawn(async move {
                let mut done = 0;
                while started.elapsed() < SPAN {
                    done += work(count.fetch_add(1, Ordering::Relaxed)).await;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let done = done as f64;
    done / started.elapsed().as_secs_f64()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let Some(server) = Server::start(&["max_connections = 100"]) else {
        return;
    };
    let url = server.database().await;
    for connections in [1, 8, 32] {
        let (receiver, _) = game(pool(&url, connections), Then::Nothing).await;
        let callers = u64::from(connections) * 2;
        let name = format!("r{connections}");
        let store = receiver.store().clone();
        let callbacks = rate(callers, move |number| {
            let (receiver, event) = (receiver.clone(), completed(&format!("{name}-{number}"), 1));
            async move {
                receiver.receive(event).await.unwrap();
                1
            }
        })
        .await;
        let name = format!("s{connections}");
        let swapped = rate(callers, move |number| {
            let (store, record) = (store.clone(), open_record(&format!("{name}-{number}")));
            async move {
                store.swap(None, &record).await.unwrap();
                1
            }
        })
        .await;
        println!("{connections} connections: {callbacks:.0} callbacks/s, {swapped:.0} swaps/s");
    }

    // What batching could bring at best: 64 such rows in one statement, on one connection.
    let one = pool(&url, 1);
    let record = postback::store::json::write(&open_record("o1")).unwrap();
    let batched = rate(1, move |number| {
        let (one, record) = (one.clone(), record.clone());
        async move {
            let insert = "INSERT INTO postback_records SELECT $1 || i, 1, 'open', 'player-7', 'bitlabs', 'game', 0, \
                          $2::text::json, 0 FROM generate_series(1, 64) AS i ON CONFLICT (key) DO NOTHING";
            let inserted = sqlx::query(insert)
                .bind(format!("batch-{number}-"))
                .bind(record)
                .execute(&one)
                .await
                .unwrap();
            inserted.rows_affected()
        }
    })
    .await;
    println!("64 rows a statement: {batched:.0} rows/s");
}
