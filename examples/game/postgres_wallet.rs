//! A small game's wallet, in the same Postgres database as the receiver's records.
//!
//! `Wallet` runs inside the transaction that settles the decision: the wallet's rows and the settled record are
//! committed together or not at all.

use postback::decision::{Decision, NothingWhy};
use postback::handler::HandlerError;
use postback::store::postgres::PostgresHandler;
use postback::store::postgres::sqlx::{self, PgConnection, PgPool};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::game::history::Line;

/// The lock keeps two copies that start at once from creating the tables both.
const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7243392);
    CREATE TABLE IF NOT EXISTS game_players (
        player text PRIMARY KEY, balance numeric NOT NULL DEFAULT 0, banned boolean NOT NULL DEFAULT false
    );
    CREATE TABLE IF NOT EXISTS game_pending (
        conversion text PRIMARY KEY, player text NOT NULL, amount numeric NOT NULL
    );
    CREATE INDEX IF NOT EXISTS game_pending_by_player ON game_pending (player);
    CREATE TABLE IF NOT EXISTS game_history (
        line bigint GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, player text NOT NULL, kind text NOT NULL,
        amount text, change text NOT NULL, conversion text NOT NULL, usd text, note text,
        at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS game_history_by_player ON game_history (player, line);
    COMMIT;
";

/// Creates the wallet's tables.
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SCHEMA).execute(pool).await?;
    Ok(())
}

/// Carries decisions out.
pub(crate) struct Wallet;

impl PostgresHandler for Wallet {
    async fn handle(&self, db: &mut PgConnection, decision: &Decision) -> Result<(), HandlerError> {
        let player = decision.player().as_str();
        let conversion = decision.conversion().to_string();
        match decision {
            Decision::Reward(_) | Decision::Reversal(_) => {
                change_balance(db, player, decision.balance_change()).await?;
                no_longer_pending(db, &conversion).await?;
            }
            Decision::Pending(pending) => {
                let amount = pending.amount().unwrap_or_default();
                sqlx::query(
                    "INSERT INTO game_pending (conversion, player, amount) VALUES ($1, $2, $3::text::numeric)
                     ON CONFLICT (conversion) DO UPDATE SET amount = excluded.amount",
                )
                .bind(&conversion)
                .bind(player)
                .bind(amount.to_string())
                .execute(&mut *db)
                .await?;
            }
            Decision::NothingToPay(nothing) if nothing.why() != NothingWhy::UnknownState => {
                no_longer_pending(db, &conversion).await?;
            }
            Decision::Rejected(_) => no_longer_pending(db, &conversion).await?,
            Decision::Ban(_) => set_banned(db, player, true).await?,
            Decision::Unban(_) => set_banned(db, player, false).await?,
            // Purchase data, conflicts and whatever later versions add: kept in the history, for people.
            _ => {}
        }
        record(db, decision, &conversion).await
    }
}

async fn change_balance(
    db: &mut PgConnection,
    player: &str,
    change: Decimal,
) -> Result<(), HandlerError> {
    sqlx::query(
        "INSERT INTO game_players AS p (player, balance) VALUES ($1, $2::text::numeric)
         ON CONFLICT (player) DO UPDATE SET balance = p.balance + excluded.balance",
    )
    .bind(player)
    .bind(change.to_string())
    .execute(db)
    .await?;
    Ok(())
}

async fn set_banned(db: &mut PgConnection, player: &str, banned: bool) -> Result<(), HandlerError> {
    sqlx::query(
        "INSERT INTO game_players (player, banned) VALUES ($1, $2)
         ON CONFLICT (player) DO UPDATE SET banned = excluded.banned",
    )
    .bind(player)
    .bind(banned)
    .execute(db)
    .await?;
    Ok(())
}

async fn no_longer_pending(db: &mut PgConnection, conversion: &str) -> Result<(), HandlerError> {
    sqlx::query("DELETE FROM game_pending WHERE conversion = $1")
        .bind(conversion)
        .execute(db)
        .await?;
    Ok(())
}

async fn record(
    db: &mut PgConnection,
    decision: &Decision,
    conversion: &str,
) -> Result<(), HandlerError> {
    let Line { amount, note } = Line::of(decision)?;
    sqlx::query(
        "INSERT INTO game_history (id, player, kind, amount, change, conversion, usd, note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(decision.id().as_str())
    .bind(decision.player().as_str())
    .bind(decision.kind().as_str())
    .bind(amount.map(|amount| amount.normalize().to_string()))
    .bind(decision.balance_change().normalize().to_string())
    .bind(conversion)
    .bind(decision.cause().usd.map(|usd| usd.to_string()))
    // Postgres' texts cannot hold it, and a note is no reason to fail for ever.
    .bind(note.map(|note| note.replace('\0', "\u{fffd}")))
    .execute(db)
    .await?;
    Ok(())
}

type HistoryRow = (
    String,
    String,
    Option<String>,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
);

/// What `GET /players/{id}` answers.
pub(crate) async fn statement(pool: &PgPool, player: &str) -> Result<Value, sqlx::Error> {
    let account: Option<(String, bool)> = sqlx::query_as(
        "SELECT trim_scale(balance)::text, banned FROM game_players WHERE player = $1",
    )
    .bind(player)
    .fetch_optional(pool)
    .await?;
    let (balance, banned) = account.unwrap_or_else(|| ("0".to_owned(), false));
    let pending: String = sqlx::query_scalar(
        "SELECT trim_scale(coalesce(sum(amount), 0))::text FROM game_pending WHERE player = $1",
    )
    .bind(player)
    .fetch_one(pool)
    .await?;
    let history: Vec<HistoryRow> = sqlx::query_as(
        "SELECT id, kind, amount, change, conversion, usd, note,
                to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
         FROM game_history WHERE player = $1 ORDER BY line",
    )
    .bind(player)
    .fetch_all(pool)
    .await?;
    let history: Vec<Value> = history
        .into_iter()
        .map(|(id, kind, amount, change, conversion, usd, note, at)| {
            json!({
                "id": id, "kind": kind, "amount": amount, "change": change, "conversion": conversion,
                "usd": usd, "note": note, "at": at,
            })
        })
        .collect();
    Ok(json!({
        "player": player, "balance": balance, "pending": pending, "banned": banned, "history": history
    }))
}
