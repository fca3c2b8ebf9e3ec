//! `BitLabs`: what its callbacks mean, and what is made of bad ones.

mod callbacks;
mod config;
mod lenient;
mod properties;
mod rules;

use postback::bitlabs::{App, BitlabsCallback, BitlabsEndpoint, OfferCallback};
use postback::testing::bitlabs::{SignedCallback, Signer};
use postback::verify::Problem;
use postback::{Callback, Effect, Endpoint, Event, EventKind, IgnoreReason, Request, Verified, VerifyError};

use crate::common::decimal;

const KEY: &str = "my-app-secret";
const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&type=[%TYPE%]&offer=[%OFFER:ID%]&task=[%OFFER:TASK:ID%]\
    &name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap=[%OFFER:TASK:IAP:USD%]&hidden=[%OFFER:TASK:HIDDEN%]\
    &type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]&reason=[%OFFER:REJECTION_REASON%]\
    &delay=[%OFFER:DELAY%]&fraud=[%FSCORE%]&ip=[%USER:IP_ADDRESS%]";
/// Offers without state and type.
const BARE: &str = "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]";
const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&usd=[%RAW%]\
    &type=[%TYPE%]&ref=[%REF%]&why=[%SURVEY:REASON%]";
const RECEIPTS: &str = "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]\
    &magic_receipt_state=[%RECEIPT:STATE%]";
const CASHBACK: &str = "https://game.example/c?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]\
    &cashback_state=[%ANY%]";
const REWARDS: &str = "https://game.example/w?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]\
    &state=[%OFFER_STATE%]";
const BANS: &str =
    "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]&ban_status=[%BAN:STATUS%]";

/// A callback about a completed offer, as the tests change it.
const COMPLETED: [(&str, &str); 4] = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED")];
const RECONCILED: [(&str, &str); 4] = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "RECONCILED")];

fn app() -> App {
    App::new("my-game", KEY).unwrap()
}

fn offers() -> BitlabsEndpoint<OfferCallback> {
    app().offers(OFFERS).unwrap()
}

/// Signs the values under a URL.
fn sign(url: &str, values: &[(&str, &str)]) -> SignedCallback {
    Signer::new(KEY, url).sign(values)
}

/// Signs a raw query for the offers endpoint.
fn sign_offer(query: &str) -> SignedCallback {
    Signer::new(KEY, OFFERS).sign_query(query)
}

/// The query of a callback about a completed offer, as sent.
fn completed_query() -> String {
    let signed = sign(OFFERS, &COMPLETED);
    let (query, _) = signed.query().rsplit_once("&hash=").unwrap();
    query.to_owned()
}

fn verify<C: BitlabsCallback>(
    endpoint: &BitlabsEndpoint<C>,
    callback: &SignedCallback,
) -> Result<Verified<C>, VerifyError> {
    endpoint.verify(&Request::get(&callback.target()))
}

/// The event of a callback, or what is wrong with it. Panics if it is not genuine.
fn event<C: BitlabsCallback>(endpoint: &BitlabsEndpoint<C>, callback: &SignedCallback) -> Result<Event, Problem> {
    match verify(endpoint, callback) {
        Ok(callback) => Ok(callback.to_event()),
        Err(VerifyError::Unusable(unusable)) => Err(unusable.problem),
        Err(error) => panic!("{error}"),
    }
}

fn effect<C: BitlabsCallback>(endpoint: &BitlabsEndpoint<C>, callback: &SignedCallback) -> Result<Effect, Problem> {
    match event(endpoint, callback)?.kind {
        EventKind::Conversion { effect, .. } => Ok(effect),
        kind => panic!("{kind:?}"),
    }
}

fn pending(stage: &str, amount: Option<&str>) -> Effect {
    Effect::Pending { stage: stage.to_owned().into(), amount: amount.map(decimal) }
}

fn completed(amount: &str, milestone: Option<&str>) -> Effect {
    Effect::Completed {
        amount: decimal(amount),
        milestone: milestone.map(|word| word.to_owned().into()),
        reinstates: false,
    }
}

fn adjusted(by: &str, same_transaction: bool) -> Effect {
    Effect::Adjusted { by: decimal(by), same_transaction }
}

fn ignored(status: &str, reason: IgnoreReason) -> Effect {
    Effect::Ignored { status: status.to_owned().into(), reason }
}

fn repeated(name: &str) -> Problem {
    Problem::Repeated { name: name.into() }
}

fn missing(name: &str) -> Problem {
    Problem::Missing { name: name.into() }
}

fn empty(name: &str) -> Problem {
    Problem::Empty { name: name.into() }
}
