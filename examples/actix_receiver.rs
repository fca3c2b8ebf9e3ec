//! A game backend on actix-web: BitLabs callbacks, with the players' balances and the receiver's records in one SQLite file.
//!
//! ```console
//! $ POSTBACK_DEMO=1 cargo run --example actix_receiver --features actix-web
//! ```
//!
//! Settings, from the environment: `POSTBACK_LISTEN` (127.0.0.1:8080), `POSTBACK_DB` (postback.db), `BITLABS_APP_SECRET`
//! (several, separated by commas, during a rotation), `BITLABS_OFFERS_URL` (as typed into BitLabs' dashboard). With
//! `POSTBACK_DEMO=1` the secret may be missing: then a public one is used.

use std::env;

use actix_web::http::header::ContentType;
use actix_web::{App as Web, HttpResponse, HttpServer, web};
use postback::bitlabs::App;
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
    let server = HttpServer::new(move || {
        Web::new()
            .app_data(web::Data::new(database.clone()))
            .route(offers.path(), postback::actix::callbacks(&offers, &receiver))
            .route(surveys.path(), postback::actix::callbacks(&surveys, &receiver))
            .route(bans.path(), postback::actix::callbacks(&bans, &receiver))
            .route("/players/{id}", web::get().to(player))
            .route("/health", web::get().to(async || "ok"))
    })
    .bind(&listen)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    // Ends on Ctrl-C, after the requests in flight.
    server.run().await?;
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

async fn player(database: web::Data<String>, id: web::Path<String>) -> HttpResponse {
    let read = || {
        let find = "SELECT balance, banned FROM players WHERE id = ?1";
        let row = |row: &postback_sqlite::rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
        Connection::open(database.as_str())?.query_row(find, [&*id], row).optional()
    };
    let Ok(found) = read() else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    let (balance, banned) = found.unwrap_or_else(|| ("0".into(), false));
    let body = json!({ "balance": balance, "banned": banned }).to_string();
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}
