//! Verification and types only, without store or guard: print what BitLabs sends.
//!
//! ```console
//! $ BITLABS_APP_SECRET=… cargo run --example verify_only --features axum
//! ```
//!
//! Listens on `POSTBACK_LISTEN` (127.0.0.1:8080). Nothing here protects against a repeated callback: to pay, use a
//! `Receiver`.

use axum::Router;
use postback::Verified;
use postback::bitlabs::{App, OfferCallback, SurveyCallback};

const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const SURVEYS: &str = "https://game.example/surveys?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&type=[%TYPE%]\
    &ref=[%REF%]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::new("my-game", std::env::var("BITLABS_APP_SECRET")?)?;
    let (offers, surveys) = (app.offers(OFFERS)?, app.surveys(SURVEYS)?);
    let routes = Router::new()
        .route(offers.path(), postback::axum::verified(&offers, offer))
        .route(surveys.path(), postback::axum::verified(&surveys, survey));

    let listen = std::env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, routes).await?)
}

/// Called for genuine callbacks only. Forgeries get 403.
async fn offer(offer: Verified<OfferCallback>) -> &'static str {
    println!("offer: {} {:?} {:?} {:?}", offer.player, offer.transaction, offer.state, offer.amount);
    "ok"
}

async fn survey(survey: Verified<SurveyCallback>) -> &'static str {
    println!("survey: {} {:?} {:?}", survey.player, survey.transaction, survey.amount);
    "ok"
}
