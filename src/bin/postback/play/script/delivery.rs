//! How callbacks come, whatever they say: in batches, repeated, as tests, forged.

use postback::bitlabs::Family;
use postback::testing::bitlabs::Network;
use rust_decimal::Decimal;

use super::super::cast::Cast;
use super::super::client::Outgoing;
use super::super::scenario::{Act, Expected, Sending};
use super::{act, completed, sending};

pub(in super::super) fn batch(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let state = completed(cast)?;
    let one = |number| {
        let signed = cast.offer(number, state, "10").sign();
        sending("COMPLETED 10", &signed, Expected::Taken)
    };
    Some(vec![Act {
        sendings: (1..=20).map(one).collect(),
        balance: Some(200.into()),
        banned: None,
        rule: "callbacks come in batches; each of them is answered 200 and paid",
    }])
}

pub(in super::super) fn duplicates(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let offer = cast.offer(1, completed(cast)?, "100");
    let signed = offer.clone().sign();
    let twins = (0..8).map(|_| sending("COMPLETED 100", &signed, Expected::Taken));
    Some(vec![
        Act {
            sendings: twins.collect(),
            balance: Some(100.into()),
            banned: None,
            rule: "of one callback delivered several times at once, one pays",
        },
        act(
            "the same, later",
            offer,
            100,
            "a repetition pays nothing and is answered 200",
        ),
    ])
}

pub(in super::super) fn dashboard_test(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let test = cast.offer(1, completed(cast)?, "100").debug();
    Some(vec![act(
        "debug=true",
        test,
        0,
        "the dashboard's tester is answered 200 and never paid",
    )])
}

pub(in super::super) fn forged(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let state = completed(cast)?;
    let signed = cast.offer(1, state, "500").sign();
    let url = signed.url();
    let bare = url.split("&hash=").next().unwrap_or_default();
    let guessed = Network::new("a guessed secret").sign_url(bare);
    let unkeyed = Network::new("").sign_url(bare);
    let doubled = cast
        .offer(1, state, "500")
        .pass_through(amount_name(cast), "900")
        .sign();
    let of = |target: &str| target.to_owned();
    let target = signed.target();
    let refused = |what: &str, target: String| Act {
        sendings: vec![Sending {
            what: what.to_owned(),
            request: Outgoing::get(&target),
            expected: Expected::Refused,
        }],
        balance: Some(Decimal::ZERO),
        banned: None,
        rule: "what is not genuine is refused (403), and pays nothing",
    };
    Some(vec![
        refused(
            "no hash",
            of(target.split("&hash=").next().unwrap_or_default()),
        ),
        refused("an empty hash", target.replace(signed.hash(), "")),
        refused(
            "a hash of zeros",
            target.replace(signed.hash(), &"0".repeat(40)),
        ),
        refused("another secret", of(guessed.target())),
        refused("an empty secret", of(unkeyed.target())),
        refused("another amount", target.replace("=500", "=900")),
        refused("more behind the hash", format!("{target}&x=1")),
        refused("the amount twice", of(doubled.target())),
    ])
}

/// The name that the amount has in the offers' URL.
fn amount_name(cast: &Cast<'_>) -> String {
    let url = cast.url(Family::Offers).unwrap_or_default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let brings_amount = |piece: &&str| {
        ["[%VALUE:CURRENCY%]", "[%VAL%]", "[%CURRENCY:VALUE%]"]
            .iter()
            .any(|text| piece.ends_with(text))
    };
    let piece = query.split('&').find(brings_amount).unwrap_or_default();
    piece.split('=').next().unwrap_or_default().to_owned()
}
