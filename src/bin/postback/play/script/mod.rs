//! The scenarios' scripts.

pub(super) mod delivery;
pub(super) mod offers;
pub(super) mod phonexa;
pub(super) mod players;

use postback::bitlabs::Family;
use postback::testing::bitlabs::{CallbackBuilder, SignedCallback};

use super::cast::Cast;
use super::client::Outgoing;
use super::scenario::{Act, Expected, Sending};

/// The macros of an offer's state.
const STATE: &[&str] = &["OFFER:TASK:STATE", "OFFER_STATE"];

fn sending(what: &str, signed: &SignedCallback, expected: Expected) -> Sending {
    Sending {
        what: what.to_owned(),
        request: Outgoing::get(signed.target()),
        expected,
    }
}

fn act(what: &str, callback: CallbackBuilder, balance: i64, rule: &'static str) -> Act {
    Act {
        sendings: vec![sending(what, &callback.sign(), Expected::Taken)],
        balance: Some(balance.into()),
        banned: None,
        rule,
    }
}

/// The state that a completed offer has at this URL: none, where it has no macro for it.
fn completed(cast: &Cast<'_>) -> Option<&'static str> {
    cast.url(Family::Offers)?;
    Some(if cast.has(Family::Offers, STATE) {
        "COMPLETED"
    } else {
        "NONE"
    })
}
