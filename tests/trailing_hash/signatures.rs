//! Whose signatures are genuine: fixed vectors, Python's, and edited ones.

use crate::ledger::decimal;
use postback::source::trailing_hash::{Endpoint, Meaning};
use postback::source::{Field, Source};
use postback::testing::trailing_hash::Signer;

use super::{SECRET, URL, described, keys, open};
use postback::wire::{Algorithm, Encoding, Request};
use proptest::prelude::*;
use std::io::Write as _;
use std::process::{Command, Stdio};

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
    let input = urls.join("\n") + "\n";
    python
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    if !output.status.success() {
        return;
    }
    let output = String::from_utf8(output.stdout).unwrap();
    let mut lines = output.lines();
    let encodings = [
        Encoding::Hex,
        Encoding::Base64,
        Encoding::Base64Escaped,
        Encoding::Base64Url,
    ];
    let mut opened = 0;
    for url in &urls {
        for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256] {
            let signatures = lines.next().unwrap().split(' ');
            for (encoding, signature) in encodings.into_iter().zip(signatures) {
                let network = Signer::new(SECRET, "h", algorithm, encoding);
                assert_eq!(network.sign_url(url).hash(), signature);
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
