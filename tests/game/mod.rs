//! A small game whose wallet lives in the store's file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod deliveries;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::{Effect, Event, EventKind};
use postback::guard::{Considered, Record, consider};
use postback::handler::HandlerError;
use postback::store::sqlite::{InTransaction, SqliteOptions, SqliteStore, rusqlite};
use rusqlite::Connection;
use rust_decimal::Decimal;
use tempfile::TempDir;

pub(crate) fn event(transaction: &str, effect: Effect) -> Event {
    let kind = EventKind::Conversion {
        transaction: transaction.parse().unwrap(),
        original: None,
        effect,
    };
    let mut event = Event::new(
        "bitlabs".parse().unwrap(),
        "game".parse().unwrap(),
        "player-7".parse().unwrap(),
        kind,
    );
    event.endpoint = "offers".into();
    event.signed = format!("player=player-7&tx={transaction}");
    event
}

pub(crate) fn completed(transaction: &str, amount: i64) -> Event {
    event(
        transaction,
        Effect::Completed {
            amount: amount.into(),
            milestone: None,
            reinstates: false,
        },
    )
}

pub(crate) fn reconciled(transaction: &str, by: i64) -> Event {
    event(
        transaction,
        Effect::Adjusted {
            by: by.into(),
            is_state_change: true,
        },
    )
}

/// A fresh directory with a game's file in it.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("game.db")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.file()).unwrap()
    }

    /// A connection of the tester's own.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// What the wallet holds, and in how many entries, as any other program would see it.
    pub(crate) fn wallet(&self) -> (Decimal, usize) {
        let connection = self.connect();
        let mut statement = connection.prepare("SELECT amount FROM credits").unwrap();
        let amounts: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        (
            amounts
                .iter()
                .map(|amount| amount.parse::<Decimal>().unwrap())
                .sum(),
            amounts.len(),
        )
    }

    /// The status of a conversion's record.
    pub(crate) fn status(&self, transaction: &str) -> Option<String> {
        use rusqlite::OptionalExtension;
        let key = format!("bitlabs/game/conversion/{transaction}");
        let select = "SELECT status FROM postback_records WHERE key = ?1";
        self.connect()
            .query_row(select, [key], |row| row.get(0))
            .optional()
            .unwrap()
    }
}

/// The wallet. Deliberately without a unique id: nothing but the store keeps it from paying twice.
pub(crate) async fn create_wallet(store: &SqliteStore) {
    store
        .write(|game| {
            game.execute_batch(
                "CREATE TABLE IF NOT EXISTS credits (id TEXT NOT NULL, player TEXT NOT NULL, amount TEXT NOT NULL)",
            )
        })
        .await
        .unwrap();
}

/// Writes into the wallet what a decision moves.
pub(crate) fn credit(game: &InTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    let amount = decision.balance_change();
    if !amount.is_zero() {
        game.execute(
            "INSERT INTO credits (id, player, amount) VALUES (?1, ?2, ?3)",
            [
                decision.id().as_str(),
                decision.player().as_str(),
                &amount.to_string(),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn open_record(transaction: &str) -> Record {
    let event = Arc::new(completed(transaction, 500));
    match consider(
        &Record::new(event.key()),
        &event,
        Timestamp::from_millis(1_700_000_000_123),
    ) {
        Considered::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn impatient() -> SqliteOptions {
    SqliteOptions::new().busy_timeout(Duration::from_millis(100))
}

pub(crate) fn is_open(file: &Path) -> bool {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .flatten()
        .any(|descriptor| std::fs::read_link(descriptor.path()).is_ok_and(|path| path == file))
}

pub(crate) fn wait_until_closed(file: &Path) {
    let start = Instant::now();
    while is_open(file) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the threads of a dropped store do not end"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs one of the ignored tests below, in a process of its own.
pub(crate) fn child(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("POSTBACK_TEST_FILE", file);
    command
}

pub(crate) fn file_of_the_parent() -> std::path::PathBuf {
    std::env::var_os("POSTBACK_TEST_FILE")
        .expect("run by another test")
        .into()
}
