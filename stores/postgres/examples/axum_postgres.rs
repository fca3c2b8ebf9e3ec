//! A game backend on axum: BitLabs callbacks, with the players' balances and the receiver's records in one Postgres
//! database.
//!
//! ```console
//! $ export DATABASE_URL=postgres://game:password@localhost/game BITLABS_APP_SECRET=...
//! $ cargo run -p postback-postgres --example axum_postgres
//! ```
//!
//! To copy it, you need `axum`, `tokio`, `postback` with the feature `axum`, and `postback-postgres`.
#![allow(clippy::disallowed_methods, reason = "a program reads its settings from the environment")]

use std::env;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Router, routing::get};
use postback::bitlabs::App;
use postback::{Action, Decision, HandlerError};
use postback_postgres::PostgresStore;
use postback_postgres::sqlx::postgres::PgPoolOptions;
use postback_postgres::sqlx::{self, PgConnection, PgPool};

/// As typed into BitLabs' dashboard.
const OFFERS_URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]&task=[%OFFER:TASK:ID%]";
const BANS_URL: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
    &ban_status=[%BAN:STATUS%]";

const TABLES: &str = "CREATE TABLE IF NOT EXISTS players \
    (id text PRIMARY KEY, gems numeric NOT NULL DEFAULT 0, banned boolean NOT NULL DEFAULT false)";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let app = App::new("my-game", env::var("BITLABS_APP_SECRET")?)?;
    let (offers, bans) = (app.offers(OFFERS_URL)?, app.bans(BANS_URL)?);

    // The game's own pool: settings and hooks are up to you.
    let pool = PgPoolOptions::new().max_connections(20).connect(&env::var("DATABASE_URL")?).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    let store = PostgresStore::new(pool.clone()).await?;
    let receiver = store.receiver(|tx, decision| Box::pin(carry_out(tx, decision)));

    let routes = Router::new()
        .route(offers.path(), postback::axum::callbacks(&offers, &receiver))
        .route(bans.path(), postback::axum::callbacks(&bans, &receiver))
        .route("/players/{id}", get(player))
        .with_state(pool.clone());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    pool.close().await;
    Ok(())
}

/// Runs inside the transaction that settles the decision: both commit together, or not at all.
async fn carry_out(tx: &mut PgConnection, decision: Decision) -> Result<(), HandlerError> {
    let player = decision.player().as_str();
    let insert = "INSERT INTO players (id) VALUES ($1) ON CONFLICT DO NOTHING";
    sqlx::query(insert).bind(player).execute(&mut *tx).await?;
    match decision.action() {
        Action::Reward(_) | Action::Reversal(_) => {
            // A decimal number as text: sqlx needs no feature for it, and nothing is rounded.
            let update = "UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1";
            sqlx::query(update).bind(player).bind(decision.balance_change().to_string()).execute(&mut *tx).await?;
        }
        Action::Ban => set_banned(tx, player, true).await?,
        Action::Unban => set_banned(tx, player, false).await?,
        // Pending rewards, purchases, contradictions: nothing to pay.
        _ => {}
    }
    Ok(())
}

async fn set_banned(tx: &mut PgConnection, player: &str, banned: bool) -> sqlx::Result<()> {
    let update = "UPDATE players SET banned = $2 WHERE id = $1";
    let query = sqlx::query(update).bind(player).bind(banned);
    query.execute(tx).await.map(drop)
}

async fn player(State(pool): State<PgPool>, Path(id): Path<String>) -> Result<String, StatusCode> {
    let select = "SELECT gems::text FROM players WHERE id = $1";
    let gems: Option<String> = sqlx::query_scalar(select)
        .bind(&id)
        .fetch_optional(&pool)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    gems.ok_or(StatusCode::NOT_FOUND)
}
