//! The user's own pool: its hooks run, and its roles and policies apply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use postback::HandlerError;
use postback::Receipt;
use postback_postgres::sqlx::postgres::PgPoolOptions;
use postback_postgres::{PostgresStore, sqlx};
use postback_test_servers::PATIENCE;

use crate::game::{Wallet, completed, completed_by, database, game, is_settled, patient};

#[tokio::test]
async fn pool_hooks_run() {
    let Some((_server, url)) = database() else { return };
    let counts: [Arc<AtomicUsize>; 3] = Default::default();
    let [connected, acquired, released] = counts.clone();
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(PATIENCE)
        .after_connect(move |connection, _| {
            connected.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let set = "SET search_path = game; SET lock_timeout = '7s'";
                sqlx::raw_sql(set).execute(connection).await.map(drop)
            })
        })
        .before_acquire(move |_, _| {
            acquired.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(true) })
        })
        .after_release(move |_, _| {
            released.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(true) })
        })
        .connect(&url)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE SCHEMA game").execute(&pool).await.unwrap();
    let store = PostgresStore::with_options(pool.clone(), patient()).await.unwrap();
    let wallet = Wallet::create(&pool).await;
    let receiver = wallet.receiver(&store);
    for number in 0..10 {
        let result = receiver.receive(completed(&format!("t{number}"), 5)).await;
        assert!(is_settled(&result), "{result:?}");
    }
    assert_eq!(wallet.total().await, (50, 10));
    let [connected, acquired, released] = counts.map(|count| count.load(Ordering::SeqCst));
    assert!((1..=2).contains(&connected), "{connected}");
    assert!(acquired >= 10 && released >= 9, "{acquired} {released}");
    let kept: String = sqlx::query_scalar("SHOW lock_timeout").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, "7s", "what the hook set is unchanged after a transaction");
}

#[tokio::test]
async fn role_and_row_security_apply_to_the_handler() {
    let Some((server, url)) = database() else { return };
    let (owner, _) = game(&url, 2, patient()).await;
    let database = url.rsplit('/').next().unwrap();
    let rights = "CREATE ROLE tenant_role; GRANT USAGE ON SCHEMA postback TO tenant_role; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA postback TO tenant_role; \
         CREATE TABLE accounts (id text PRIMARY KEY, tenant text, gems numeric); \
         INSERT INTO accounts VALUES ('alice', 'one', 0), ('bob', 'two', 0); \
         ALTER TABLE accounts ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY own ON accounts USING (tenant = current_setting('app.tenant')); \
         GRANT SELECT, UPDATE ON accounts TO tenant_role";
    server.sql(database, rights);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let set = "SET app.tenant = 'one'; SET ROLE tenant_role";
                sqlx::raw_sql(set).execute(connection).await.map(drop)
            })
        })
        .before_acquire(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("SET ROLE tenant_role").execute(connection).await?;
                Ok(true)
            })
        })
        .connect(&url)
        .await
        .unwrap();
    // The role may not create tables; it need not.
    let store = PostgresStore::with_options(pool, patient()).await.unwrap();
    let receiver = store.receiver(|tx, decision| {
        Box::pin(async move {
            let update = "UPDATE accounts SET gems = gems + $2::text::numeric WHERE id = $1";
            let done = sqlx::query(update)
                .bind(decision.player().as_str())
                .bind(decision.balance_change().to_string())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 1 { Ok(()) } else { Err(HandlerError::declined("no such player")) }
        })
    });
    assert!(is_settled(&receiver.receive(completed_by("alice", "t1", 500)).await));
    let other = receiver.receive(completed_by("bob", "t2", 500)).await.unwrap();
    assert!(matches!(other, Receipt::Declined(_)), "{other:?}");
    let gems: Vec<String> = sqlx::query_scalar("SELECT gems::text FROM accounts ORDER BY id")
        .fetch_all(owner.store().pool())
        .await
        .unwrap();
    assert_eq!(gems, ["500", "0"]);
}
