//! A subscriber to the log that panics does not end the writer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so does what it tests"
)]
#![cfg(feature = "sqlite")]

use std::convert::Infallible;

use postback::store::StoreError;
use postback::store::sqlite::{InTransaction, SqliteStore, WorkError, rusqlite};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

struct Panicking;

impl Subscriber for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::ERROR
    }

    fn event(&self, _: &Event<'_>) {
        panic!("the log is full");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Ends the transaction, which the writer logs as an error.
fn spoil(game: &InTransaction<'_>) -> rusqlite::Result<()> {
    game.execute_batch(
        "CREATE TABLE once (id INTEGER PRIMARY KEY); INSERT OR ROLLBACK INTO once VALUES (1), (1)",
    )
}

#[tokio::test]
async fn a_subscriber_that_panics_loses_an_answer_and_not_the_writer() {
    tracing::subscriber::set_global_default(Panicking).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let lost = store.write(spoil).await;
    assert!(
        matches!(lost, Err(WorkError::Store(StoreError::Unavailable { .. }))),
        "{lost:?}"
    );
    let later: Result<u8, WorkError<Infallible>> = store.write(|_| Ok(2)).await;
    assert_eq!(later.unwrap(), 2, "the writer lives");
}
