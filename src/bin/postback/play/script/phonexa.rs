//! Phonexa: one postback a status, with a credential.

use postback::testing::phonexa::{Postback, Sent};
use rust_decimal::Decimal;

use super::super::cast::{Cast, Phonexa};
use super::super::client::Outgoing;
use super::super::scenario::{Act, Expected, Sending};

/// Where the example receivers take them.
const PATH: &str = "/callbacks/phonexa";

pub(in super::super) fn completed(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let postback = |status, payout| Some(genuine(cast, status, payout)?.get());
    Some(vec![
        taken(
            "Pending 500 (GET)",
            &postback("Pending", "500")?,
            0,
            "Pending never pays",
        ),
        taken(
            "Done 500 (GET)",
            &postback("Done", "500")?,
            500,
            "Done pays",
        ),
        taken(
            "Done 500 again",
            &postback("Done", "500")?,
            500,
            "a repetition pays nothing",
        ),
    ])
}

pub(in super::super) fn rejected(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let form = genuine(cast, "Done", "300")?.form();
    let json = genuine(cast, "Rejected", "300")?.json();
    Some(vec![
        taken("Done 300 (form)", &form, 300, "Done pays"),
        taken(
            "Rejected (JSON)",
            &json,
            0,
            "Rejected takes back all that was paid",
        ),
    ])
}

pub(in super::super) fn forged(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.phonexa?;
    let postback = || of(cast, "Done", "300");
    Some(vec![
        refused("no credential", &postback().get()),
        refused("another token", &postback().bearer("a guessed token").get()),
        refused("an empty token", &postback().bearer("").get()),
        refused(
            "another password",
            &postback().basic("admin", "guessed").form(),
        ),
    ])
}

/// Under the names that the examples ask for.
fn of(cast: &Cast<'_>, status: &str, payout: &str) -> Postback {
    Postback::new()
        .to(PATH)
        .set("player", &cast.player)
        .set("conversion_id", cast.transaction("c", 1))
        .set("goal", "install")
        .number("payout", payout)
        .set("status", status)
}

/// With the receiver's credential; `None` where there is none.
fn genuine(cast: &Cast<'_>, status: &str, payout: &str) -> Option<Postback> {
    let postback = of(cast, status, payout);
    Some(match cast.phonexa? {
        Phonexa::Token(token) => postback.bearer(token),
        Phonexa::Login(login, password) => postback.basic(login, password),
    })
}

fn taken(what: &str, sent: &Sent, balance: i64, rule: &'static str) -> Act {
    act(what, sent, Expected::Taken, balance.into(), rule)
}

fn refused(what: &str, sent: &Sent) -> Act {
    let rule = "what brings no right credential is refused (401), and pays nothing";
    act(what, sent, Expected::Refused, Decimal::ZERO, rule)
}

fn act(what: &str, sent: &Sent, expected: Expected, balance: Decimal, rule: &'static str) -> Act {
    Act {
        sendings: vec![Sending {
            what: what.to_owned(),
            request: Outgoing::from(sent),
            expected,
        }],
        balance: Some(balance),
        banned: None,
        rule,
    }
}
