//! No log line and no error's message names a player: a file of its own, for it listens to the log of the whole
//! process. Only a ban's record and decisions hold a player's id in their names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod captured;
mod ledger;

use std::error::Error;
use std::future::ready;

use captured::Captured;
use ledger::{ban, completed, of_player};
use postback::decision::Decision;
use postback::delivery::Progress;
use postback::event::{BanStatus, Event, RecordKey};
use postback::guard::Record;
use postback::handler::HandlerError;
use postback::receiver::{Receive, Receiver};
use postback::store::sqlite::{InTransaction, SqliteStore};
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version, json};

const PLAYER: &str = "anna@mail.example/7#1";

fn banned() -> Event {
    of_player(ban(BanStatus::Banned), PLAYER)
}

fn fail(_: &Decision) -> Result<(), HandlerError> {
    Err(HandlerError::failed("the moderators' service is down"))
}

fn refuse(_: &Decision) -> Result<(), HandlerError> {
    Err(HandlerError::refused("no such player"))
}

/// Everything that an error says, down to its cause.
fn said(error: &dyn Error) -> String {
    let source = error.source().map(said).unwrap_or_default();
    format!("{error}\n{source}")
}

#[tokio::test]
async fn a_ban_that_goes_wrong_is_told_without_the_player() {
    let captured = Captured::start();
    let mut errors = Vec::new();

    let receiver = Receiver::new(MemoryStore::new()).with_handler(|d: &Decision| ready(fail(d)));
    errors.push(said(&receiver.receive(banned()).await.unwrap_err()));
    assert_eq!(receiver.resume().await.unwrap().failed, 1);

    // As the extractors do.
    let receiver = Receiver::new(MemoryStore::new());
    let handler = |decision: &Decision| ready(fail(decision));
    let Progress::Deliver(delivery) = receiver.begin(banned()).await.unwrap() else {
        panic!("it is the game's turn")
    };
    errors.push(said(&delivery.settle_with(&handler).await.unwrap_err()));

    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let failing = store.receiver(|_: &InTransaction<'_>, decision: &Decision| fail(decision));
    errors.push(said(&failing.receive(banned()).await.unwrap_err()));
    assert_eq!(failing.resume().await.unwrap().failed, 1);
    let refusing = store.receiver(|_: &InTransaction<'_>, decision: &Decision| refuse(decision));
    refusing.receive(banned()).await.unwrap();

    for broken in [Broken::Unreadable, Broken::Newer] {
        let receiver = Receiver::new(broken).with_handler(|d: &Decision| ready(fail(d)));
        errors.push(said(&receiver.receive(banned()).await.unwrap_err()));
        assert_eq!(receiver.resume().await.unwrap().failed, 1);
    }

    let lines = captured.lines();
    let values: Vec<_> = lines.iter().flat_map(|line| &line.fields.0).collect();
    for (name, value) in &values {
        assert!(!value.contains("anna"), "{name}={value}");
    }
    for span in captured.spans() {
        assert!(!format!("{span:?}").contains("anna"), "{span:?}");
    }
    for error in errors {
        assert!(!error.contains("anna"), "{error}");
        assert!(error.contains("bitlabs/game/player/[player]"), "{error}");
    }
    // It was a ban, and which of its decisions, is said.
    for message in [
        "the handler failed: the decision stays open",
        "the game refused a decision: the conversion is closed",
    ] {
        let line = lines.iter().find(|line| line.message == message).unwrap();
        let id = line.fields.value("id");
        assert_eq!(id, Some("bitlabs/game/player/[player]#1"), "{message}");
    }
}

#[test]
fn a_conversion_is_named_in_full_and_a_players_record_without_him() {
    let key = completed("o1/player/x#2", "5").key();
    assert_eq!(key.without_player(), key.to_string());
    assert_eq!(
        banned().key().without_player(),
        "bitlabs/game/player/[player]"
    );
}

/// A store in which one record, of a ban, cannot be read.
enum Broken {
    Unreadable,
    Newer,
}

impl DedupStore for Broken {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let text = match self {
            Self::Unreadable => "no record",
            Self::Newer => r#"{"format":4000000000}"#,
        };
        json::read(key, 1, text.as_bytes()).map(Some)
    }

    async fn swap(&self, _: Option<Version>, _: &Record) -> Result<Swapped, StoreError> {
        panic!("nothing is written over what cannot be read")
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        _: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(after.map_or_else(|| vec![banned().key()], |_| Vec::new()))
    }
}
