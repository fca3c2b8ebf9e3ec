//! Delivery: outages, restarts, several servers, and a backlog.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use postback_test_servers::{Postgres, free_port, send_signal, wait_until};

use crate::backend::Backend;
use crate::client;
use crate::program::{Server, Setup, command, offer, run};
use crate::storm::is_long;
use crate::webhook::Recorder;

/// Sends this many callbacks over several connections, and returns the rate.
fn send_many(server: &Server, from: usize, count: usize) -> f64 {
    const SENDERS: usize = 16;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                let mut caller = client::Client::new(server.public);
                for number in (from..from + count).skip(sender).step_by(SENDERS) {
                    let player = format!("player-{}", number % 1000);
                    let target = offer(&player, &format!("o{number}"), "10", "COMPLETED").target();
                    let response = caller.send("GET", &target, &[]).expect("a response");
                    assert_eq!(response.status, 200, "{}", response.body);
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / began.elapsed().as_secs_f64();
    rate
}

#[test]
fn first_success_after_an_outage_releases_the_rest() {
    let setup = Setup::new();
    let server = setup.start();
    for number in 0..200 {
        assert_eq!(server.take(&offer("p1", &format!("o{number}"), "10", "COMPLETED")), "accepted");
    }
    wait_until("the outage is noticed", || server.admin("/api/status")["delivery"]["backend_up"] == false);
    let mut backend = Backend::new(setup.backend, setup.directory.path());
    backend.start();
    wait_until("everything is booked", || backend.bookings().len() == 200);
    let status = server.admin("/api/status");
    assert_eq!(status["delivery"]["backend_up"], true);
    assert!(status["delivery"]["last_success"].is_string());
    assert!(server.log().contains("backend is down"));
}

#[test]
fn retry_command_delivers_without_the_server() {
    let setup = Setup::new();
    let mut server = setup.start();
    server.take(&offer("p1", "o1", "10", "COMPLETED"));
    server.take(&offer("p2", "o2", "10", "COMPLETED"));
    wait_until("the outage is noticed", || server.admin("/api/status")["delivery"]["backend_up"] == false);
    assert_eq!(server.stop(), Some(0));
    let config = server.config().to_str().expect("a path").to_owned();
    let retry = || run(&mut command(setup.directory.path(), &["retry", "--config", &config]));
    let (status, out, err) = retry();
    assert_eq!((status, out.as_str()), (1, "0 delivered, 0 in delivery elsewhere, 2 failed\n"));
    assert!(err.contains("backend not reachable"), "{err}");
    let backend = Recorder::accepting(setup.backend);
    let (status, out, _) = retry();
    assert_eq!((status, out.as_str()), (0, "2 delivered, 0 in delivery elsewhere, 0 failed\n"));
    assert_eq!(backend.received().len(), 2);
}

#[test]
fn what_another_server_delivered_is_no_response() {
    let mut setup = Setup::new();
    // Nobody listens where this server sends decisions.
    let server = setup.start();
    setup.backend = free_port();
    let _backend = Recorder::accepting(setup.backend);
    let (other, ..) = setup.configure("other.toml");
    let other = other.to_str().expect("a path");
    for round in 0..3 {
        for number in 0..3 {
            server.take(&offer("p1", &format!("o{round}{number}"), "10", "COMPLETED"));
            // The rest waits in memory, for when the backend may have come back.
            wait_until("the outage is noticed", || server.log().matches("backend is down").count() > round);
        }
        let retry = || run(&mut command(setup.directory.path(), &["retry", "--config", other])).0;
        wait_until("everything is delivered with the other configuration", || retry() == 0);
        wait_until("nothing is left to probe with", || server.admin("/api/status")["delivery"]["backend_up"] == true);
    }
    assert!(!server.log().contains("backend responds again"), "{}", server.log());
    assert_eq!(server.admin("/api/status")["delivery"]["delivered"], 0);
}

#[test]
fn another_server_takes_over_when_one_dies() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut setup = Setup::new();
    setup.store = postgres.create_database();
    // The dead server's leases expire after this and a half, and two seconds.
    setup.backend_keys = "timeout = \"500ms\"".to_owned();
    let mut first = setup.start_as("first.toml");
    let second = setup.start_as("second.toml");
    for number in 0..50 {
        first.take(&offer("p1", &format!("o{number}"), "10", "COMPLETED"));
    }
    first.kill();
    let mut backend = Backend::new(setup.backend, setup.directory.path());
    backend.start();
    wait_until("the other server delivers everything", || backend.bookings().len() == 50);
    drop(second);
}

#[test]
fn graceful_stop_finishes_deliveries() {
    let setup = Setup::new();
    let log = setup.path("postback.log");
    let backend = Recorder::start(setup.backend, move |_| {
        wait_until("the server is asked to stop", || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("stopping"))
        });
        (200, String::new())
    });
    let mut server = setup.start();
    server.take(&offer("p1", "o1", "10", "COMPLETED"));
    wait_until("the delivery runs", || server.admin("/api/status")["delivery"]["running"] == 1);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(backend.received().len(), 1);
    let (status, _, err) = run(&mut command(setup.directory.path(), &["show", "--pending"]));
    assert_eq!((status, err.as_str()), (1, "nothing is pending\n"));
}

/// How many requests run at a time when rates are compared.
const CONCURRENCY: usize = 128;

/// Prints how fast a backlog is delivered, and how fast the same client posts the same bodies with nothing durable.
#[test]
fn delivery_rate_beside_that_of_a_plain_client() {
    let count = if is_long() { 20_000 } else { 1_000 };
    let mut setup = Setup::new();
    setup.backend_keys = format!("concurrency = {CONCURRENCY}");
    let mut server = setup.start();
    send_many(&server, 0, count);
    assert_eq!(server.stop(), Some(0));
    let backend = Recorder::accepting(setup.backend);
    let began = Instant::now();
    server.start();
    while backend.count() < count {
        assert!(began.elapsed() < Duration::from_secs(300), "{}", server.admin("/api/status"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let durable = began.elapsed();
    let bodies: Vec<Bytes> = backend.received().into_iter().map(|webhook| webhook.text.into_bytes().into()).collect();
    let url = format!("http://127.0.0.1:{}/decisions", setup.backend);
    let plain = post_all(&url, bodies);
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    let rate = |elapsed: Duration| count as f64 / elapsed.as_secs_f64();
    eprintln!(
        "{count} decisions: {:.0}/s delivered from SQLite, {:.0}/s posted with nothing durable",
        rate(durable),
        rate(plain)
    );
}

/// Posts bodies with the server's client and concurrency.
fn post_all(url: &str, bodies: Vec<Bytes>) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let began = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for body in bodies {
            if running.len() >= CONCURRENCY {
                running.join_next().await.expect("a response").expect("a response");
            }
            let request = Request::post(url)
                .header("content-type", "application/json")
                .header("webhook-id", "plain")
                .header("webhook-timestamp", "0")
                .header("webhook-signature", "v1,none")
                .body(Full::from(body))
                .expect("a request");
            let client = client.clone();
            running.spawn(async move {
                let response = client.request(request).await.expect("a response");
                response.into_body().collect().await.expect("a body");
            });
        }
        while running.join_next().await.is_some() {}
        began.elapsed()
    })
}

/// The long form has 100,000 pending decisions.
#[test]
fn backlog_costs_no_memory_and_drains() {
    let (small, large) = if is_long() { (2_000, 100_000) } else { (100, 500) };
    let setup = Setup::new();
    let mut server = setup.start();
    send_many(&server, 0, small);
    let memory_before = server.memory();
    let rate = send_many(&server, small, large - small);
    let memory_after = server.memory();
    server.kill();
    let began = Instant::now();
    server.start();
    let startup = began.elapsed();
    let mut backend = Backend::new(setup.backend, setup.directory.path());
    backend.start();
    let began = Instant::now();
    wait_until_delivered(&server, 600);
    let drained = began.elapsed();
    assert_eq!(backend.bookings().len(), large);
    let memory_at_the_end = server.memory();
    eprintln!(
        "backlog of {large}: accepted {rate:.0}/s, memory {memory_before} MiB with {small} pending, {memory_after} MiB \
         with {large}, {memory_at_the_end} MiB after draining; startup {startup:?}, drained in {drained:?}"
    );
    // The store's cache and the allocator account for this; a decision kept in memory would take a kilobyte.
    assert!(memory_after < memory_before + 160, "{memory_before} MiB, then {memory_after} MiB");
}

fn wait_until_delivered(server: &Server, seconds: u64) {
    let began = Instant::now();
    while server.admin("/api/pending")["records"] != serde_json::json!([]) {
        assert!(began.elapsed() < Duration::from_secs(seconds), "still pending: {}", server.admin("/api/status"));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A backend that keeps the requests for players named `stuck…` waiting and accepts all others at once.
fn start_backend_with_stuck_players(port: u16) -> Arc<Mutex<Vec<String>>> {
    let taken: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    let ledger = Arc::clone(&taken);
    let decide = move |body: Bytes| {
        let webhook: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let player = webhook["data"]["player"].as_str().expect("a player").to_owned();
        let ledger = Arc::clone(&ledger);
        async move {
            if player.starts_with("stuck") {
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
            ledger.lock().expect("the ledger").push(player);
            axum::http::StatusCode::NO_CONTENT
        }
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let _ = axum::serve(listener, axum::Router::new().route("/decisions", axum::routing::post(decide))).await;
        });
    });
    taken
}

#[test]
fn conversions_that_always_time_out_delay_no_other() {
    let mut setup = Setup::new();
    setup.backend_keys = "timeout = \"2s\"".to_owned();
    let taken = start_backend_with_stuck_players(setup.backend);
    let server = setup.start();
    for number in 0..8 {
        server.take(&offer("stuck", &format!("a{number}"), "10", "COMPLETED"));
    }
    // They have failed several times: the waits between two attempts have grown.
    wait_until("all of them failed, and some again", || {
        server.admin("/api/status")["delivery"]["failed"].as_u64().is_some_and(|failed| failed >= 10)
    });
    for number in 0..5 {
        let player = format!("free-{number}");
        server.take(&offer(&player, &format!("z{number}"), "10", "COMPLETED"));
        let began = Instant::now();
        while !taken.lock().expect("the ledger").contains(&player) {
            assert!(began.elapsed() < Duration::from_secs(4), "{player}: {}", server.admin("/api/status"));
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    // What the backend answered others meanwhile shows that only these are at fault.
    assert_eq!(server.admin("/api/status")["delivery"]["backend_up"], true);
    assert_eq!(server.admin("/api/pending")["records"].as_array().map(Vec::len), Some(8));
}

/// A backend that sends the head of a response and never the rest of its body. Returns how many exchanges are open.
fn start_backend_with_stalled_bodies(port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let open: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&open);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let open = Arc::clone(&counted);
            std::thread::spawn(move || {
                if !read_webhook(&mut stream).is_empty() {
                    open.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun");
                    // Until the server closes the connection.
                    let _ = stream.read(&mut [0]);
                    open.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    open
}

/// The text of one request, which ends with its body's brace. Empty if the connection was closed.
fn read_webhook(stream: &mut TcpStream) -> String {
    let mut request = vec![0; 16_384];
    let mut length = 0;
    while !request[..length].ends_with(b"}") {
        match stream.read(&mut request[length..]) {
            Ok(0) | Err(_) => return String::new(),
            Ok(read) => length += read,
        }
    }
    String::from_utf8_lossy(&request[..length]).into_owned()
}

#[test]
fn stalled_bodies_of_responses_hold_few_connections() {
    let mut setup = Setup::new();
    setup.backend_keys = "timeout = \"300s\"\nconcurrency = 2".to_owned();
    let open = start_backend_with_stalled_bodies(setup.backend);
    let server = setup.start();
    for number in 0..20 {
        server.take(&offer("p1", &format!("o{number}"), "10", "COMPLETED"));
    }
    wait_until("all are delivered", || server.admin("/api/status")["delivery"]["delivered"] == 20);
    wait_until("the others are closed", || open.load(Ordering::SeqCst) <= 2);
}

#[test]
fn pending_decisions_stay_counted_while_the_store_fails() {
    let setup = Setup::new();
    let server = setup.start();
    server.take(&offer("p1", "o1", "10", "COMPLETED"));
    wait_until("it is counted", || server.admin("/api/status")["delivery"]["pending"] == 1);
    let database = rusqlite::Connection::open(setup.path("postback.db")).expect("the store");
    database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    database.execute("ALTER TABLE postback_records RENAME TO hidden", []).expect("a table");
    wait_until("the store fails", || server.get("/health").status == 503);
    // It is counted every 10 s.
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(server.admin("/api/status")["delivery"]["pending"], 1);
    let metrics = client::get(server.admin, "/metrics").body;
    assert!(metrics.lines().any(|line| line == "postback_decisions_pending 1"), "{metrics}");
}

#[test]
fn retries_do_not_wait_behind_new_decisions() {
    const NEW: usize = 240;
    let mut setup = Setup::new();
    setup.backend_keys = "concurrency = 4".to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, setup.backend)).expect("a free port");
    let attempts: Arc<AtomicUsize> = Arc::default();
    let delivered: Arc<AtomicUsize> = Arc::default();
    let counters = (Arc::clone(&attempts), Arc::clone(&delivered));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (attempts, delivered) = (Arc::clone(&counters.0), Arc::clone(&counters.1));
            std::thread::spawn(move || {
                let mut status = "204 No Content";
                if read_webhook(&mut stream).contains("\"player\":\"failing\"") {
                    if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                        status = "500 Internal Server Error";
                    }
                } else {
                    std::thread::sleep(Duration::from_millis(200));
                    delivered.fetch_add(1, Ordering::SeqCst);
                }
                let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(response.as_bytes());
            });
        }
    });
    let server = setup.start();
    // The last one of a scan.
    server.take(&offer("failing", "z", "10", "COMPLETED"));
    wait_until("it failed once", || attempts.load(Ordering::SeqCst) == 1);
    for number in 0..NEW {
        server.take(&offer("p1", &format!("o{number}"), "10", "COMPLETED"));
    }
    wait_until("it is tried again", || attempts.load(Ordering::SeqCst) > 1);
    let before = delivered.load(Ordering::SeqCst);
    assert!(before < NEW / 2, "{before} new ones came first");
    wait_until("all are delivered", || delivered.load(Ordering::SeqCst) == NEW);
}

#[test]
fn success_after_a_pause_ends_no_outage_that_never_was() {
    let setup = Setup::new();
    let backend = Recorder::start(setup.backend, |webhook| {
        let is_failing = webhook.body["data"]["player"] == "failing";
        (if is_failing { 500 } else { 204 }, String::new())
    });
    let server = setup.start();
    server.take(&offer("failing", "o1", "10", "COMPLETED"));
    backend.wait_for(1);
    // Longer than any pause that could pass for an outage.
    std::thread::sleep(Duration::from_secs(11));
    for number in 1..=2 {
        server.take(&offer("free", &format!("z{number}"), "10", "COMPLETED"));
        wait_until("it is delivered", || server.admin("/api/status")["delivery"]["delivered"] == number);
    }
    assert!(!server.log().contains("backend responds again"), "{}", server.log());
}

/// The processor time that a process has used, in clock ticks. There are 100 in a second.
fn processor_time(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = status.rsplit_once(") ").expect("fields");
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[test]
fn unreadable_records_do_not_keep_the_probe_busy() {
    let setup = Setup::new();
    let server = setup.start();
    server.take(&offer("p1", "o1", "10", "COMPLETED"));
    wait_until("the outage is noticed", || server.admin("/api/status")["delivery"]["backend_up"] == false);
    let database = rusqlite::Connection::open(setup.path("postback.db")).expect("the store");
    database.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    database.execute("UPDATE postback_records SET record = 'x'", []).expect("a record");
    wait_until("the probe finds it", || server.log().contains("store failed"));
    let before = processor_time(server.id());
    std::thread::sleep(Duration::from_secs(5));
    let used = processor_time(server.id()) - before;
    assert!(used < 50, "{used} ticks in 5 s");
}

/// A proxy before Postgres. Once it is armed, a connection that lists pending records hangs. Returns its port, and the
/// number of connections that hang.
fn start_proxy_that_hangs(postgres: u16, is_armed: Arc<AtomicBool>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let hanging: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&hanging);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a connection");
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, postgres)).expect("a connection");
            let (mut from, mut to) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            let hangs: Arc<AtomicBool> = Arc::default();
            let also_hangs = Arc::clone(&hangs);
            std::thread::spawn(move || {
                let mut buffer = [0; 16_384];
                while let Ok(length @ 1..) = from.read(&mut buffer) {
                    // Not even that Postgres gives up arrives.
                    if also_hangs.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_secs(600));
                    }
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
            let (is_armed, hanging) = (Arc::clone(&is_armed), Arc::clone(&counted));
            std::thread::spawn(move || {
                let mut buffer = [0; 16_384];
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    // The size of a page, 256, as a parameter.
                    let is_listing = buffer[..length].windows(8).any(|part| part == [0, 0, 0, 0, 0, 0, 1, 0]);
                    if is_listing && is_armed.load(Ordering::SeqCst) {
                        hangs.store(true, Ordering::SeqCst);
                        hanging.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_secs(600));
                    }
                    if server.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (port, hanging)
}

#[test]
fn store_that_hangs_does_not_hold_up_the_stop() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut setup = Setup::new();
    setup.backend_keys = "timeout = \"1s\"".to_owned();
    let url = postgres.create_database();
    let is_armed: Arc<AtomicBool> = Arc::default();
    let (port, hanging) = start_proxy_that_hangs(postgres.port(), Arc::clone(&is_armed));
    setup.store = url.replace(&format!(":{}/", postgres.port()), &format!(":{port}/"));
    assert_ne!(setup.store, url);
    let server = setup.start();
    is_armed.store(true, Ordering::SeqCst);
    // Deliveries and the count of what is pending.
    wait_until("the listings hang", || hanging.load(Ordering::SeqCst) == 2);
    send_signal("TERM", server.id());
    let status = format!("/proc/{}/stat", server.id());
    wait_until("the server ends", || std::fs::read_to_string(&status).is_ok_and(|status| status.contains(") Z ")));
}
