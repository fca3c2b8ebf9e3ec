//! Strangers: slow clients, idle connections, huge headers, floods of forgeries.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use postback::testing::bitlabs::Signer;
use postback_test_servers::wait_until;

use crate::client::{Client, get};
use crate::program::{OFFERS, Setup, command, offer};
use crate::storm::is_long;
use crate::webhook::Recorder;

#[test]
fn genuine_callbacks_are_answered_among_slow_connections() {
    let setup = Setup::new();
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let count = if is_long() { 10_000 } else { 500 };
    let mut strangers = Vec::new();
    for number in 0..count {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.public)) else {
            continue;
        };
        if number % 2 == 0 {
            // Slowloris: a request that never ends.
            let _ = stream.write_all(b"GET /callbacks/offers?player=x HTTP/1.1\r\nx-slow: ");
        }
        strangers.push(stream);
    }
    let mut slowest = Duration::ZERO;
    for number in 0..50 {
        let began = Instant::now();
        let response = get(server.public, &offer("p1", &format!("o{number}"), "10", "COMPLETED").target());
        assert_eq!(response.status, 200);
        slowest = slowest.max(began.elapsed());
    }
    eprintln!("among {} idle and slow connections the slowest of 50 callbacks took {slowest:?}", strangers.len());
    // Each of them is closed after a while.
    let mut buffer = [0; 512];
    for stream in strangers.iter_mut().take(4) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        while stream.read(&mut buffer).expect("the server closes the connection") > 0 {}
    }
}

#[test]
fn huge_heads_are_rejected_and_forgeries_are_counted() {
    let setup = Setup::new();
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let huge = "x".repeat(200_000);
    let response = Client::new(server.public).send("GET", "/health", &[("x-huge", &huge)]);
    assert!(response.is_none_or(|response| response.status == 431));
    let response = Client::new(server.public).send("GET", &format!("/health?{huge}"), &[]);
    assert!(response.is_none_or(|response| matches!(response.status, 400 | 414 | 431)));
    let forged =
        Signer::new("guessed", OFFERS).sign(&[("player", "p1"), ("tx", "o1"), ("gems", "999"), ("state", "COMPLETED")]);
    let flood = if is_long() { 50_000 } else { 2_000 };
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::new(server.public);
                for _ in 0..flood / 4 {
                    let response = client.send("GET", &forged.target(), &[]).expect("a response");
                    assert_eq!((response.status, response.body.as_str()), (403, "forbidden"));
                }
            });
        }
        for number in 0..50 {
            let began = Instant::now();
            server.take(&offer("p1", &format!("o{number}"), "10", "COMPLETED"));
            slowest = slowest.max(began.elapsed());
        }
    });
    let status = server.admin("/api/status");
    assert_eq!(status["endpoints"][0]["rejected"], flood);
    assert_eq!(status["endpoints"][0]["genuine"], 50);
    eprintln!("during {flood} forgeries the slowest of 50 callbacks took {slowest:?}");
    // Logged at a bounded rate.
    wait_until("the log has the forgeries", || server.log().contains("request rejected"));
    assert!(server.log().lines().filter(|line| line.contains("request rejected")).count() < 1000);
}

#[test]
fn heads_of_more_than_32_kib_are_rejected() {
    let setup = Setup::new();
    let server = setup.start();
    for (bytes, status) in [(30_000, 200), (33_000, 431), (40_000, 431)] {
        let long = "x".repeat(bytes);
        let response = Client::new(server.public).send("GET", "/health", &[("x-long", &long)]);
        // It may close the connection before the client has read the response.
        let is_expected = response.map_or(status == 431, |response| response.status == status);
        assert!(is_expected, "{bytes} bytes");
    }
}

#[test]
fn other_paths_and_methods_are_refused() {
    let setup = Setup::new();
    let server = setup.start();
    assert_eq!(get(server.public, "/").status, 404);
    assert_eq!(get(server.public, "/metrics").status, 404);
    assert_eq!(get(server.public, "/api/status").status, 404);
    let target = offer("p1", "o1", "10", "COMPLETED").target();
    let mut client = Client::new(server.public);
    for method in ["POST", "PUT", "DELETE"] {
        let response = client.send(method, &target, &[("content-length", "0")]);
        assert_eq!(response.expect("a response").status, 405, "{method}");
    }
    assert_eq!(server.admin("/api/status")["endpoints"][0]["genuine"], 0);
}

#[test]
fn requests_without_their_body_make_room_for_others() {
    let mut setup = Setup::new();
    setup.end.push_str("[[endpoint]]\nnetwork = \"adgem-v3\"\napp = \"my-game\"\nsecret = \"another-secret\"\n");
    let _backend = Recorder::accepting(setup.backend);
    let (config, public, _) = setup.configure("limited.toml");
    // A limit of 64 connections.
    let program = command(setup.directory.path(), &[]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 128; exec \"$0\" serve --config \"$1\""]).arg(program.get_program()).arg(&config);
    let log = std::fs::File::create(setup.path("limited.log")).expect("a log");
    let child = limited.current_dir(setup.directory.path()).stderr(log).spawn().expect("the server starts");
    let _child = Ends(child);
    wait_until("the server answers", || {
        Client::new(public).send("GET", "/health", &[]).is_some_and(|response| response.status == 200)
    });
    let mut strangers = Vec::new();
    for _ in 0..300 {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", public)) {
            let _ = stream.write_all(
                format!(
                    "POST /callbacks/adgem-v3 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                     signature: {}\r\ncontent-length: 1000\r\n\r\n",
                    "0".repeat(64)
                )
                .as_bytes(),
            );
            strangers.push(stream);
        }
    }
    for number in 0..20 {
        let began = Instant::now();
        let response = get(public, &offer("p1", &format!("o{number}"), "10", "COMPLETED").target());
        assert_eq!(response.status, 200);
        assert!(began.elapsed() < Duration::from_secs(4), "a callback waited {:?}", began.elapsed());
    }
}

/// Ends a process when dropped.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
