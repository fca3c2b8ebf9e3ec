//! The callbacks that are sent: one URL with 15 parameters, signed anew for each transaction.

use std::io::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The App Secret that the servers under load know.
pub const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
/// Scheme, host and path, as typed into the dashboard.
pub const URL_PREFIX: &str = "https://game.example/callbacks/offers";
/// The whole URL, as typed into the dashboard.
pub const TEMPLATE: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]\
    &task=[%OFFER:TASK:ID%]&name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]\
    &hidden=[%OFFER:TASK:HIDDEN%]&type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]\
    &reason=[%OFFER:REJECTION_REASON%]";
/// What the client sends beside the request line; wrk is told to send the same.
pub const HEADERS: [&str; 3] = [
    "Host: game.example",
    "User-Agent: network-callbacks/1.0",
    "Accept: */*",
];

/// How many players there are.
const PLAYERS: u64 = 10_000;
/// Scheme and host of it.
pub const ORIGIN: &str = "https://game.example";
const PLAYER_DIGITS: usize = 5;
const TRANSACTION_DIGITS: usize = 12;
const HASH_DIGITS: usize = 40;

/// One request, filled in and signed in place for each callback.
pub struct Request {
    bytes: Vec<u8>,
    /// Where the player's digits, the transaction's and the hash's begin.
    player: usize,
    transaction: usize,
    hash: usize,
    right: Hmac<Sha1>,
    wrong: Hmac<Sha1>,
}

impl Request {
    pub fn new() -> Self {
        let query = format!(
            "/callbacks/offers?player=player-{:0PLAYER_DIGITS$}&tx=o{:0TRANSACTION_DIGITS$}&gems=500&usd=1.25\
             &state=COMPLETED&ref=&offer=48213&task=913372&name=Lords%20Mobile%3A%20Kingdom%20Wars\
             &task_name=Reach%20level%2025%20within%2014%20days\
             %20and%20defend%20it%20against%20three%20hordes%20of%20goblins&iap_usd=&hidden=0&type_id=2&type_name=EVENT&reason=",
            0, 0
        );
        let mut bytes = b"GET ".to_vec();
        bytes.extend_from_slice(query.as_bytes());
        bytes.extend_from_slice(b"&hash=");
        let hash = bytes.len();
        bytes.extend_from_slice(&[b'0'; HASH_DIGITS]);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        for header in HEADERS {
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        let behind =
            |name: &str| 4 + query.find(name).expect("it stands in the query") + name.len();
        let keyed = |key: &str| Hmac::new_from_slice(key.as_bytes()).expect("any key will do");
        Self {
            player: behind("player=player-"),
            transaction: behind("&tx=o"),
            hash,
            right: keyed(SECRET),
            wrong: keyed("what a forger would like to know"),
            bytes,
        }
    }

    /// The request about this transaction, with the right hash or with a forger's.
    pub fn about(&mut self, transaction: u64, is_genuine: bool) -> &[u8] {
        write_digits(
            &mut self.bytes[self.player..][..PLAYER_DIGITS],
            transaction % PLAYERS,
        );
        write_digits(
            &mut self.bytes[self.transaction..][..TRANSACTION_DIGITS],
            transaction,
        );
        let mut mac = if is_genuine { &self.right } else { &self.wrong }.clone();
        mac.update(ORIGIN.as_bytes());
        mac.update(&self.bytes[4..self.hash - "&hash=".len()]);
        let hash = mac.finalize().into_bytes();
        let place = &mut self.bytes[self.hash..][..HASH_DIGITS];
        const_hex::encode_to_slice(hash, place).expect("20 bytes are 40 digits");
        &self.bytes
    }

    /// The request target: path and query with the hash.
    pub fn target(&self) -> &str {
        let target = &self.bytes[4..self.hash + HASH_DIGITS];
        std::str::from_utf8(target).expect("it is ASCII")
    }
}

fn write_digits(mut place: &mut [u8], number: u64) {
    let width = place.len();
    write!(place, "{number:0width$}").expect("the number fits");
}

#[cfg(test)]
mod tests {
    use super::*;
    use postback::bitlabs::App;
    use postback::source::Source;
    use postback::wire::KeyRing;

    #[test]
    fn a_request_opens_at_the_endpoint_under_load_and_a_forged_one_does_not() {
        let app = App::new("load", KeyRing::from_list(SECRET).unwrap()).unwrap();
        let offers = app.offers(TEMPLATE).build().unwrap();
        let mut request = Request::new();
        request.about(123_456_789, true);
        let callback = offers
            .open(&postback::wire::Request::get(request.target()))
            .unwrap();
        assert_eq!(callback.transaction().as_str(), "o000123456789");
        assert_eq!(callback.player().as_str(), "player-06789");
        assert_eq!(callback.parameters().count(), 15);
        request.about(123_456_789, false);
        assert!(
            offers
                .open(&postback::wire::Request::get(request.target()))
                .is_err()
        );
    }

    #[test]
    fn the_signed_url_has_387_bytes() {
        assert_eq!(ORIGIN.len() + Request::new().target().len(), 387);
    }
}
