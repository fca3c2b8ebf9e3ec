//! Every row of the table of statuses, from a route made by `callbacks`.

use std::thread;

use axum::Router;
use postback::receiver::Receiver;
use postback::testing::bitlabs::Network;
use postback::web::axum::{callbacks, callbacks_answering};
use postback::web::{Refusal, Reply};

use crate::game::{Down, SECRET, Server, Wallet, completed, offer, offers};
use crate::http::{self, Answer};

fn server(wallet: &Wallet) -> Server {
    Server::start(Router::new().route("/cb/offers", callbacks(offers(), wallet.receiver())))
}

fn get(server: &Server, target: &str) -> Answer {
    http::get(server.address(), target)
}

#[test]
fn what_is_dealt_with_is_200_with_a_word_that_says_how() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let said = |target: &str| {
        let answer = get(&server, target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        answer.body
    };
    assert_eq!(said(&completed("o1")), "settled");
    assert_eq!(said(&completed("o1")), "duplicate");
    let nothing_to_pay = offer("o2", "COMPLETED", "0").sign();
    assert_eq!(said(nothing_to_pay.target()), "settled");
    let unknown = offer("o3", "LATER", "5").sign();
    assert_eq!(said(unknown.target()), "settled");
    let test = offer("o4", "COMPLETED", "500").debug().sign();
    assert_eq!(said(test.target()), "test");
    assert_eq!(said(&completed("refuse")), "refused");
    let of_a_closed_one = offer("refuse", "RECONCILED", "500").sign();
    assert_eq!(said(of_a_closed_one.target()), "closed");
    assert_eq!(wallet.balance(), 500.into());
}

#[test]
fn a_parameter_that_is_missing_malformed_or_doubled_is_400() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    for part in [
        "&tx=o1",
        "&source=bitlabs",
        "gems=500",
        "player=p1",
        "state=COMPLETED",
    ] {
        let (unsigned, _) = completed("o1").rsplit_once("&hash=").map(own).unwrap();
        for other in [
            String::new(),
            format!("{part}&{part}"),
            part.replace('=', "=%zz"),
        ] {
            let url = format!("https://game.example{}", unsigned.replace(part, &other));
            let answer = get(&server, Network::new(SECRET).sign_url(&url).target());
            assert_eq!(answer.status_and_body(), (400, "bad callback"), "{url}");
        }
    }
    assert_eq!(wallet.calls(), 0);
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn a_signature_that_is_missing_malformed_or_wrong_is_403() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let genuine = completed("o1");
    let (unsigned, hash) = genuine.rsplit_once("&hash=").unwrap();
    for target in [
        "/cb/offers".to_owned(),
        unsigned.to_owned(),
        format!("{unsigned}&hash="),
        format!("{unsigned}&hash={}", &hash[1..]),
        format!("{unsigned}&hash={}", hash.to_uppercase()),
        format!("{unsigned}&hash={}", "0".repeat(40)),
        genuine.replace("500", "501"),
    ] {
        let answer = get(&server, &target);
        assert_eq!(answer.status_and_body(), (403, "forbidden"), "{target}");
    }
    assert_eq!(wallet.calls(), 0);
}

#[test]
fn another_method_is_405_and_told_which_is_allowed() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    for method in [
        "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE",
    ] {
        let answer = http::request(server.address(), method, &completed("o1"), &[]);
        let body = if method == "HEAD" {
            ""
        } else {
            "method not allowed"
        };
        assert_eq!(answer.status_and_body(), (405, body), "{method}");
        assert_eq!(answer.header("allow"), Some("GET"), "{method}");
    }
    assert_eq!(wallet.calls(), 0);
}

#[test]
fn a_url_that_is_too_long_is_414() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let long = offer("o1", "COMPLETED", "500").pass_through("x", "a".repeat(8_192));
    let answer = get(&server, long.sign().target());
    assert_eq!(answer.status_and_body(), (414, "url too long"));
    assert_eq!(wallet.calls(), 0);
}

#[test]
fn a_handler_that_fails_is_500_every_time_and_nothing_is_lost() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    for _ in 0..3 {
        let answer = get(&server, &completed("fail"));
        assert_eq!(answer.status_and_body(), (500, "handler failed"));
        assert_eq!(answer.header("retry-after"), None);
    }
    assert_eq!(wallet.calls(), 0);
}

#[test]
fn a_store_that_is_down_is_503_and_told_when_to_come_again() {
    let wallet = Wallet::default();
    let receiver = Receiver::new(Down).with_handler(wallet.handler());
    let app = Router::new().route("/cb/offers", callbacks(offers(), receiver));
    let server = Server::start(app);
    let answer = get(&server, &completed("o1"));
    assert_eq!(answer.status_and_body(), (503, "store unavailable"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    // Who cannot sign does not learn how the store is.
    assert_eq!(get(&server, "/cb/offers?a=1").status, 403);
    assert_eq!(wallet.calls(), 0);
}

#[test]
fn a_twin_in_flight_is_503_and_told_when_to_come_again() {
    let wallet = Wallet::default();
    let receiver = wallet.impatient();
    let app = Router::new().route("/cb/offers", callbacks(offers(), receiver));
    let server = Server::start(app);
    let address = server.address();
    let first = thread::spawn(move || http::get(address, &completed("slow")));
    wallet.wait_until_called(1);
    let twin = get(&server, &completed("slow"));
    assert_eq!(twin.status_and_body(), (503, "busy"));
    let wait: u64 = twin.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "within the lease: {wait}");
    assert_eq!(first.join().unwrap().status_and_body(), (200, "settled"));
    assert_eq!(get(&server, &completed("slow")).body, "duplicate");
    assert_eq!(wallet.balance(), 500.into());
}

#[test]
fn a_mapping_of_ones_own_changes_refusals_and_nothing_else() {
    fn teapot(refusal: &Refusal) -> Reply {
        match refusal {
            Refusal::Open(error) if error.is_unauthenticated() => Reply::new(418, "teapot"),
            Refusal::Receive(_) => {
                let mut reply = Reply::new(599, "later");
                reply.retry_after = Some(77);
                reply
            }
            other => Reply::from(other),
        }
    }
    let wallet = Wallet::default();
    let route = callbacks_answering(offers(), wallet.receiver(), teapot);
    let server = Server::start(Router::new().route("/cb/offers", route));
    assert_eq!(
        get(&server, "/cb/offers?a").status_and_body(),
        (418, "teapot")
    );
    let failed = get(&server, &completed("fail"));
    assert_eq!(failed.status_and_body(), (599, "later"));
    assert_eq!(failed.header("retry-after"), Some("77"));
    let posted = http::request(server.address(), "POST", &completed("o1"), &[]);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
    assert_eq!(
        get(&server, &completed("o1")).status_and_body(),
        (200, "settled")
    );
}
