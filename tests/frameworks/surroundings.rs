//! What stands around the query: hosts, proxies' headers, connections. Nothing of it is believed.

use crate::both::{Both, completed, get, request};
use crate::http::Connection;

#[test]
fn whatever_a_caller_says_about_host_and_scheme_changes_nothing() {
    let both = Both::start();
    let lies = [
        "Host: evil.example:99999\r\n",
        "Host: a b\r\n",
        "Host: \r\n",
        "Host: [::1\r\n",
        "Host: http://game.example/x?y#z\r\n",
        "Host: game.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n",
        "Host: game.example\r\nX-Forwarded-For: 1, 2,, %\r\nX-Forwarded-Port: x\r\n",
        "Host: game.example\r\nForwarded: host=\"\\;proto=,\r\nX-Forwarded-Prefix: /eu\r\n",
        "Host: game.example\r\nX-Original-URL: /callbacks/bans\r\nX-HTTP-Method-Override: POST\r\n",
    ];
    for (number, lines) in lies.iter().enumerate() {
        let target = completed(&format!("o{number}"));
        both.answers(lines, &request("GET", &target, lines), 200, "settled");
        // Nor does a header make a forgery genuine.
        let forged = target.replace("gems=500", "gems=501");
        both.answers(lines, &request("GET", forged, lines), 403, "forbidden");
    }
    assert_eq!(both.balance("p1"), (500 * lies.len()).to_string());
}

#[test]
fn a_whole_url_in_the_request_line_is_read_like_its_path() {
    let both = Both::start();
    let url = |host: &str| format!("{host}{}", completed("o1"));
    both.answers("own host", &get(url("http://game.example")), 200, "settled");
    both.answers(
        "any host",
        &get(url("http://evil.example:1")),
        200,
        "duplicate",
    );
    assert_eq!(both.balance("p1"), "500");
}

#[test]
fn many_requests_may_come_over_one_connection_at_once() {
    let both = Both::start();
    let targets = ["o1", "o2", "o1", "o3"].map(completed);
    let all = targets.iter().flat_map(get).collect::<Vec<_>>();
    for running in both.each() {
        let mut connection = Connection::open(running.backend.address()).unwrap();
        let first = connection.exchange(&all).unwrap();
        let others = [(); 3].map(|()| connection.exchange(b"").unwrap());
        let bodies = others.each_ref().map(|answer| answer.body.as_str());
        assert_eq!(first.body, "settled");
        assert_eq!(bodies, ["settled", "duplicate", "settled"]);
        // A refusal does not end the connection.
        assert_eq!(connection.get("/callbacks/offers").unwrap().status, 403);
        assert_eq!(connection.get("/health").unwrap().status, 200);
    }
    assert_eq!(both.balance("p1"), "1500");
}

#[test]
fn http_1_0_is_served_alike() {
    let both = Both::start();
    let bytes = format!("GET {} HTTP/1.0\r\n\r\n", completed("o1"));
    both.answers("HTTP/1.0", bytes.as_bytes(), 200, "settled");
    assert_eq!(both.balance("p1"), "500");
}
