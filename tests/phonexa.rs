//! The rules of `docs/protocol/phonexa.md`, each played through endpoint, receiver, store and wallet; what
//! counts is the balance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "phonexa", feature = "tokio"))]

mod any_game;
mod ledger;

use any_game::Game;
use ledger::decimal;
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind};
use postback::event::{Effect, EventKind, NotedWhy};
use postback::source::phonexa::{
    ConfigError, ConversionPostback, Credential, DoneAfterRejected, Endpoint, EndpointBuilder,
    Names, Status,
};
use postback::source::{Callback, Fault, Field, OpenError, Source};
use postback::testing::phonexa::{Postback, Sent};
use postback::wire::{Limits, Request, Secret};
use proptest::prelude::*;

const PASSWORD: &str = "long-random-password";

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn names() -> Names {
    Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .currency("currency")
        .status("status")
}

fn builder() -> EndpointBuilder {
    Endpoint::builder("game", names())
        .accept(Credential::basic("network", &secret(PASSWORD)).unwrap())
}

fn endpoint() -> Endpoint {
    builder().build().unwrap()
}

fn without_credentials(conversion: &str, status: &str, payout: &str) -> Postback {
    Postback::new()
        .set("player", "p1")
        .set("conversion_id", conversion)
        .set("payout", payout)
        .set("status", status)
}

fn postback(conversion: &str, status: &str, payout: &str) -> Postback {
    without_credentials(conversion, status, payout).basic("network", PASSWORD)
}

fn open(sent: &Sent) -> Result<ConversionPostback, OpenError> {
    endpoint().open(&sent.request())
}

/// Plays postbacks, each of which must be answered 200, in each of the three request types.
async fn balance_after(endpoint: &Endpoint, postbacks: &[Postback]) -> (String, Vec<Kind>) {
    let mut outcomes = Vec::new();
    for type_of in [Postback::get, Postback::form, Postback::json] {
        let game = Game::new();
        for postback in postbacks {
            let sent = type_of(postback);
            assert_eq!(game.send(endpoint, &sent.request()).await, 200);
        }
        outcomes.push((game.balance().normalize().to_string(), game.kinds()));
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    outcomes.remove(0)
}

#[tokio::test]
async fn done_pays_once_per_conversion_and_goal() {
    let done = |conversion: &str| postback(conversion, "Done", "500");
    let goal = |conversion: &str, goal: &str| done(conversion).set("goal", goal);
    let (balance, _) = balance_after(
        &endpoint(),
        &[
            done("c1"),
            done("c1"),
            done("c1").set("goal", ""), // no goal
            goal("c1", "install"),
            goal("c1", "install"),
            goal("c1", "level 10"),
            done("c2"),
            goal("c1:install", ""), // not the conversion c1 with the goal install
        ],
    )
    .await;
    assert_eq!(balance, "2500");
}

#[tokio::test]
async fn pending_never_pays_and_a_conversion_pays_when_it_is_done() {
    let pending = postback("c1", "Pending", "500");
    let outcome = balance_after(&endpoint(), &[pending.clone(), pending.clone()]).await;
    assert_eq!(outcome, ("0".into(), vec![Kind::Pending]));
    let done = postback("c1", "Done", "500");
    let outcome = balance_after(&endpoint(), &[pending.clone(), done, pending]).await;
    assert_eq!(outcome, ("500".into(), vec![Kind::Pending, Kind::Reward]));
}

#[tokio::test]
async fn rejected_after_done_takes_back_what_was_paid_of_that_goal_only() {
    let done = postback("c1", "Done", "500.5").set("goal", "a");
    let outcome = balance_after(
        &endpoint(),
        &[
            done.clone(),
            done.clone().set("goal", "b"),
            postback("c1", "Rejected", "").set("goal", "a"),
            postback("c1", "Rejected", "1").set("goal", "a"),
        ],
    )
    .await;
    assert_eq!(
        outcome,
        (
            "500.5".into(),
            vec![Kind::Reward, Kind::Reward, Kind::Reversal]
        )
    );
}

#[tokio::test]
async fn rejected_after_pending_or_alone_takes_nothing_back_and_blocks_a_late_done() {
    let pending = postback("c1", "Pending", "500");
    let rejected = postback("c1", "Rejected", "500");
    let done = postback("c1", "Done", "500");
    for before in [vec![pending, rejected.clone()], vec![rejected]] {
        let mut all = before;
        all.push(done.clone());
        let (balance, kinds) = balance_after(&endpoint(), &all).await;
        assert_eq!(balance, "0");
        assert!(kinds.contains(&Kind::Rejected) && !kinds.contains(&Kind::Reward));
    }
}

#[tokio::test]
async fn done_after_rejected_pays_nothing_by_default_and_once_more_if_the_operator_chose_so() {
    let done = postback("c1", "Done", "500");
    let rejected = postback("c1", "Rejected", "500");
    let there_and_back = [done.clone(), rejected.clone(), done.clone(), done.clone()];
    let (balance, _) = balance_after(&endpoint(), &there_and_back).await;
    assert_eq!(balance, "0");
    let reinstating = builder()
        .done_after_rejected(DoneAfterRejected::Reinstates)
        .build()
        .unwrap();
    let (balance, kinds) = balance_after(&reinstating, &there_and_back).await;
    assert_eq!(balance, "500");
    assert_eq!(kinds, [Kind::Reward, Kind::Reversal, Kind::RestoredReward]);
    let (balance, _) = balance_after(&reinstating, &[rejected, done]).await;
    assert_eq!(balance, "500");
}

#[tokio::test]
async fn statuses_are_read_in_any_case_and_an_unknown_one_is_kept_and_not_paid() {
    for word in ["done", "DONE", "dOnE"] {
        let (balance, _) = balance_after(&endpoint(), &[postback("c1", word, "500")]).await;
        assert_eq!(balance, "500", "{word}");
    }
    let unknown = postback("c1", "Approved", "500");
    let outcome = balance_after(&endpoint(), std::slice::from_ref(&unknown)).await;
    assert_eq!(outcome, ("0".into(), vec![Kind::NothingToPay]));
    let typed = open(&unknown.get()).unwrap();
    assert_eq!(typed.status(), &Status::Unknown("Approved".into()));
    assert!(matches!(
        typed.event().kind,
        EventKind::Conversion { effect: Effect::Noted { word, why: NotedWhy::UnknownState }, .. } if word == "Approved"
    ));
    let padded = open(&postback("c1", " Done", "500").get()).unwrap();
    assert_eq!(padded.status(), &Status::Unknown(" Done".into()));
}

#[tokio::test]
async fn another_payout_another_player_and_a_payout_below_zero_are_conflicts() {
    let game = Game::new();
    let endpoint = endpoint();
    for (sent, kind) in [
        (postback("c1", "Done", "900"), ConflictKind::OtherContent),
        (
            postback("c1", "Rejected", "").set("player", "p2"),
            ConflictKind::OtherPlayer,
        ),
        (postback("c2", "Done", "-5"), ConflictKind::NegativeReward),
    ] {
        game.send(&endpoint, &postback("c1", "Done", "500").form().request())
            .await;
        assert_eq!(game.send(&endpoint, &sent.json().request()).await, 200);
        assert!(matches!(game.last(), Decision::Conflict(conflict) if conflict.kind() == kind));
    }
    assert_eq!(game.balance(), decimal("500"));
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
fn query_and_body_of_a_post_are_read_together_and_a_name_may_come_once() {
    let sent = postback("c1", "", "5")
        .without("status")
        .to("/cb?status=Done&row=3");
    for sent in [sent.form(), sent.json()] {
        let typed = open(&sent).unwrap();
        assert_eq!(typed.status(), &Status::Done);
        assert_eq!(typed.parameter("row"), Some("3"));
    }
    for name in [
        "player",
        "conversion_id",
        "goal",
        "payout",
        "currency",
        "status",
    ] {
        let full = postback("c1", "Done", "5")
            .set("goal", "g")
            .set("currency", "USD");
        let repeated = OpenError::Repeated { name: name.into() };
        let value = full.get();
        let pair = value
            .target()
            .split(['?', '&'])
            .find(|pair| pair.starts_with(name))
            .unwrap()
            .to_owned();
        let twice = full.clone().to(format!("/cb?{pair}"));
        for sent in [twice.get(), twice.form(), twice.json()] {
            assert_eq!(open(&sent).unwrap_err(), repeated);
        }
        let body = format!(
            "{}&{pair}",
            String::from_utf8(full.form().body().to_vec()).unwrap()
        );
        let sent = full.post("application/x-www-form-urlencoded", body);
        assert_eq!(open(&sent).unwrap_err(), repeated);
    }
    // A name that means nothing here may come as often as it likes, and has no single value then.
    let body = "player=p1&conversion_id=c1&payout=5&status=Done&x=1&x=2";
    let sent = postback("", "", "").post("application/x-www-form-urlencoded", body);
    assert_eq!(open(&sent).unwrap().parameter("x"), None);
}

/// Each accepted credential with the header or parameter that carries it, and near-misses of it.
#[test]
fn each_form_of_each_credential_is_accepted_and_each_near_miss_is_refused_alike() {
    let bare = || without_credentials("c1", "Done", "5");
    let endpoint = Endpoint::builder("game", names())
        .accept(Credential::basic("network", &secret(PASSWORD)).unwrap())
        .accept(Credential::basic("übermut", &secret("pässwörd:with colon")).unwrap())
        .accept(Credential::token(&secret("dG9rZW4tMQ")))
        .accept(Credential::header("X-Callback-Secret", &secret("header secret")).unwrap())
        .accept(Credential::parameter("key", &secret("parameter secret&")))
        .build()
        .unwrap();
    let basic = |login: &str, password: &str| bare().basic(login, password);
    let authorization = |value: &str| bare().header("Authorization", value);
    let accepted = [
        basic("network", PASSWORD),
        basic("übermut", "pässwörd:with colon"),
        bare().basic_token("dG9rZW4tMQ"),
        basic("dG9rZW4tMQ", ""),
        bare().bearer("dG9rZW4tMQ"),
        authorization("bearer dG9rZW4tMQ"),
        authorization("BASIC dG9rZW4tMQ"),
        authorization("Bearer   dG9rZW4tMQ"),
        bare().header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret&"),
        bare().to("/cb?key=parameter+secret%26"),
        // One that is right among others that are wrong.
        basic("network", "wrong").header("X-Callback-Secret", "header secret"),
        basic("network", PASSWORD).set("key", "wrong"),
    ];
    for postback in accepted {
        for sent in [postback.get(), postback.form(), postback.json()] {
            assert!(endpoint.open(&sent.request()).is_ok());
        }
    }
    let refused = [
        bare(),
        basic("network", "long-random-passwor"),
        basic("network", "long-random-password "),
        basic("network", "Long-random-password"),
        basic("network", ""),
        basic("Network", PASSWORD),
        basic("", PASSWORD),
        basic("", ""),
        basic("network", "pässwörd:with colon"),
        basic("übermut:pässwörd", "with"),
        basic("dG9rZW4tMQ", "x"),
        basic("", "dG9rZW4tMQ"),
        basic("network", &format!("{PASSWORD}\0")),
        authorization(""),
        authorization("Basic"),
        authorization("Basic "),
        authorization("Bearer"),
        authorization("Bearer "),
        authorization("dG9rZW4tMQ"),
        authorization("BearerdG9rZW4tMQ"),
        authorization("Token dG9rZW4tMQ"),
        authorization("Bearer dG9rZW4tM"),
        authorization("Bearer dG9rZW4tMQ="),
        authorization("Bearer dG9rZW4tMQ, Bearer dG9rZW4tMQ"),
        authorization(&format!("Basic network:{PASSWORD}")),
        authorization("Basic !!! not base64 !!!"),
        authorization("Basic bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA"), // right, but for the padding
        bare().bearer("bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA=="),
        bare().bearer("header secret"),
        basic("network", PASSWORD).basic("network", PASSWORD),
        basic("network", PASSWORD).bearer("dG9rZW4tMQ"),
        bare().header("X-Callback-Secret", "Header secret"),
        bare().header("X-Callback-Secret", ""),
        bare().header("X-Callback-Secrets", "header secret"),
        bare()
            .header("X-Callback-Secret", "header secret")
            .header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret"),
        bare().set("key", ""),
        bare().set("Key", "parameter secret&"),
        bare()
            .set("key", "parameter secret&")
            .to("/cb?key=parameter+secret%26"),
        basic("network", PASSWORD).set("key", "x").to("/cb?key=y"),
    ];
    let challenge = Some("Basic realm=\"callbacks\"");
    for postback in refused {
        for sent in [postback.get(), postback.form(), postback.json()] {
            let refused = endpoint.open(&sent.request()).unwrap_err();
            assert_eq!(refused, OpenError::Credentials { challenge });
            assert!(refused.is_unauthenticated());
        }
    }
    // Neither base64 nor text.
    for value in [b"Basic \xff\xfe".as_slice(), b"\xff", b"Bearer \xc3\x28"] {
        let headers = vec![("authorization", value)];
        let target = bare().get();
        let request = Request::get(target.target()).with_headers(&headers);
        assert_eq!(
            endpoint.open(&request).unwrap_err(),
            OpenError::Credentials { challenge }
        );
    }
}

#[test]
fn where_basic_is_not_accepted_it_is_not_asked_for() {
    let endpoint = Endpoint::builder("game", names())
        .accept(Credential::header("X-Key", &secret("k")).unwrap())
        .build()
        .unwrap();
    let refused = endpoint
        .open(&postback("c1", "Done", "5").get().request())
        .unwrap_err();
    assert_eq!(refused, OpenError::Credentials { challenge: None });
}

#[test]
fn a_stranger_is_not_told_what_would_be_read() {
    let strange = Postback::new().basic("network", "wrong");
    for sent in [
        strange.post("text/plain", "x"),
        strange.post("application/json", "{"),
        strange.clone().to("/cb?player=%FF").get(),
    ] {
        assert!(matches!(
            open(&sent).unwrap_err(),
            OpenError::Credentials { .. }
        ));
    }
}

#[test]
fn no_credential_stays_with_the_postback_and_none_is_shown() {
    let endpoint = builder()
        .accept(Credential::token(&secret("token-secret")))
        .accept(Credential::header("X-Key", &secret("header-secret")).unwrap())
        .accept(Credential::parameter("key", &secret("parameter-secret")))
        .build()
        .unwrap();
    for sent in [
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .get(),
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .form(),
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .json(),
    ] {
        let typed = endpoint.open(&sent.request()).unwrap();
        let event = typed.event();
        assert_eq!(
            event.signed,
            "player=p1&conversion_id=c1&payout=5&status=Done"
        );
        assert_eq!(
            (typed.parameter("key"), event.parameter("key")),
            (None, None)
        );
        let shown = format!(
            "{typed:?}{event:?}{}{}{endpoint:?}{:?}{sent:?}{:?}",
            serde_json::to_string(&typed).unwrap(),
            serde_json::to_string(&event).unwrap(),
            builder().accept(Credential::token(&secret("token-secret"))),
            sent.request(),
        );
        assert!(
            !shown.contains("secret") && !shown.contains(PASSWORD),
            "{shown}"
        );
    }
    let refused = endpoint
        .open(&Postback::new().set("key", "wrong-secret").form().request())
        .unwrap_err();
    assert!(!format!("{refused}{refused:?}").contains("secret"));
}

#[test]
fn an_endpoint_that_cannot_be_safe_is_refused_with_what_to_do() {
    let accept =
        |names: Names| Endpoint::builder("game", names).accept(Credential::token(&secret("t")));
    let plain = || Names::new("player", "conversion_id");
    let twice = |name: &str| ConfigError::NameTwice { name: name.into() };
    for (builder, expected) in [
        (
            Endpoint::builder("game", names()),
            ConfigError::NoCredentials,
        ),
        (accept(plain().payout("payout")), ConfigError::NoStatus),
        (accept(plain().status("status")), ConfigError::NoPayout),
        (accept(plain()).status(Status::Done), ConfigError::NoPayout),
        (
            accept(plain().status("player").payout("p")),
            twice("player"),
        ),
        (
            accept(Names::new("id", "id").status("s").payout("p")),
            twice("id"),
        ),
        (
            accept(Names::new("", "id").status("s").payout("p")),
            ConfigError::NoName { what: "player" },
        ),
        (
            accept(plain().status("").payout("p")),
            ConfigError::NoName { what: "status" },
        ),
        (
            accept(names()).accept(Credential::parameter("status", &secret("s"))),
            twice("status"),
        ),
        (
            accept(names()).accept(Credential::parameter("", &secret("s"))),
            ConfigError::NoName { what: "secret" },
        ),
    ] {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    assert!(matches!(
        Endpoint::builder("a/b", names()).build().unwrap_err(),
        ConfigError::AppName(_)
    ));
    for login in ["", "a:b", "a\nb"] {
        assert_eq!(
            Credential::basic(login, &secret("p")).unwrap_err(),
            ConfigError::Login
        );
    }
    for name in ["", "X Key", "X-Key:", "Schlüssel"] {
        assert_eq!(
            Credential::header(name, &secret("p")).unwrap_err(),
            ConfigError::HeaderName
        );
    }
}

#[test]
fn bodies_that_are_not_what_they_say_have_specific_errors() {
    let json = |body: &str| open(&postback("", "", "").post("application/json", body)).unwrap_err();
    let nested = |name: &str| OpenError::Nested { name: name.into() };
    let malformed = |reason| OpenError::BodyMalformed { reason };
    let fields = r#""conversion_id":"c1","payout":5,"status":"Done""#;
    let deep = |open: &str, close: &str| open.repeat(15_000) + &close.repeat(15_000);
    for (body, expected) in [
        (
            String::new(),
            malformed("it ends before the JSON is complete"),
        ),
        (
            format!(r#"{{"player":"p1",{fields}"#),
            malformed("it ends before the JSON is complete"),
        ),
        (
            format!(r#"{{"player":"p1",{fields}}}x"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{"player":"p1",{fields},}}"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{'player':"p1",{fields}}}"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{"player":"\ud800",{fields}}}"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{"player":NaN,{fields}}}"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{"player":01,{fields}}}"#),
            malformed("it is not JSON"),
        ),
        (
            format!(r#"{{1:"p1",{fields}}}"#),
            malformed("it is not JSON"),
        ),
        ("[]".into(), malformed("it is not JSON")),
        ("null".into(), malformed("it is not JSON")),
        ("\"player=p1\"".into(), malformed("it is not JSON")),
        ("player=p1".into(), malformed("it is not JSON")),
        (format!("\u{feff}{{{fields}}}"), malformed("it is not JSON")),
        (
            format!(r#"{{"player":{{"id":"p1"}},{fields}}}"#),
            nested("player"),
        ),
        (format!(r#"{{"player":["p1"],{fields}}}"#), nested("player")),
        (
            format!(r#"{{"player":"p1","extra":[],{fields}}}"#),
            nested("extra"),
        ),
        (
            format!(r#"{{"{}":{{}},{fields}}}"#, "é".repeat(99)),
            nested(&"é".repeat(64)),
        ),
        (
            format!(r#"{{"player":"p1","x":{},{fields}}}"#, deep("[", "]")),
            nested("x"),
        ),
        (
            format!(
                r#"{{"x":{}1{},{fields}}}"#,
                r#"{"a":"#.repeat(9_000),
                "}".repeat(9_000)
            ),
            nested("x"),
        ),
        ("[".repeat(60_000), malformed("it is not JSON")),
        (
            r#"{"x":"#.repeat(10_000),
            malformed("it ends before the JSON is complete"),
        ),
        (
            format!(r#"{{"player":"p1","player":"p2",{fields}}}"#),
            malformed("a field occurs more than once"),
        ),
        (
            format!(r#"{{"player":"p1","pl\u0061yer":"p1",{fields}}}"#),
            malformed("a field occurs more than once"),
        ),
        (
            format!(r#"{{"player":null,"player":"p1",{fields}}}"#),
            malformed("a field occurs more than once"),
        ),
        (
            format!(r#"{{"x":1,"x":1,{fields}}}"#),
            malformed("a field occurs more than once"),
        ),
        (
            format!(r#"{{"player":"p\u0000",{fields}}}"#),
            OpenError::Encoding,
        ),
        (format!(r#"{{"player":"p\n1",{fields}}}"#), {
            let source = postback::event::IdError::ControlCharacter;
            OpenError::Identifier {
                name: "player".into(),
                source,
            }
        }),
        (
            format!(r#"{{"player":null,{fields}}}"#),
            OpenError::Missing {
                name: "player".into(),
            },
        ),
        (
            format!(r#"{{"player":"",{fields}}}"#),
            OpenError::Empty {
                name: "player".into(),
            },
        ),
    ] {
        assert_eq!(json(&body), expected, "{}", &body[..body.len().min(99)]);
    }
    let form = |body: &[u8]| {
        open(&postback("", "", "").post("application/x-www-form-urlencoded", body)).unwrap_err()
    };
    for body in [
        b"player=%FF".as_slice(),
        b"player=\xff",
        b"player=%zz",
        b"player=%00",
        b"player=a\0",
    ] {
        assert_eq!(form(body), OpenError::Encoding);
    }
    assert_eq!(
        form(b""),
        OpenError::Missing {
            name: "player".into()
        }
    );
    assert_eq!(
        form(b"{\"player\":\"p1\"}"),
        OpenError::Missing {
            name: "player".into()
        }
    );
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
                assert!(matches!(error, OpenError::BodyMalformed { .. }) && digits == "007.5")
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

#[test]
fn limits_have_errors_of_their_own_and_other_methods_are_refused() {
    let many = (0..64).fold(postback("c1", "Done", "5"), |postback, n| {
        postback.set(format!("x{n}"), "1")
    });
    for sent in [many.get(), many.form(), many.json()] {
        assert_eq!(
            open(&sent).unwrap_err(),
            OpenError::TooManyParameters { limit: 64 }
        );
    }
    let large = postback("c1", "Done", "5").set("x", "y".repeat(64 * 1024));
    for sent in [large.form(), large.json()] {
        assert_eq!(
            open(&sent).unwrap_err(),
            OpenError::BodyTooLarge { limit: 64 * 1024 }
        );
    }
    assert_eq!(
        open(&large.get()).unwrap_err(),
        OpenError::TooLong { limit: 8192 }
    );
    // A body has a limit of its own.
    let wide = postback("c1", "Done", "5").set("x", "y".repeat(10_000));
    assert!(open(&wide.form()).is_ok() && open(&wide.json()).is_ok());
    let tight = builder()
        .body_limit(10)
        .limits(Limits::default().url_bytes(30))
        .build()
        .unwrap();
    assert_eq!(tight.body_limit(), 10);
    let sent = postback("c1", "Done", "5").form();
    assert_eq!(
        tight.open(&sent.request()).unwrap_err(),
        OpenError::BodyTooLarge { limit: 10 }
    );
    assert_eq!(
        builder()
            .body_limit(usize::MAX)
            .build()
            .unwrap()
            .body_limit(),
        1 << 20
    );
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "get", ""] {
        let refused = endpoint().open(&Request::new(method, "/")).unwrap_err();
        assert_eq!(
            refused,
            OpenError::Method {
                allowed: "GET, POST"
            }
        );
    }
    let fragment = postback("c1", "Done", "5").to("/cb?x=#").form();
    assert_eq!(open(&fragment).unwrap_err(), OpenError::Fragment);
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
