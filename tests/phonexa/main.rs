//! The rules of `docs/protocol/phonexa.md`, each played through endpoint, receiver, store and wallet; what
//! counts is the balance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "phonexa", feature = "tokio"))]

#[path = "../any_game/mod.rs"]
mod any_game;
#[path = "../ledger/mod.rs"]
mod ledger;

mod credentials;
mod refused;
mod rules;
mod typed;

use postback::source::phonexa::{ConversionPostback, Credential, Endpoint, EndpointBuilder, Names};
use postback::source::{OpenError, Source};
use postback::testing::phonexa::{Postback, Sent};
use postback::wire::Secret;

const PASSWORD: &str = "long-random-password";

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn names() -> Names {
    Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .currency("currency")
        .status("status")
}

fn builder() -> EndpointBuilder {
    Endpoint::builder("game", names())
        .accept(Credential::basic("network", &secret(PASSWORD)).unwrap())
}

fn endpoint() -> Endpoint {
    builder().build().unwrap()
}

fn without_credentials(conversion: &str, status: &str, payout: &str) -> Postback {
    Postback::new()
        .set("player", "p1")
        .set("conversion_id", conversion)
        .set("payout", payout)
        .set("status", status)
}

fn postback(conversion: &str, status: &str, payout: &str) -> Postback {
    without_credentials(conversion, status, payout).basic("network", PASSWORD)
}

fn open(sent: &Sent) -> Result<ConversionPostback, OpenError> {
    endpoint().open(&sent.request())
}
