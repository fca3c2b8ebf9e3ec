//! `postback import`: a list is tried first, taken over whole or not at all, and never moves money.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;
#[cfg(feature = "postgres")]
mod postgres_server;
#[cfg(feature = "redis")]
mod redis_server;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use ledger::{adjustment, completed, of_player, reconciled};
use postback::decision::Decision;
use postback::event::Event;
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::steps::Receipt;
use postback::store::DedupStore;
use postback::store::sqlite::SqliteStore;

const LIST: &str = "\
transaction,player,amount,taken_back,original,paid_at
o1,p1,500,,,2025-11-30 23:59:59
o2,p1,120,20,,
o3,\"p1\",,,,1764547199
o4,p1,80,,,
r4,p1,30,,o4,2025-12-01T00:00:00Z
";

/// Runs the command; its status, and all that it said.
fn import(store: &str, list: &Path, more: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_postback"))
        .args(["import", store, list.to_str().unwrap(), "--app", "game"])
        .args(more)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    (output.status.code().unwrap(), text)
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn list(&self, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join("paid.csv");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn store(&self) -> String {
        self.0.path().join("game.db").to_str().unwrap().to_owned()
    }
}

/// Receives an event; what became of it, and what the game was told to move.
async fn receive(store: impl DedupStore, event: Event) -> (Receipt, Vec<String>) {
    let moved = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&moved);
    let handler = move |decision: &Decision| {
        let change = decision.balance_change().normalize().to_string();
        told.lock().unwrap().push(change);
        async { Ok::<(), HandlerError>(()) }
    };
    let receipt = Receiver::new(store).receive(event, &handler).await.unwrap();
    let moved = moved.lock().unwrap().clone();
    (receipt, moved)
}

/// Tried, done, done again, and then known to a receiver. `open` opens the store for it.
async fn is_taken_over<S: DedupStore>(store: &str, open: impl AsyncFn() -> S) {
    let desk = Desk::new();
    let list = desk.list(LIST);
    let counts = "5 imported, 1 imported as closed, 0 imported before, 0 dealt with here, 0 open, 0 contradicting";
    for _ in 0..2 {
        let (status, text) = import(store, &list, &[]);
        assert_eq!(status, 0, "{text}");
        assert!(text.contains(&format!("would be: {counts}")), "{text}");
        assert!(
            text.contains("line 4: imported without its amount"),
            "{text}"
        );
        assert!(text.contains("Nothing was written"), "{text}");
    }
    let (status, text) = import(store, &list, &["--write"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains(counts) && text.contains("Next:"), "{text}");
    for more in [&["--write"][..], &[]] {
        let (status, text) = import(store, &list, more);
        assert_eq!(status, 0, "{text}");
        assert!(
            text.contains("0 imported, 0 imported as closed, 6 imported before"),
            "{text}"
        );
    }
    for (transaction, amount, expected) in [
        ("o1", "500", Receipt::Duplicate),
        ("o2", "120", Receipt::Duplicate),
        ("o3", "7", Receipt::Closed),
    ] {
        let (receipt, moved) = receive(open().await, completed(transaction, amount)).await;
        assert_eq!((receipt, moved), (expected, vec![]), "{transaction}");
    }
    let (_, moved) = receive(open().await, adjustment("r5", "o4", "-80")).await;
    assert_eq!(moved, ["-50"], "30 of 80 was taken back before");
    let (receipt, _) = receive(open().await, adjustment("r4", "o4", "-30")).await;
    assert_eq!(receipt, Receipt::Duplicate);
    let (_, moved) = receive(open().await, reconciled("o1", "900")).await;
    assert_eq!(moved, ["-500"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_taken_over_into_a_file() {
    let desk = Desk::new();
    let store = desk.store();
    is_taken_over(&store, async || SqliteStore::open(&store).unwrap()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_taken_over_into_postgres() {
    use postback::store::postgres::PostgresStore;

    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.database().await;
    // A rehearsal creates no tables, and says so.
    let desk = Desk::new();
    let (status, text) = import(&url, &desk.list(LIST), &[]);
    assert_eq!(status, 2, "{text}");
    PostgresStore::connect(&url).await.unwrap();
    is_taken_over(&url, async || PostgresStore::connect(&url).await.unwrap()).await;
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_taken_over_into_redis() {
    use postback::store::redis::RedisStore;

    let Some(server) = redis_server::start() else {
        return;
    };
    let url = server.url().clone();
    is_taken_over(&url, async || RedisStore::connect(&*url).await.unwrap()).await;
}

#[test]
fn a_rehearsal_creates_no_file() {
    let desk = Desk::new();
    let (status, text) = import(&desk.store(), &desk.list(LIST), &[]);
    assert_eq!(status, 0, "{text}");
    assert!(!Path::new(&desk.store()).exists());
}

#[test]
fn one_bad_line_and_nothing_is_taken_over() {
    let desk = Desk::new();
    for (line, advice) in [
        (
            "o5,p1,\"12,5\",,,",
            "line 7: amount \"12,5\" is no number: write 1234.5",
        ),
        ("o5,p1,1e3,,,", "line 7: amount \"1e3\" is no number"),
        (
            "o5,p1,-5,,,",
            "line 7: amount is below zero: what was taken back",
        ),
        (",p1,5,,,", "line 7: transaction is empty"),
        ("o5,p1,5,7,,", "line 7: taken_back is more than amount"),
        ("o5,p1,,7,,", "line 7: taken_back needs an amount"),
        (
            "o5,p1,5,5,o1,",
            "line 7: it has both taken_back and original",
        ),
        (
            "o5,p1,,,o1,",
            "line 7: amount is empty: how much of original",
        ),
        (
            "o5,p1,5,,,yesterday",
            "line 7: paid_at \"yesterday\" is no moment: write 2026",
        ),
        ("o5,p1,5,,,2025-11-30T00:00:00+01:00", "is no moment"),
        ("o5,p1,5", "line 7: it has 3 fields and the header 6"),
        (
            "o5,p\u{7}1,5,,,",
            "line 7: player \"p\\\\u{7}1\" cannot be used: it holds a control",
        ),
    ] {
        let list = desk.list(&format!("{LIST}{line}\n"));
        for more in [&[][..], &["--write"]] {
            let (status, text) = import(&desk.store(), &list, more);
            assert_eq!(status, 2, "{line}: {text}");
            assert!(text.contains(advice), "{line}: {text}");
            assert!(
                text.contains("1 lines cannot be read: nothing was imported"),
                "{text}"
            );
            assert!(!Path::new(&desk.store()).exists(), "{line}");
        }
    }
}

#[test]
fn a_file_that_is_no_such_list_is_refused_with_what_to_write() {
    let desk = Desk::new();
    for (text, advice) in [
        (
            "tx,player,amount\no1,p1,5\n",
            "the first line must name the columns, of transaction, player",
        ),
        ("transaction,player\no1,p1\n", "there is no column amount"),
        (
            "transaction,amount,amount\no1,5,5\n",
            "the column amount is there twice",
        ),
        ("transaction,amount\n", "no line below its header"),
        ("", "there is no column transaction"),
    ] {
        let (status, said) = import(&desk.store(), &desk.list(text), &["--write"]);
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(advice), "{said}");
    }
    let (status, said) = import(&desk.store(), Path::new("/nowhere/paid.csv"), &[]);
    assert_eq!(status, 2);
    assert!(said.contains("/nowhere/paid.csv cannot be read"), "{said}");
    // As a spreadsheet writes it.
    let list = desk.list("\u{feff}transaction,amount\r\no1,5\r\n");
    assert_eq!(import(&desk.store(), &list, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_told_with_its_line_and_left_alone() {
    let desk = Desk::new();
    let open = || SqliteStore::open(desk.store()).unwrap();
    receive(open(), completed("o1", "500")).await;
    receive(open(), of_player(completed("o2", "120"), "p9")).await;
    let list = desk.list(LIST);
    for more in [&[][..], &["--write"]] {
        let (status, text) = import(&desk.store(), &list, more);
        assert_eq!(status, 1, "{text}");
        assert!(
            text.contains("line 2: dealt with by this receiver itself"),
            "{text}"
        );
        assert!(
            text.contains("line 3: contradicts another message"),
            "{text}"
        );
    }
    // A second one of the same transaction in the list itself, with another amount.
    let list = desk.list("transaction,amount\no8,5\no8,6\n");
    let (status, text) = import(&desk.store(), &list, &[]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("line 3: contradicts"), "{text}");
}
