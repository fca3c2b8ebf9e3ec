//! What arrives, and whether it is genuine: vectors, bad input, and properties.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod properties;
mod vectors;

use postback::source::bitlabs::{App, Endpoint, Field, OfferCallback, OfferState, RewardCallback};
use postback::source::{Callback, Fault, OpenError, Source};
use postback::testing::bitlabs::{Network, SignedCallback};
use postback::wire::{
    Algorithm, Encoding, KeyRing, Limits, Request, Secret, SecretError, SignatureScheme, Template,
    Verifier,
};
use proptest::prelude::*;

const KEY: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const URL: &str = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
                   &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&iap=[%OFFER:TASK:IAP:USD%]&source=bitlabs";
/// What `URL` becomes, up to the parameter that a test is about.
const FILLED: &str = "https://game.example/cb?player=p1&tx=o1&gems=500&usd=5&state=COMPLETED&ref=&iap=&source=bitlabs";

fn app() -> App {
    App::new("my-game", KeyRing::from_list(KEY).unwrap()).unwrap()
}

fn offers() -> Endpoint<OfferCallback> {
    app().offers(URL).build().unwrap()
}

fn sign(url: &str) -> SignedCallback {
    Network::new(KEY).sign_url(url)
}

fn open(signed: &SignedCallback) -> Result<OfferCallback, OpenError> {
    offers().open(&Request::get(signed.target()))
}

fn verifier(url: &str, key: &str) -> Verifier {
    let template = Template::parse(url, &["hash", "debug"]).unwrap();
    let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
    Verifier::new(
        scheme,
        &Secret::new(key).unwrap().into(),
        template.signed_prefixes(),
    )
}
