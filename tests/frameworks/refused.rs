//! What no endpoint accepts: the same refusal from both, and nothing written.

use crate::backend::network;
use crate::both::{Both, completed, get, offer, request};

/// Any URL of the game, signed as it stands.
fn signed(target: &str) -> String {
    let url = format!("https://game.example{target}");
    network().sign_url(&url).target().to_owned()
}

#[test]
fn forged_and_malformed_callbacks_are_refused_alike() {
    let both = Both::start();
    let genuine = completed("o1");
    let (unsigned, hash) = genuine.rsplit_once("&hash=").unwrap();
    let with_hash = |hash: &str| format!("{unsigned}&hash={hash}");
    let instead = |part: &str, other: &str| signed(&unsigned.replace(part, other));
    let stranger = postback::testing::bitlabs::Network::new("another secret");
    let stranger = stranger.sign_url(&format!("https://game.example{unsigned}"));
    let elsewhere = network().sign_url(&format!("https://evil.example{unsigned}"));

    let (forbidden, bad) = ((403, "forbidden"), (400, "bad callback"));
    let cases = [
        ("no query", "/callbacks/offers".to_owned(), forbidden),
        ("an empty query", "/callbacks/offers?".to_owned(), forbidden),
        ("no hash", unsigned.to_owned(), forbidden),
        ("an empty hash", with_hash(""), forbidden),
        ("upper case", with_hash(&hash.to_uppercase()), forbidden),
        ("39 digits", with_hash(&hash[1..]), forbidden),
        ("no digits", with_hash(&"z".repeat(40)), forbidden),
        ("another secret", stranger.target().to_owned(), forbidden),
        ("another host", elsewhere.target().to_owned(), forbidden),
        (
            "more gems",
            genuine.replace("gems=500", "gems=501"),
            forbidden,
        ),
        (
            "something behind the hash",
            format!("{genuine}&x=1"),
            forbidden,
        ),
        (
            "the hash twice",
            format!("{genuine}&hash={hash}"),
            forbidden,
        ),
        (
            "another endpoint",
            genuine.replace("offers", "surveys"),
            forbidden,
        ),
        ("a '#'", genuine.replace("p1", "p1#"), forbidden),
        ("a doubled parameter", instead("tx=o1", "tx=o1&tx=o2"), bad),
        ("a missing parameter", instead("tx=o1&", ""), bad),
        ("an empty player", instead("player=p1", "player="), bad),
        ("gems in words", instead("gems=500", "gems=many"), bad),
        ("gems in floats", instead("gems=500", "gems=5e2"), bad),
        ("%FF", instead("player=p1", "player=%FF"), bad),
        ("half an escape", instead("player=p1", "player=p%1"), bad),
        ("a NUL", instead("player=p1", "player=p%00"), bad),
        (
            "10 000 bytes",
            instead("p1", &"p".repeat(10_000)),
            (414, "url too long"),
        ),
    ];
    for (what, target, (status, body)) in cases {
        both.answers(what, &get(target), status, body);
    }
    both.are_untouched();
}

#[test]
fn other_methods_are_answered_405_with_allow() {
    let both = Both::start();
    let target = completed("o1");
    for method in [
        "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROB", "get",
    ] {
        let body = if method == "HEAD" {
            ""
        } else {
            "method not allowed"
        };
        let bytes = request(method, &target, "Host: game.example\r\n");
        let answer = both.answers(method, &bytes, 405, body);
        assert_eq!(answer.header("allow"), Some("GET"), "{method}");
    }
    both.are_untouched();
}

#[test]
fn bodies_are_not_read_where_a_source_has_none() {
    let both = Both::start();
    let large = "Host: game.example\r\nContent-Length: 10000000\r\n";
    let chunked = "Host: game.example\r\nTransfer-Encoding: chunked\r\n";
    let target = completed("o1");
    let cases: [(&str, &str, &[u8]); 4] = [
        ("ten megabytes announced", large, b"x"),
        ("a chunk cut off", chunked, b"5\r\nab"),
        ("a chunk that is none", chunked, b"zz\r\n"),
        ("callbacks of its own", chunked, target.as_bytes()),
    ];
    for (what, head, body) in cases {
        let bytes = [&request("POST", &target, head), body].concat();
        both.answers(what, &bytes, 405, "method not allowed");
    }
    both.are_untouched();
    let bytes = [&request("GET", &target, large), &b"x"[..]].concat();
    both.answers("a GET with a body", &bytes, 200, "settled");
    assert_eq!(both.balance("p1"), "500");
}

#[test]
fn an_only_state_that_is_not_configured_is_no_ones_reward() {
    let both = Both::start();
    let negative = offer("o1", "COMPLETED", "-500").sign();
    both.send("a completed event below zero", &get(negative.target()));
    assert_eq!(both.balance("p1"), "0");
}

#[test]
fn other_routes_answer_alike() {
    let both = Both::start();
    both.answers("unknown", &get("/nothing/here"), 404, "");
    both.answers("root", &get("/"), 404, "");
    both.answers("no endpoint", &get("/callbacks"), 404, "");
    both.answers("a slash too many", &get("/callbacks/offers/"), 404, "");
    both.answers("health", &get("/health"), 200, "ok");
    for path in ["/health", "/players/p1"] {
        let lines = "Host: game.example\r\n";
        let head = both.answers("HEAD", &request("HEAD", path, lines), 200, "");
        assert!(head.header("content-length").is_some());
        both.answers("POST", &request("POST", path, lines), 405, "");
    }
    let nobody = both.send("a player nobody knows", &get("/players/nobody"));
    assert_eq!(nobody.header("content-type"), Some("application/json"));
    both.are_untouched();
}
