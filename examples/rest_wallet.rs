//! A wallet behind a REST call: records in SQLite, and one request to the wallet for each reward and each reversal.
//!
//! ```console
//! $ export BITLABS_APP_SECRET=… WALLET_URL=http://127.0.0.1:9000/transactions
//! $ cargo run --example rest_wallet --features axum
//! ```
//!
//! Other settings, from the environment: `POSTBACK_LISTEN` (127.0.0.1:8080), `POSTBACK_DB` (postback.db).
//!
//! The wallet gets `POST {"player":"p1","amount":"-200"}` with the decision's id as `Idempotency-Key`. It stores the key in
//! the transaction that changes the balance, and answers a key that it knows without booking again.
//!
//! | the wallet answers | means | the decision |
//! |---|---|---|
//! | 2xx | booked, now or earlier | is settled |
//! | 422 | can never be booked | is declined: its conversion is closed |
//! | 409 | another request with this key is under way | is retried |
//! | 5xx, or anything else | it failed, or the URL or a credential is wrong | is retried |
//! | nothing, or not in time | it may have been booked | is retried |
//!
//! A retry has the same id and amount. Until a decision is settled, the network gets 500 and repeats its callback; recovery
//! retries in the background, whether the network does or not. If your wallet answers 409 for "already booked", settle it.
//!
//! To copy it, you need `axum`, `serde_json`, `tokio`, `ureq`, `postback` with the feature `axum`, and `postback-sqlite`.

use std::env;
use std::time::Duration;

use axum::Router;
use postback::bitlabs::App;
use postback::{Decision, HandlerError, Receiver};
use postback_sqlite::SqliteStore;
use serde_json::json;
use ureq::Agent;

/// As typed into BitLabs' dashboard.
const OFFERS_URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
/// How long one request to the wallet may take. Well below the lease (`Timing::lease`, 30 s): then another attempt may start.
const WALLET_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wallet = env::var("WALLET_URL").map_err(|_| "set WALLET_URL to where decisions are posted")?;
    let secret = env::var("BITLABS_APP_SECRET").map_err(|_| "set BITLABS_APP_SECRET")?;
    let database = env::var("POSTBACK_DB").unwrap_or_else(|_| "postback.db".to_owned());
    let listen = env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());

    // Statuses are answers here, not errors.
    let agent = Agent::config_builder().timeout_global(Some(WALLET_TIMEOUT)).http_status_as_error(false).build();
    let agent = Agent::new_with_config(agent);
    let store = SqliteStore::open(&database)?;
    let receiver = Receiver::new(store.clone(), move |decision| book(agent.clone(), wallet.clone(), decision));

    let offers = App::new("my-game", &*secret)?.offers(OFFERS_URL)?;
    let routes = Router::new()
        .route(offers.path(), postback::axum::callbacks(&offers, &receiver))
        .route("/health", axum::routing::get(async || "ok"));
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    store.close().await;
    Ok(())
}

/// Called with each decision at least once. The decision was stored before.
async fn book(agent: Agent, wallet: String, decision: Decision) -> Result<(), HandlerError> {
    if decision.balance_change().is_zero() {
        // Pending rewards, purchases, bans, contradictions: nothing to book.
        return Ok(());
    }
    let body = json!({ "player": decision.player(), "amount": decision.balance_change().to_string() }).to_string();
    // On a thread of its own, because ureq waits for the answer.
    let send = move || {
        let key = decision.id().as_ref().as_bytes();
        let request = agent.post(&wallet).header("content-type", "application/json").header("idempotency-key", key);
        request.send(body).map(|answer| answer.status().as_u16())
    };
    // No answer, or not in time: an error, so it is retried.
    match tokio::task::spawn_blocking(send).await?? {
        200..=299 => Ok(()),
        422 => Err(HandlerError::declined("the wallet answered 422")),
        // Also 404: a mistyped URL must not close a conversion.
        status => Err(HandlerError::failed(format!("the wallet answered {status}"))),
    }
}
