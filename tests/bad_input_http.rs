//! Bad input as raw bytes against the whole program: a fixed answer, no crash, nothing written, no reward.
#![cfg(all(feature = "axum", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backend;
mod http;

use std::sync::OnceLock;

use backend::{Backend, Place, network, offer};
use http::Connection;

/// The program, its file, and a connection of the tester's own to look into it.
struct Running {
    place: Place,
    backend: Backend,
}

impl Running {
    fn new() -> Self {
        let place = Place::new();
        let backend = Backend::start(&place.file());
        Self { place, backend }
    }

    /// Sends these bytes; whatever they are, the program must be well and its file empty afterwards.
    fn refuses(&mut self, what: &str, request: &[u8], status: u16, body: &str) {
        let answer = http::send(self.backend.address(), request);
        let answer = answer.unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
        assert_eq!(answer.status_and_body(), (status, body), "{what}");
        self.is_untouched(what);
    }

    fn is_untouched(&mut self, what: &str) {
        assert!(self.backend.is_running(), "{what}: the program has ended");
        let health = self.backend.get("/health");
        assert_eq!(health.status_and_body(), (200, "ok"), "{what}");
        for table in [
            "postback_records",
            "game_players",
            "game_history",
            "game_pending",
        ] {
            assert_eq!(self.place.count(table), 0, "{what}: written to {table}");
        }
        let account = self.backend.player("p1");
        assert_eq!(account["balance"], "0", "{what}");
        assert_eq!(account["history"].as_array().unwrap().len(), 0, "{what}");
        let log = self.backend.said_in_log();
        assert!(!log.contains("panicked"), "{what}: {log}");
    }
}

/// A GET for these bytes as the target.
fn get(target: impl AsRef<[u8]>) -> Vec<u8> {
    [
        b"GET ",
        target.as_ref(),
        b" HTTP/1.1\r\nHost: game.example\r\nConnection: close\r\n\r\n",
    ]
    .concat()
}

/// What the network would send, if all were well: pays 500.
fn genuine() -> &'static str {
    static TARGET: OnceLock<String> = OnceLock::new();
    TARGET.get_or_init(|| {
        let callback = offer("p1", "o1", "COMPLETED", "500").usd("2.50");
        callback.sign().target().to_owned()
    })
}

/// The same without its signature, with a part of it replaced, and signed again: only whoever knows the
/// secret gets so far.
fn signed_with(part: &str, replacement: &str) -> Vec<u8> {
    let (unsigned, _) = genuine().rsplit_once("&hash=").unwrap();
    assert_eq!(unsigned.matches(part).count(), 1, "{part}");
    get(signed(&unsigned.replace(part, replacement)))
}

fn signed(target: &str) -> String {
    let url = format!("https://game.example{target}");
    network().sign_url(&url).target().to_owned()
}

/// The genuine target with another signature.
fn with_hash(hash: impl AsRef<[u8]>) -> Vec<u8> {
    let (unsigned, _) = genuine().rsplit_once("&hash=").unwrap();
    get([unsigned.as_bytes(), b"&hash=", hash.as_ref()].concat())
}

fn right_hash() -> &'static str {
    genuine().rsplit_once("&hash=").unwrap().1
}

#[test]
fn what_is_not_signed_or_wrongly_signed_is_forbidden() {
    let mut running = Running::new();
    let right = right_hash();
    let other = network().sign_url("https://game.example/other?a=1");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no query", get("/callbacks/offers")),
        ("an empty query", get("/callbacks/offers?")),
        ("junk", get("/callbacks/offers?%%%;;;''!$(&&&=&=")),
        (
            "only a hash",
            get(format!("/callbacks/offers?hash={right}")),
        ),
        ("no hash", get(genuine().rsplit_once("&hash=").unwrap().0)),
        ("an empty hash", with_hash("")),
        ("39 digits", with_hash(&right[..39])),
        ("41 digits", with_hash(format!("{right}0"))),
        ("80 digits", with_hash(format!("{right}{right}"))),
        ("upper case", with_hash(right.to_ascii_uppercase())),
        ("no hex digit", with_hash("g".repeat(40))),
        ("another URL's hash", with_hash(other.hash())),
        ("zeros", with_hash("0".repeat(40))),
        (
            "an escaped digit",
            with_hash(format!("%3{}{}", &right[..1], &right[1..])),
        ),
        (
            "a second hash behind",
            get(format!("{}&hash={right}", genuine())),
        ),
        (
            "a parameter behind the hash",
            get(format!("{}&gems=9", genuine())),
        ),
        ("a truncated query", get(&genuine()[..genuine().len() / 2])),
        (
            "a changed amount",
            get(genuine().replace("gems=500", "gems=501")),
        ),
        (
            "a parameter doubled afterwards",
            get(genuine().replace("&gems=500", "&gems=500&gems=500")),
        ),
        (
            "UTF-8 that is not escaped",
            get(genuine().replace("player=p1", "player=Léo")),
        ),
        (
            "%FF unsigned",
            get(genuine().replace("player=p1", "player=%FF")),
        ),
        (
            "%zz unsigned",
            get(genuine().replace("player=p1", "player=%zz")),
        ),
        (
            "%00 unsigned",
            get(genuine().replace("player=p1", "player=%00")),
        ),
    ];
    for (what, request) in cases {
        running.refuses(what, &request, 403, "forbidden");
    }
}

#[test]
fn what_is_signed_and_malformed_is_a_bad_callback() {
    let mut running = Running::new();
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        (
            "a second hash before".into(),
            signed_with("&tx=", &format!("&hash={}&tx=", right_hash())),
        ),
        ("%FF".into(), signed_with("player=p1", "player=%FF")),
        ("%zz".into(), signed_with("player=p1", "player=%zz")),
        (
            "half an escape".into(),
            signed_with("player=p1", "player=%4"),
        ),
        (
            "%00 in a text".into(),
            signed_with("player=p1", "player=p%001"),
        ),
        ("%00 alone".into(), signed_with("player=p1", "player=%00")),
        (
            "an overlong slash".into(),
            signed_with("player=p1", "player=%C0%AF"),
        ),
        (
            "half a surrogate pair".into(),
            signed_with("player=p1", "player=%ED%A0%80"),
        ),
        (
            "a line feed in an id".into(),
            signed_with("tx=o1", "tx=o%0A1"),
        ),
        (
            "an empty player".into(),
            signed_with("player=p1", "player="),
        ),
        ("no player".into(), signed_with("player=p1&", "")),
        (
            "an id that is too long".into(),
            signed_with("tx=o1", &format!("tx={}", "o".repeat(257))),
        ),
        ("an empty transaction".into(), signed_with("tx=o1", "tx=")),
        ("no transaction".into(), signed_with("tx=o1&", "")),
        ("no state".into(), signed_with("&state=COMPLETED", "")),
        ("no amount".into(), signed_with("&gems=500", "")),
        ("an empty amount".into(), signed_with("gems=500", "gems=")),
        (
            "two players".into(),
            signed_with("player=p1", "player=p1&player=p2"),
        ),
        (
            "the same player twice".into(),
            signed_with("player=p1", "player=p1&player=p1"),
        ),
        (
            "a second amount, escaped".into(),
            signed_with("gems=500", "gems=500&%67ems=900"),
        ),
        (
            "a second debug".into(),
            signed_with("gems=500", "gems=500&debug=true&debug=false"),
        ),
        (
            "65 parameters".into(),
            signed_with("gems=500", &format!("gems=500{}", "&x=1".repeat(50))),
        ),
    ];
    for amount in [
        "1e400",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "--5",
        "+-5",
        "%2B5",
        "5.",
        ".5",
        "0x10",
        "1,000",
        "1_000",
        "5%205",
        "five",
        "1000000000000000",
        "99999999999999999999999999999999",
        "0.00000000000000000000000000000000001",
        "%D9%A5",
        "5%2500",
    ] {
        let gems = format!("gems={amount}");
        cases.push((gems.clone(), signed_with("gems=500", &gems)));
        let usd = format!("usd={amount}");
        cases.push((usd.clone(), signed_with("usd=2.50", &usd)));
        let purchase = format!("iap_usd={amount}");
        cases.push((purchase.clone(), signed_with("iap_usd=", &purchase)));
    }
    for (what, request) in cases {
        running.refuses(&what, &request, 400, "bad callback");
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_looked_at() {
    let mut running = Running::new();
    for length in [8_200, 60_000] {
        let request = signed_with("tx=o1", &format!("tx=o1&x={}", "a".repeat(length)));
        running.refuses("an oversized URL", &request, 414, "url too long");
    }
    // The server itself gives up here, and no endpoint is asked.
    let request = get(format!("{}&x={}", genuine(), "a".repeat(70_000)));
    running.refuses("a URL beyond the server's limit", &request, 414, "");
    let many = "X-Junk: 1\r\n".repeat(200);
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n{many}\r\n", genuine());
    running.refuses("too many headers", request.as_bytes(), 431, "");
    // Refused while it is being written: the answer may get lost with the rest of what was sent.
    let long = "a".repeat(1_000_000);
    let request = format!("GET {} HTTP/1.1\r\nX-Junk: {long}\r\n\r\n", genuine());
    if let Ok(answer) = http::send(running.backend.address(), request.as_bytes()) {
        assert_eq!(answer.status, 431, "a very long header");
    }
    running.is_untouched("a very long header");
}

#[test]
fn what_is_not_http_is_refused_by_the_server() {
    let mut running = Running::new();
    let with_raw = |byte: &[u8]| {
        let (before, behind) = genuine().split_once("p1").unwrap();
        get([before.as_bytes(), byte, behind.as_bytes()].concat())
    };
    for (what, request) in [
        ("a raw NUL", with_raw(b"\0")),
        ("a raw space", with_raw(b"a b")),
        ("raw quotes and brackets", with_raw(b"\"<script>")),
        ("a raw line feed", with_raw(b"\n")),
        ("bytes that are no UTF-8", with_raw(b"\xff\xfe")),
        (
            "no HTTP at all",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        ),
        (
            "no version",
            format!("GET {}\r\n\r\n", genuine()).into_bytes(),
        ),
        (
            "a NUL in a header",
            b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n".to_vec(),
        ),
        (
            "two lengths",
            format!(
                "GET {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                genuine()
            )
            .into_bytes(),
        ),
    ] {
        running.refuses(what, &request, 400, "");
    }
}

#[test]
fn a_request_that_is_cut_off_leaves_nothing_behind() {
    let mut running = Running::new();
    let request = get(genuine());
    for length in [1, 4, 40, request.len() / 2, request.len() - 3] {
        let mut connection = Connection::open(running.backend.address()).unwrap();
        connection.write(&request[..length]).unwrap();
        drop(connection);
        running.is_untouched(&format!("{length} bytes of a request"));
    }
}

#[test]
fn other_methods_than_get_are_not_allowed_and_do_nothing() {
    let mut running = Running::new();
    for method in [
        "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW",
    ] {
        let answer = http::request(running.backend.address(), method, genuine(), &[]);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET"), "{method}");
        running.is_untouched(method);
    }
}

#[test]
fn a_fragment_is_cut_off_and_changes_nothing() {
    let mut running = Running::new();
    let (unsigned, hash) = genuine().rsplit_once("&hash=").unwrap();
    let request = get(format!("{unsigned}#&hash={hash}"));
    running.refuses("a hash in the fragment", &request, 403, "forbidden");
    let request = get(format!("{unsigned}%23&hash={hash}"));
    running.refuses("an escaped fragment", &request, 403, "forbidden");
    // Behind the hash it is as if it had not been sent: what is left is what was signed.
    let answer = running.backend.get(&format!("{}#&gems=900", genuine()));
    assert_eq!(answer.status_and_body(), (200, "settled"));
    assert_eq!(running.backend.player("p1")["balance"], "500");
}

#[test]
fn utf8_that_is_signed_unescaped_is_taken_byte_for_byte() {
    let running = Running::new();
    let (unsigned, _) = genuine().rsplit_once("&hash=").unwrap();
    let raw = signed(&unsigned.replace("&name=", "&name=Léo–勇者"));
    assert_eq!(
        running.backend.get(&raw).status_and_body(),
        (200, "settled")
    );
    // Escaped it is another URL, which nobody has signed.
    let escaped = raw.replace('é', "%C3%A9");
    assert_eq!(
        running.backend.get(&escaped).status_and_body(),
        (403, "forbidden")
    );
    assert_eq!(running.backend.player("p1")["balance"], "500");
}

#[test]
fn after_all_that_a_genuine_callback_is_paid() {
    let mut running = Running::new();
    running.refuses("junk", &get("/callbacks/offers?junk"), 403, "forbidden");
    assert_eq!(
        running.backend.get(genuine()).status_and_body(),
        (200, "settled")
    );
    assert_eq!(running.backend.player("p1")["balance"], "500");
}
