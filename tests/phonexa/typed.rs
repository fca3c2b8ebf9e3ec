//! What a postback is typed as, whichever way it came.

use super::{PASSWORD, builder, endpoint, open, postback, secret};
use crate::ledger::decimal;
use postback::source::phonexa::{Credential, Endpoint, Names, Status};
use postback::source::{Callback, Fault, Field, OpenError, Source};
use postback::wire::Request;
use proptest::prelude::*;

#[test]
fn the_three_request_types_of_one_postback_give_equal_typed_values() {
    let postback = postback("c:1%", "Done", "500")
        .number("payout", "12345678901234.5600")
        .set("goal", "niveau 10 & more=é+%25")
        .set("currency", "usd")
        .set("note", "")
        .number("offer", "7")
        .number("vip", "true");
    let typed = open(&postback.get()).unwrap();
    assert_eq!(typed.player(), "p1");
    assert_eq!(typed.conversion(), "c:1%");
    assert_eq!(typed.goal(), Some("niveau 10 & more=é+%25"));
    assert_eq!(typed.transaction(), "c%3A1%25:niveau 10 & more=é+%25");
    assert_eq!(typed.payout(), Field::Given(decimal("12345678901234.56")));
    assert_eq!(
        typed.payout().given().unwrap().to_string(),
        "12345678901234.5600"
    );
    assert_eq!(typed.currency(), Field::Given("usd"));
    assert_eq!(typed.status(), &Status::Done);
    assert_eq!(typed.parameter("vip"), Some("true"));
    assert_eq!(typed.parameter("offer"), Some("7"));
    assert_eq!(typed.parameter("note"), Some(""));
    assert_eq!(typed.parameter("absent"), None);
    let event = typed.event();
    assert_eq!(event.usd, Some(decimal("12345678901234.56")));
    assert_eq!(
        event.parameter("goal").as_deref(),
        Some("niveau 10 & more=é+%25")
    );
    assert_eq!(
        event.key().to_string(),
        format!("phonexa/game/conversion/{}", typed.transaction())
    );
    let json = serde_json::to_value(&typed).unwrap();
    for sent in [postback.form(), postback.json()] {
        let other = open(&sent).unwrap();
        assert_eq!(other, typed);
        assert_eq!(other.event(), event);
        assert_eq!(serde_json::to_value(&other).unwrap(), json);
    }
}

#[test]
fn no_two_pairs_of_conversion_and_goal_share_a_transaction() {
    let pieces = [
        "c", "c:", ":c", "c:g", "c%3A", "c%3Ag", "c%", "%3A", "g", "c:g:h", "g:h",
    ];
    let mut seen = std::collections::BTreeMap::new();
    for conversion in pieces {
        for goal in std::iter::once("").chain(pieces) {
            let sent = postback(conversion, "Done", "1").set("goal", goal).json();
            let transaction = open(&sent).unwrap().transaction().clone();
            let twin = seen.insert(transaction.clone(), (conversion, goal));
            assert_eq!(twin, None, "{conversion} {goal} {transaction}");
        }
    }
}

#[test]
fn a_done_without_a_payout_is_an_error_and_never_a_default_reward() {
    let name = || "payout".to_owned();
    let done = postback("c1", "Done", "500");
    let refused = open(&done.clone().without("payout").form()).unwrap_err();
    assert_eq!(refused, OpenError::Missing { name: name() });
    assert_eq!(refused.fault(), Fault::Configuration);
    let refused = open(&done.clone().number("payout", "null").json()).unwrap_err();
    assert_eq!(refused, OpenError::Missing { name: name() });
    let refused = open(&done.clone().set("payout", "").get()).unwrap_err();
    assert_eq!(refused, OpenError::Empty { name: name() });
    for payout in [
        "1e3",
        "NaN",
        "+5",
        ".5",
        "five",
        "5,0",
        "1000000000000000",
        "true",
    ] {
        for status in ["Done", "Pending", "Rejected"] {
            let refused = open(&postback("c1", status, payout).form()).unwrap_err();
            assert!(
                matches!(refused, OpenError::Malformed { name, .. } if name == "payout"),
                "{payout}"
            );
        }
    }
    for status in ["Pending", "Rejected"] {
        assert!(open(&postback("c1", status, "").without("payout").form()).is_ok());
    }
}

#[test]
fn the_status_may_be_the_endpoints_own() {
    let bare = Names::new("player", "conversion_id").payout("payout");
    let credential = || Credential::basic("network", &secret(PASSWORD)).unwrap();
    let done = Endpoint::builder("game", bare.clone())
        .accept(credential())
        .status(Status::Done);
    let done = done.build().unwrap();
    let sent = postback("c1", "Rejected", "5").form(); // the parameter is not named, and so not looked at
    assert_eq!(done.open(&sent.request()).unwrap().status(), &Status::Done);
    let named = builder().status(Status::Done).build().unwrap();
    assert!(
        named
            .open(&postback("c1", "done", "5").form().request())
            .is_ok()
    );
    let refused = named.open(&sent.request()).unwrap_err();
    assert_eq!(
        refused,
        OpenError::OtherState {
            expected: "Done".into()
        }
    );
    let absent = postback("c1", "", "5").without("status").form();
    let refused = named.open(&absent.request()).unwrap_err();
    assert_eq!(
        refused,
        OpenError::Missing {
            name: "status".into()
        }
    );
    // What can only be rejected needs no payout.
    let rejections =
        Endpoint::builder("game", Names::new("player", "conversion_id")).accept(credential());
    assert!(rejections.status(Status::Rejected).build().is_ok());
}

#[test]
fn a_json_number_keeps_the_digits_that_were_sent() {
    for digits in [
        "0",
        "5.00",
        "0.1",
        "123456789012345.1234567",
        "-0.5",
        "007.5",
    ] {
        let sent = postback("c1", "Done", "").number("payout", digits).json();
        match open(&sent) {
            Ok(typed) => assert_eq!(typed.parameter("payout"), Some(digits)),
            Err(error) => {
                assert!(matches!(error, OpenError::BodyMalformed { .. }) && digits == "007.5");
            }
        }
    }
    let big = postback("9007199254740993", "Done", "5").number("conversion_id", "9007199254740993");
    assert_eq!(open(&big.json()).unwrap().conversion(), "9007199254740993");
    let float = postback("c1", "Done", "").number("payout", "5e2").json();
    assert!(matches!(
        open(&float).unwrap_err(),
        OpenError::Malformed { .. }
    ));
}

proptest! {
    #[test]
    fn opening_never_panics_whatever_arrives(
        content_type in prop_oneof![
            Just("application/json".to_owned()),
            Just("application/x-www-form-urlencoded".to_owned()),
            "\\PC*",
        ],
        query in "\\PC*",
        body in prop::collection::vec(any::<u8>(), 0..200),
        authorization in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let target = format!("/?{query}");
        let headers = vec![("content-type", content_type.as_bytes()), ("authorization", &authorization)];
        let request = |method| Request::new(method, &target).with_headers(&headers).with_body(&body);
        prop_assert!(endpoint().open(&request("GET")).is_err());
        prop_assert!(endpoint().open(&request("POST")).is_err());
        let known = postback("", "", "").basic("network", PASSWORD).post(&content_type, body.clone());
        let _ = open(&known);
    }

    #[test]
    fn whatever_is_typed_is_the_same_in_all_three_request_types(
        values in prop::collection::vec("[^\0]{0,12}", 5),
        payout in "[0-9]{1,6}(\\.[0-9]{1,4})?",
    ) {
        let postback = postback(&values[0], "Done", &payout)
            .set("player", &*values[1])
            .set("goal", &*values[2])
            .set("currency", &*values[3])
            .set("note", &*values[4]);
        let typed = open(&postback.get());
        prop_assert_eq!(&open(&postback.form()), &typed);
        prop_assert_eq!(&open(&postback.json()), &typed);
        if !payout.starts_with('0') {
            prop_assert_eq!(&open(&postback.number("payout", payout).json()), &typed);
        }
        if let Ok(typed) = typed {
            prop_assert_eq!(typed.event().parameter("note").unwrap(), &*values[4]);
            prop_assert_eq!(typed.event().parameter("goal").unwrap(), &*values[2]);
        }
    }
}
