//! Verification and types only, without store or guard: print what BitLabs and Lootably send.
//!
//! ```console
//! $ BITLABS_APP_SECRET=… LOOTABLY_SECRET=… cargo run --example verify_only --features axum
//! ```
//!
//! Listens on `POSTBACK_LISTEN` (127.0.0.1:8080). Nothing here protects against a repeated callback, and a pending reward
//! looks like a final one until you read its state: to pay, use a `Receiver`.
//!
//! To copy it, you need `axum`, `tokio`, and `postback` with the feature `axum`.

use std::env;

use axum::Router;
use postback::Verified;
use postback::bitlabs::{App, BanCallback, OfferCallback, SurveyCallback};
use postback::network::{DescribedCallback, preset};

/// As typed into BitLabs' dashboard.
const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const SURVEYS: &str = "https://game.example/surveys?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&type=[%TYPE%]\
    &ref=[%REF%]";
const BANS: &str = "https://game.example/bans?player=[%USER:UID%]&status=[%BAN:STATUS%]&reason=[%BAN:REASON%]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::new("my-game", env::var("BITLABS_APP_SECRET").map_err(|_| "set BITLABS_APP_SECRET")?)?;
    let (offers, surveys, bans) = (app.offers(OFFERS)?, app.surveys(SURVEYS)?, app.bans(BANS)?);
    let secret = env::var("LOOTABLY_SECRET").map_err(|_| "set LOOTABLY_SECRET")?;
    let lootably = preset("lootably")?.app("my-game").secret(secret)?;
    println!("paste into Lootably's dashboard: {}", lootably.dashboard_url("https://game.example")?);
    let lootably = lootably.build()?;
    let routes = Router::new()
        .route(offers.path(), postback::axum::verified(&offers, offer))
        .route(surveys.path(), postback::axum::verified(&surveys, survey))
        .route(bans.path(), postback::axum::verified(&bans, ban))
        .route(lootably.path(), postback::axum::verified(&lootably, described));

    let listen = env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, routes).await?)
}

/// Called for genuine callbacks only. Forgeries get 403, and callbacks without a required parameter 400.
async fn offer(offer: Verified<OfferCallback>) -> &'static str {
    println!("offer: {} {:?} {:?} {:?}", offer.player, offer.transaction, offer.state, offer.amount);
    "ok"
}

async fn survey(survey: Verified<SurveyCallback>) -> &'static str {
    println!("survey: {} {:?} {:?}", survey.player, survey.transaction, survey.amount);
    "ok"
}

async fn ban(ban: Verified<BanCallback>) -> &'static str {
    println!("ban: {} {:?} {:?}", ban.player, ban.status, ban.reason);
    "ok"
}

/// Every network that is a description has this type. Its parameters are available by name, too.
async fn described(callback: Verified<DescribedCallback>) -> &'static str {
    println!("{} {:?} {:?}", callback.player, callback.transaction, callback.event.kind);
    // Lootably reads the body: anything but 1 is a failure.
    "1"
}
