//! What is opened in the measurements: one endpoint a source, and requests that it accepts or refuses.

use hmac::{Hmac, KeyInit, Mac};
use postback::bitlabs::{App, BitlabsCallback, Endpoint};
use postback::source::trailing_hash::{self, Meaning};
use postback::source::{Source, phonexa};
use postback::testing::bitlabs::Network;
use postback::testing::phonexa::{Postback, Sent};
use postback::testing::trailing_hash::{SignedCallback, Signer};
use postback::wire::{Algorithm, Encoding, KeyRing, Request, Secret};
use sha1::Sha1;
use sha2::Sha256;

pub(crate) const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";

/// What a publisher types into the dashboard who wants to know all about an offer: 15 parameters.
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&ref=[%REF%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&type=[%TYPE%]&offer=[%OFFER:ID%]\
    &offer_name=[%OFFER:NAME%]&task=[%OFFER:TASK:ID%]&task_name=[%OFFER:TASK:NAME%]\
    &task_type=[%OFFER:TASK:TYPE:ID%]&ip=[%USER:IP_ADDRESS%]&country=[%COUNTRY%]&source=bitlabs";
pub(crate) const RECEIPTS: &str = "https://game.example/callbacks/receipts?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&magic_receipt_state=[%RECEIPT:STATE%]";
pub(crate) const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&type=[%TYPE%]&ref=[%REF%]&loi=[%LOI%]&country=[%COUNTRY%]";
const ACME: &str = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&usd={usd}&ref={ref}\
    &state={state}&from=acme";

pub(crate) fn app(keys: &str) -> App {
    App::new("my-game", KeyRing::from_list(keys).unwrap()).unwrap()
}

pub(crate) fn offers(keys: &str) -> Endpoint<postback::bitlabs::OfferCallback> {
    app(keys).offers(OFFERS).build().unwrap()
}

/// A realistic callback about an offer, 387 bytes with its hash.
pub(crate) fn offer(network: &Network) -> SignedCallback {
    filled_in(network, OFFERS).sign()
}

pub(crate) fn receipt(network: &Network) -> SignedCallback {
    filled_in(network, RECEIPTS).sign()
}

pub(crate) fn survey(network: &Network) -> SignedCallback {
    filled_in(network, SURVEYS).call_type("COMPLETE").sign()
}

fn filled_in(network: &Network, url: &str) -> postback::testing::bitlabs::CallbackBuilder {
    network
        .callback(url)
        .player("8cc877ee-af19-488d-b28d-216fb866b996")
        .transaction("o83459201")
        .amount("1500")
        .usd("2.50")
        .state("COMPLETED")
        .call_type("state_change")
        .set("OFFER:ID", "118230")
        .set("OFFER:NAME", "Lords Mobile: Kingdom Wars & Castle Fights")
        .set("OFFER:TASK:ID", "998121")
        .set("OFFER:TASK:NAME", "Reach Castle Level 117")
        .set("OFFER:TASK:TYPE:ID", "2")
        .set("USER:IP_ADDRESS", "203.0.113.177")
        .set("COUNTRY", "DE")
        .set("LOI", "12")
}

/// The same with another hash of the right form.
pub(crate) fn forged(network: &Network) -> String {
    let callback = offer(network);
    let wrong = "0123456789abcdef0123456789abcdef01234567";
    callback.target().replace(callback.hash(), wrong)
}

/// The same without a hash.
pub(crate) fn unsigned(network: &Network) -> String {
    let callback = offer(network);
    callback
        .target()
        .replace(&format!("&hash={}", callback.hash()), "")
}

pub(crate) fn acme() -> trailing_hash::Endpoint {
    trailing_hash::Endpoint::builder("acme", "my-game", KeyRing::from_list(SECRET).unwrap(), ACME)
        .signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex)
        .player("user")
        .transaction("tx")
        .amount("coins")
        .usd("usd")
        .original("ref")
        .status("state")
        .word("approved", Meaning::Completed)
        .word("chargeback", Meaning::Reversed)
        .build()
        .unwrap()
}

pub(crate) fn acme_callback() -> SignedCallback {
    Signer::new(SECRET, "verifier", Algorithm::HmacSha256, Encoding::Hex).sign_url(
        "https://game.example/callbacks/acme?user=8cc877ee-af19-488d-b28d-216fb866b996&tx=83459201&coins=500\
         &usd=2.50&ref=&state=approved&from=acme",
    )
}

pub(crate) fn phonexa() -> phonexa::Endpoint {
    let names = phonexa::Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .currency("currency")
        .status("status");
    let password = Secret::new("long-random-password").unwrap();
    phonexa::Endpoint::builder("my-game", names)
        .accept(phonexa::Credential::basic("network", &password).unwrap())
        .build()
        .unwrap()
}

pub(crate) fn phonexa_postback() -> Sent {
    Postback::new()
        .set("player", "8cc877ee-af19-488d-b28d-216fb866b996")
        .set("conversion_id", "83459201")
        .set("goal", "level17")
        .set("payout", "2.50")
        .set("currency", "USD")
        .set("status", "Done")
        .basic("network", "long-random-password")
        .get()
}

/// Opens a target, again and again.
pub(crate) fn opens<C: BitlabsCallback>(endpoint: Endpoint<C>, target: String) -> impl Fn() {
    assert!(endpoint.open(&Request::get(&target)).is_ok());
    move || drop(endpoint.open(&Request::get(&target)))
}

/// Refuses a target, again and again.
pub(crate) fn refuses<C: BitlabsCallback>(endpoint: Endpoint<C>, target: String) -> impl Fn() {
    assert!(endpoint.open(&Request::get(&target)).is_err());
    move || drop(endpoint.open(&Request::get(&target)))
}

/// The bytes that a URL's hash is made of.
pub(crate) fn signed_bytes(url: &str) -> Vec<u8> {
    let (signed, _) = url.rsplit_once('&').unwrap();
    signed.as_bytes().to_vec()
}

/// The floor: the hash of these bytes, under a key that was taken in beforehand.
pub(crate) fn hmac_sha1(message: Vec<u8>) -> impl Fn() -> [u8; 20] {
    let keyed = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    move || {
        let mut keyed = keyed.clone();
        keyed.update(&message);
        keyed.finalize().into_bytes().into()
    }
}

/// The same by SHA-256.
pub(crate) fn hmac_sha256(message: Vec<u8>) -> impl Fn() -> [u8; 32] {
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    move || {
        let mut keyed = keyed.clone();
        keyed.update(&message);
        keyed.finalize().into_bytes().into()
    }
}
