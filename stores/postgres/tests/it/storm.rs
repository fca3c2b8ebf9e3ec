//! Two receiver processes on one server, each of the three killed again and again: see [`postback_test_servers::storm`].

use std::collections::HashMap;
use std::time::Duration;

use postback::Recovery;
use postback_postgres::{PostgresOptions, PostgresStore, sqlx};
use postback_test_servers::{Postgres, storm};

use crate::game::{Wallet, game, pool};

/// Gives up soon on a server that is killed.
fn hurried() -> PostgresOptions {
    PostgresOptions::default().timeout(Duration::from_secs(1))
}

/// Not a test by itself: the process that the storm starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_process() {
    let Some(url) = storm::location() else { return };
    let pool = pool(&url, 4);
    let Ok(store) = PostgresStore::with_options(pool.clone(), hurried()).await else { return };
    let receiver = Wallet::of(&pool).receiver(&store);
    storm::serve(move |number, callback| {
        let receiver = receiver.clone();
        async move {
            // Some are stored now and paid later.
            let received =
                if number % 10 == 3 { receiver.accept(callback).await } else { receiver.receive(callback).await };
            received.is_ok()
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_and_servers_pay_each_reward_once() {
    let Some(server) = Postgres::start(&[]) else { return };
    let url = server.create_database();
    let (receiver, wallet) = game(&url, 4, hurried()).await;
    let restart = || {
        server.kill();
        server.restart();
    };
    let conversions = storm::run("storm::storm_process", &url, Some(&restart)).await;

    let at_once = Recovery::default().backoff(Duration::ZERO, Duration::ZERO);
    let summary = receiver.recovery(at_once).recover().await.unwrap();
    assert_eq!(summary.pending(), 0, "{summary:?}");
    let select = "SELECT split_part(split_part(id, '/', 4), '#', 1), sum(amount)::bigint FROM credits GROUP BY 1";
    let paid: Vec<(String, i64)> = sqlx::query_as(select).fetch_all(&wallet.pool).await.unwrap();
    let paid: HashMap<String, i64> = paid.into_iter().collect();
    for conversion in &conversions {
        assert_eq!(paid.get(&conversion.name).copied().unwrap_or(0), conversion.owed, "{conversion:?}");
    }
    let (gems, _) = wallet.total().await;
    assert_eq!(gems, conversions.iter().map(|conversion| conversion.owed).sum::<i64>(), "the players' balances");
}
