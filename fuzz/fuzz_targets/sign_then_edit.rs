//! A signed callback with one byte changed is never accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback};
use postback::testing::bitlabs::Signer;
use postback::{Endpoint, Request};

const URL: &str = "https://game.example/o?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

static OFFERS: LazyLock<BitlabsEndpoint<OfferCallback>> =
    LazyLock::new(|| App::new("my-game", "secret").unwrap().offers(URL).unwrap());

fuzz_target!(|input: (String, String, u16, u8)| {
    let (player, transaction, at, byte) = input;
    let values = [("player", &*player), ("tx", &*transaction), ("gems", "500"), ("state", "COMPLETED")];
    let target = Signer::new("secret", URL).sign(&values).target();
    let query = target.find('?').unwrap() + 1;
    let at = query + usize::from(at) % (target.len() - query);
    let mut edited = target.clone().into_bytes();
    if edited[at] == byte {
        return;
    }
    edited[at] = byte;
    if let Ok(edited) = String::from_utf8(edited) {
        assert!(OFFERS.verify(&Request::get(&edited)).is_err());
    }
});
