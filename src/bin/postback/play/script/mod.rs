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

/// The state of a completed offer, if there is a URL for offers; every such URL brings the state.
fn completed(cast: &Cast<'_>) -> Option<&'static str> {
    cast.url(Family::Offers).map(|_| "COMPLETED")
}
