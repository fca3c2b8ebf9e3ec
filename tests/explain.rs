//! Every cause of a signature that does not match is named, and the true one first.
#![cfg(feature = "explain")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use postback::bitlabs::App;
use postback::explain::{Cause, Certainty, Explainer, Explanation, Outcome};
use postback::source::Source;
use postback::testing::bitlabs::{Network, SignedCallback};
use postback::wire::{KeyRing, Request};
use proptest::prelude::*;

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const OTHER: &str = "AnotherAppsSecret0123456789ab";
const TEMPLATE: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";

fn signed_at(template: &str) -> SignedCallback {
    Network::new(SECRET)
        .callback(template)
        .player("p1")
        .transaction("o233")
        .amount("500")
        .state("COMPLETED")
        .set("OFFER:NAME", "Lords Mobile: é/1")
        .sign()
}

fn signed() -> SignedCallback {
    signed_at(TEMPLATE)
}

fn explainer() -> Explainer {
    Explainer::bitlabs().secret("BITLABS_APP_SECRET", SECRET)
}

fn with_template() -> Explainer {
    explainer().template(TEMPLATE).unwrap()
}

/// The true cause is first, and no answer shows a secret or a signature.
fn assert_cause(explanation: &Explanation, cause: Cause, about: &str) {
    let first = explanation.findings().first();
    assert_eq!(
        first.map(|finding| finding.cause),
        Some(cause),
        "{about}:\n{explanation}"
    );
    assert_shows_nothing_secret(explanation);
}

fn assert_shows_nothing_secret(explanation: &Explanation) {
    for text in [explanation.to_string(), format!("{explanation:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(OTHER), "{text}");
        let longest = text
            .split(|c: char| !c.is_ascii_hexdigit())
            .map(str::len)
            .max();
        assert!(longest < Some(40), "a signature is shown: {text}");
    }
}

type Fault = fn(&SignedCallback) -> String;

/// Faults that happen to a URL on its way. The flag: it is found without the dashboard's URL, too.
const FAULTS: &[(&str, Cause, bool, Fault)] = &[
    ("TLS ends at a proxy", Cause::Scheme, true, |signed| {
        signed.url().replace("https://", "http://")
    }),
    ("the host is an inner one", Cause::Host, false, |signed| {
        signed.url().replace("game.example", "backend.internal")
    }),
    ("www was added", Cause::Host, true, |signed| {
        signed.url().replace("game.example", "www.game.example")
    }),
    ("the port is an inner one", Cause::Port, true, |signed| {
        signed.url().replace("game.example", "game.example:8080")
    }),
    (
        "a proxy strips the path's beginning",
        Cause::PathPrefixStripped,
        true,
        |signed| signed.url().replace("/callbacks/offers", "/offers"),
    ),
    (
        "a proxy adds to the path",
        Cause::PathPrefixAdded,
        true,
        |signed| {
            signed
                .url()
                .replace("/callbacks/offers", "/internal/api/callbacks/offers")
        },
    ),
    ("a slash at the end", Cause::TrailingSlash, true, |signed| {
        signed.url().replace("/offers?", "/offers/?")
    }),
    ("another path", Cause::Path, false, |signed| {
        signed.url().replace("/callbacks/offers", "/hook")
    }),
    ("%20 became +", Cause::SpaceEncoding, true, |signed| {
        signed.url().replace("%20", "+")
    }),
    ("escapes in lower case", Cause::EscapeCase, true, |signed| {
        signed
            .url()
            .replace("%3A", "%3a")
            .replace("%C3%A9", "%c3%a9")
    }),
    (
        "the query was decoded",
        Cause::QueryDecoded,
        true,
        |signed| {
            signed
                .url()
                .replace("%20", " ")
                .replace("%3A", ":")
                .replace("%C3%A9", "é")
                .replace("%2F", "/")
        },
    ),
    (
        "the query was encoded twice",
        Cause::QueryEncoded,
        true,
        |signed| signed.url().replace('%', "%25"),
    ),
    (
        "the query was written anew",
        Cause::QueryReencoded,
        true,
        |signed| signed.url().replace("%3A", ":").replace("%2F", "/"),
    ),
    (
        "copied from a page",
        Cause::AmpersandEscaped,
        true,
        |signed| signed.url().replace('&', "&amp;"),
    ),
    (
        "copied from JSON",
        Cause::AmpersandEscaped,
        true,
        |signed| signed.url().replace('&', "\\u0026"),
    ),
    (
        "parameters behind the signature",
        Cause::ParametersAdded,
        true,
        |signed| format!("{}&utm_source=mail&b=2", signed.url()),
    ),
    (
        "a parameter before the signature",
        Cause::ParametersAdded,
        true,
        |signed| signed.url().replace("&hash=", "&trace=1&hash="),
    ),
    (
        "empty parameters removed",
        Cause::ParametersRemoved,
        false,
        |signed| signed.url().replace("&ref=", ""),
    ),
    (
        "the signature in upper case",
        Cause::SignatureUpperCase,
        true,
        |signed| {
            let hash = signed.hash();
            signed.url().replace(hash, &hash.to_uppercase())
        },
    ),
    (
        "something stuck to the signature",
        Cause::SignatureMalformed,
        true,
        |signed| format!("{}%0A", signed.url()),
    ),
    ("no signature", Cause::SignatureMissing, true, |signed| {
        signed.url().split("&hash=").next().unwrap().to_owned()
    }),
    (
        "an empty signature",
        Cause::SignatureEmpty,
        true,
        |signed| signed.url().replace(signed.hash(), ""),
    ),
    (
        "a cut-off signature",
        Cause::SignatureMalformed,
        true,
        |signed| signed.url()[..signed.url().len() - 3].to_owned(),
    ),
    ("another amount", Cause::ChangedByte, true, |signed| {
        signed.url().replace("gems=500", "gems=900")
    }),
    ("a character lost", Cause::ChangedByte, true, |signed| {
        signed.url().replace("o233", "o23")
    }),
    (
        "a digit of the signature",
        Cause::ChangedByte,
        true,
        |signed| {
            let hash = signed.hash();
            let digit = if hash.ends_with('0') { "1" } else { "0" };
            signed
                .url()
                .replace(hash, &format!("{}{digit}", &hash[..39]))
        },
    ),
];

#[test]
fn every_fault_of_a_url_is_named_and_named_first() {
    for (case, cause, without_template, fault) in FAULTS {
        let url = fault(&signed());
        assert_ne!(url, signed().url(), "{case}");
        assert_cause(&with_template().explain(&url), *cause, case);
        if *without_template {
            let explanation = explainer().explain(&url);
            assert_cause(
                &explanation,
                *cause,
                &format!("{case}, without the template"),
            );
            assert_eq!(explanation.outcome(), Outcome::Explained, "{case}");
        }
    }
}

#[test]
fn parameters_in_another_order_are_recognised() {
    let signed = signed();
    let (before, query) = signed.url().split_once('?').unwrap();
    let mut sorted: Vec<&str> = query.split('&').collect();
    sorted.sort_unstable();
    // With the signature in the middle, as a sorting receiver sees it, and moved back to the end.
    let in_the_middle = format!("{before}?{}", sorted.join("&"));
    assert_cause(
        &with_template().explain(&in_the_middle),
        Cause::Reordered,
        "sorted",
    );
    sorted.retain(|piece| !piece.starts_with("hash="));
    let at_the_end = format!("{before}?{}&hash={}", sorted.join("&"), signed.hash());
    for explainer in [with_template(), explainer()] {
        assert_cause(
            &explainer.explain(&at_the_end),
            Cause::Reordered,
            "sorted, the signature last",
        );
    }
}

#[test]
fn an_empty_path_is_signed_without_a_slash() {
    let template = "https://game.example?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]";
    let signed = signed_at(template);
    let seen = format!("https://game.example{}", signed.target());
    assert_cause(&explainer().explain(&seen), Cause::EmptyPath, "a slash");
    let slashed = template.replace("example?", "example/callbacks?");
    let explanation = explainer()
        .template(&slashed)
        .unwrap()
        .explain(signed.url());
    assert_cause(
        &explanation,
        Cause::PathPrefixAdded,
        "configured with a path",
    );
}

#[test]
fn a_configured_url_that_is_not_the_dashboards_is_the_cause() {
    for (configured, cause) in [
        (TEMPLATE.replace("https:", "http:"), Cause::Scheme),
        (TEMPLATE.replace("game.", "api.game."), Cause::Host),
        (
            TEMPLATE.replace("/callbacks/", "/"),
            Cause::PathPrefixStripped,
        ),
        (
            TEMPLATE.replace("/callbacks/", "/v2/callbacks/"),
            Cause::PathPrefixAdded,
        ),
        (TEMPLATE.replace("example/", "example:8443/"), Cause::Port),
    ] {
        let explanation = explainer()
            .template(&configured)
            .unwrap()
            .explain(signed().url());
        assert_cause(&explanation, cause, &configured);
        assert_eq!(explanation.outcome(), Outcome::Explained);
        assert!(
            explanation
                .signed()
                .unwrap()
                .starts_with("https://game.example/callbacks/")
        );
    }
}

#[test]
fn a_hash_before_the_hash_is_named() {
    let signed = Network::new(SECRET)
        .callback(TEMPLATE)
        .player("p1")
        .transaction("o1")
        .pass_through("hash", "abc")
        .sign();
    for explainer in [with_template(), explainer()] {
        assert_cause(
            &explainer.explain(signed.url()),
            Cause::CutAtFirst,
            "two hashes",
        );
    }
}

#[test]
fn every_fault_of_a_secret_is_named_and_named_first() {
    let uuid = "8cc877ee-af19-488d-b28d-216fb866b996";
    for (secret, cause) in [
        (format!("{SECRET}\n"), Cause::SecretWhiteSpace),
        (format!(" {SECRET}"), Cause::SecretWhiteSpace),
        (format!("{SECRET}\r\n"), Cause::SecretWhiteSpace),
        (format!("old, {SECRET}"), Cause::SecretWhiteSpace),
        (format!("\"{SECRET}\""), Cause::SecretQuoted),
        (uuid.to_owned(), Cause::ApiToken),
    ] {
        let explainer = Explainer::bitlabs().secret("SECRET", secret.clone());
        for explainer in [explainer.clone(), explainer.template(TEMPLATE).unwrap()] {
            let explanation = explainer.explain(signed().url());
            assert_cause(&explanation, cause, &format!("{secret:?}"));
            assert!(!explanation.to_string().contains(uuid));
        }
    }
    let explanation = Explainer::bitlabs()
        .secret("MINE", OTHER)
        .other_secret("THEIRS", SECRET)
        .explain(signed().url());
    assert_cause(&explanation, Cause::OtherSecret, "two apps");
    assert_eq!(explanation.secret_name(), Some("THEIRS"));
}

#[test]
fn two_faults_at_once_are_both_named() {
    let url = signed()
        .url()
        .replace("https://", "http://")
        .replace("%20", "+");
    let explanation = explainer().explain(&url);
    let causes: Vec<Cause> = explanation.findings().iter().map(|f| f.cause).collect();
    assert_eq!(
        causes,
        [Cause::Scheme, Cause::SpaceEncoding],
        "{explanation}"
    );
    assert_eq!(
        explanation.signed(),
        Some(signed().url().split("&hash=").next().unwrap())
    );
}

#[test]
fn what_is_genuine_is_said_to_be() {
    for explanation in [
        explainer().explain(signed().url()),
        with_template().explain(signed().url()),
        with_template().explain(signed().target()),
        Explainer::bitlabs()
            .secret("S", format!("{OTHER},{SECRET}"))
            .explain(signed().url()),
    ] {
        assert_eq!(explanation.outcome(), Outcome::Genuine, "{explanation}");
        assert!(explanation.findings().is_empty(), "{explanation}");
        assert_shows_nothing_secret(&explanation);
    }
    let bare = explainer().explain(signed().target());
    assert_eq!(bare.outcome(), Outcome::TooLittle);
    assert!(bare.to_string().contains("scheme and host"), "{bare}");
}

#[test]
fn a_host_from_a_header_helps() {
    let url = signed().url().replace("game.example", "127.0.0.1:8080");
    assert_eq!(explainer().explain(&url).outcome(), Outcome::Unknown);
    let explanation = explainer().host("game.example").explain(&url);
    assert_cause(&explanation, Cause::Host, "from a header");
}

#[test]
fn a_forgery_has_no_known_cause_and_gets_no_signature() {
    let forged = Network::new("guessed").sign_url(signed().url().split("&hash=").next().unwrap());
    for explainer in [explainer(), with_template()] {
        let explanation = explainer.explain(forged.url());
        assert_eq!(explanation.outcome(), Outcome::Unknown);
        assert!(explanation.findings().is_empty());
        assert!(explanation.to_string().contains("no known cause"));
        assert_shows_nothing_secret(&explanation);
    }
}

#[test]
fn a_secret_within_the_url_is_not_shown() {
    let url = format!("https://game.example/cb?key={SECRET}&a=1");
    let signed = Network::new(SECRET).sign_url(&url);
    let explanation = explainer().explain(&signed.url().replace("https", "http"));
    assert_cause(&explanation, Cause::Scheme, "the secret as a parameter");
}

/// What explains is not what verifies: the endpoint refuses all that was explained.
#[test]
fn nothing_that_is_explained_is_accepted() {
    let endpoint = App::new("game", KeyRing::from_list(SECRET).unwrap())
        .unwrap()
        .offers(TEMPLATE)
        .build()
        .unwrap();
    for url in [
        signed().url().replace("%20", "+"),
        signed().url().replace("gems=500", "gems=900"),
        format!("{}&utm=1", signed().url()),
        signed()
            .url()
            .replace(signed().hash(), &signed().hash().to_uppercase()),
    ] {
        assert_eq!(with_template().explain(&url).outcome(), Outcome::Explained);
        let target = url.strip_prefix("https://game.example").unwrap();
        assert!(endpoint.open(&Request::get(target)).is_err(), "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_bytes_have_no_known_cause(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for url in [text.clone(), format!("https://game.example/cb?{text}&hash={}", "0a".repeat(20))] {
            let explanation = explainer().explain(&url);
            prop_assert_ne!(explanation.outcome(), Outcome::Genuine);
            let is_proven = explanation.findings().iter().any(|finding| {
                finding.certainty == Certainty::Proven && !matches!(
                    finding.cause,
                    Cause::SignatureMissing | Cause::SignatureEmpty | Cause::SignatureMalformed
                )
            });
            prop_assert!(!is_proven, "{}", explanation);
        }
    }
}
