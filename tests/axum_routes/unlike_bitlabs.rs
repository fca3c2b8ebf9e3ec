//! A source unlike `BitLabs` behind axum.

use std::time::Duration;

use axum::Router;
use postback::web::axum::callbacks;

use crate::game::{Server, Wallet};
use crate::http::{self, Answer, Connection};
use crate::posted::{LIMIT, Posted};

fn server(wallet: &Wallet) -> Server {
    Server::start(Router::new().route("/posts", callbacks(Posted, wallet.receiver())))
}

fn post(server: &Server, headers: &str, body: &str) -> Answer {
    let request = format!("POST /posts HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}");
    http::send(server.address(), request.as_bytes()).unwrap()
}

#[test]
fn method_headers_and_body_reach_the_source() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let sesame = "X-WORD: open sesame\r\nContent-Length: 2";
    assert_eq!(
        post(&server, sesame, "t1").status_and_body(),
        (200, "settled")
    );
    let chunked = "X-Word: open sesame\r\nTransfer-Encoding: chunked";
    let answer = post(&server, chunked, "1\r\nt\r\n1\r\n1\r\n0\r\n\r\n");
    assert_eq!(answer.status_and_body(), (200, "duplicate"));
    assert_eq!(
        post(&server, "X-Word: x\r\nContent-Length: 2", "t2").status,
        403
    );
    assert_eq!(post(&server, "Content-Length: 2", "t2").status, 403);
    let twice = format!("X-Word: open sesame\r\n{sesame}");
    assert_eq!(
        post(&server, &twice, "t2").status,
        403,
        "a header that comes twice has no value"
    );
    let got = http::get(server.address(), "/posts");
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    assert_eq!(wallet.balance(), 5.into());
}

#[test]
fn a_body_beyond_the_limit_is_413_however_it_is_sent() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let word = "X-Word: open sesame";
    let most = "t".repeat(LIMIT);
    let exact = format!("{word}\r\nContent-Length: {LIMIT}");
    assert_eq!(
        post(&server, &exact, &most).status_and_body(),
        (200, "settled")
    );
    let announced = format!("{word}\r\nContent-Length: 999999999");
    let answer = post(&server, &announced, "");
    assert_eq!(
        answer.status_and_body(),
        (413, "body too large"),
        "not waited for"
    );
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", LIMIT + 1, "t".repeat(LIMIT + 1));
    let answer = post(
        &server,
        &format!("{word}\r\nTransfer-Encoding: chunked"),
        &body,
    );
    assert_eq!(answer.status_and_body(), (413, "body too large"));
    assert_eq!(wallet.calls(), 1);
}

#[test]
fn a_body_that_is_cut_off_is_no_callback() {
    let wallet = Wallet::default();
    let server = server(&wallet);
    let mut connection = Connection::open(server.address()).unwrap();
    let request =
        "POST /posts HTTP/1.1\r\nHost: x\r\nX-Word: open sesame\r\nContent-Length: 10\r\n\r\nt1";
    connection.write(request.as_bytes()).unwrap();
    drop(connection);
    std::thread::sleep(Duration::from_millis(100));
    let broken = post(
        &server,
        "X-Word: open sesame\r\nTransfer-Encoding: chunked",
        "zz\r\nt1",
    );
    assert_eq!(broken.status_and_body(), (400, "bad callback"));
    assert_eq!(wallet.calls(), 0);
}
