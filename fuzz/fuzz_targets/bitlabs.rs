//! Any request at BitLabs endpoints: nothing panics, and nothing is accepted that was not signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback, SurveyCallback};
use postback::testing::bitlabs::Signer;
use postback::{Endpoint, Request};

const OFFERS: &str = "https://game.example/o?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const SURVEYS: &str = "https://game.example/s?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&type=[%TYPE%]&ref=[%REF%]";

static ENDPOINTS: LazyLock<(BitlabsEndpoint<OfferCallback>, BitlabsEndpoint<SurveyCallback>)> = LazyLock::new(|| {
    let app = App::new("my-game", "secret").unwrap();
    (app.offers(OFFERS).unwrap(), app.surveys(SURVEYS).unwrap())
});

fuzz_target!(|query: &str| {
    let (offers, surveys) = &*ENDPOINTS;
    // As it is: a signature cannot be guessed.
    assert!(offers.verify(&Request::get(&format!("/o?{query}"))).is_err());
    // The same, signed: read or unusable, but never called a forgery unless the target itself is impossible.
    for (url, endpoint) in [(OFFERS, 0), (SURVEYS, 1)] {
        let signed = Signer::new("secret", url).sign_query(query);
        let target = signed.target();
        let result = match endpoint {
            0 => offers.verify(&Request::get(&target)).map(drop),
            _ => surveys.verify(&Request::get(&target)).map(drop),
        };
        if let Err(error) = result {
            let is_impossible = target.contains('#') || target.len() > 8192 || query.is_empty();
            assert!(error.is_genuine() || is_impossible, "{error:?}");
        }
    }
});
