//! Which dashboard URLs are refused, and that each refusal says what to type instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use postback::source::bitlabs::{App, BitlabsCallback, ConfigError, EndpointBuilder, OfferState};
use postback::wire::KeyRing;

fn app() -> App {
    App::new("my-game", KeyRing::from_list("secret").unwrap()).unwrap()
}

fn url(query: &str) -> String {
    format!("https://game.example/cb?{query}")
}

fn refusal<C: BitlabsCallback>(builder: EndpointBuilder<C>) -> String {
    let error = builder.build().expect_err("refused");
    let cause = std::error::Error::source(&error);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

const BASE: &str = "p=[%UID%]&t=[%TX%]&a=[%VAL%]";

#[test]
fn an_endpoint_needs_what_makes_it_safe() {
    let base = |more: &str| url(&format!("{BASE}{more}"));
    let cases = [
        (
            refusal(app().offers(url("t=[%TX%]&a=[%VAL%]&s=[%OFFER_STATE%]"))),
            "player=[%USER:UID%]",
        ),
        (
            refusal(app().offers(url("p=[%UID%]&a=[%VAL%]&s=[%OFFER_STATE%]"))),
            "tx=[%TX%]",
        ),
        (
            refusal(app().offers(url("p=[%UID%]&t=[%TX%]&s=[%OFFER_STATE%]"))),
            "amount=[%VALUE:CURRENCY%]",
        ),
        (
            refusal(app().offers(base(""))),
            "state=[%OFFER:TASK:STATE%]",
        ),
        (refusal(app().offers(base(""))), "ref=[%REF%]"),
        (
            refusal(app().offers(base("&s=completed"))),
            "state=[%OFFER:TASK:STATE%]",
        ),
        (refusal(app().offers(base("&c=[%TYPE%]"))), "`only`"),
        (
            refusal(app().purchases(base("&s=[%OFFER_STATE%]"))),
            "iap_usd=[%OFFER:TASK:IAP:USD%]",
        ),
        (
            refusal(app().purchases(base("&i=[%OFFER:TASK:IAP:USD%]"))),
            "state=[%OFFER:TASK:STATE%]",
        ),
        (refusal(app().surveys(base("&r=[%REF%]"))), "type=[%TYPE%]"),
        (refusal(app().surveys(base("&c=[%TYPE%]"))), "ref=[%REF%]"),
        (refusal(app().rewards(base("&c=[%TYPE%]"))), "ref=[%REF%]"),
        (refusal(app().receipts(base(""))), "magic_receipt_state="),
        (refusal(app().cashback(base(""))), "cashback_state="),
        (
            refusal(app().receipts(base("")).state_parameter("st")),
            "st=",
        ),
        (
            refusal(app().receipts(base("&magic_receipt_state=COMPLETED"))),
            "must bring the state",
        ),
        (
            refusal(app().bans(url("p=[%UID%]"))),
            "ban_status=[%BAN:STATUS%]",
        ),
        (
            refusal(app().bans(url("s=[%BAN_STATE%]"))),
            "player=[%USER:UID%]",
        ),
    ];
    for (message, advice) in cases {
        assert!(
            message.contains(advice),
            "expected {advice:?} in {message:?}"
        );
    }
}

#[test]
fn an_endpoint_that_has_what_it_needs_is_built() {
    let base = |more: &str| url(&format!("{BASE}{more}"));
    assert!(app().offers(base("&s=[%OFFER_STATE%]")).build().is_ok());
    assert!(app().offers(base("&r=[%REF%]")).build().is_ok());
    assert!(
        app()
            .offers(base(""))
            .only(OfferState::Completed)
            .build()
            .is_ok()
    );
    assert!(
        app()
            .offers(url("p=[%UID%]&t=[%TX%]"))
            .only(OfferState::Pending)
            .build()
            .is_ok()
    );
    assert!(app().rewards(base("&r=[%REF%]")).build().is_ok());
    assert!(app().bans(url("p=[%UID%]&s=[%BAN_STATE%]")).build().is_ok());
    let endpoint = app()
        .offers("http://game.example:8080?x=1&".to_owned() + BASE + "&r=[%REF%]")
        .build()
        .unwrap();
    assert_eq!(endpoint.url_prefix(), "http://game.example:8080");
    assert_eq!((endpoint.path(), endpoint.name()), ("/", "offers"));
}

#[test]
fn an_unknown_macro_is_answered_with_the_one_that_was_meant() {
    for (typed, advice) in [
        ("USER:UDI", "did you mean [%USER:UID%]?"),
        ("uid", "did you mean [%UID%]?"),
        ("USER_ID", "did you mean [%USER:ID%]?"),
        ("OFFER:TASK:STATUS", "did you mean [%OFFER:TASK:STATE%]?"),
        ("PLAYER", "`allow_macro`"),
    ] {
        let message = refusal(app().offers(url(&format!("x=[%{typed}%]"))));
        assert!(message.contains(advice), "{typed}: {message}");
        assert!(message.contains(&format!("x=[%{typed}%]")), "{message}");
    }
}

#[test]
fn two_spellings_of_one_thing_are_refused() {
    let message =
        refusal(app().offers(url("p=[%UID%]&q=[%USER:UID%]&t=[%TX%]&a=[%VAL%]&r=[%REF%]")));
    assert!(message.contains("\"p\" and \"q\""), "{message}");
}

#[test]
fn the_templates_own_errors_name_the_endpoint() {
    let message = refusal(app().surveys(url("tx=%TX%")));
    assert!(
        message.contains("surveys") && message.contains("type [%TX%]"),
        "{message}"
    );
    let message = refusal(app().offers(url(&format!("{BASE}&r=[%REF%]&hash=[%HASH%]"))));
    assert!(message.contains("without it"), "{message}");
}

#[test]
fn an_apps_name_is_a_name() {
    for name in ["", "my game", "a/b", "ä"] {
        let refused = App::new(name, KeyRing::from_list("secret").unwrap());
        assert!(matches!(refused, Err(ConfigError::AppName(_))), "{name:?}");
    }
}
