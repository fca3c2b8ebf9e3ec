//! The suite that every store must pass.

use std::sync::atomic::{AtomicUsize, Ordering};

use postback::testing::conformance;
use postback_postgres::{PostgresStore, sqlx};
use postback_test_servers::Postgres;

use crate::game::{balance, database, patient, pool};

const WALLET: &str = "CREATE TABLE players (id text PRIMARY KEY, gems numeric NOT NULL)";

async fn open(server: &Postgres) -> PostgresStore {
    let pool = pool(&server.create_database(), 8);
    sqlx::raw_sql(WALLET).execute(&pool).await.unwrap();
    PostgresStore::with_options(pool, patient()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_keeps_the_promises_of_a_plain_store() {
    let Some(server) = Postgres::shared() else { return };
    let (url, schemas) = (server.create_database(), AtomicUsize::new(0));
    let open = async || {
        let schema = format!("store_{}", schemas.fetch_add(1, Ordering::Relaxed));
        PostgresStore::with_options(pool(&url, 8), patient().schema(schema)).await.unwrap()
    };
    conformance::plain(open).await;
    conformance::retention(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pools_see_each_others_changes() {
    let Some((_server, url)) = database() else { return };
    let store = async || PostgresStore::with_options(pool(&url, 4), patient()).await.unwrap();
    conformance::shared(&store().await, &store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_keeps_the_promises_of_a_transactional_store() {
    let Some(server) = Postgres::shared() else { return };
    conformance::transactional(
        async || open(&server).await,
        |store, script| {
            store.receiver(move |tx, decision| {
                let script = script.clone();
                Box::pin(async move {
                    let add = "INSERT INTO players (id, gems) VALUES ($1, $2::text::numeric) \
                               ON CONFLICT (id) DO UPDATE SET gems = players.gems + excluded.gems";
                    sqlx::query(add)
                        .bind(decision.player().as_str())
                        .bind(decision.balance_change().to_string())
                        .execute(&mut *tx)
                        .await?;
                    script.end()
                })
            })
        },
        async |store, player| balance(store.pool(), player.as_str()).await,
    )
    .await;
}
