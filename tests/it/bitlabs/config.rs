//! Which dashboard URLs are rejected, and that each error says what to type instead.

use postback::Secret;
use postback::bitlabs::State;
use postback::network::ConfigError;
use postback::verify::KeyId;
use postback::{AppName, KeyRing};

use super::*;

const BASE: &str = "p=[%UID%]&t=[%TX%]&a=[%VAL%]";

fn url(query: &str) -> String {
    format!("https://game.example/cb?{query}")
}

fn rejection<C: BitlabsCallback>(endpoint: Result<BitlabsEndpoint<C>, ConfigError>) -> String {
    endpoint.unwrap_err().to_string()
}

#[test]
fn url_must_have_what_makes_the_endpoint_safe() {
    let base = |more: &str| url(&format!("{BASE}{more}"));
    let cases = [
        (rejection(app().offers(url("t=[%TX%]&a=[%VAL%]&s=[%OFFER_STATE%]"))), "player=[%USER:UID%]"),
        (rejection(app().offers(url("p=[%UID%]&a=[%VAL%]&s=[%OFFER_STATE%]"))), "tx=[%TX%]"),
        (rejection(app().offers(url("p=[%UID%]&t=[%TX%]&s=[%OFFER_STATE%]"))), "amount=[%VALUE:CURRENCY%]"),
        (rejection(app().offers(base("&s=completed"))), "state=[%OFFER:TASK:STATE%]"),
        (rejection(app().purchases(base("&s=[%OFFER_STATE%]"))), "iap_usd=[%OFFER:TASK:IAP:USD%]"),
        (rejection(app().surveys(base("&r=[%REF%]"))), "type=[%TYPE%]"),
        (rejection(app().surveys(base("&c=[%TYPE%]"))), "ref=[%REF%]"),
        (rejection(app().rewards(base("&c=[%TYPE%]"))), "ref=[%REF%]"),
        (rejection(app().receipts(base(""))), "magic_receipt_state="),
        (rejection(app().cashback(base(""))), "cashback_state="),
        (rejection(app().state_parameter("st").receipts(base(""))), "st="),
        (rejection(app().receipts(base("&magic_receipt_state=COMPLETED"))), "the network's macro"),
        (rejection(app().bans(url("p=[%UID%]"))), "ban_status=[%BAN:STATUS%]"),
        (rejection(app().bans(url("s=[%BAN_STATE%]"))), "player=[%USER:UID%]"),
        (rejection(app().only(State::Completed).surveys(SURVEYS)), "`only`"),
        (rejection(app().only(State::Rejected).offers(OFFERS)), "`only`"),
        (rejection(app().state_parameter("st").offers(OFFERS)), "`state_parameter`"),
        (rejection(app().surveys(url("tx=%TX%"))), "type [%TX%]"),
        (rejection(app().offers(url(&format!("{BASE}&r=[%REF%]&hash=[%HASH%]")))), "without it"),
        (rejection(app().offers(url("p=[%UID%]&q=[%USER:UID%]"))), "\"p\" and \"q\""),
    ];
    for (message, advice) in cases {
        assert!(message.contains(advice), "expected {advice:?} in {message:?}");
    }
}

#[test]
fn offers_url_that_cannot_state_pending_is_rejected() {
    let iap = "&i=[%OFFER:TASK:IAP:USD%]";
    for more in ["", "&r=[%REF%]", "&c=[%TYPE%]", "&r=[%REF%]&c=[%TYPE%]"] {
        let base = url(&format!("{BASE}{more}{iap}"));
        for message in [rejection(app().offers(&base)), rejection(app().purchases(&base))] {
            assert!(
                message.contains("add state=[%OFFER:TASK:STATE%]")
                    && message.contains("NONE while stateful callbacks are off")
                    && message.contains("`only`"),
                "{message}"
            );
            assert_eq!(!message.contains("ref="), more.contains("[%REF%]"), "{message}");
        }
        let fixed = format!("{base}&state=[%OFFER:TASK:STATE%]");
        assert!(app().offers(&fixed).is_ok() && app().purchases(&fixed).is_ok(), "{more}");
    }
}

#[test]
fn complete_urls_are_accepted() {
    let completed = app().only(State::Completed);
    for more in ["", "&r=[%REF%]", "&r=[%REF%]&c=[%TYPE%]"] {
        assert!(completed.offers(url(&format!("{BASE}{more}"))).is_ok(), "{more}");
    }
    assert!(app().only(State::Pending).offers(url("p=[%UID%]&t=[%TX%]")).is_ok());
    assert!(app().rewards(url(&format!("{BASE}&r=[%REF%]"))).is_ok());
    let rootless = format!("http://game.example:8080?x=1&{BASE}&s=[%OFFER_STATE%]");
    let endpoint = app().offers(rootless).unwrap();
    assert_eq!((endpoint.path(), endpoint.url().prefix()), ("/", "http://game.example:8080"));
    let labels = endpoint.labels();
    assert_eq!((labels.network, labels.app, labels.endpoint), ("bitlabs", "my-game", "offers"));
    assert_eq!(endpoint.body_limit(), 0);
}

#[test]
fn unknown_macro_is_rejected_with_the_one_that_was_meant() {
    for (typed, advice) in [
        ("USER:UDI", "did you mean [%USER:UID%]?"),
        ("uid", "did you mean [%UID%]?"),
        ("OFFER:TASK:STATUS", "did you mean [%OFFER:TASK:STATE%]?"),
        ("PLAYER", "`allow_macro`"),
    ] {
        let message = rejection(app().offers(url(&format!("x=[%{typed}%]"))));
        assert!(message.contains(advice) && message.contains(&format!("x=[%{typed}%]")), "{message}");
    }
}

#[test]
fn c8_url_pasted_from_html_is_rejected() {
    let pasted = OFFERS.replace('&', "&amp;");
    let error = app().offers(pasted).unwrap_err();
    let ConfigError::Endpoint { endpoint: "offers", error: inner } = &error else { panic!("{error:?}") };
    assert!(matches!(**inner, ConfigError::Url { .. }));
    assert!(error.to_string().contains("plain &"), "{error}");
}

#[test]
fn app_takes_secrets_in_every_form_and_a_valid_name() {
    let secret = || Secret::new("one,secret").unwrap();
    assert!(App::new("my-game", "one,two").is_ok());
    assert!(App::new("my-game", String::from("one")).is_ok());
    assert!(App::new(AppName::new("my-game").unwrap(), secret()).is_ok());
    assert!(App::new("my-game", KeyRing::new(KeyId::new("spring").unwrap(), secret())).is_ok());
    for name in ["", "my game", "a/b", "ä"] {
        assert!(matches!(App::new(name, "secret"), Err(ConfigError::Name(_))), "{name:?}");
    }
    for secret in ["", "secret\n", "one,,two"] {
        let error = App::new("my-game", secret).unwrap_err();
        assert!(matches!(error, ConfigError::Secret { .. }), "{secret:?}");
        assert!(!error.to_string().contains("one"));
    }
    let empty = App::new("my-game", "").unwrap_err();
    assert!(empty.to_string().contains("number 1"), "{empty}");
}
