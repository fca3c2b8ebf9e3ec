//! The tables, their names, and what an operator is told when something is wrong with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "postgres")]

mod postgres_game;
mod postgres_server;

use std::time::Duration;

use postback::event::{PlayerId, RecordKey};
use postback::receiver::Receive;
use postback::store::postgres::{NameError, PostgresOptions, PostgresStore, sqlx};
use postback::store::{DedupStore, Retention, StoreError, Swapped, Version};
use postgres_game::{completed, open_record};
use postgres_server::{free_port, pool, shared};

fn told(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        !format!("{error:?} {text}").contains("not-a-secret"),
        "{error:?}"
    );
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_may_migrate_at_once() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let migrations: Vec<_> = (0..12)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let options = PostgresOptions::new().schema("rewards").unwrap();
                options.store(pool(&url, 1)).migrate().await
            })
        })
        .collect();
    for migration in migrations {
        migration.await.unwrap().unwrap();
    }
    let rows: Vec<i64> = sqlx::query_scalar("SELECT version FROM rewards.postback_meta")
        .fetch_all(&pool(&url, 1))
        .await
        .unwrap();
    assert_eq!(rows, [1]);
}

#[test]
fn names_that_cannot_stand_in_a_statement_are_refused() {
    let schema = |name: &str| PostgresOptions::new().schema(name).map(|_| ());
    let prefix = |name: &str| PostgresOptions::new().prefix(name).map(|_| ());
    assert_eq!(schema(""), Err(NameError::Empty));
    assert_eq!(schema("pg_mine"), Err(NameError::Reserved));
    assert_eq!(
        schema(&"a".repeat(64)),
        Err(NameError::TooLong { limit: 63 })
    );
    assert_eq!(
        prefix(&"a".repeat(41)),
        Err(NameError::TooLong { limit: 40 })
    );
    for name in ["a b", "a\"b", "a;b", "Ä", "A", "a.b", "1a", "a'b", "a\0b"] {
        assert_eq!(schema(name), Err(NameError::Character), "{name}");
        assert_eq!(prefix(name), Err(NameError::Character), "{name}");
    }
    assert_eq!(prefix(""), Ok(()));
    assert_eq!(schema("select"), Ok(()), "names are quoted");
}

#[tokio::test]
async fn two_prefixes_are_two_stores() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let one = PostgresOptions::new()
        .prefix("one_")
        .unwrap()
        .store(pool.clone());
    let other = PostgresOptions::new().prefix("").unwrap().store(pool);
    one.migrate().await.unwrap();
    other.migrate().await.unwrap();
    let record = open_record("o1");
    assert_eq!(
        one.swap(None, &record).await.unwrap(),
        Swapped::Done(Version::FIRST)
    );
    assert_eq!(other.load(record.key()).await.unwrap(), None);
}

#[tokio::test]
async fn what_an_operator_did_wrong_is_said_without_his_password() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let opening = async |url: &str| told(&PostgresStore::connect(url).await.unwrap_err());

    assert!(
        opening("mysql://game:not-a-secret@here/game")
            .await
            .contains("not a Postgres URL")
    );
    assert!(
        opening("postgres://game:not-a-secret@:port:/")
            .await
            .contains("not a Postgres URL")
    );
    let wrong = opening(&url.replace("not-a-secret", "wrong")).await;
    assert!(wrong.contains("password is wrong"), "{wrong}");
    assert!(
        wrong.contains(&format!("127.0.0.1:{}/test_", server.port())),
        "{wrong}"
    );
    let missing = opening(&server.url("nowhere")).await;
    assert!(
        missing.contains("nowhere") && missing.contains("create it"),
        "{missing}"
    );
    let unable = server
        .database_like("TEMPLATE template0 ENCODING 'LATIN1'")
        .await;
    let unable = opening(&unable).await;
    assert!(unable.contains("ENCODING 'UTF8'"), "{unable}");

    let nobody = url.replace(&server.port().to_string(), &free_port().to_string());
    let refused = opening(&nobody).await;
    assert!(refused.contains("no server answers there"), "{refused}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port().to_string();
    let silent = url.replace(&server.port().to_string(), &silent);
    let options = PostgresOptions::new().timeout(Duration::from_millis(300));
    let silent = told(&options.connect(&silent).await.unwrap_err());
    assert!(silent.contains("no server answers there"), "{silent}");
}

#[tokio::test]
async fn tables_that_are_missing_newer_or_out_of_reach_are_told_apart() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let key = completed("o1", 1).key();
    let store = PostgresStore::new(pool.clone());
    let missing = told(&store.load(&key).await.unwrap_err());
    assert!(missing.contains("call PostgresStore::migrate"), "{missing}");
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), None);

    sqlx::raw_sql(
        "CREATE ROLE guest LOGIN PASSWORD 'not-a-secret';
         REVOKE ALL ON SCHEMA public FROM guest; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .execute(&pool)
    .await
    .unwrap();
    let options = (*pool.connect_options()).clone().username("guest");
    let guests = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(options);
    let guest = PostgresStore::new(guests);
    let refused = told(&guest.load(&key).await.unwrap_err());
    assert!(refused.contains("lacks a right"), "{refused}");

    let newer = "UPDATE postback_meta SET version = 7";
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let later = PostgresStore::new(pool.clone());
    for error in [
        later.load(&key).await.map(|_| ()),
        later.swap(None, &open_record("o1")).await.map(|_| ()),
        later.migrate().await,
    ] {
        assert!(
            matches!(
                error,
                Err(StoreError::Newer {
                    found: 7,
                    known: 1,
                    ..
                })
            ),
            "{error:?}"
        );
    }
    sqlx::raw_sql("DELETE FROM postback_meta")
        .execute(&pool)
        .await
        .unwrap();
    told(
        &PostgresStore::new(pool.clone())
            .migrate()
            .await
            .unwrap_err(),
    );

    pool.close().await;
    let closed = store.load(&key).await;
    assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_never_absent() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    for damage in [
        "record = '[]'",
        "record = 'null'",
        r#"record = '{"format": 1, "key": "bitlabs/game/conversion/o1"}'"#,
        "record = replace(record::text, 'conversion/o1', 'conversion/o2')::json",
        "version = 0",
        "version = -1",
    ] {
        let mut transaction = pool.begin().await.unwrap();
        let statement = format!("UPDATE postback_records SET {damage}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let found = store.load(record.key()).await;
        assert!(
            matches!(found, Err(StoreError::Unreadable { .. })),
            "{damage}: {found:?}"
        );
        let swapped = store.swap(None, &record).await;
        assert!(
            matches!(swapped, Err(StoreError::Unreadable { .. })),
            "{damage}: {swapped:?}"
        );
        sqlx::raw_sql("DELETE FROM postback_records")
            .execute(&pool)
            .await
            .unwrap();
        store.swap(None, &record).await.unwrap();
    }
    let newer = r#"UPDATE postback_records SET record = '{"format": 9}'"#;
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let found = store.load(record.key()).await;
    assert!(
        matches!(found, Err(StoreError::Newer { found: 9, .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn rows_whose_keys_make_no_sense_hide_no_other_ones() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    let stray = "INSERT INTO postback_records (key, version, status, player, source, app, settled, record, updated) \
                 SELECT 'a' || i, 1, 'open', NULL, '', '', 0, '{}', 0 \
                 FROM generate_series(1, 20) AS i";
    sqlx::raw_sql(stray).execute(&pool).await.unwrap();
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    assert_eq!(
        store.unsettled(None, 2).await.unwrap(),
        [record.key().clone()]
    );
}

#[tokio::test]
async fn a_person_reads_records_with_plain_sql() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let (receiver, _) = postgres_game::game(pool.clone(), postgres_game::Then::Nothing).await;
    let mut event = completed("o1", 500);
    // Texts may hold what Postgres' own texts cannot.
    event.reason = Some("a\0b \\u0000 \u{1F3AE}".to_owned());
    receiver.receive(event.clone()).await.unwrap();
    receiver
        .receive(postgres_game::reconciled("o1", -200))
        .await
        .unwrap();
    let stored = receiver.store().load(&event.key()).await.unwrap().unwrap();
    assert_eq!(*stored.record.entries()[0].event(), event);

    let row: (String, String, String, String, String) =
        sqlx::query_as("SELECT status, player, source, app, settled::text FROM postback_records")
            .fetch_one(&pool)
            .await
            .unwrap();
    let row = (
        row.0.as_str(),
        row.1.as_str(),
        row.2.as_str(),
        row.3.as_str(),
        row.4.as_str(),
    );
    assert_eq!(row, ("settled", "player-7", "bitlabs", "game", "300"));
    let callbacks: Vec<(i64, String, String, String, bool)> = sqlx::query_as(
        "SELECT number, verdict, amount::text, signed, received <= now() AND settled <= now() \
         FROM postback_callbacks WHERE player = 'player-7' ORDER BY received, number",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let expected = [(1, "reward", "500"), (2, "reversal", "-200")];
    for (found, (number, verdict, amount)) in callbacks.iter().zip(expected) {
        assert_eq!(
            (found.0, found.1.as_str(), found.2.as_str()),
            (number, verdict, amount)
        );
        assert_eq!((found.3.as_str(), found.4), ("player=player-7&tx=o1", true));
    }
    assert_eq!(callbacks.len(), 2);
}

#[tokio::test]
async fn a_players_records_are_found_wherever_they_are_in_a_long_history() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    let mut expected = Vec::new();
    for number in [7, 3, 9, 1, 8, 2, 6, 4, 5] {
        let record = open_record(&format!("o{number}"));
        expected.push(record.key().clone());
        store.swap(None, &record).await.unwrap();
        // As if thousands had come in between.
        let later = format!(
            "ALTER TABLE postback_records ALTER COLUMN arrival RESTART WITH {}",
            100_000 - number * 7000
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(later))
            .execute(&pool)
            .await
            .unwrap();
    }
    expected.sort_by_key(ToString::to_string);
    let player: PlayerId = "player-7".parse().unwrap();
    let mut found: Vec<RecordKey> = Vec::new();
    loop {
        let page = store.of_player(&player, found.last(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
    let nobody: PlayerId = "player-8".parse().unwrap();
    assert!(store.of_player(&nobody, None, 4).await.unwrap().is_empty());
}
