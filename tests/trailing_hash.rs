//! Networks that sign their URL with a trailing keyed hash: described, not programmed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

mod any_game;
mod ledger;

use std::io::Write as _;
use std::process::{Command, Stdio};

use any_game::Game;
use ledger::decimal;
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind};
use postback::event::{Effect, EventKind};
use postback::source::trailing_hash::{ConfigError, Endpoint, EndpointBuilder, Meaning, Postback};
use postback::source::{Callback, Field, OpenError, Source};
use postback::testing::trailing_hash::Signer;
use postback::wire::{Algorithm, Encoding, KeyRing, Limits, Request, TemplateError};
use proptest::prelude::*;

const SECRET: &str = "the secret";
const URL: &str = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&usd=%USD%&ref=[ref]\
    &state={state}&from=acme";

/// The network's dialects, each with the signature that Python makes under `SECRET` of
/// `https://game.example/callbacks/acme?user=p1&tx=t1&coins=500&state=approved`.
const DIALECTS: [(&str, Algorithm, Encoding, &str); 5] = [
    (
        "verifier",
        Algorithm::HmacSha256,
        Encoding::Hex,
        "44b737960f881e2f1ac290522ec916fd6cefb7e715f577b6ac16c345c10023b1",
    ),
    (
        "hash",
        Algorithm::HmacSha1,
        Encoding::Base64Url,
        "S7-cNKKdhKXOIHzQMmG_1EQNjz8",
    ),
    (
        "sig",
        Algorithm::HmacSha256,
        Encoding::Base64,
        "RLc3lg+IHi8awpBSLskW/Wzvt+cV9Xe2rBbDRcEAI7E=",
    ),
    (
        "sig",
        Algorithm::HmacSha1,
        Encoding::Base64Escaped,
        "S7%2BcNKKdhKXOIHzQMmG%2F1EQNjz8%3D",
    ),
    (
        "s",
        Algorithm::HmacSha1,
        Encoding::Hex,
        "4bbf9c34a29d84a5ce207cd03261bfd4440d8f3f",
    ),
];

fn keys() -> KeyRing {
    KeyRing::from_list(SECRET).unwrap()
}

fn described(url: &str) -> EndpointBuilder {
    Endpoint::builder("acme", "game", keys(), url)
        .signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex)
        .player("user")
        .transaction("tx")
        .amount("coins")
        .status("state")
        .word("approved", Meaning::Completed)
        .word("waiting", Meaning::Pending)
        .word("chargeback", Meaning::Reversed)
}

fn endpoint() -> Endpoint {
    described(URL).usd("usd").original("ref").build().unwrap()
}

fn signer() -> Signer {
    Signer::new(SECRET, "verifier", Algorithm::HmacSha256, Encoding::Hex)
}

/// The target of a call of the network's.
fn call(query: &str) -> String {
    let url = format!("https://game.example/callbacks/acme?{query}&from=acme");
    signer().sign_url(&url).target().to_owned()
}

fn open(query: &str) -> Result<Postback, OpenError> {
    endpoint().open(&Request::get(&call(query)))
}

#[test]
fn the_signatures_of_an_independent_implementation_are_genuine_in_every_dialect() {
    let query = "user=p1&tx=t1&coins=500&state=approved";
    let url = "https://game.example/callbacks/acme?user={u}&tx={t}&coins={c}&state={s}";
    for (parameter, algorithm, encoding, signature) in DIALECTS {
        let endpoint = described(url)
            .signed_by(parameter, algorithm, encoding)
            .build()
            .unwrap();
        let target = format!("/callbacks/acme?{query}&{parameter}={signature}");
        let postback = endpoint.open(&Request::get(&target)).unwrap();
        assert_eq!(postback.player(), "p1");
        assert_eq!(postback.amount(), Field::Given(decimal("500")));
        assert_eq!(postback.key_id().as_str(), "key-1");
        for (_, other, form, _) in DIALECTS {
            let builder = described(url).signed_by(parameter, other, form);
            let opened = builder.build().unwrap().open(&Request::get(&target));
            let is_same = (other, form) == (algorithm, encoding);
            assert_eq!(opened.is_ok(), is_same, "{other:?} {form:?}");
        }
    }
}

const PYTHON: &str = r#"
import base64, hashlib, hmac, sys, urllib.parse
for line in sys.stdin.buffer:
    url = line.rstrip(b"\n")
    for digest in (hashlib.sha1, hashlib.sha256):
        mac = hmac.new(b"the secret", url, digest).digest()
        plain = base64.b64encode(mac).decode()
        safe = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        print(mac.hex(), plain, urllib.parse.quote(plain, safe=""), safe)
"#;

#[test]
fn whatever_pythons_hmac_signs_is_genuine() {
    let urls: Vec<String> = (0..200)
        .map(|n| {
            format!(
                "https://game.example/cb?user=p{n}&tx=t%20{n}&coins={n}&note=é{}",
                "x".repeat(n)
            )
        })
        .collect();
    let spawned = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = spawned else {
        return; // the fixed vectors above hold everywhere
    };
    let lines = urls.join("\n") + "\n";
    python
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    if !output.status.success() {
        return;
    }
    let output = String::from_utf8(output.stdout).unwrap();
    let mut signed = output.lines();
    let encodings = [
        Encoding::Hex,
        Encoding::Base64,
        Encoding::Base64Escaped,
        Encoding::Base64Url,
    ];
    let mut opened = 0;
    for url in &urls {
        for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256] {
            let signatures = signed.next().unwrap().split(' ');
            for (encoding, signature) in encodings.into_iter().zip(signatures) {
                let signer = Signer::new(SECRET, "h", algorithm, encoding);
                assert_eq!(signer.sign_url(url).hash(), signature);
                let endpoint = Endpoint::builder(
                    "acme",
                    "game",
                    keys(),
                    "https://game.example/cb?user={u}&tx={t}&coins={c}",
                )
                .signed_by("h", algorithm, encoding)
                .player("user")
                .transaction("tx")
                .amount("coins")
                .always(Meaning::Completed)
                .build()
                .unwrap();
                let target = format!("{}&h={signature}", &url["https://game.example".len()..]);
                assert!(endpoint.open(&Request::get(&target)).is_ok(), "{target}");
                opened += 1;
            }
        }
    }
    assert_eq!(opened, 200 * 8);
}

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

#[test]
fn what_is_missing_malformed_doubled_or_changed_has_a_specific_error() {
    let good = "user=p1&tx=t1&coins=500&usd=1&ref=&state=approved";
    assert!(open(good).is_ok());
    let name = |name: &str| name.to_owned();
    for (from, to, expected) in [
        ("user=p1&", "", OpenError::Missing { name: name("user") }),
        ("user=p1", "user=", OpenError::Empty { name: name("user") }),
        ("tx=t1", "tx", OpenError::Empty { name: name("tx") }),
        (
            "coins=500&",
            "",
            OpenError::Missing {
                name: name("coins"),
            },
        ),
        (
            "coins=500",
            "coins=",
            OpenError::Empty {
                name: name("coins"),
            },
        ),
        (
            "&state=approved",
            "",
            OpenError::Missing {
                name: name("state"),
            },
        ),
        (
            "tx=t1",
            "tx=t1&tx=t2",
            OpenError::Repeated { name: name("tx") },
        ),
        (
            "tx=t1",
            "tx=t1&t%78=t2",
            OpenError::Repeated { name: name("tx") },
        ),
        (
            "tx=t1",
            "tx=t1&verifier=abc",
            OpenError::Repeated {
                name: name("verifier"),
            },
        ),
        ("tx=t1", "tx=%FF", OpenError::Encoding),
        (
            "tx=t1",
            "tx=t1&from=acme",
            OpenError::Repeated { name: name("from") },
        ),
    ] {
        assert_eq!(
            open(&good.replace(from, to)).unwrap_err(),
            expected,
            "{to:?}"
        );
    }
    for coins in [
        "1e3",
        "NaN",
        "+5",
        "5.",
        ".5",
        "0x5",
        "5 ",
        "1000000000000000",
    ] {
        let refused = open(&good.replace("500", &coins.replace('+', "%2B"))).unwrap_err();
        assert!(
            matches!(refused, OpenError::Malformed { name, .. } if name == "coins"),
            "{coins}"
        );
    }
    let open_raw = |query: &str| {
        let signed = signer().sign_url(&format!("https://game.example/callbacks/acme?{query}"));
        endpoint().open(&Request::get(signed.target())).unwrap_err()
    };
    assert_eq!(open_raw(good), OpenError::Missing { name: name("from") });
    assert_eq!(
        open_raw(&format!("{good}&from=x")),
        OpenError::StaticChanged { name: name("from") }
    );
    let target = call(good);
    let refused = endpoint().open(&Request::new("POST", &target)).unwrap_err();
    assert_eq!(refused, OpenError::Method { allowed: "GET" });
    let short = described(URL)
        .limits(Limits::default().url_bytes(20))
        .build()
        .unwrap();
    assert_eq!(
        short.open(&Request::get(&target)).unwrap_err(),
        OpenError::TooLong { limit: 20 }
    );
}

#[test]
fn an_endpoint_that_cannot_be_safe_is_refused_with_what_to_do() {
    let bare = |url: &str| Endpoint::builder("acme", "game", keys(), url);
    let signed = |url: &str| bare(url).signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex);
    let text = |text: &str| text.to_owned();
    let cases = [
        (bare(URL), ConfigError::NoSignature),
        (signed(URL), ConfigError::NoMeaning),
        (signed(URL).status("state"), ConfigError::NoMeaning),
        (
            signed(URL).word("ok", Meaning::Completed),
            ConfigError::NoMeaning,
        ),
        (
            described(URL).always(Meaning::Completed),
            ConfigError::TwoMeanings,
        ),
        (
            described(URL).word("Approved", Meaning::Pending),
            ConfigError::WordTwice {
                word: text("Approved"),
            },
        ),
        (
            signed(URL)
                .always(Meaning::Completed)
                .transaction("tx")
                .amount("coins"),
            ConfigError::Required {
                what: "player",
                method: "player",
            },
        ),
        (
            signed(URL).always(Meaning::Pending).player("user"),
            ConfigError::Required {
                what: "transaction",
                method: "transaction",
            },
        ),
        (
            signed(URL)
                .always(Meaning::Completed)
                .player("user")
                .transaction("tx"),
            ConfigError::Required {
                what: "amount",
                method: "amount",
            },
        ),
        (
            described(URL).usd("euro"),
            ConfigError::NotInUrl {
                name: text("euro"),
                what: "revenue in US dollars",
            },
        ),
        (
            described(URL).usd("from"),
            ConfigError::IsStatic {
                name: text("from"),
                what: "revenue in US dollars",
            },
        ),
        (
            described(URL).original("tx"),
            ConfigError::MappedTwice {
                name: text("tx"),
                first: "transaction",
                second: "original transaction",
            },
        ),
        (
            described("https://game.example/cb"),
            ConfigError::Url(TemplateError::NoParameters),
        ),
        (
            described("game.example/cb?tx={t}"),
            ConfigError::Url(TemplateError::NoScheme),
        ),
        (
            described(&format!("{URL}&verifier={{v}}")),
            ConfigError::Url(TemplateError::Reserved {
                name: text("verifier"),
            }),
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    let named = |parameter: &str| {
        described(URL)
            .signed_by(parameter, Algorithm::HmacSha1, Encoding::Hex)
            .build()
    };
    assert!(matches!(named(""), Err(ConfigError::SignatureName(_))));
    assert!(matches!(named("a&b"), Err(ConfigError::SignatureName(_))));
    // Nothing is paid for what is only pending or reversed, so that no amount is needed.
    let reversals = signed(URL)
        .always(Meaning::Reversed)
        .player("user")
        .transaction("tx")
        .build();
    assert!(reversals.is_ok());
}

proptest! {
    #[test]
    fn opening_never_panics_whatever_arrives(query in "\\PC*", dialect in 0..DIALECTS.len()) {
        let (parameter, algorithm, encoding, _) = DIALECTS[dialect];
        let endpoint = described(URL).signed_by(parameter, algorithm, encoding).build().unwrap();
        for target in [format!("/cb?{query}"), format!("/cb?{query}&{parameter}={query}"), query] {
            prop_assert!(endpoint.open(&Request::get(&target)).is_err());
        }
    }

    #[test]
    fn opening_never_panics_whatever_was_signed(query in "[ -~é]{0,60}") {
        let _ = open(&query);
    }

    #[test]
    fn any_edit_of_a_signed_query_is_refused(
        dialect in 0..DIALECTS.len(),
        at in any::<prop::sample::Index>(),
        by in "[ -~]?",
        deletes in 0..3_usize,
    ) {
        let (parameter, algorithm, encoding, _) = DIALECTS[dialect];
        let endpoint = described(URL).signed_by(parameter, algorithm, encoding).build().unwrap();
        let url = "https://game.example/callbacks/acme?user=p1&tx=t1&coins=500&usd=1&ref=&state=approved&from=acme";
        let signed = Signer::new(SECRET, parameter, algorithm, encoding).sign_url(url);
        prop_assert!(endpoint.open(&Request::get(signed.target())).is_ok());
        let query = signed.query();
        let at = at.index(query.len() + 1);
        let rest = query.get(at + deletes..).unwrap_or_default();
        let edited = format!("{}{by}{rest}", &query[..at]);
        prop_assume!(edited != query);
        let target = format!("/callbacks/acme?{edited}");
        prop_assert!(endpoint.open(&Request::get(&target)).is_err(), "{}", target);
    }
}
