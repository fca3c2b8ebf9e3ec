//! Networks that sign their URL with a trailing keyed hash: described, not programmed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

#[path = "../any_game/mod.rs"]
mod any_game;
#[path = "../ledger/mod.rs"]
mod ledger;

mod meaning;
mod refused;
mod signatures;

use postback::source::trailing_hash::{Endpoint, EndpointBuilder, Meaning, Postback};
use postback::source::{OpenError, Source};
use postback::testing::trailing_hash::Signer;
use postback::wire::{Algorithm, Encoding, KeyRing, Request};

const SECRET: &str = "the secret";

const URL: &str = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&usd=%USD%&ref=[ref]\
    &state={state}&from=acme";

fn keys() -> KeyRing {
    KeyRing::from_list(SECRET).unwrap()
}

fn described(url: &str) -> EndpointBuilder {
    Endpoint::builder("acme", "game", keys(), url)
        .signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex)
        .player("user")
        .transaction("tx")
        .amount("coins")
        .status("state")
        .word("approved", Meaning::Completed)
        .word("waiting", Meaning::Pending)
        .word("chargeback", Meaning::Reversed)
}

fn endpoint() -> Endpoint {
    described(URL).usd("usd").original("ref").build().unwrap()
}

fn signer() -> Signer {
    Signer::new(SECRET, "verifier", Algorithm::HmacSha256, Encoding::Hex)
}

/// The target of a call of the network's.
fn call(query: &str) -> String {
    let url = format!("https://game.example/callbacks/acme?{query}&from=acme");
    signer().sign_url(&url).target().to_owned()
}

fn open(query: &str) -> Result<Postback, OpenError> {
    endpoint().open(&Request::get(&call(query)))
}
