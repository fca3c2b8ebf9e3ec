//! Routes over real sockets: the same requests to axum and to actix-web.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use postback::bitlabs::{App, OfferCallback};
use postback::network::{Credential, DescribedEndpoint, preset};
use postback::store::DedupStore as _;
use postback::testing::bitlabs::Signer;
use postback::{Decimal, HandlerError, MemoryStore, PlayerId, Receive, Secret, Verified};
use postback_test_servers::{Response, Running, exchange, free_port, skip, wait_until};

use crate::common::paying;
use postback_test_servers::log::warnings_of;

const SECRET: &str = "secret";
const TOKEN: &str = "long-random-token";
const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const TYPED: &str = "https://game.example/typed?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Framework {
    Axum,
    Actix,
}

pub(crate) const FRAMEWORKS: [Framework; 2] = [Framework::Axum, Framework::Actix];

/// A server in a thread of its own, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start<R: Receive>(framework: Framework, receiver: R) -> Self {
        Self::start_with(framework, receiver, vec![posted()])
    }

    /// With routes to described endpoints, beside those of an app.
    pub(crate) fn start_with<R: Receive>(framework: Framework, receiver: R, described: Vec<DescribedEndpoint>) -> Self {
        let app = App::new("my-game", SECRET).unwrap();
        let (offers, typed) = (app.offers(OFFERS).unwrap(), app.offers(TYPED).unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                match framework {
                    Framework::Axum => {
                        let mut routes = axum::Router::new()
                            .route(offers.path(), postback::axum::callbacks(&offers, &receiver))
                            .route(typed.path(), postback::axum::verified(&typed, describe))
                            .route("/unconfigured", axum::routing::get(describe));
                        for endpoint in &described {
                            routes = routes.route(endpoint.path(), postback::axum::callbacks(endpoint, &receiver));
                        }
                        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                        ready.send(listener.local_addr().unwrap()).unwrap();
                        let server =
                            axum::serve(listener, routes).with_graceful_shutdown(async { drop(stopped.await) });
                        server.await.unwrap();
                    }
                    Framework::Actix => {
                        let server = actix_web::HttpServer::new(move || {
                            let mut app = actix_web::App::new()
                                .route(offers.path(), postback::actix::callbacks(&offers, &receiver))
                                .route(typed.path(), postback::actix::verified(&typed, describe))
                                .route("/unconfigured", actix_web::web::get().to(describe));
                            for endpoint in &described {
                                app = app.route(endpoint.path(), postback::actix::callbacks(endpoint, &receiver));
                            }
                            app
                        })
                        .workers(1)
                        .disable_signals()
                        .bind("127.0.0.1:0")
                        .unwrap();
                        ready.send(server.addrs()[0]).unwrap();
                        let server = server.run();
                        let handle = server.handle();
                        tokio::spawn(async move {
                            drop(stopped.await);
                            handle.stop(true).await;
                        });
                        server.await.unwrap();
                    }
                }
            });
        });
        let address = address.recv_timeout(Duration::from_secs(60)).unwrap();
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn send(&self, method: &str, target: &str) -> Response {
        self.exchange(&format!(
            "{method} {target} HTTP/1.1\r\nhost: other.example\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n\r\n"
        ))
    }

    fn exchange(&self, request: &str) -> Response {
        exchange(self.address, request.as_bytes())
    }

    fn get(&self, target: &str) -> (u16, String) {
        let response = self.send("GET", target);
        (response.status, response.body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// An endpoint with bodies, credentials in a header, and no signature.
fn posted() -> DescribedEndpoint {
    let token = Credential::token(&Secret::new(TOKEN).unwrap());
    let builder = preset("phonexa").unwrap().app("game").credential(token);
    builder.url("https://game.example/posted").build().unwrap()
}

async fn describe(offer: Verified<OfferCallback>) -> String {
    format!("{} {:?} {:?}", offer.player, offer.state, offer.amount)
}

fn offer(tx: &str, state: &str, gems: &str) -> String {
    Signer::new(SECRET, OFFERS).sign(&[("player", "p1"), ("tx", tx), ("state", state), ("gems", gems)]).target()
}

fn balance(store: &MemoryStore) -> Decimal {
    let player: PlayerId = "p1".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.balance(&player))
}

#[test]
fn callbacks_are_paid_once_over_http() {
    for framework in FRAMEWORKS {
        let store = MemoryStore::new();
        let server = Server::start(framework, paying(&store));
        assert_eq!(server.get(&offer("o1", "PENDING", "500")), (200, "settled".into()), "{framework:?}");
        assert_eq!(server.get(&offer("o1", "COMPLETED", "500")), (200, "settled".into()));
        assert_eq!(server.get(&offer("o1", "COMPLETED", "500")), (200, "duplicate".into()));
        assert_eq!(server.get(&offer("o1", "RECONCILED", "200")), (200, "settled".into()));
        assert_eq!(balance(&store), 300.into());
    }
}

#[test]
fn two_urls_of_one_family_work_side_by_side() {
    for framework in FRAMEWORKS {
        let server = Server::start(framework, paying(&MemoryStore::new()));
        let values = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED")];
        let typed = Signer::new(SECRET, TYPED).sign(&values).target();
        let (status, body) = server.get(&typed);
        assert_eq!((status, body.as_str()), (200, "p1 Some(Completed) Some(500)"), "{framework:?}");
        // A callback of the other URL is not genuine here, and vice versa.
        assert_eq!(server.get(&typed.replace("/typed", "/callbacks/offers")).0, 403);
        assert_eq!(server.get(&typed.replace("gems=500", "gems=501")), (403, "forbidden".into()));
        assert_eq!(server.get("/unconfigured").0, 500);
    }
}

#[test]
fn bad_requests_get_their_status_and_write_nothing() {
    let long = format!("/callbacks/offers?name={}&hash={}", "x".repeat(50_000), "0".repeat(40));
    let genuine = offer("o1", "COMPLETED", "500");
    let hash = genuine.rsplit_once('=').unwrap().1.to_owned();
    let cases = [
        ("GET", genuine.replace("gems=500", "gems=900"), 403, "forbidden"),
        ("GET", genuine.replace(&hash, &hash.to_uppercase()), 403, "forbidden"),
        ("GET", genuine.replace(&hash, &hash[..39]), 403, "forbidden"),
        ("GET", format!("{genuine}&hash={hash}"), 403, "forbidden"),
        ("GET", "/callbacks/offers".to_owned(), 403, "forbidden"),
        ("GET", "/callbacks/offers?".to_owned(), 403, "forbidden"),
        ("GET", "/callbacks/offers?%ff%00=%zz&&&==".to_owned(), 403, "forbidden"),
        ("POST", genuine.clone(), 405, "method not allowed"),
        ("HEAD", genuine.clone(), 405, ""),
        ("GET", long, 403, "forbidden"),
        ("GET", offer("", "COMPLETED", "500"), 400, "unusable callback"),
        ("GET", offer("o1", "COMPLETED", "five"), 400, "unusable callback"),
        ("GET", offer("[%TX%]", "COMPLETED", "500"), 400, "unusable callback"),
    ];
    for framework in FRAMEWORKS {
        let store = MemoryStore::new();
        let server = Server::start(framework, paying(&store));
        for (method, target, status, body) in &cases {
            let response = server.send(method, target);
            let shown = target.get(..200).unwrap_or(target);
            assert_eq!((response.status, &*response.body), (*status, *body), "{framework:?} {method} {shown}");
            if *status == 405 {
                assert!(response.head.contains("allow: get"), "{framework:?} {}", response.head);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Only what is genuine was kept, and nothing was recorded.
        let kept = runtime.block_on(store.list_unusable(None, 10)).unwrap();
        assert_eq!(kept.len(), 3, "{framework:?}");
        assert_eq!(runtime.block_on(store.load(&"bitlabs/my-game/conversion/o1".parse().unwrap())).unwrap(), None);
    }
}

#[test]
fn failing_handler_gets_500_and_the_retry_pays() {
    for framework in FRAMEWORKS {
        let store = MemoryStore::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let receiver = store
            .receiver(move |tx, decision| {
                if counter.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Err(HandlerError::failed("the wallet is down"));
                }
                tx.add(decision.player(), decision.balance_change());
                Ok(())
            })
            .without_recovery();
        let server = Server::start(framework, receiver);
        assert_eq!(server.get(&offer("o1", "COMPLETED", "500")), (500, "handler failed".into()), "{framework:?}");
        assert_eq!(balance(&store), 0.into());
        assert_eq!(server.get(&offer("o1", "COMPLETED", "500")), (200, "settled".into()));
        assert_eq!(balance(&store), 500.into());
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn disconnecting_caller_does_not_stop_the_work() {
    for framework in FRAMEWORKS {
        let store = MemoryStore::new();
        let (started, wait_for_start) = mpsc::channel();
        let release = Arc::new(tokio::sync::Notify::new());
        let gate = Arc::clone(&release);
        let (done, wait_for_end) = mpsc::channel();
        let pay = move |_: postback::Decision| {
            let (started, gate, done) = (started.clone(), Arc::clone(&gate), done.clone());
            async move {
                started.send(()).unwrap();
                gate.notified().await;
                done.send(()).unwrap();
                Ok(())
            }
        };
        let server = Server::start(framework, postback::Receiver::new(store, pay).without_recovery());
        let mut caller = server.connect();
        let request = format!("GET {} HTTP/1.1\r\nhost: game.example\r\n\r\n", offer("o1", "COMPLETED", "500"));
        caller.write_all(request.as_bytes()).unwrap();
        wait_for_start.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(caller);
        // Another request is served meanwhile, so the server has seen the disconnection.
        assert_eq!(server.get("/callbacks/offers").0, 403);
        release.notify_one();
        wait_for_end.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

/// A POST for the endpoint with bodies, up to `body`.
fn post(token: &str, length: usize, body: &str) -> String {
    format!(
        "POST /posted HTTP/1.1\r\nhost: game.example\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn bodies_are_limited_in_size_and_time() {
    let body = "player=p1&conversion_id=c1&payout=500&status=Done";
    let check = |framework| {
        let store = MemoryStore::new();
        let server = Server::start(framework, paying(&store));
        // Credentials are checked before the body is read: neither of these bodies ever arrives.
        assert_eq!(server.exchange(&post("wrong", 100, "")).status, 401, "{framework:?}");
        assert_eq!(server.exchange(&post(TOKEN, 50_000_000, "")).status, 413, "{framework:?}");
        assert_eq!(server.exchange(&post(TOKEN, body.len() + 1, body)).status, 408, "{framework:?}");
        assert_eq!(balance(&store), 0.into());
        let response = server.exchange(&post(TOKEN, body.len(), body));
        assert_eq!((response.status, &*response.body), (200, "settled"), "{framework:?}");
        assert_eq!(balance(&store), 500.into());
    };
    // At the same time, because each waits for the timeout.
    std::thread::scope(|scope| FRAMEWORKS.map(|framework| scope.spawn(move || check(framework))).map(drop));
}

#[test]
fn scheme_and_host_of_a_request_have_no_effect() {
    let target = offer("o1", "COMPLETED", "500");
    for framework in FRAMEWORKS {
        let server = Server::start(framework, paying(&MemoryStore::new()));
        for (line, body) in [(format!("http://evil.example{target}"), "settled"), (target.clone(), "duplicate")] {
            let headers = "host: evil.example\r\nforwarded: host=evil.example;proto=http\r\nx-forwarded-prefix: /evil\r\n\
                 x-original-url: /evil\r\nx-http-method-override: POST\r\nconnection: close";
            let response = server.exchange(&format!("GET {line} HTTP/1.1\r\n{headers}\r\n\r\n"));
            assert_eq!((response.status, &*response.body), (200, body), "{framework:?}");
        }
    }
}

/// Everything runs on this thread, so that what is logged can be read.
#[test]
fn forgeries_are_logged_at_a_bounded_rate() {
    const COUNT: usize = 500;
    let app = App::new("my-game", SECRET).unwrap();
    let endpoint = app.offers(OFFERS).unwrap();
    let forged = offer("o1", "COMPLETED", "500").replace("gems=500", "gems=900");
    let started = std::time::Instant::now();
    let (answered, lines) = warnings_of(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let route = postback::axum::callbacks(&endpoint, &paying(&MemoryStore::new()));
            let routes = axum::Router::new().route(endpoint.path(), route);
            let server = tokio::spawn(async { axum::serve(listener, routes).await });
            let request = format!("GET {forged} HTTP/1.1\r\nhost: game.example\r\n");
            let requests = format!("{request}\r\n").repeat(COUNT) + &request + "connection: close\r\n\r\n";
            let client = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let mut reader = stream.try_clone().unwrap();
                std::thread::spawn(move || stream.write_all(requests.as_bytes()).unwrap());
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                text.matches("403 Forbidden").count()
            });
            let answered = client.await.unwrap();
            server.abort();
            answered
        })
    });
    assert_eq!(answered, COUNT + 1);
    let limit = 10 * (started.elapsed().as_secs() + 2);
    assert!(u64::try_from(lines.len()).unwrap() <= limit, "{} lines", lines.len());
    let (_, hash) = forged.rsplit_once("&hash=").unwrap();
    assert!(!lines.iter().any(|line| line.contains(hash) || line.contains("p1") || line.contains("gems")));
}

#[test]
fn concurrent_repetitions_are_paid_once_over_http() {
    let target = offer("o1", "COMPLETED", "500");
    for framework in FRAMEWORKS {
        let store = MemoryStore::new();
        let server = Server::start(framework, paying(&store));
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| assert!(matches!(server.get(&target).0, 200 | 503), "{framework:?}"));
            }
        });
        assert_eq!(balance(&store), 500.into(), "{framework:?}");
    }
}

/// Programs that know nothing of this crate: each prints the HMAC-SHA1 of its input, with the key in its arguments.
const SIGNERS: [(&str, &[&str]); 3] = [
    (
        "node",
        &[
            "-e",
            "const input = require('fs').readFileSync(0);\
             process.stdout.write(require('crypto').createHmac('sha1', process.argv[1]).update(input).digest('hex'))",
            SECRET,
        ],
    ),
    ("openssl", &["dgst", "-sha1", "-hmac", SECRET]),
    (
        "python3",
        &[
            "-c",
            "import hashlib, hmac, sys\nprint(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), hashlib.sha1).hexdigest())",
            SECRET,
        ],
    ),
];

/// What a program prints last: 40 hexadecimal digits. `None` if there is no such program.
fn hmac_of(program: &str, arguments: &[&str], text: &str) -> Option<String> {
    let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.trim_end();
    Some(text[text.len() - 40..].to_owned())
}

#[test]
fn signatures_of_other_implementations_are_genuine() {
    let queries = [
        "player=p1&tx=TX&gems=1&state=COMPLETED&ref=&name=Lords%20Mobile",
        "player=p1&tx=TX.b&gems=1&state=COMPLETED&ref=&name=Caf%C3%A9+%26+more%21",
        "name=[x]|y&state=COMPLETED&ref=&gems=1.0&tx=TX%3Ac&player=p1&unknown=100%25",
    ];
    for (program, arguments) in SIGNERS {
        if hmac_of(program, arguments, "").is_none() {
            skip(&format!("{program} is not installed"));
            continue;
        }
        for framework in FRAMEWORKS {
            let store = MemoryStore::new();
            let server = Server::start(framework, paying(&store));
            for query in queries {
                let query = query.replace("TX", program);
                let hash =
                    hmac_of(program, arguments, &format!("https://game.example/callbacks/offers?{query}")).unwrap();
                let target = format!("/callbacks/offers?{query}&hash={hash}");
                assert_eq!(server.get(&target), (200, "settled".into()), "{program} {framework:?} {query}");
                assert_eq!(server.get(&target), (200, "duplicate".into()), "{program} {framework:?} {query}");
                assert_eq!(server.get(&target.replace("gems=1", "gems=2")).0, 403, "{program} {framework:?} {query}");
            }
            assert_eq!(balance(&store), 3.into(), "{program} {framework:?}");
        }
    }
}

#[test]
fn nginx_as_in_the_guide_passes_callbacks_on_unchanged() {
    let programs = ["nginx", "/usr/sbin/nginx"];
    let is_there = |program: &&str| Command::new(program).arg("-v").stderr(Stdio::null()).status().is_ok();
    let Some(nginx) = programs.into_iter().find(is_there) else {
        return skip("nginx is not installed: `apt-get install nginx-light` on Debian");
    };
    let store = MemoryStore::new();
    let server = Server::start(Framework::Axum, paying(&store));
    let (_, location) = include_str!("../../docs/guide/proxies.md").split_once("```nginx\n").unwrap();
    let (location, _) = location.split_once("```").unwrap();
    let location = location.replace("127.0.0.1:8080", &server.address.to_string());
    let folder = tempfile::tempdir().unwrap();
    let (place, port) = (folder.path().display(), free_port());
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).collect();
    let config = format!(
        "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log; events {{}}\n\
         http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; {location} }} }}"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(nginx);
    command.arg("-c").arg(&file).arg("-p").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let _nginx = Running::start(&mut command);
    wait_until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());

    for name in ["Lords%20Mobile", "Lords+Mobile", "Caf%C3%A9", "a%2Bb%2526", "x/../y//z"] {
        let query = format!("player=p1&tx={name}&gems=5&state=COMPLETED&ref=&name={name}");
        let target = Signer::new(SECRET, OFFERS).sign_query(&query).target();
        let get = |target: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nhost: game.example\r\nconnection: close\r\n\r\n");
            exchange(("127.0.0.1", port), request.as_bytes()).status
        };
        assert_eq!(get(&target), 200, "{name}");
        assert_eq!(get(&target.replace("gems=5", "gems=9")), 403, "{name}");
    }
    assert_eq!(balance(&store), 20.into(), "two of them are one transaction");
}

#[test]
fn unusable_callback_that_nothing_keeps_is_logged() {
    let endpoint = App::new("my-game", SECRET).unwrap().offers(TYPED).unwrap();
    let target = Signer::new(SECRET, TYPED).sign(&[("player", "[%USER:UID%]"), ("tx", "o1")]).target();
    let through_axum = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let routes = axum::Router::new().route(endpoint.path(), postback::axum::verified(&endpoint, describe));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async { axum::serve(listener, routes).await });
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            tokio::task::spawn_blocking(move || exchange(address, request.as_bytes()).status).await.unwrap()
        })
    };
    let through_actix = || {
        actix_web::rt::System::new().block_on(async {
            let route = postback::actix::verified(&endpoint, describe);
            let service = actix_web::test::init_service(actix_web::App::new().route(endpoint.path(), route)).await;
            let request = actix_web::test::TestRequest::get().uri(&target).to_request();
            actix_web::test::call_service(&service, request).await.status().as_u16()
        })
    };
    for (status, log) in [warnings_of(through_axum), warnings_of(through_actix)] {
        assert_eq!(status, 400);
        assert!(log.iter().any(|line| line.contains("is not kept")), "{log:?}");
        assert!(!log.concat().contains("USER:UID"), "{log:?}");
    }
}
