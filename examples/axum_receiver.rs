//! A game backend on axum: BitLabs callbacks, with the players' balances and the receiver's records in one SQLite file.
//!
//! ```console
//! $ POSTBACK_DEMO=1 cargo run --example axum_receiver --features axum
//! ```
//!
//! Settings, from the environment: `POSTBACK_LISTEN` (127.0.0.1:8080), `POSTBACK_DB` (postback.db), `BITLABS_APP_SECRET`
//! (several, separated by commas, during a rotation), `BITLABS_OFFERS_URL` (as typed into BitLabs' dashboard). With
//! `POSTBACK_DEMO=1` the secret may be missing: then a public one is used. Signed requests to try are printed.

use std::env;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Router, routing::get};
use postback::bitlabs::App;
use postback::testing::bitlabs::Signer;
use postback::{Action, Decimal, Decision, HandlerError};
use postback_sqlite::rusqlite::{Connection, OptionalExtension as _};
use postback_sqlite::{SqliteStore, SqliteTransaction};
use serde_json::json;

const OFFERS_URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]&task=[%OFFER:TASK:ID%]\
    &name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]&hidden=[%OFFER:TASK:HIDDEN%]\
    &type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]&reason=[%OFFER:REJECTION_REASON%]";
const SURVEYS_URL: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&usd=[%RAW%]\
    &type=[%TYPE%]&ref=[%REF%]";
const BANS_URL: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
    &ban_status=[%BAN:STATUS%]";
const DEMO_SECRET: &str = "demo-secret-do-not-use";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_demo = env::var("POSTBACK_DEMO").is_ok_and(|value| value == "1");
    let secret = match env::var("BITLABS_APP_SECRET") {
        Ok(secret) => secret,
        Err(env::VarError::NotPresent) if is_demo => DEMO_SECRET.to_owned(),
        Err(_) => return Err("set BITLABS_APP_SECRET, or POSTBACK_DEMO=1 to use a public one".into()),
    };
    let database = env::var("POSTBACK_DB").unwrap_or_else(|_| "postback.db".to_owned());
    let listen = env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let offers_url = env::var("BITLABS_OFFERS_URL").unwrap_or_else(|_| OFFERS_URL.to_owned());

    let store = SqliteStore::open(&database)?;
    Connection::open(&database)?.execute_batch(
        "CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, balance TEXT NOT NULL DEFAULT '0', banned INTEGER NOT NULL DEFAULT 0)",
    )?;
    let app = App::new("my-game", &*secret)?;
    let (offers, surveys, bans) = (app.offers(&offers_url)?, app.surveys(SURVEYS_URL)?, app.bans(BANS_URL)?);
    let receiver = store.receiver(carry_out);
    let routes = Router::new()
        .route(offers.path(), postback::axum::callbacks(&offers, &receiver))
        .route(surveys.path(), postback::axum::callbacks(&surveys, &receiver))
        .route(bans.path(), postback::axum::callbacks(&bans, &receiver))
        .route("/players/{id}", get(player))
        .route("/health", get(async || "ok"))
        .with_state(database);

    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    if is_demo {
        print_requests(&format!("http://{address}"), &offers_url, &secret);
    }
    axum::serve(listener, routes).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    store.close().await;
    Ok(())
}

/// Runs inside the transaction that settles the decision: both commit together, or not at all.
fn carry_out(tx: &SqliteTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    let player = decision.player().as_str();
    tx.execute("INSERT INTO players (id) VALUES (?1) ON CONFLICT DO NOTHING", [player])?;
    match decision.action() {
        Action::Reward(_) | Action::Reversal(_) => {
            // As text, because SQLite's own numbers are not decimal.
            let balance: String =
                tx.query_row("SELECT balance FROM players WHERE id = ?1", [player], |row| row.get(0))?;
            let balance =
                balance.parse::<Decimal>()?.checked_add(decision.balance_change()).ok_or("balance out of range")?;
            tx.execute("UPDATE players SET balance = ?2 WHERE id = ?1", [player, &balance.normalize().to_string()])?;
        }
        Action::Ban => drop(tx.execute("UPDATE players SET banned = 1 WHERE id = ?1", [player])?),
        Action::Unban => drop(tx.execute("UPDATE players SET banned = 0 WHERE id = ?1", [player])?),
        // Pending rewards, purchases, contradictions: nothing to pay.
        _ => {}
    }
    Ok(())
}

async fn player(State(database): State<String>, Path(id): Path<String>) -> Result<impl IntoResponse, StatusCode> {
    let read = || {
        let find = "SELECT balance, banned FROM players WHERE id = ?1";
        let row = |row: &postback_sqlite::rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
        Connection::open(&database)?.query_row(find, [&id], row).optional()
    };
    let (balance, banned) = read().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?.unwrap_or_else(|| ("0".into(), false));
    let body = json!({ "balance": balance, "banned": banned }).to_string();
    Ok(([(CONTENT_TYPE, "application/json")], body))
}

/// Prints requests to try, signed as BitLabs would sign them.
fn print_requests(server: &str, url: &str, secret: &str) {
    let signer = Signer::new(secret.split(',').next().unwrap_or_default(), url);
    // Other transactions at every start, so that they are no duplicates.
    let run = std::process::id();
    let lines = [
        ("a completed offer: pays 500", format!("o{run}1"), "COMPLETED", "500"),
        ("a pending offer: pays nothing yet", format!("o{run}2"), "PENDING", "300"),
        ("a reversal: takes back 200 of the first", format!("o{run}1"), "RECONCILED", "200"),
    ];
    for (what, transaction, state, gems) in lines {
        let callback = signer.sign(&[("player", "demo"), ("tx", &transaction), ("gems", gems), ("state", state)]);
        println!("\n# {what}\ncurl -i '{server}{}'", callback.target());
    }
    println!("\n# the balance\ncurl {server}/players/demo");
}
