//! A client that hangs up does not stop the work.

use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use postback::web::axum::callbacks;

use crate::game::{Server, Wallet, completed, offers};
use crate::http::{self, Connection};

#[test]
fn a_client_that_hangs_up_midway_leaves_nothing_half_done() {
    let wallet = Wallet::default();
    let app = Router::new().route("/cb/offers", callbacks(offers(), wallet.receiver()));
    let server = Server::start(app);
    for number in 0..8 {
        let mut connection = Connection::open(server.address()).unwrap();
        let target = completed(&format!("slow{number}"));
        let request = format!("GET {target} HTTP/1.1\r\nHost: game.example\r\n\r\n");
        connection.write(request.as_bytes()).unwrap();
        // The handler takes its time.
        wallet.wait_until_called(number + 1);
        drop(connection);
    }
    let started = Instant::now();
    while wallet.calls() < 8 && started.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(wallet.calls(), 8, "the handler was not stopped");
    for number in 0..8 {
        let answer = http::get(server.address(), &completed(&format!("slow{number}")));
        assert_eq!(
            answer.status_and_body(),
            (200, "duplicate"),
            "it was settled"
        );
    }
    assert_eq!(wallet.balance(), 4_000.into());
}

#[test]
fn half_a_request_is_no_request() {
    let wallet = Wallet::default();
    let app = Router::new().route("/cb/offers", callbacks(offers(), wallet.receiver()));
    let server = Server::start(app);
    let mut connection = Connection::open(server.address()).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n", completed("o1"));
    connection.write(request.as_bytes()).unwrap();
    drop(connection);
    assert_eq!(http::get(server.address(), "/cb/offers").status, 403);
    assert_eq!(wallet.calls(), 0);
}
