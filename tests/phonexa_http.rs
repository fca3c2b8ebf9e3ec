//! Phonexa's endpoint behind each framework, over real sockets, with bytes that no HTTP client would send: each has a
//! status of its own, and none writes anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "phonexa", any(feature = "axum", feature = "actix-web")))]

mod any_game;
mod ledger;

use std::fmt::Write as _;
use std::net::SocketAddr;

use any_game::Game;
use ledger::decimal;
use postback::source::phonexa::{Credential, Endpoint, Names};
use postback::store::DedupStore;
use postback::testing::phonexa::{Postback, Sent};
use postback::wire::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FORM: &str = "application/x-www-form-urlencoded";
const DONE: &str = "player=p1&conversion_id=c1&payout=500&status=Done";

struct Server {
    game: Game,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn bound() -> (Game, TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (Game::new(), listener, address)
}

fn endpoint() -> Endpoint {
    let names = Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .status("status");
    Endpoint::builder("game", names)
        .accept(Credential::basic("network", &Secret::new("password").unwrap()).unwrap())
        .accept(Credential::header("X-Key", &Secret::new("a key").unwrap()).unwrap())
        .build()
        .unwrap()
}

impl Server {
    /// One behind each framework that is switched on.
    async fn all() -> Vec<Self> {
        vec![
            #[cfg(feature = "axum")]
            Self::axum().await,
            #[cfg(feature = "actix-web")]
            Self::actix().await,
        ]
    }

    #[cfg(feature = "axum")]
    async fn axum() -> Self {
        use axum::Router;
        use postback::web::axum::callbacks;

        let (game, listener, address) = bound().await;
        let receiver = game.receiver.clone().with_handler(game.handler());
        let inner: Router = Router::new().route("/phonexa", callbacks(endpoint(), receiver));
        let router = Router::new().nest("/callbacks", inner);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { game, address }
    }

    #[cfg(feature = "actix-web")]
    async fn actix() -> Self {
        use actix_web::{App, HttpServer, web};
        use postback::web::actix::callbacks;

        let (game, listener, address) = bound().await;
        let receiver = game.receiver.clone().with_handler(game.handler());
        let app = move || {
            let route = callbacks(endpoint(), receiver.clone());
            App::new().service(web::scope("/callbacks").route("/phonexa", route))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let listener = listener.into_std().unwrap();
        tokio::spawn(server.listen(listener).unwrap().run());
        Self { game, address }
    }

    /// Sends bytes, then says that no more will come, and reads the answer.
    async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that has answered already may close before everything is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Answer {
            status: head.split(' ').nth(1).unwrap_or("0").parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    async fn send(&self, sent: &Sent) -> Answer {
        let mut request = format!(
            "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
            sent.method(),
            sent.target()
        );
        for (name, value) in sent.headers() {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\n\r\n", sent.body().len()).unwrap();
        self.raw(&[request.as_bytes(), sent.body()].concat()).await
    }

    /// A POST with a genuine credential, these header lines, and this body.
    async fn post(&self, headers: &str, body: &str) -> Answer {
        let request = format!(
            "POST /callbacks/phonexa HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Key: a key\r\n{headers}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    /// Asserts that nothing was written down and nothing paid.
    async fn assert_untouched(&self) {
        assert!(self.game.kinds().is_empty());
        let key = "phonexa/game/conversion/c1".parse().unwrap();
        let record = self.game.receiver.store().load(&key).await.unwrap();
        assert!(record.is_none());
    }
}

fn done() -> Postback {
    Postback::new()
        .to("/callbacks/phonexa")
        .set("player", "p1")
        .set("conversion_id", "c1")
        .number("payout", "500")
        .set("status", "Done")
}

#[tokio::test]
async fn all_three_request_types_are_paid_once_over_http() {
    for server in Server::all().await {
        let genuine = done().basic("network", "password");
        let answers = [
            server.send(&genuine.get()).await,
            server.send(&genuine.form()).await,
            server.send(&genuine.json()).await,
            server
                .post(
                    &format!(
                        "Content-Type: {FORM}; Charset=\"UTF-8\"\r\nContent-Length: {}\r\n",
                        DONE.len()
                    ),
                    DONE,
                )
                .await,
            server
                .post(
                    &format!("Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n"),
                    &format!("{:x}\r\n{DONE}\r\n0\r\n\r\n", DONE.len()),
                )
                .await,
        ];
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{answers:?}"
        );
        assert_eq!(server.game.balance(), decimal("500"));
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_the_credentials_is_answered_alike() {
    for server in Server::all().await {
        for postback in [
            done(),
            done().basic("network", "Password"),
            done().basic("networks", "password"),
            done().bearer("password"),
            done().header("Authorization", "Basic %%%"),
            done().header("Authorization", "Basic"),
            done().header("Authorization", ""),
            done().header("X-Key", "another"),
            done()
                .basic("network", "password")
                .basic("network", "password"),
            done().basic("network", "password").bearer("x"),
            done().header("X-Key", "a key").header("x-key", "a key"),
        ] {
            for sent in [postback.get(), postback.form(), postback.json()] {
                let answer = server.send(&sent).await;
                assert_eq!((answer.status, &*answer.body), (401, "unauthorized"));
                assert!(
                    answer
                        .head
                        .contains("\r\nwww-authenticate: basic realm=\"callbacks\""),
                    "{answer:?}"
                );
            }
        }
        // Bytes that are no text.
        let mut request =
        b"GET /callbacks/phonexa HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic "
            .to_vec();
        request.extend(b"\xff\xfe\xc3\r\n\r\n");
        assert_eq!(server.raw(&request).await.status, 401);
        server.assert_untouched().await;
    }
}

#[tokio::test]
async fn content_types_that_are_not_read_are_415() {
    for server in Server::all().await {
        let length = format!("Content-Length: {}\r\n", DONE.len());
        for headers in [
            "",
            "Content-Type:\r\n",
            "Content-Type: text/plain\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n",
            "Content-Type: application/x-www-form-urlencoded; charset=iso-8859-1\r\n",
            "Content-Type: application/json; charset=utf-16\r\n",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Type: application/json\r\n",
        ] {
            let answer = server.post(&format!("{headers}{length}"), DONE).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (415, "unsupported media type"),
                "{headers}"
            );
        }
        server.assert_untouched().await;
    }
}

#[tokio::test]
async fn bodies_of_ten_megabytes_are_413_with_and_without_a_stated_length() {
    for server in Server::all().await {
        let large = "x".repeat(10_000_000);
        for content_type in [FORM, "application/json"] {
            let stated = format!(
                "Content-Type: {content_type}\r\nContent-Length: {}\r\n",
                large.len()
            );
            assert!(is_413_or_closed(&server.post(&stated, &large).await));
            // The length alone is enough.
            let answer = server.post(&stated, "").await;
            assert_eq!((answer.status, &*answer.body), (413, "body too large"));
            let chunked = format!("Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n");
            let body = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
            assert!(is_413_or_closed(&server.post(&chunked, &body).await));
            let just_too_long = format!("{:x}\r\n{}\r\n0\r\n\r\n", 65_537, "x".repeat(65_537));
            assert_eq!(server.post(&chunked, &just_too_long).await.status, 413);
        }
        server.assert_untouched().await;
    }
}

/// A server may close while the body is still being sent; then the system discards what it had answered.
fn is_413_or_closed(answer: &Answer) -> bool {
    matches!(answer.status, 413 | 0)
}

#[tokio::test]
async fn bodies_that_are_cut_off_or_malformed_are_400() {
    for server in Server::all().await {
        let form = |rest: &str| format!("Content-Type: {FORM}\r\n{rest}");
        // A cut off body says `500`, where `5000` was meant: it must never be paid.
        for (headers, body) in [
            (
                form("Transfer-Encoding: chunked\r\n"),
                format!("{:x}\r\n{DONE}\r\n", DONE.len()),
            ),
            (
                form("Transfer-Encoding: chunked\r\n"),
                format!("{:x}\r\n{DONE}", DONE.len() + 10),
            ),
            (
                form("Transfer-Encoding: chunked\r\n"),
                format!("{:x}\r\n{DONE}\r\nzz\r\n", DONE.len()),
            ),
            (
                form(&format!("Content-Length: {}\r\n", DONE.len() + 1)),
                DONE.to_owned(),
            ),
            (
                form("Content-Length: 5\r\nContent-Length: 6\r\n"),
                DONE.to_owned(),
            ),
            (form("Content-Length: -1\r\n"), DONE.to_owned()),
        ] {
            let answer = server.post(&headers, &body).await;
            assert_eq!(answer.status, 400, "{headers} {answer:?}");
        }
        let nested = "[".repeat(60_000);
        for (content_type, body) in [
            ("application/json", DONE),
            (
                "application/json",
                r#"{"player":"p1","conversion_id":"c1","payout":5,"status":"Done""#,
            ),
            (
                "application/json",
                r#"{"player":{"id":"p1"},"conversion_id":"c1","payout":5,"status":"Done"}"#,
            ),
            (
                "application/json",
                r#"{"player":"p1","player":"p1","conversion_id":"c1","payout":5,"status":"Done"}"#,
            ),
            ("application/json", &nested),
            (
                FORM,
                "player=p1&player=p2&conversion_id=c1&payout=5&status=Done",
            ),
            (FORM, "player=%FF&conversion_id=c1&payout=5&status=Done"),
            (FORM, "player=p1&conversion_id=c1&status=Done"),
            (FORM, "player=p1&conversion_id=c1&payout=1e9&status=Done"),
        ] {
            let headers = format!(
                "Content-Type: {content_type}\r\nContent-Length: {}\r\n",
                body.len()
            );
            let answer = server.post(&headers, body).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (400, "bad callback"),
                "{body:.80}"
            );
        }
        server.assert_untouched().await;
    }
}

#[tokio::test]
async fn other_methods_are_405_and_long_urls_414() {
    for server in Server::all().await {
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            let request = format!(
                "{method} /callbacks/phonexa?{DONE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Key: a key\r\n\r\n"
            );
            let answer = server.raw(request.as_bytes()).await;
            assert_eq!((answer.status, &*answer.body), (405, "method not allowed"));
            assert!(answer.head.contains("\r\nallow: get, post"), "{answer:?}");
        }
        let long = done().header("X-Key", "a key").set("x", "y".repeat(9000));
        assert_eq!(server.send(&long.get()).await.status, 414);
        server.assert_untouched().await;
    }
}
