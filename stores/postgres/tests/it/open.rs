//! Opening a store, its tables, and the API as printed.

use std::error::Error as _;

use postback::store::{erase_player, json};
use postback::{Decision, DedupStore as _, HandlerError, ReceiveError, Receiver, StoreError};
use postback_postgres::{PostgresOptions, PostgresStore, sqlx};
use postback_test_servers::events::{PLAYER, kept};
use postback_test_servers::log::warnings_of;
use postback_test_servers::{Postgres, free_port};

use crate::game::{completed, database, is_settled, key, new_game, patient, pool, reversed, spawn};

async fn pay(_: Decision) -> Result<(), HandlerError> {
    Ok(())
}

/// The code on the front page of the documentation.
#[tokio::test]
async fn api_works_as_printed() -> Result<(), Box<dyn std::error::Error>> {
    let Some(server) = Postgres::shared() else {
        return Ok(());
    };
    let store = PostgresStore::connect(&server.create_database()).await?;
    let players =
        "CREATE TABLE players (id text PRIMARY KEY, gems numeric); INSERT INTO players VALUES ('player-7', 0)";
    sqlx::raw_sql(players).execute(store.pool()).await?;
    let receiver = store.receiver(|tx, decision| {
        Box::pin(async move {
            sqlx::query("UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1")
                .bind(decision.player().as_str())
                .bind(decision.balance_change().to_string())
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    });
    // The future is `Send`.
    let call = spawn(&receiver, completed("t1", 500));
    assert!(is_settled(&call.await?));
    assert_eq!(crate::game::balance(store.pool(), "player-7").await, 500.into());

    let elsewhere = Receiver::new(store, pay);
    assert!(is_settled(&elsewhere.receive(completed("t2", 5)).await));
    Ok(())
}

#[tokio::test]
async fn errors_say_what_is_wrong_without_credentials() {
    let Some(server) = Postgres::shared() else { return };
    let roles = "CREATE ROLE secured; CREATE ROLE secured_game LOGIN PASSWORD 'right' IN ROLE secured";
    server.sql("postgres", roles);
    let nobody = free_port();
    let cases = [
        ("mysql://game:s3cret@localhost/game".to_owned(), "expected postgres://"),
        ("postgres://game:s3cret@local host/game".to_owned(), "expected postgres://"),
        (format!("postgres://game:s3cret@127.0.0.1:{nobody}/game"), "check that the server runs"),
        (server.url_as("game:s3cret", "postgres"), "correct user and password"),
        (server.url_as("secured_game:s3cret", "postgres"), "correct user and password"),
        (server.url("absent"), "create the database"),
    ];
    for (url, hint) in cases {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{url}: {error:?}");
        let mut texts = vec![format!("{error} {error:?}")];
        let mut source = error.source();
        while let Some(error) = source {
            texts.push(format!("{error} {error:?}"));
            source = error.source();
        }
        let text = texts.concat();
        assert!(text.contains(hint), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{url}: {text}");
    }
}

#[tokio::test]
async fn invalid_schema_name_is_rejected() {
    let Some((_server, url)) = database() else { return };
    for name in ["", "pg_own", "1st", "a\"b", "Upper", &"x".repeat(64)] {
        let options = PostgresOptions::default().schema(name);
        let error = PostgresStore::connect_with(&url, options).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{name:?}: {error:?}");
    }
    let options = PostgresOptions::default().schema("user");
    let store = PostgresStore::connect_with(&url, options).await.expect("a reserved word is quoted");
    assert_eq!(store.list_pending(None, 1).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_can_migrate_at_once() {
    let Some((_server, url)) = database() else { return };
    let opened: tokio::task::JoinSet<_> = (0..8)
        .map(|_| {
            let pool = pool(&url, 2);
            async move { PostgresStore::with_options(pool, patient()).await }
        })
        .collect();
    for store in opened.join_all().await {
        let store = store.expect("every one finds the tables");
        store.migrate().await.expect("a second migration does nothing");
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_left_alone() {
    let Some((_server, url)) = database() else { return };
    let store = PostgresStore::connect(&url).await.unwrap();
    let set = |version: &'static str| sqlx::raw_sql(version).execute(store.pool());
    set("UPDATE postback.meta SET version = 9").await.unwrap();
    for options in [PostgresOptions::default(), PostgresOptions::default().without_migration()] {
        let error = PostgresStore::connect_with(&url, options).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 9, known: 1, .. }), "{error:?}");
    }
    set("DELETE FROM postback.meta").await.unwrap();
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(error.to_string().contains("restore the table meta"), "{error}");
}

#[tokio::test]
async fn missing_tables_are_an_error_without_migration() {
    let Some((_server, url)) = database() else { return };
    let options = PostgresOptions::default().without_migration();
    let error = PostgresStore::connect_with(&url, options).await.unwrap_err();
    assert!(error.to_string().contains("call PostgresStore::migrate"), "{error}");
}

#[tokio::test]
async fn database_that_is_not_utf8_is_rejected() {
    let Some(server) = Postgres::shared() else { return };
    server.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let error = PostgresStore::connect(&server.url("latin")).await.unwrap_err();
    assert!(error.to_string().contains("ENCODING 'UTF8'"), "{error}");
}

#[tokio::test]
async fn view_shows_every_callback() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    receiver.receive(completed("t1", 500)).await.unwrap();
    receiver.receive(reversed("t1", 200)).await.unwrap();
    let select = "SELECT number, player, endpoint, action, balance_change::text, delivered IS NOT NULL, query \
         FROM postback.callbacks ORDER BY number";
    let rows: Vec<(i64, String, String, String, String, bool, String)> =
        sqlx::query_as(select).fetch_all(&wallet.pool).await.unwrap();
    let row = |number, action: &str, change: &str| {
        let [player, endpoint, query] = ["player-7", "offers", "player=player-7&tx=t1"].map(str::to_owned);
        (number, player, endpoint, action.to_owned(), change.to_owned(), true, query)
    };
    assert_eq!(rows, [row(1, "reward", "500"), row(2, "reversal", "-200")]);
}

#[tokio::test]
async fn record_is_stored_byte_for_byte() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let mut event = completed("t1", 500).into_inner();
    event.reason = Some("NUL \u{0}, \\u0000 and \u{1f48e}".into());
    let callback = postback::Verified::assume_genuine(event);
    receiver.receive(callback).await.unwrap();
    let stored = receiver.store().load(&key("t1")).await.unwrap().unwrap();
    let text: String =
        sqlx::query_scalar("SELECT record::text FROM postback.records").fetch_one(&wallet.pool).await.unwrap();
    assert_eq!(text, json::write(&stored.record).unwrap());
    let shown: i64 =
        sqlx::query_scalar("SELECT count(*) FROM postback.callbacks").fetch_one(&wallet.pool).await.unwrap();
    assert_eq!(shown, 1, "the view reads a NUL, too");
}

#[tokio::test]
async fn unreadable_record_is_never_paid_again() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    receiver.receive(completed("t1", 500)).await.unwrap();
    let damage = r#"UPDATE postback.records SET record = '{"format":1}', pending = true"#;
    sqlx::raw_sql(damage).execute(&wallet.pool).await.unwrap();
    let error = receiver.receive(completed("t1", 500)).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Store(StoreError::Unreadable { .. })), "{error:?}");
    assert!(is_settled(&receiver.receive(completed("t2", 1)).await), "others are paid");
    let foreign = "INSERT INTO postback.records VALUES ('a', 1, '{}', true, NULL, 0)";
    sqlx::raw_sql(foreign).execute(&wallet.pool).await.unwrap();
    let summary = receiver.recover().await.unwrap();
    assert_eq!((summary.failed, summary.delivered), (1, 0), "a foreign row is skipped");
    assert_eq!(wallet.total().await, (501, 2));
}

#[tokio::test]
async fn damaged_kept_callback_hides_no_others() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let store = receiver.store();
    for id in ["a", "b", "c"] {
        store.keep_unusable(&kept(id)).await.unwrap();
    }
    let damage = "UPDATE postback.unusable SET callback = '{}' WHERE id = 'b'";
    sqlx::raw_sql(damage).execute(&wallet.pool).await.unwrap();
    assert_eq!(store.list_unusable(None, 2).await.unwrap(), [kept("a"), kept("c")], "a full page");
    let erased = erase_player(store, &PLAYER.parse().unwrap()).await.unwrap();
    assert_eq!(erased.kept, 2);
}

#[test]
fn log_contains_no_value_of_a_damaged_callback() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ((), log) = warnings_of(|| {
        runtime.block_on(async {
            let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
            receiver.store().keep_unusable(&kept("a")).await.unwrap();
            let damage = r#"UPDATE postback.unusable SET callback = '{"id":4915112345678}'"#;
            sqlx::raw_sql(damage).execute(&wallet.pool).await.unwrap();
            assert_eq!(receiver.store().list_unusable(None, 2).await.unwrap(), []);
        });
    });
    assert!(!log.concat().contains("4915112345678"), "{log:?}");
}
