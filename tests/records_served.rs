//! `postback history` and `postback unsettled` on servers: the same answers as from a file, and nothing changed.
#![cfg(all(feature = "cli", feature = "postgres", feature = "redis"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;
mod postgres_server;
mod redis_server;

use std::process::{Command, Output};

use ledger::{completed, of_player, reconciled};
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::store::DedupStore;
use postback::store::postgres::PostgresStore;

/// One conversion that was paid and taken back in part, and one whose handler failed.
async fn fill(store: impl DedupStore) {
    let receiver = Receiver::new(store);
    let paying = |_: &Decision| async { Ok::<(), HandlerError>(()) };
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    receiver
        .receive(completed("o1", "500"), &paying)
        .await
        .unwrap();
    receiver
        .receive(reconciled("o1", "120"), &paying)
        .await
        .unwrap();
    receiver
        .receive(of_player(completed("o2", "7"), "p2"), &failing)
        .await
        .unwrap_err();
}

/// Runs the command on the store whose URL is in the environment.
fn run(url: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postback"));
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .args(arguments)
        .env("STORE_URL", url)
        .output()
        .unwrap();
    let text = [stdout, stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    (status.code().unwrap(), text)
}

fn tells_what_happened(url: &str) {
    for subject in ["p1", "o1", "bitlabs/game/conversion/o1"] {
        let (status, text) = run(url, &["history", "env:STORE_URL", subject]);
        assert_eq!(status, 0, "{text}");
        assert!(
            text.contains("bitlabs/game/conversion/o1  player p1  settled  balance 380"),
            "{subject}: {text}"
        );
        assert!(!text.contains("o2"), "{text}");
    }
    let (status, text) = run(url, &["history", "env:STORE_URL", "nobody"]);
    assert_eq!(status, 1, "{text}");
    let (status, text) = run(url, &["unsettled", "env:STORE_URL"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("bitlabs/game/conversion/o2  player p2  open"),
        "{text}"
    );
    assert!(text.contains("1 open"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_database_tells_what_a_file_would() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.database().await;
    // Without the tables, nothing is created.
    let (status, text) = run(&url, &["unsettled", "env:STORE_URL"]);
    assert_eq!(status, 2, "{text}");
    fill(PostgresStore::connect(&url).await.unwrap()).await;
    tells_what_happened(&url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_server_tells_what_a_file_would() {
    let Some(server) = redis_server::start() else {
        return;
    };
    fill(
        postback::store::redis::RedisStore::connect(&*server.url())
            .await
            .unwrap(),
    )
    .await;
    tells_what_happened(&server.url());
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error_without_the_password() {
    for url in [
        "postgres://user:hunter2@127.0.0.1:1/game",
        "redis://user:hunter2@127.0.0.1:1/0",
        "mysql://hunter2@x",
    ] {
        let (status, text) = run(url, &["history", "env:STORE_URL", "p1"]);
        assert_eq!(status, 2, "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let (status, text) = run("", &["history", "env:NOT_SET_ANYWHERE", "p1"]);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("NOT_SET_ANYWHERE"), "{text}");
}
