//! Faults of a URL on its way, and of the one that is configured.

use super::*;

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
