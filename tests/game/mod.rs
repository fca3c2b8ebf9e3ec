//! A small game whose wallet lives in the store's file.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use postback::decision::Decision;
use postback::event::{Effect, Event, EventKind, TestCallback};
use postback::handler::HandlerError;
use postback::store::sqlite::{InTransaction, SqliteStore, rusqlite};
use rusqlite::Connection;
use rust_decimal::Decimal;
use tempfile::TempDir;

pub(crate) fn event(transaction: &str, effect: Effect) -> Event {
    Event {
        source: "bitlabs".parse().unwrap(),
        app: "game".parse().unwrap(),
        endpoint: "offers".to_owned(),
        player: "player-7".parse().unwrap(),
        kind: EventKind::Conversion {
            transaction: transaction.parse().unwrap(),
            original: None,
            effect,
        },
        usd: None,
        purchase: None,
        reason: None,
        test: TestCallback::No,
        signed: format!("player=player-7&tx={transaction}"),
    }
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
