//! What the typed callbacks say beside the money, and what is never shown.

use postback::event::{Event, TestCallback};
use postback::source::bitlabs::{
    BitlabsCallback, CallbackType, CashbackState, EndpointBuilder, Field, FraudLevel, OfferState,
    ReceiptState, RejectionReason,
};
use postback::source::{Callback, OpenError, Source};
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::wire::Request;

use crate::sent::*;

#[test]
fn an_offer_says_all_it_knows() {
    let callback = sent(OFFERS)
        .state("RECONCILED")
        .amount("500")
        .usd("4.99")
        .set("OFFER:ID", "77")
        .set("OFFER:TASK:ID", "8")
        .set("OFFER:NAME", "Lords & Märchen + 5%")
        .set("OFFER:TASK:NAME", "Reach level 5")
        .set("OFFER:TASK:HIDDEN", "1")
        .set("OFFER:TASK:TYPE:ID", "3")
        .set("OFFER:TASK:TYPE:NAME", "PURCHASE")
        .set("OFFER:REJECTION_REASON", "CHARGEBACK")
        .set("OFFER:DELAY", "90")
        .set("FSCORE", "good")
        .purchase("9.99")
        .pass_through("click id", "a b");
    let offer = open(&app().offers(OFFERS).build().unwrap(), callback).unwrap();
    assert_eq!(offer.state(), Some(OfferState::Reconciled));
    assert_eq!(offer.usd(), Field::Given(dec("4.99")));
    assert_eq!(offer.offer_id(), Field::Given("77"));
    assert_eq!(offer.task_id(), Field::Given("8"));
    assert_eq!(offer.offer_name(), Field::Given("Lords & Märchen + 5%"));
    assert_eq!(offer.task_name(), Field::Given("Reach level 5"));
    assert_eq!(offer.is_hidden(), Some(true));
    assert_eq!(
        (offer.task_type().id(), offer.task_type().name()),
        (Some(3), "PURCHASE")
    );
    assert_eq!(offer.task_type_name(), Field::Given("PURCHASE"));
    assert_eq!(
        offer.rejection_reason(),
        Field::Given(RejectionReason::Chargeback)
    );
    assert_eq!(offer.delay_minutes(), Some(90));
    assert_eq!(offer.fraud_level(), Field::Given(FraudLevel::Good));
    assert_eq!(offer.purchase(), Field::Given(dec("9.99")));
    assert_eq!(offer.call_type(), Field::<CallbackType>::Empty);
    assert_eq!(offer.anchor_name(), Field::Absent);
    assert_eq!(offer.parameter("click id"), Some("a b"));
    assert_eq!(offer.parameters().count(), 19);

    let event: Event = offer.event();
    assert_eq!(
        (event.source.as_str(), event.app.as_str(), &*event.endpoint),
        ("bitlabs", "my-game", "offers")
    );
    assert_eq!(event.usd, Some(dec("4.99")));
    assert_eq!(
        event.purchase.as_ref().map(|purchase| purchase.usd),
        Some(dec("9.99"))
    );
    assert_eq!(event.reason.as_deref(), Some("CHARGEBACK"));
    assert_eq!(event.key().to_string(), "bitlabs/my-game/conversion/o1");
    assert_eq!(
        event.parameter("name").as_deref(),
        Some("Lords & Märchen + 5%")
    );
    assert_eq!(event.test, TestCallback::No);
}

#[test]
fn a_purchase_brings_an_amount_or_none_given() {
    let purchases = app().purchases(OFFERS).build().unwrap();
    let call = || {
        sent(OFFERS)
            .state("COMPLETED")
            .amount("500")
            .set("OFFER:TASK:HIDDEN", "0")
    };
    let given = open(&purchases, call().purchase("9.99")).unwrap();
    assert_eq!(given.purchase(), Field::Given(dec("9.99")));
    assert_eq!(given.amount(), Field::Given(dec("500")));
    assert_eq!(given.is_hidden(), Some(false));
    let none = open(&purchases, call()).unwrap();
    assert_eq!(none.purchase(), Field::Empty);
    assert_eq!(none.event().purchase, None);
    assert_eq!(none.task_type().id(), None);
}

/// What is refused where `name` is configured and not sent.
fn without<C: BitlabsCallback>(
    builder: EndpointBuilder<C>,
    url: &str,
    name: &str,
) -> Option<OpenError> {
    let (path, query) = url.split_once('?').unwrap();
    let left_out = |pair: &&str| !pair.trim_start().starts_with(&format!("{name}="));
    let query: Vec<_> = query.split('&').filter(left_out).collect();
    let callback = sent(&format!("{path}?{}", query.join("&"))).amount("500");
    open(&builder.build().unwrap(), callback.state("COMPLETED")).err()
}

#[test]
fn what_decides_must_be_sent_where_it_is_configured() {
    let missing = |name: &str| Some(OpenError::Missing { name: name.into() });
    let offers = || app().offers(OFFERS);
    for name in ["gems", "state"] {
        assert_eq!(without(offers(), OFFERS, name), missing(name));
    }
    // Of a purchase the purchase decides, of a survey its type; elsewhere neither does.
    let purchases = app().purchases(OFFERS);
    assert_eq!(without(purchases, OFFERS, "iap_usd"), missing("iap_usd"));
    assert_eq!(without(offers(), OFFERS, "iap_usd"), None);
    let surveys = app().surveys(SURVEYS);
    assert_eq!(without(surveys, SURVEYS, "type"), missing("type"));
    let rewards = app().rewards(REWARDS);
    assert_eq!(without(rewards, REWARDS, "type"), missing("type"));
    assert_eq!(without(offers(), OFFERS, "call"), None);
}

#[test]
fn the_original_is_the_other_transaction_that_is_referred_to() {
    let surveys = app().surveys(SURVEYS).build().unwrap();
    let original = |text: &str| {
        let callback = sent(SURVEYS).call_type("RECONCILIATION").amount("-2");
        let callback = open(&surveys, callback.original(text)).unwrap();
        callback.original().map(|id| id.as_str().to_owned())
    };
    assert_eq!(original("s1").as_deref(), Some("s1"));
    assert_eq!(original("o1"), None, "its own");
    assert_eq!(original(""), None);
}

#[test]
fn no_endpoint_of_this_network_reads_a_body() {
    assert_eq!(app().offers(OFFERS).build().unwrap().body_limit(), 0);
}

#[test]
fn surveys_receipts_and_cashback_say_what_they_know() {
    let survey = sent(SURVEYS)
        .call_type("SCREENOUT")
        .amount("1")
        .set("SURVEY:REASON", "quota full");
    let survey = open(&app().surveys(SURVEYS).build().unwrap(), survey).unwrap();
    assert_eq!(survey.call_type(), Field::Given(CallbackType::Screenout));
    assert_eq!(survey.survey_reason(), Field::Given("quota full"));
    assert_eq!(survey.event().reason.as_deref(), Some("quota full"));
    let receipt = sent(RECEIPTS).state("reviewing");
    let receipt = open(&app().receipts(RECEIPTS).build().unwrap(), receipt).unwrap();
    assert_eq!(receipt.state(), Field::Given(ReceiptState::Reviewing));
    let cashback = sent(CASHBACK).state("LOST");
    let cashback = open(&app().cashback(CASHBACK).build().unwrap(), cashback).unwrap();
    assert_eq!(
        cashback.state(),
        Field::Given(CashbackState::Unknown("LOST".into()))
    );
}

#[test]
fn debug_true_is_a_test_and_only_a_staging_switch_delivers_it() {
    let call = || sent(OFFERS).state("COMPLETED").amount("500");
    let offers = app().offers(OFFERS).build().unwrap();
    let staging = app().offers(OFFERS).deliver_tests().build().unwrap();
    assert!(open(&offers, call().debug()).unwrap().is_test());
    assert!(!open(&offers, call()).unwrap().is_test());
    assert_eq!(
        open(&offers, call().debug()).unwrap().event().test,
        TestCallback::Acknowledged
    );
    assert_eq!(
        open(&staging, call().debug()).unwrap().event().test,
        TestCallback::Delivered
    );
    assert_eq!(
        open(&staging, call()).unwrap().event().test,
        TestCallback::No
    );
    assert_eq!(
        open(&offers, call().pass_through("debug", "false"))
            .unwrap()
            .event()
            .test,
        TestCallback::No
    );
    // It does not skip the signature.
    let forged = Network::new("guess")
        .callback(OFFERS)
        .player("p1")
        .transaction("o1")
        .debug()
        .sign();
    assert_eq!(
        offers.open(&Request::get(forged.target())).unwrap_err(),
        OpenError::SignatureWrong
    );
}

#[test]
fn another_state_parameter_and_a_macro_newer_than_the_crate_can_be_set() {
    let url =
        "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&s=[%X%]&new=[%SHINY:NEW%]";
    let receipts = app()
        .receipts(url)
        .state_parameter("s")
        .allow_macro("SHINY:NEW")
        .build()
        .unwrap();
    let callback = sent(url)
        .parameter("s", "COMPLETED")
        .amount("5")
        .set("SHINY:NEW", "42");
    let receipt = open(&receipts, callback).unwrap();
    assert_eq!(receipt.state(), Field::Given(ReceiptState::Completed));
    assert_eq!(receipt.parameter("new"), Some("42"));
}

#[test]
fn both_vocabularies_and_the_slips_of_the_vendors_pages_are_understood() {
    for url in [
        "https://a.example/c?p=[%USER:UID%]&t=[%TX%]&a=[%VALUE:CURRENCY%]&u=[%VALUE:USD%]&s=[%OFFER:TASK:STATE%]",
        "https://a.example/c?p=[%UID%]&t=[%TX%]&a=[%VAL%]&u=[%RAW%]&s=[%OFFER_STATE%]",
        "https://a.example/c?p=[%USER:ID%]&t=[%TX%]&a=[%CURRENCY:VALUE%]&u=[%CURRENCY:USD%]&s=[%OFFER_STATE%]",
    ] {
        let offers = app().offers(url).build().unwrap();
        let offer = open(&offers, sent(url).state("COMPLETED").amount("5").usd("1")).unwrap();
        assert_eq!(
            (offer.amount(), offer.usd()),
            (Field::Given(dec("5")), Field::Given(dec("1")))
        );
    }
}

#[test]
fn nothing_that_is_shown_holds_the_secret_the_hash_or_the_url() {
    fn shown<C: BitlabsCallback>(
        builder: EndpointBuilder<C>,
        callback: CallbackBuilder,
    ) -> [String; 2] {
        let signed = callback.pass_through("token", "sesame").sign();
        let before = format!("{builder:?}");
        let endpoint = builder.build().unwrap();
        let callback = endpoint.open(&Request::get(signed.target())).unwrap();
        let json = serde_json::to_string(&callback).unwrap();
        let debug = format!(
            "{before} {endpoint:?} {:?} {callback:?} {signed:?}",
            endpoint.app()
        );
        for text in [&json, &debug] {
            assert!(
                !text.contains(KEY)
                    && !text.contains(signed.hash())
                    && !text.contains("game.example"),
                "{text}"
            );
        }
        assert!(!debug.contains("sesame"), "{debug}");
        [json, debug]
    }
    let offer = || {
        sent(OFFERS)
            .state("COMPLETED")
            .amount("500.50")
            .purchase("9.99")
    };
    let [json, debug] = shown(app().offers(OFFERS), offer());
    assert!(
        debug.contains("OfferCallback") && debug.contains("o1"),
        "{debug}"
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["endpoint"], "offers");
    assert_eq!(json["amount"], "500.50");
    assert_eq!(json["purchase_usd"], "9.99");
    assert_eq!(json["original"], serde_json::Value::Null);
    assert_eq!(
        json["other_parameters"],
        serde_json::json!([["token", "sesame"]])
    );
    shown(app().purchases(OFFERS), offer());
    shown(
        app().surveys(SURVEYS),
        sent(SURVEYS).call_type("COMPLETE").amount("5"),
    );
    shown(
        app().receipts(RECEIPTS),
        sent(RECEIPTS).state("COMPLETED").amount("5"),
    );
    shown(
        app().cashback(CASHBACK),
        sent(CASHBACK).state("COMPLETED").amount("5"),
    );
    shown(
        app().rewards(REWARDS),
        sent(REWARDS).call_type("COMPLETE").amount("5"),
    );
    shown(app().bans(BANS), sent(BANS).ban_status("BANNED"));
}
