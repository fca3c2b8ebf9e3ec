//! What the typed callbacks say besides the money, and what is never shown.

use std::fmt::Debug;

use postback::bitlabs::{CallbackType, RewardCallback, State};
use postback::verify::Query;
use serde_json::{Value, json};

use super::*;

#[test]
fn offer_says_all_it_knows() {
    let said = "player=p1; tx=o1; state=RECONCILED; gems=500; usd=4.99; offer=77; task=8; name=Lords & Märchen + 5%; \
                task_name=Reach level 5; hidden=1; type_id=3; type_name=PURCHASE; reason=CHARGEBACK; delay=90; \
                fraud=GOOD; ip=2001:db8::1; iap=9.99; click id=a b";
    let values: Vec<_> = said.split("; ").filter_map(|value| value.split_once('=')).collect();
    let offer = verify(&offers(), &sign(OFFERS, &values)).unwrap();
    assert_eq!((offer.player.as_str(), offer.transaction.as_str(), &offer.original), ("p1", "o1", &None));
    assert_eq!((offer.amount, offer.callback_type.as_ref()), (Some(decimal("500")), None));
    assert_eq!(offer.state, Some(State::Reconciled));
    let details = &offer.details;
    assert_eq!((details.offer_id.as_deref(), details.task_id.as_deref()), (Some("77"), Some("8")));
    assert_eq!(details.offer_name.as_deref(), Some("Lords & Märchen + 5%"));
    assert_eq!(details.task_name.as_deref(), Some("Reach level 5"));
    assert_eq!(details.task_type.map(|task| (task.id(), task.name())), Some((3, "PURCHASE")));
    assert_eq!(details.task_type_name.as_deref(), Some("PURCHASE"));
    assert_eq!((details.is_hidden, details.delay_minutes), (Some(true), Some(90)));
    assert_eq!(details.purchase_usd, Some(decimal("9.99")));
    assert_eq!((details.rejection_reason.as_deref(), details.anchor_name.as_deref()), (Some("CHARGEBACK"), None));
    let context = &offer.context;
    assert_eq!((context.usd, context.fraud_level.as_deref()), (Some(decimal("4.99")), Some("GOOD")));
    assert_eq!(context.ip_address, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(context.key_id.as_ref().unwrap().as_str(), "key-1");
    assert_eq!(Query::new(&offer.event.query).get("click id").as_deref(), Some("a b"));

    let event = offer.to_event();
    let names = (event.network.as_str(), event.app.as_str(), &*event.endpoint);
    assert_eq!(names, ("bitlabs", "my-game", "offers"));
    assert_eq!((event.usd, event.purchase_usd), (Some(decimal("4.99")), Some(decimal("9.99"))));
    assert_eq!((event.reason.as_deref(), event.is_test), (Some("CHARGEBACK"), false));
    assert_eq!(event.key().as_str(), "bitlabs/my-game/conversion/o1");
}

#[test]
fn absent_and_empty_information_is_none() {
    let purchases = app().purchases(OFFERS).unwrap();
    let (callback, warnings) =
        postback_test_servers::log::warnings_of(|| verify(&purchases, &sign(OFFERS, &COMPLETED)).unwrap());
    assert_eq!(callback.details.purchase_usd, None);
    assert_eq!((callback.details.is_hidden, callback.details.task_type, callback.context.usd), (None, None, None));
    assert_eq!(warnings, [""; 0]);
    // Not even in the query: the network did not send them.
    let short = sign_offer("player=p1&tx=o1&gems=500&state=COMPLETED");
    assert_eq!(effect(&offers(), &short), Ok(completed("500", Some("COMPLETE"))));
}

#[test]
fn surveys_receipts_and_cashback_say_what_they_know() {
    let values = [("player", "p1"), ("tx", "1"), ("type", "screenout"), ("gems", "1"), ("why", "quota full")];
    let survey = verify(&app().surveys(SURVEYS).unwrap(), &sign(SURVEYS, &values)).unwrap();
    assert_eq!(survey.callback_type, Some(CallbackType::Screenout));
    assert_eq!(survey.details.survey_reason.as_deref(), Some("quota full"));
    assert_eq!(survey.to_event().reason.as_deref(), Some("quota full"));
    let values = [("player", "p1"), ("tx", "1"), ("magic_receipt_state", "reviewing")];
    let receipt = verify(&app().receipts(RECEIPTS).unwrap(), &sign(RECEIPTS, &values)).unwrap();
    assert_eq!(receipt.state, Some(State::Reviewing));
    let values = [("player", "p1"), ("tx", "1"), ("cashback_state", "LOST")];
    let cashback = verify(&app().cashback(CASHBACK).unwrap(), &sign(CASHBACK, &values)).unwrap();
    assert_eq!(cashback.state, Some(State::Unknown("LOST".into())));
}

#[test]
fn both_vocabularies_and_documented_typos_are_read() {
    for url in [
        "https://a.example/c?p=[%USER:UID%]&t=[%TX%]&a=[%VALUE:CURRENCY%]&u=[%VALUE:USD%]&s=[%OFFER:TASK:STATE%]",
        "https://a.example/c?p=[%UID%]&t=[%TX%]&a=[%VAL%]&u=[%RAW%]&s=[%OFFER_STATE%]",
        "https://a.example/c?p=[%USER:ID%]&t=[%TX%]&a=[%CURRENCY:VALUE%]&u=[%CURRENCY:USD%]&s=[%OFFER_STATE%]",
    ] {
        let values = [("p", "p1"), ("t", "o1"), ("a", "5"), ("u", "1"), ("s", "COMPLETED")];
        let offer = verify(&app().offers(url).unwrap(), &sign(url, &values)).unwrap();
        assert_eq!((offer.amount, offer.context.usd), (Some(decimal("5")), Some(decimal("1"))));
    }
}

#[test]
fn state_parameter_and_new_macros_can_be_configured() {
    let url = "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&s=[%X%]&new=[%SHINY:NEW%]";
    let receipts = app().state_parameter("s").allow_macro("[%SHINY:NEW%]").receipts(url).unwrap();
    let values = [("player", "p1"), ("tx", "1"), ("s", "COMPLETED"), ("gems", "5"), ("new", "42")];
    let receipt = verify(&receipts, &sign(url, &values)).unwrap();
    assert_eq!(receipt.state, Some(State::Completed));
    assert_eq!(Query::new(&receipt.event.query).get("new").as_deref(), Some("42"));
}

#[test]
fn real_callback_is_typed_by_its_url() {
    let url = "https://pub.example/api/bit?uid=[%UID%]&amount=[%VAL%]&offer_name=[%OFFER_NAME%]&offer_id=[%OFFER_ID%]\
        &payout=[%RAW%]&ip_address=[%IP%]&trans_id=[%TX%]&country=[%COUNTRY%]&s_minuts=[%LOI%]&type=[%TYPE%]\
        &task_id=[%TASK_ID%]&pre_ref=[%REF%]";
    let query = "uid=28647&amount=8750&offer_name=&offer_id=&payout=1.75&ip_address=8750&trans_id=434703502&country=IN\
        &s_minuts=7&type=COMPLETE&task_id=&pre_ref=";
    let rewards: BitlabsEndpoint<RewardCallback> = app().rewards(url).unwrap();
    let callback = verify(&rewards, &Signer::new(KEY, url).sign_query(query)).unwrap();
    assert_eq!((callback.player.as_str(), callback.transaction.as_str()), ("28647", "434703502"));
    assert_eq!((callback.amount, callback.context.usd), (Some(decimal("8750")), Some(decimal("1.75"))));
    assert_eq!((callback.survey.country.as_deref(), callback.offer.offer_name.as_deref()), (Some("IN"), None));
    assert_eq!(callback.context.ip_address, None, "not an address");
    assert_eq!(callback.event.query, query);
}

#[test]
fn replay_types_a_kept_query_under_the_present_url() {
    // Missing in the dashboard's URL, and then corrected here.
    let kept = {
        let signed = sign(&OFFERS.replace("&state=[%OFFER:TASK:STATE%]", ""), &COMPLETED[..3]);
        let Err(VerifyError::Unusable(unusable)) = verify(&offers(), &signed) else { panic!("unusable") };
        assert_eq!(unusable.problem, missing("state"));
        unusable.callback
    };
    assert!(!kept.query.contains("hash=") && !kept.problem.contains("500"));
    assert!(matches!(offers().replay(&kept), Err(VerifyError::Unusable(_))), "still unusable");
    let bare = BARE.replace("/cb", "/callbacks/offers");
    let corrected = app().only(State::Completed).offers(&*bare).unwrap();
    let replayed = corrected.replay(&kept).unwrap();
    assert_eq!((replayed.amount, replayed.context.key_id.clone()), (Some(decimal("500")), None));
    assert_eq!(replayed.event.query, kept.query);
    // Another app's transactions are others.
    let other = App::new("other", KEY).unwrap().only(State::Completed).offers(&*bare).unwrap();
    assert!(other.replay(&kept).is_err());
}

#[test]
fn serialized_callback_has_a_stable_form() {
    let values = [("player", "p1"), ("tx", "o1"), ("gems", "500.50"), ("state", "COMPLETED"), ("token", "sesame")];
    let offer = verify(&offers(), &sign(OFFERS, &values)).unwrap();
    let mut json: Value = serde_json::to_value(&*offer).unwrap();
    let query = json["event"]["query"].take();
    assert!(query.as_str().unwrap().ends_with("&token=sesame"));
    assert_eq!(
        json,
        json!({
            "player": "p1", "transaction": "o1", "original": null, "amount": "500.50", "callback_type": null,
            "state": "COMPLETED", "offer_id": null, "offer_name": null, "task_id": null, "task_name": null,
            "task_type": null, "task_type_name": null, "anchor_name": null, "delay_minutes": null, "is_hidden": null,
            "purchase_usd": null, "rejection_reason": null, "usd": null, "ip_address": null, "fraud_level": null,
            "app_token": null, "key_id": "key-1",
            "event": {
                "network": "bitlabs", "app": "my-game", "endpoint": "offers", "player": "p1", "query": null,
                "kind": {"conversion": {
                    "transaction": "o1",
                    "effect": {"completed": {"amount": "500.50", "milestone": "COMPLETE", "reinstates": false}},
                }},
            },
        })
    );
}

#[test]
fn output_contains_no_secret_hash_or_url() {
    fn check<C: BitlabsCallback>(endpoint: &BitlabsEndpoint<C>, url: &str, values: &[(&str, &str)]) {
        let mut values = values.to_vec();
        values.extend([("player", "p1"), ("token", "sesame")]);
        let signed = sign(url, &values);
        let callback = verify(endpoint, &signed).unwrap();
        let json = serde_json::to_string(&*callback).unwrap();
        let target = signed.target();
        let request = Request::get(&target);
        let debug = [endpoint as &dyn Debug, endpoint.url(), &callback, &signed, &request, &app()];
        let debug = debug.map(|item| format!("{item:?}"));
        for text in debug.iter().chain([&json]) {
            assert!(!text.contains(KEY) && !text.contains(signed.hash()) && !text.contains("game.example"), "{text}");
        }
        assert!(!debug.concat().contains("sesame"), "{debug:?}");
    }
    let (tx, gems) = (("tx", "1"), ("gems", "5"));
    check(&offers(), OFFERS, &[tx, gems, ("state", "COMPLETED"), ("iap", "9.99")]);
    check(&app().purchases(OFFERS).unwrap(), OFFERS, &[tx, gems, ("state", "COMPLETED")]);
    check(&app().surveys(SURVEYS).unwrap(), SURVEYS, &[tx, gems, ("type", "COMPLETE")]);
    check(&app().receipts(RECEIPTS).unwrap(), RECEIPTS, &[tx, gems, ("magic_receipt_state", "COMPLETED")]);
    check(&app().cashback(CASHBACK).unwrap(), CASHBACK, &[tx, gems, ("cashback_state", "COMPLETED")]);
    check(&app().rewards(REWARDS).unwrap(), REWARDS, &[tx, gems, ("type", "COMPLETE")]);
    check(&app().bans(BANS).unwrap(), BANS, &[("ban_status", "BANNED")]);
}
