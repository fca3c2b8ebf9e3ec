//! What a described network's words come to.

use super::{SECRET, URL, call, described, endpoint, open, signer};
use crate::any_game::Game;
use crate::ledger::decimal;
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind};
use postback::event::{Effect, EventKind, TransactionId};
use postback::source::trailing_hash::Meaning;
use postback::source::{Callback, Field, Source};
use postback::wire::Request;

#[tokio::test]
async fn completed_pays_once_pending_never_and_an_unknown_word_moves_nothing() {
    let (game, endpoint) = (Game::new(), endpoint());
    for query in [
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=waiting",
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=approved",
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=APPROVED",
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=approved",
        "user=p1&tx=t2&coins=100&usd=1&ref=&state=on_hold",
        "user=p1&tx=t3&coins=100&usd=1&ref=&state=",
    ] {
        assert_eq!(
            game.send(&endpoint, &Request::get(&call(query))).await,
            200,
            "{query}"
        );
    }
    assert_eq!(game.balance(), decimal("500"));
    assert_eq!(
        game.kinds(),
        [
            Kind::Pending,
            Kind::Reward,
            Kind::NothingToPay,
            Kind::NothingToPay
        ]
    );
}

#[test]
fn a_reference_to_itself_is_none() {
    for (reference, original) in [("t9", Some("t9")), ("t1", None), ("", None)] {
        let query = format!("user=p1&tx=t1&coins=5&usd=&ref={reference}&state=chargeback");
        let postback = open(&query).unwrap();
        assert_eq!(
            postback.original().map(TransactionId::as_str),
            original,
            "{reference}"
        );
    }
}

#[test]
fn an_endpoint_is_mounted_at_the_path_of_its_url() {
    assert_eq!(endpoint().path(), "/callbacks/acme");
    let (_, query) = URL.split_once('?').unwrap();
    let bare = described(&format!("https://game.example?{query}"));
    assert_eq!(bare.build().unwrap().path(), "/");
}

#[tokio::test]
async fn a_reversal_takes_back_what_it_states_whatever_the_sign_and_else_the_whole() {
    for (coins, left) in [
        ("120", "380"),
        ("-120", "380"),
        ("0", "500"),
        ("9999", "0"),
        ("", "0"),
    ] {
        let own = format!("user=p1&tx=t1&coins={coins}&usd=&ref=&state=chargeback");
        let other = format!("user=p1&tx=t9&coins={coins}&usd=&ref=t1&state=Chargeback");
        for reversal in [own, other] {
            let (game, endpoint) = (Game::new(), endpoint());
            for query in [
                "user=p1&tx=t1&coins=500&usd=&ref=&state=approved",
                &reversal,
                &reversal,
            ] {
                assert_eq!(game.send(&endpoint, &Request::get(&call(query))).await, 200);
            }
            assert_eq!(game.balance(), decimal(left), "{reversal}");
        }
    }
}

#[tokio::test]
async fn a_reversal_that_overtakes_is_remembered() {
    let (game, endpoint) = (Game::new(), endpoint());
    for query in [
        "user=p1&tx=t9&coins=&usd=&ref=t1&state=chargeback",
        "user=p1&tx=t1&coins=500&usd=&ref=&state=approved",
    ] {
        assert_eq!(game.send(&endpoint, &Request::get(&call(query))).await, 200);
    }
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn another_amount_or_a_reward_below_zero_is_a_conflict() {
    let (game, endpoint) = (Game::new(), endpoint());
    for query in [
        "user=p1&tx=t1&coins=500&usd=&ref=&state=approved",
        "user=p1&tx=t1&coins=900&usd=&ref=&state=approved",
    ] {
        game.send(&endpoint, &Request::get(&call(query))).await;
    }
    assert!(matches!(game.last(), Decision::Conflict(c) if c.kind() == ConflictKind::OtherContent));
    let below = call("user=p1&tx=t2&coins=-5&usd=&ref=&state=approved");
    game.send(&endpoint, &Request::get(&below)).await;
    assert!(
        matches!(game.last(), Decision::Conflict(c) if c.kind() == ConflictKind::NegativeReward)
    );
    assert_eq!(game.balance(), decimal("500"));
}

#[test]
fn a_postback_is_typed_and_its_event_carries_no_hash() {
    let postback =
        open("user=p%201&tx=t9&coins=-5.50&usd=0.25&ref=t1&state=chargeback&click=77").unwrap();
    assert_eq!(postback.player(), "p 1");
    assert_eq!(postback.transaction(), "t9");
    assert_eq!(postback.original().unwrap(), &"t1");
    assert_eq!(postback.amount(), Field::Given(decimal("-5.50")));
    assert_eq!(postback.usd(), Field::Given(decimal("0.25")));
    assert_eq!(postback.status(), Field::Given("chargeback"));
    assert_eq!(postback.meaning(), Some(Meaning::Reversed));
    assert_eq!(postback.parameter("click"), Some("77"));
    let event = postback.event();
    assert!(matches!(
        &event.kind,
        EventKind::Conversion { effect: Effect::Adjusted { by, is_state_change: false }, .. } if *by == decimal("-5.50")
    ));
    assert_eq!(event.key().to_string(), "acme/game/conversion/t1");
    assert_eq!(event.parameter("click").as_deref(), Some("77"));
    let json = serde_json::to_value(&postback).unwrap();
    assert_eq!(json["meaning"], "reversed");
    assert_eq!(json["amount"], "-5.50");
    assert_eq!(
        json["other_parameters"],
        serde_json::json!([["click", "77"], ["from", "acme"]])
    );
    let call = signer().sign_url("https://game.example/callbacks/acme?user=p1&tx=t1&coins=5&usd=&ref=&state=approved&from=acme");
    let endpoint = endpoint();
    let postback = endpoint.open(&Request::get(call.target())).unwrap();
    let shown = format!(
        "{postback:?}{endpoint:?}{:?}{}{}",
        signer(),
        postback.event().signed,
        serde_json::to_string(&postback).unwrap()
    );
    assert!(
        !shown.contains(call.hash()) && !shown.contains(SECRET),
        "{shown}"
    );
}
