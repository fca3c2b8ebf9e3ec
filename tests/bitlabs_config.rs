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

/// While stateful callbacks are on, PENDING and COMPLETED differ in the state alone: a URL that cannot bring it would
/// be paid for both. Neither a reference nor a type makes up for it.
#[test]
fn an_offers_url_that_cannot_say_pending_is_refused_with_the_state_to_add() {
    let iap = "&i=[%OFFER:TASK:IAP:USD%]";
    for more in ["", "&r=[%REF%]", "&c=[%TYPE%]", "&r=[%REF%]&c=[%TYPE%]"] {
        let base = url(&format!("{BASE}{more}{iap}"));
        for message in [
            refusal(app().offers(&base)),
            refusal(app().purchases(&base)),
        ] {
            assert!(
                message.contains("add state=[%OFFER:TASK:STATE%]")
                    && message.contains("NONE while stateful callbacks are off")
                    && message.contains("`only`"),
                "{message}"
            );
            // What is there already is not asked for.
            assert_eq!(
                !message.contains("ref="),
                more.contains("[%REF%]"),
                "{message}"
            );
        }
        // What the message says to add is enough.
        let mended = format!("{base}&state=[%OFFER:TASK:STATE%]");
        assert!(app().offers(&mended).build().is_ok(), "{more}");
        assert!(app().purchases(&mended).build().is_ok(), "{more}");
    }
}

#[test]
fn an_endpoint_that_has_what_it_needs_is_built() {
    let base = |more: &str| url(&format!("{BASE}{more}"));
    assert!(app().offers(base("&s=[%OFFER_STATE%]")).build().is_ok());
    for more in ["", "&r=[%REF%]", "&r=[%REF%]&c=[%TYPE%]"] {
        let completed = app().offers(base(more)).only(OfferState::Completed);
        assert!(completed.build().is_ok(), "{more}");
    }
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
        .offers("http://game.example:8080?x=1&".to_owned() + BASE + "&s=[%OFFER_STATE%]")
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
