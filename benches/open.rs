//! What it costs to open a request, beside the keyed hash of the same bytes.
//!
//! ```sh
//! cargo bench --bench open --features testing,phonexa
//! ```
//!
//! An accepted callback should cost no more than three times its hash, a forged one no more than 1.3 times; a tenth
//! above that the program fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

mod beside;
mod opening;

use beside::{Case, Work, compare, in_processes};
use opening::{
    SECRET, acme, acme_callback, app, forged, hmac_sha1, hmac_sha256, offer, offers, opens,
    phonexa, phonexa_postback, receipt, refuses, signed_bytes, survey, unsigned,
};
use postback::source::{Callback, Source};
use postback::testing::bitlabs::Network;
use postback::wire::Request;

fn main() {
    in_processes(measure);
}

fn measure() {
    let network = Network::new(SECRET);
    let genuine = offer(&network);
    let genuine_target = || genuine.target().to_owned();
    let hash_of = |url: &str| Work::new(hmac_sha1(signed_bytes(url)));
    let floor = || hash_of(genuine.url());
    let (receipt, survey) = (receipt(&network), survey(&network));
    let case = |name, target, work, floor| Case {
        name,
        work,
        floor,
        target,
    };
    println!(
        "an offer of {} bytes, {} of them signed",
        genuine.url().len(),
        signed_bytes(genuine.url()).len()
    );
    let cases = [
        case(
            "accepted",
            Some(3.0),
            Work::new(opens(offers(SECRET), genuine_target())),
            floor(),
        ),
        case(
            "accepted, and said as an event",
            None,
            Work::new({
                let (endpoint, target) = (offers(SECRET), genuine_target());
                move || {
                    endpoint
                        .open(&Request::get(&target))
                        .map(|callback| callback.event())
                }
            }),
            floor(),
        ),
        case(
            "forged: a wrong hash",
            Some(1.3),
            Work::new(refuses(offers(SECRET), forged(&network))),
            floor(),
        ),
        case(
            "no hash",
            None,
            Work::new(refuses(offers(SECRET), unsigned(&network))),
            floor(),
        ),
        case(
            "accepted, two keys",
            None,
            Work::new(opens(
                offers(&format!("another,{SECRET}")),
                genuine_target(),
            )),
            floor(),
        ),
        case(
            "forged, two keys",
            None,
            Work::new(refuses(
                offers(&format!("another,{SECRET}")),
                forged(&network),
            )),
            floor(),
        ),
        case(
            "receipt accepted, 6 parameters",
            None,
            Work::new(opens(
                app(SECRET).receipts(opening::RECEIPTS).build().unwrap(),
                receipt.target().to_owned(),
            )),
            hash_of(receipt.url()),
        ),
        case(
            "survey accepted, 8 parameters",
            None,
            Work::new(opens(
                app(SECRET).surveys(opening::SURVEYS).build().unwrap(),
                survey.target().to_owned(),
            )),
            hash_of(survey.url()),
        ),
    ];
    compare("HMAC-SHA1 of the signed bytes, keyed beforehand", &cases);
    others();
}

/// Sources that sign otherwise, or not at all.
fn others() {
    let callback = acme_callback();
    let work = Work::new({
        let (endpoint, target) = (acme(), callback.target().to_owned());
        assert!(endpoint.open(&Request::get(&target)).is_ok());
        move || endpoint.open(&Request::get(&target))
    });
    let trailing = Case {
        name: "trailing hash accepted, 7 parameters",
        work,
        floor: Work::new(hmac_sha256(signed_bytes(callback.url()))),
        target: None,
    };
    compare(
        "HMAC-SHA256 of the signed bytes, keyed beforehand",
        &[trailing],
    );
    let sent = phonexa_postback();
    let floor = Work::new(hmac_sha1(sent.target().into()));
    let work = Work::new({
        let endpoint = phonexa();
        assert!(endpoint.open(&sent.request()).is_ok());
        move || endpoint.open(&sent.request())
    });
    let unsigned = Case {
        name: "Phonexa GET accepted, 6 parameters",
        work,
        floor,
        target: None,
    };
    compare(
        "HMAC-SHA1 of the target, for scale: nothing is signed, two credentials are compared by their SHA-256",
        &[unsigned],
    );
}
