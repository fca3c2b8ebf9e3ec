//! Every cause of a signature that does not match is named, and the true one first.
#![cfg(feature = "explain")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod others;
mod urls;

use postback::bitlabs::App;
use postback::explain::{Cause, Certainty, Explainer, Explanation, Outcome};
use postback::source::Source;
use postback::testing::bitlabs::{Network, SignedCallback};
use postback::wire::{KeyRing, Request};
use proptest::prelude::*;

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const OTHER: &str = "AnotherAppsSecret0123456789ab";
const TEMPLATE: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";

fn signed_at(template: &str) -> SignedCallback {
    Network::new(SECRET)
        .callback(template)
        .player("p1")
        .transaction("o233")
        .amount("500")
        .state("COMPLETED")
        .set("OFFER:NAME", "Lords Mobile: é/1")
        .sign()
}

fn signed() -> SignedCallback {
    signed_at(TEMPLATE)
}

fn explainer() -> Explainer {
    Explainer::bitlabs().secret("BITLABS_APP_SECRET", SECRET)
}

fn with_template() -> Explainer {
    explainer().template(TEMPLATE).unwrap()
}

/// The true cause is first, and no answer shows a secret or a signature.
fn assert_cause(explanation: &Explanation, cause: Cause, about: &str) {
    let first = explanation.findings().first();
    assert_eq!(
        first.map(|finding| finding.cause),
        Some(cause),
        "{about}:\n{explanation}"
    );
    assert_shows_nothing_secret(explanation);
}

fn assert_shows_nothing_secret(explanation: &Explanation) {
    for text in [explanation.to_string(), format!("{explanation:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(OTHER), "{text}");
        let longest = text
            .split(|c: char| !c.is_ascii_hexdigit())
            .map(str::len)
            .max();
        assert!(longest < Some(40), "a signature is shown: {text}");
    }
}
