//! A small game's wallet, in the same SQLite file as the receiver's records.
//!
//! `carry_out` runs inside the transaction that settles the decision: the wallet's rows and the settled
//! record are committed together or not at all.

use postback::decision::{Decision, NothingWhy};
use postback::handler::HandlerError;
use postback::store::sqlite::rusqlite::{self, Connection, OptionalExtension, params};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::game::history::Line;

/// Amounts are kept as decimal text: SQLite's numbers are floats.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS game_players (
        player TEXT PRIMARY KEY, balance TEXT NOT NULL DEFAULT '0', banned INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS game_pending (
        conversion TEXT PRIMARY KEY, player TEXT NOT NULL, amount TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS game_pending_by_player ON game_pending (player);
    CREATE TABLE IF NOT EXISTS game_history (
        id TEXT PRIMARY KEY, player TEXT NOT NULL, kind TEXT NOT NULL, amount TEXT, change TEXT NOT NULL,
        conversion TEXT NOT NULL, usd TEXT, note TEXT, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) STRICT;
    CREATE INDEX IF NOT EXISTS game_history_by_player ON game_history (player);
";

/// Does what one decision asks for.
pub(crate) fn carry_out(db: &Connection, decision: &Decision) -> Result<(), HandlerError> {
    let player = decision.player().as_str();
    let conversion = decision.conversion().to_string();
    match decision {
        Decision::Reward(reward) => {
            change_balance(db, player, reward.amount())?;
            no_longer_pending(db, &conversion)?;
        }
        Decision::Reversal(reversal) => {
            change_balance(db, player, -reversal.amount())?;
            no_longer_pending(db, &conversion)?;
        }
        Decision::Pending(pending) => {
            let amount = pending.amount().unwrap_or_default();
            db.prepare_cached(
                "INSERT INTO game_pending (conversion, player, amount) VALUES (?1, ?2, ?3)
                 ON CONFLICT (conversion) DO UPDATE SET amount = excluded.amount",
            )?
            .execute(params![conversion, player, amount.to_string()])?;
        }
        Decision::NothingToPay(nothing) if nothing.why() != NothingWhy::UnknownState => {
            no_longer_pending(db, &conversion)?;
        }
        Decision::Rejected(_) => no_longer_pending(db, &conversion)?,
        Decision::Ban(_) => set_banned(db, player, true)?,
        Decision::Unban(_) => set_banned(db, player, false)?,
        // Purchase data, conflicts and whatever later versions add: kept in the history, for people.
        _ => {}
    }
    record(db, decision, &conversion)
}

fn change_balance(db: &Connection, player: &str, change: Decimal) -> Result<(), HandlerError> {
    let balance: Option<String> = db
        .prepare_cached("SELECT balance FROM game_players WHERE player = ?1")?
        .query_row([player], |row| row.get(0))
        .optional()?;
    let balance: Decimal = balance.as_deref().unwrap_or("0").parse()?;
    let balance = balance
        .checked_add(change)
        .ok_or_else(|| HandlerError::failed("balance out of range"))?;
    db.prepare_cached(
        "INSERT INTO game_players (player, balance) VALUES (?1, ?2)
         ON CONFLICT (player) DO UPDATE SET balance = excluded.balance",
    )?
    .execute([player, &balance.normalize().to_string()])?;
    Ok(())
}

fn set_banned(db: &Connection, player: &str, banned: bool) -> Result<(), HandlerError> {
    db.prepare_cached(
        "INSERT INTO game_players (player, banned) VALUES (?1, ?2)
         ON CONFLICT (player) DO UPDATE SET banned = excluded.banned",
    )?
    .execute(params![player, banned])?;
    Ok(())
}

fn no_longer_pending(db: &Connection, conversion: &str) -> Result<(), HandlerError> {
    db.prepare_cached("DELETE FROM game_pending WHERE conversion = ?1")?
        .execute([conversion])?;
    Ok(())
}

fn record(db: &Connection, decision: &Decision, conversion: &str) -> Result<(), HandlerError> {
    let Line { amount, note } = Line::of(decision)?;
    db.prepare_cached(
        "INSERT INTO game_history (id, player, kind, amount, change, conversion, usd, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        decision.id().as_str(),
        decision.player().as_str(),
        decision.kind().as_str(),
        amount.map(|amount| amount.normalize().to_string()),
        decision.balance_change().normalize().to_string(),
        conversion,
        decision.cause().usd.map(|usd| usd.to_string()),
        note,
    ])?;
    Ok(())
}

/// What `GET /players/{id}` answers.
pub(crate) fn statement(db: &Connection, player: &str) -> Result<Value, StatementError> {
    let account: Option<(String, bool)> = db
        .prepare_cached("SELECT balance, banned FROM game_players WHERE player = ?1")?
        .query_row([player], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (balance, banned) = account.unwrap_or_else(|| ("0".to_owned(), false));

    let mut pending = Decimal::ZERO;
    let mut rows = db.prepare_cached("SELECT amount FROM game_pending WHERE player = ?1")?;
    for amount in rows.query_map([player], |row| row.get::<_, String>(0))? {
        pending = pending.saturating_add(amount?.parse()?);
    }

    let mut rows = db.prepare_cached(
        "SELECT id, kind, amount, change, conversion, usd, note, at FROM game_history
         WHERE player = ?1 ORDER BY rowid",
    )?;
    let history = rows.query_map([player], |row| {
        Ok(json!({
            "id": row.get::<_, String>(0)?,
            "kind": row.get::<_, String>(1)?,
            "amount": row.get::<_, Option<String>>(2)?,
            "change": row.get::<_, String>(3)?,
            "conversion": row.get::<_, String>(4)?,
            "usd": row.get::<_, Option<String>>(5)?,
            "note": row.get::<_, Option<String>>(6)?,
            "at": row.get::<_, String>(7)?,
        }))
    })?;
    let history = history.collect::<Result<Vec<_>, _>>()?;
    let pending = pending.normalize().to_string();
    Ok(json!({
        "player": player, "balance": balance, "pending": pending, "banned": banned, "history": history
    }))
}

/// Why a player's statement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatementError {
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("an amount in the wallet is not a decimal")]
    Amount(#[from] rust_decimal::Error),
}
