//! `postback history` and `postback unsettled`: what the support desk sees, and that nothing is changed by
//! looking.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::Receive;
use postback::source::{Callback, Source};
use postback::store::sqlite::{InTransaction, SqliteStore};
use postback::testing::bitlabs::Network;
use postback::wire::{KeyRing, Request};

const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&reason=[%OFFER:REJECTION_REASON%]";

fn endpoint() -> Endpoint<OfferCallback> {
    let app = App::new("game", KeyRing::from_list("secret").unwrap()).unwrap();
    app.offers(OFFERS).build().unwrap()
}

/// Player, transaction, original, state, amount.
type Sent<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// Takes callbacks into a file.
async fn receive(store: &SqliteStore, callbacks: &[Sent<'_>]) {
    let endpoint = endpoint();
    let receiver = store.receiver(|_: &InTransaction<'_>, _: &Decision| Ok(()));
    for (player, tx, original, state, amount) in callbacks {
        let signed = Network::new("secret")
            .callback(OFFERS)
            .player(*player)
            .transaction(*tx)
            .original(*original)
            .state(*state)
            .amount(*amount)
            .set(
                "OFFER:REJECTION_REASON",
                if amount.starts_with('-') {
                    "CHARGEBACK"
                } else {
                    ""
                },
            )
            .sign();
        let event = endpoint
            .open(&Request::get(signed.target()))
            .unwrap()
            .event();
        receiver.receive(event).await.unwrap();
    }
}

const STORY: &[Sent<'_>] = &[
    ("p1", "o1", "", "PENDING", "500"),
    ("p1", "o1", "", "COMPLETED", "500"),
    ("p1", "or7", "o1", "NONE", "-200"),
    ("p2", "o2", "", "COMPLETED", "10"),
];

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postback"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn shown(output: &Output, status: i32) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_answers_why_a_player_has_what_he_has() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("the game's.db");
    let path = file.to_str().unwrap();
    let store = SqliteStore::open(&file).unwrap();
    receive(&store, STORY).await;

    // While a receiver has the file open, and after it has closed it.
    for is_open in [true, false] {
        if !is_open {
            store.close().await;
        }
        let before = contents(directory.path());
        for name in ["p1", "o1", "or7", "bitlabs/game/conversion/o1"] {
            let text = shown(&run(&["history", path, name]), 0);
            for part in [
                "bitlabs/game/conversion/o1  player p1  settled  balance 300",
                "PENDING 500, not final",
                "paid 500, carried out",
                "corrected by -200 (CHARGEBACK)",
                "took back 200",
                "balance 300",
            ] {
                assert!(text.contains(part), "{part:?} is not in\n{text}");
            }
            assert!(!text.contains("p2"), "{text}");
        }
        let text = shown(&run(&["history", path, "nobody"]), 1);
        assert!(text.contains("no genuine callback names it"), "{text}");

        let output = run(&["history", "--json", path, "p1"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["callbacks"][1]["decision"], "reward");
        assert_eq!(json["callbacks"][2]["balance"], "300");

        assert!(shown(&run(&["unsettled", path]), 0).contains("0 open"));
        if !is_open {
            assert_eq!(
                contents(directory.path()),
                before,
                "looking changed something"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_game_did_not_carry_out_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("game.db");
    let path = file.to_str().unwrap();
    let store = SqliteStore::open(&file).unwrap();
    // With a wallet elsewhere a decision is written down first.
    let receiver = postback::receiver::Receiver::new(store.clone());
    let signed = Network::new("secret")
        .callback(OFFERS)
        .player("unlucky")
        .transaction("o3")
        .state("COMPLETED")
        .amount("99")
        .sign();
    let event = endpoint()
        .open(&Request::get(signed.target()))
        .unwrap()
        .event();
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    assert!(receiver.receive(event.clone(), &failing).await.is_err());

    let text = shown(&run(&["unsettled", path]), 1);
    for part in ["unlucky", "NOT carried out", "asked once", "1 open"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let working = |_: &Decision| async { Ok::<(), HandlerError>(()) };
    receiver.receive(event, &working).await.unwrap();
    assert!(shown(&run(&["unsettled", path]), 0).contains("0 open"));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_in_the_helps_run_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("postback.db")).unwrap();
    receive(&store, &[("demo", "o1", "", "COMPLETED", "500")]).await;
    let binaries = Path::new(env!("CARGO_BIN_EXE_postback")).parent().unwrap();
    for name in ["history", "unsettled"] {
        let help = shown(&run(&[name, "--help"]), 0);
        assert!(help.contains("Exit status: 0"), "{help}");
        let mut lines = help.lines().skip_while(|line| !line.starts_with("Example"));
        let output = Command::new("sh")
            .args(["-c", lines.nth(1).unwrap()])
            .current_dir(directory.path())
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
            .output()
            .unwrap();
        shown(&output, 0);
    }
    store.close().await;
}

#[test]
fn what_is_no_store_is_refused_and_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        at("text"),
        "no database at all, and longer than a header of one hundred bytes would be, surely so",
    )
    .unwrap();
    rusqlite_file(&at("other.db"));
    let before = contents(directory.path());
    for (store, advice) in [
        (at("absent.db"), "there is no such file"),
        (at("text"), "not a SQLite database"),
        (at("other.db"), "no receiver has kept records in it"),
        (
            directory.path().to_str().unwrap().to_owned(),
            "is a directory",
        ),
        (
            "mysql://user:hunter2@db/game".to_owned(),
            "postgres:// or redis://",
        ),
    ] {
        for arguments in [&["unsettled", &*store][..], &["history", &*store, "p1"]] {
            let text = shown(&run(arguments), 2);
            assert!(text.contains(advice), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    assert_eq!(contents(directory.path()), before);
}

fn rusqlite_file(path: &str) {
    use postback::store::sqlite::rusqlite::Connection;
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("CREATE TABLE t (a)").unwrap();
}
