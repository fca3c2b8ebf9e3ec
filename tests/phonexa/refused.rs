//! Bad input, and endpoints that cannot be safe.

use super::{builder, endpoint, names, open, postback, secret};
use postback::source::phonexa::{ConfigError, Credential, Endpoint, Names, Status};
use postback::source::{OpenError, Source};
use postback::wire::{Limits, Request};

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

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
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
    // Each limit itself is still within it; the path counts, the body does not.
    let exact = postback("c1", "Done", "5")
        .to("/callbacks/phonexa?x=1")
        .form();
    let (target, body) = (exact.request().target().len(), exact.request().body().len());
    for (less, expected) in [
        ((0, 0), None),
        ((1, 0), Some(OpenError::TooLong { limit: target - 1 })),
        ((2, 0), Some(OpenError::TooLong { limit: target - 2 })),
        ((0, 1), Some(OpenError::BodyTooLarge { limit: body - 1 })),
    ] {
        let endpoint = builder()
            .body_limit(body - less.1)
            .limits(Limits::default().url_bytes(target - less.0))
            .build()
            .unwrap();
        assert_eq!(endpoint.open(&exact.request()).err(), expected);
    }
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
