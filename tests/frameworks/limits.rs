//! What a framework answers by itself, before any handler: told here where the two differ.

use crate::backend::network;
use crate::both::{Both, completed, get, request};

fn player(bytes: &[u8]) -> Vec<u8> {
    const START: &[u8] = b"/callbacks/offers?player=";
    let unsigned = completed("o1");
    let rest = unsigned
        .strip_prefix("/callbacks/offers?player=p1")
        .unwrap();
    [START, bytes, rest.as_bytes()].concat()
}

/// Both answer, and each as said here.
fn unlike(both: &Both, what: &str, bytes: &[u8], axum: (u16, &str), actix: (u16, &str)) {
    let answers = both.send_unlike(bytes);
    assert_eq!(answers[0].status_and_body(), axum, "{what}: axum");
    assert_eq!(answers[1].status_and_body(), actix, "{what}: actix-web");
}

#[test]
fn bytes_that_no_url_may_hold_reach_neither_handler() {
    let both = Both::start();
    for byte in *b"\"<>\t\x01\x7f \xff" {
        let bytes = get(player(&[b'p', byte]));
        both.answers(&format!("byte {byte:#x}"), &bytes, 400, "");
    }
    both.answers("not HTTP", b"\x16\x03\x01\x00\r\n\r\n", 400, "");
    let fields = "X-Field: 1\r\n".repeat(200);
    let many = request("GET", completed("o1"), &format!("Host: a\r\n{fields}"));
    both.answers("200 header fields", &many, 431, "");
    both.are_untouched();
}

#[test]
fn bytes_that_a_url_should_not_hold_are_read_alike_where_they_pass() {
    let both = Both::start();
    for (number, text) in [
        "|", "{", "}", "^", "`", "\\", "[", "]", "'", ";", "?", "+", "*", "!",
    ]
    .into_iter()
    .enumerate()
    {
        let url = format!(
            "https://game.example/callbacks/offers?player=p{text}&tx=o{number}&gems=5&state=COMPLETED&ref=&iap_usd="
        );
        let signed = network().sign_url(&url);
        both.answers(text, &get(signed.target()), 200, "settled");
    }
    assert_eq!(both.balance("p%7B"), "5");
    assert_eq!(both.balance("p%20"), "5", "a plus is a space");
}

/// hyper lets UTF-8 through in the request line, and what passes its check is verified: it was signed.
/// actix-web answers 400 itself.
#[test]
fn utf_8_in_the_request_line_is_read_by_axum_and_refused_by_actix_web() {
    let both = Both::start();
    let url =
        "https://game.example/callbacks/offers?player=ü&tx=o1&gems=5&state=COMPLETED&ref=&iap_usd=";
    let signed = network().sign_url(url);
    unlike(
        &both,
        "raw",
        &get(signed.target()),
        (200, "settled"),
        (400, ""),
    );
    assert_eq!(both.axum.wallet("%C3%BC")["balance"], "5");
    assert_eq!(both.actix.wallet("%C3%BC")["balance"], "0");
    // Percent-encoded, as networks send it, both pay.
    let encoded = network().sign_url(&url.replace('ü', "%C3%BC").replace("o1", "o2"));
    both.answers("encoded", &get(encoded.target()), 200, "settled");
}

/// Up to 65 534 bytes the endpoint answers; beyond, hyper says 414 and actix-web 400 or 431.
#[test]
fn a_url_beyond_what_a_framework_reads_is_refused_by_either() {
    let both = Both::start();
    let rest = player(b"").len();
    let longest = get(player(&vec![b'p'; 65_534 - rest]));
    both.answers("65 534 bytes", &longest, 414, "url too long");
    let longer = get(player(&vec![b'p'; 65_535 - rest]));
    unlike(&both, "65 535 bytes", &longer, (414, ""), (400, ""));
    let longer = get(player(&vec![b'p'; 140_000]));
    unlike(&both, "140 000 bytes", &longer, (414, ""), (431, ""));
    // hyper's answer hangs on how the bytes arrive.
    for answer in both.send_unlike(&get(player(&vec![b'p'; 500_000]))) {
        assert!([414, 431].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.body, "");
    }
    both.are_untouched();
}

/// actix-web insists on what HTTP demands of a request's head; hyper does not.
#[test]
fn a_head_against_the_rules_of_http_may_be_refused_by_actix_web() {
    let both = Both::start();
    let (settled, refused) = ((200, "settled"), (400, ""));
    let heads = [
        "",
        "Host: game.example\r\nHost: evil.example\r\n",
        "Host: game.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    ];
    for (number, lines) in heads.into_iter().enumerate() {
        let bytes = request("GET", completed(&format!("o{number}")), lines);
        unlike(&both, lines, &bytes, settled, refused);
    }
    let lines = format!("Host: game.example\r\n{}", "X-Field: 1\r\n".repeat(98));
    let bytes = request("GET", completed("o9"), &lines);
    unlike(&both, "99 header fields", &bytes, settled, (431, ""));
    // What a network was not answered 200, it sends again.
    for number in [0, 1, 2, 9] {
        both.send_unlike(&get(completed(&format!("o{number}"))));
    }
    assert_eq!(both.balance("p1"), "2000");
}

/// actix-web decodes a path before it looks for its route. The signature covers the configured path.
#[test]
fn a_path_that_is_percent_encoded_is_a_route_of_actix_web_only() {
    let both = Both::start();
    let encoded = completed("o1").replace("offers", "%6Fffers");
    unlike(&both, "encoded", &get(encoded), (404, ""), (200, "settled"));
    // The example's own route for players: axum refuses what is not UTF-8, actix-web replaces it.
    let [axum, actix] = both.send_unlike(&get("/players/%FF"));
    assert_eq!((axum.status, actix.status), (400, 200));
}
