//! Nothing secret leaves, whatever comes in: thousands of valid, invalid and failing requests over a real
//! socket, with everything that the process says captured. A file of its own, for subscriber and panic
//! hook belong to the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "axum")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use postback::bitlabs::App;
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::steps::Timing;
use postback::store::MemoryStore;
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::web::axum::callbacks;
use postback::wire::KeyRing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "sesame-7f3a-secret";
const OLD_SECRET: &str = "sesame-old-secret";
const URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]&token=publishers-own-token";
const REQUESTS: usize = 3000;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn start() -> Self {
        let captured = Self::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::level_filters::LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let panics = captured.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = std::io::Write::write_all(&mut panics.clone(), panic.to_string().as_bytes());
        }));
        captured
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Pays, fails, panics, hangs or refuses, in turn.
async fn misbehave(turn: usize) -> Result<(), HandlerError> {
    match turn % 16 {
        3 => Err(HandlerError::failed("the wallet is down")),
        5 => Err(HandlerError::refused("no such player")),
        7 => panic!("the wallet panics"),
        9 if turn % 64 == 9 => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn callback(network: &Network, number: usize) -> CallbackBuilder {
    network
        .callback(URL)
        .player(format!("player-{}", number % 50))
        .transaction(format!("o{number}"))
        .amount("500")
        .state("COMPLETED")
        .set("OFFER:NAME", format!("Lords Mobile {number}"))
}

/// A request target of the kind that its number says.
fn target(number: usize) -> String {
    let network = Network::new(SECRET);
    let signed = match number % 12 {
        0 => callback(&Network::new(OLD_SECRET), number).sign(),
        1 => callback(&Network::new("somebody else's"), number).sign(),
        2 => callback(&network, number - 2).sign(),
        3 => callback(&network, number - 3).amount("900").sign(),
        4 => callback(&network, number).amount("1e9").sign(),
        5 => callback(&network, number).pass_through("gems", "9").sign(),
        6 => callback(&network, number).pass_through("bad", "\0").sign(),
        7 => callback(&network, number).player("").sign(),
        8 => callback(&network, number - 8).state("RECONCILED").sign(),
        9 => callback(&network, number).debug().sign(),
        10 => callback(&network, number)
            .pass_through("long", "x".repeat(9000))
            .sign(),
        _ => callback(&network, number).sign(),
    };
    let target = signed.target();
    match number % 25 {
        20 => target[..target.len() - 1].to_owned(),
        21 => target.to_uppercase(),
        22 => format!("{target}&utm=1"),
        23 => target.replace("token=publishers-own-token", "token=another"),
        24 => target.replace("gems=500", "gems=%zz"),
        _ => target.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_no_hash_and_no_query_is_said_through_thousands_of_requests() {
    let captured = Captured::start();
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let handler = move |_: &Decision| misbehave(counted.fetch_add(1, Ordering::Relaxed));
    let timing = Timing::new()
        .lease(Duration::from_millis(60))
        .patience(Duration::from_millis(5));
    let receiver = Receiver::new(MemoryStore::new())
        .with_timing(timing)
        .with_handler(handler);
    let keys = KeyRing::from_list(format!("{OLD_SECRET},{SECRET}")).unwrap();
    let endpoint = App::new("game", keys).unwrap().offers(URL).build().unwrap();
    let app = Router::new().route(
        "/callbacks/offers",
        callbacks(endpoint.clone(), receiver.clone()),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut answers = String::new();
    let mut statuses = std::collections::BTreeSet::new();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for number in 0..REQUESTS {
        let target = target(number);
        let method = if number % 40 == 39 { "POST" } else { "GET" };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "the server hung up");
            answer += std::str::from_utf8(&buffer[..count]).unwrap();
        }
        statuses.insert(answer.split(' ').nth(1).unwrap().to_owned());
        answers += &answer;
    }
    let resumed = receiver.resume().await.unwrap();
    let _ = write!(answers, "{receiver:?}{endpoint:?}{resumed:?}");
    server.abort();
    let _ = std::panic::take_hook();

    // It has seen everything: every answer, the log at its finest, and the panics.
    for status in ["200", "400", "403", "405", "414", "500"] {
        assert!(statuses.contains(status), "no {status}");
    }
    let log = captured.text();
    for said in [
        "callback settled",
        "request refused",
        "the wallet panics",
        "contradicts",
        "took longer",
    ] {
        assert!(log.contains(said), "{said:?} is not in the log");
    }
    let said = format!("{log}{answers}").to_lowercase();
    for secret in [SECRET, OLD_SECRET, "sesame", "publishers-own-token"] {
        assert!(!said.contains(secret), "{secret:?} leaks");
    }
    // No hash, nor a part of one that would do for guessing.
    let is_long = |run: &&str| run.len() >= 16 && run.bytes().all(|b| b.is_ascii_hexdigit());
    let mut runs = said.split(|c: char| !c.is_ascii_alphanumeric());
    assert_eq!(runs.find(is_long), None, "a hash leaks");
    // Nor any piece of a query in its own words.
    for piece in [
        "player=", "tx=o", "gems=", "&state=", "hash=", "lords", "player-1",
    ] {
        assert!(!said.contains(piece), "{piece:?} of a query leaks");
    }
}
