//! Two receivers and their Postgres server, killed again and again: nothing is lost and nothing is paid twice.
//!
//! `POSTBACK_STORM_SECONDS` makes it longer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "postgres", feature = "axum"))]

mod postgres_server;
mod storm;

use std::sync::Arc;
use std::time::Duration;

use postback::store::postgres::sqlx;
use postgres_server::{Server, pool};
use storm::{Receivers, Storm};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_receivers_and_their_server_killed_again_and_again_pay_each_reward_once() {
    let Some(server) = Server::trusting() else {
        return;
    };
    let server = Arc::new(server);
    let url = server.database().await;
    let receivers = Receivers::start("postgres_receiver", "axum,postgres", ("DATABASE_URL", &url));
    let killing = tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(4)).await;
                let server = Arc::clone(&server);
                let restart = move || {
                    let started = std::time::Instant::now();
                    server.kill();
                    server.restart();
                    println!("server killed, back after {:?}", started.elapsed());
                };
                tokio::task::spawn_blocking(restart).await.unwrap();
            }
        }
    });
    let storm = Storm::rage(&receivers).await;
    killing.abort();
    // A restart that is under way is completed.
    let _ = killing.await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    storm.check(&receivers).await;

    let pool = pool(&url, 1);
    let (open, settled, paid): (i64, String, String) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM postback_records WHERE status = 'open'),
                (SELECT trim_scale(coalesce(sum(settled), 0))::text FROM postback_records),
                (SELECT trim_scale(coalesce(sum(balance), 0))::text FROM game_players)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(open, 0, "nothing is left open");
    assert_eq!(settled, paid, "records and wallet agree");
    assert_eq!(settled, storm.total().to_string());
}
