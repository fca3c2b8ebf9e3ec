//! What the network does, and what a right receiver makes of it.

use postback::bitlabs::Family;
use postback::testing::bitlabs::{CallbackBuilder, Network, SignedCallback};
use rust_decimal::Decimal;

use super::cast::Cast;

/// What a receiver must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// 200, if need be after some retries.
    Taken,
    /// Any refusal of the client's: 400 to 499.
    Refused,
}

/// One request.
pub(crate) struct Sending {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) expected: Expected,
}

/// Requests that are sent together, and how the player stands when all are answered.
pub(crate) struct Act {
    pub(crate) sendings: Vec<Sending>,
    pub(crate) balance: Option<Decimal>,
    pub(crate) banned: Option<bool>,
    /// The rule that decides, shown where it is broken.
    pub(crate) rule: &'static str,
}

/// A part of a conversion's life. `script` returns `None` where the dashboard's URLs lack what it needs.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static str,
    pub(crate) script: fn(&Cast<'_>) -> Option<Vec<Act>>,
}

const STATE: &[&str] = &["OFFER:TASK:STATE", "OFFER_STATE"];
const OFFER_STATE: &str = "an offers URL with the state's macro";

pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "offer-completed",
        needs: "an offers URL",
        script: offer_completed,
    },
    Scenario {
        name: "offer-pending-completed",
        needs: OFFER_STATE,
        script: offer_pending_completed,
    },
    Scenario {
        name: "offer-pending-reconciled",
        needs: OFFER_STATE,
        script: offer_pending_reconciled,
    },
    Scenario {
        name: "offer-reconciled-late",
        needs: OFFER_STATE,
        script: offer_reconciled_late,
    },
    Scenario {
        name: "offer-stateless-reconciled",
        needs: "an offers URL with [%REF%]",
        script: offer_stateless_reconciled,
    },
    Scenario {
        name: "reconciled-overtakes",
        needs: OFFER_STATE,
        script: reconciled_overtakes,
    },
    Scenario {
        name: "purchase-two-callbacks",
        needs: "an offers URL with [%OFFER:TASK:IAP:USD%]",
        script: purchase_two_callbacks,
    },
    Scenario {
        name: "survey-reversed-and-restored",
        needs: "a surveys URL",
        script: survey_reversed_and_restored,
    },
    Scenario {
        name: "ban-unban",
        needs: "a bans URL",
        script: ban_unban,
    },
    Scenario {
        name: "multi-conversion",
        needs: "an offers URL",
        script: multi_conversion,
    },
    Scenario {
        name: "batch",
        needs: "an offers URL",
        script: batch,
    },
    Scenario {
        name: "duplicates",
        needs: "an offers URL",
        script: duplicates,
    },
    Scenario {
        name: "dashboard-test",
        needs: "an offers URL",
        script: dashboard_test,
    },
    Scenario {
        name: "forged",
        needs: "an offers URL",
        script: forged,
    },
];

fn sending(what: &str, signed: &SignedCallback, expected: Expected) -> Sending {
    Sending {
        what: what.to_owned(),
        target: signed.target().to_owned(),
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

fn offer_completed(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let offer = cast.offer(1, completed(cast)?, "500");
    Some(vec![act(
        "COMPLETED 500",
        offer,
        500,
        "a completed offer is paid",
    )])
}

fn offer_pending_completed(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, STATE).then(|| {
        vec![
            act(
                "PENDING 500",
                cast.offer(1, "PENDING", "500"),
                0,
                "PENDING never pays",
            ),
            act(
                "COMPLETED 500",
                cast.offer(1, "COMPLETED", "500"),
                500,
                "COMPLETED pays, though PENDING had the same TX: deduplicate on TX and state",
            ),
        ]
    })
}

fn offer_pending_reconciled(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, STATE).then(|| {
        vec![
            act(
                "PENDING 500",
                cast.offer(1, "PENDING", "500"),
                0,
                "PENDING never pays",
            ),
            act(
                "RECONCILED 500",
                cast.offer(1, "RECONCILED", "500"),
                0,
                "nothing was paid, so nothing is taken back",
            ),
        ]
    })
}

fn offer_reconciled_late(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, STATE).then(|| {
        vec![
            act(
                "COMPLETED 500",
                cast.offer(1, "COMPLETED", "500"),
                500,
                "a completed offer is paid",
            ),
            act(
                "RECONCILED 200",
                cast.offer(1, "RECONCILED", "200"),
                300,
                "RECONCILED of the same TX takes back its amount, which may be a part",
            ),
            act(
                "RECONCILED 200 again",
                cast.offer(1, "RECONCILED", "200"),
                300,
                "a repetition takes nothing back",
            ),
        ]
    })
}

fn offer_stateless_reconciled(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, &["REF"]).then(|| {
        let reconciled = cast
            .offer(1, "NONE", "-300")
            .transaction(cast.transaction("or", 1))
            .original(cast.transaction("o", 1))
            .call_type("RECONCILIATION");
        vec![
            act(
                "completed 300",
                cast.offer(1, "NONE", "300"),
                300,
                "without states, a completed offer is paid",
            ),
            act(
                "-300, REF to it",
                reconciled,
                0,
                "a reconciliation takes back from the transaction in REF",
            ),
        ]
    })
}

fn reconciled_overtakes(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, STATE).then(|| {
        vec![
            act(
                "RECONCILED 500",
                cast.offer(1, "RECONCILED", "500"),
                0,
                "nothing was paid, so nothing is taken back",
            ),
            act(
                "COMPLETED 500, late",
                cast.offer(1, "COMPLETED", "500"),
                0,
                "a COMPLETED that its RECONCILED overtook does not pay",
            ),
        ]
    })
}

fn purchase_two_callbacks(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, &["OFFER:TASK:IAP:USD"]).then(|| {
        let state = completed(cast).unwrap_or("COMPLETED");
        let bought = cast.offer(1, state, "50").purchase("4.99");
        vec![
            act(
                "COMPLETED 50",
                cast.offer(1, state, "50"),
                50,
                "the completion is paid",
            ),
            act(
                "the same, with $4.99",
                bought,
                50,
                "purchase data for a known transaction is no second reward",
            ),
        ]
    })
}

fn survey_reversed_and_restored(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Surveys)?;
    let correction = |number, gems| {
        cast.survey(number, "RECONCILIATION", gems)
            .original(cast.transaction("", 1))
    };
    Some(vec![
        act(
            "COMPLETE 200",
            cast.survey(1, "COMPLETE", "200"),
            200,
            "a completed survey is paid",
        ),
        act(
            "RECONCILIATION -200",
            correction(2, "-200"),
            0,
            "the value is signed: below zero takes back, and is answered 200",
        ),
        act(
            "RECONCILIATION +200",
            correction(3, "200"),
            200,
            "above zero takes an earlier correction back",
        ),
    ])
}

fn ban_unban(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Bans)?;
    let ban = |status: &str, banned| Act {
        banned: Some(banned),
        ..act(
            status,
            cast.ban(status),
            0,
            "a ban says how the player stands, and moves no money",
        )
    };
    Some(vec![
        ban("BANNED", true),
        ban("BANNED", true),
        ban("ACTIVE", false),
    ])
}

fn multi_conversion(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let state = completed(cast)?;
    Some(vec![
        act(
            "COMPLETED 100",
            cast.offer(1, state, "100"),
            100,
            "a completed offer is paid",
        ),
        act(
            "same task, other TX",
            cast.offer(2, state, "100"),
            200,
            "the same task may convert several times: another TX is another reward",
        ),
    ])
}

fn batch(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let state = completed(cast)?;
    let one = |number| {
        let signed = cast.offer(number, state, "10").sign();
        sending("COMPLETED 10 (of 20 at once)", &signed, Expected::Taken)
    };
    Some(vec![Act {
        sendings: (1..=20).map(one).collect(),
        balance: Some(200.into()),
        banned: None,
        rule: "callbacks come in batches; each of them is answered 200 and paid",
    }])
}

fn duplicates(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let offer = cast.offer(1, completed(cast)?, "100");
    let signed = offer.clone().sign();
    let twins = (0..8).map(|_| sending("the same (of 8 at once)", &signed, Expected::Taken));
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

fn dashboard_test(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let test = cast.offer(1, completed(cast)?, "100").debug();
    Some(vec![act(
        "debug=true",
        test,
        0,
        "the dashboard's tester is answered 200 and never paid",
    )])
}

fn forged(cast: &Cast<'_>) -> Option<Vec<Act>> {
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
            target,
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
