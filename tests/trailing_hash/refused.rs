//! Bad input, and endpoints that cannot be safe.

use postback::source::trailing_hash::{ConfigError, Endpoint, Meaning};
use postback::source::{OpenError, Source};

use super::{URL, call, described, endpoint, keys, open, signer};
use postback::wire::{Algorithm, Encoding, Limits, Request, TemplateError};

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
#[allow(clippy::too_many_lines, reason = "it is a table")]
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
    let by_word = |word: &str, meaning| {
        signed(URL)
            .status("state")
            .word(word, meaning)
            .player("user")
            .transaction("tx")
            .build()
    };
    assert!(by_word("waiting", Meaning::Pending).is_ok());
    assert!(matches!(
        by_word("approved", Meaning::Completed),
        Err(ConfigError::Required {
            method: "amount",
            ..
        })
    ));
}
