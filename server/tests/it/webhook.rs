//! What a backend is sent: bodies after the schema, signatures, repetition, order.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use postback::testing::bitlabs::Signer;
use postback_test_servers::wait_until;
use serde_json::{Value, json};

use crate::backend::is_signed;
use crate::program::{SECRET, Setup, offer};

/// One request that the backend was sent.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    pub(crate) text: String,
    pub(crate) body: Value,
    is_signed: bool,
}

type Respond = dyn FnMut(&Received) -> (u16, String) + Send;

/// A backend in this process that records what it is sent, with programmed responses.
#[derive(Clone)]
pub(crate) struct Recorder {
    requests: Arc<Mutex<Vec<Received>>>,
    respond: Arc<Mutex<Box<Respond>>>,
}

impl Recorder {
    pub(crate) fn start(port: u16, respond: impl FnMut(&Received) -> (u16, String) + Send + 'static) -> Self {
        let recorder = Self { requests: Arc::default(), respond: Arc::new(Mutex::new(Box::new(respond))) };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let routes = Router::new().route("/decisions", post(record)).with_state(recorder.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let _ = axum::serve(listener, routes).await;
            });
        });
        recorder
    }

    /// Accepts everything.
    pub(crate) fn accepting(port: u16) -> Self {
        Self::start(port, |_| (204, String::new()))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.requests.lock().expect("the requests").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().expect("the requests").len()
    }

    /// Waits until this many requests arrived.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_until(&format!("{count} webhooks arrive"), || self.count() >= count);
        self.received()
    }
}

async fn record(State(recorder): State<Recorder>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let text = |name: &str| headers[name].to_str().expect("text").to_owned();
    let received = Received {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().expect("seconds"),
        text: String::from_utf8(body.to_vec()).expect("text"),
        body: serde_json::from_slice(&body).expect("JSON"),
        is_signed: is_signed(&headers, &body),
    };
    let (status, body) = (recorder.respond.lock().expect("the responses"))(&received);
    recorder.requests.lock().expect("the requests").push(received);
    (StatusCode::from_u16(status).expect("a status"), body)
}

/// The schema in the docs.
pub(crate) fn schema() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhook.schema.json");
    let text = std::fs::read_to_string(path).expect("the schema");
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

const PURCHASES: &str = "https://game.example/callbacks/purchases?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&iap=[%OFFER:TASK:IAP:USD%]";
const BANS: &str =
    "https://game.example/callbacks/bans?player=[%USER:UID%]&status=[%BAN:STATUS%]&reason=[%BAN:REASON%]";

#[test]
fn every_type_of_webhook_fits_the_schema_and_is_signed() {
    let mut setup = Setup::new();
    for (family, url) in [("purchases", PURCHASES), ("bans", BANS)] {
        setup.end.push_str(&format!(
            "[[endpoint]]\nnetwork = \"bitlabs\"\napp = \"my-game\"\nsecret = \"{SECRET}\"\nfamily = \"{family}\"\nurl = \"{url}\"\n"
        ));
    }
    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let purchase = |iap| {
        let values = [("player", "p7"), ("tx", "o7"), ("gems", "50"), ("state", "COMPLETED"), ("iap", iap)];
        Signer::new(SECRET, PURCHASES).sign(&values)
    };
    let ban = |status| Signer::new(SECRET, BANS).sign(&[("player", "p8"), ("status", status), ("reason", "fraud")]);
    let callbacks = [
        offer("p1", "o1", "500.50", "COMPLETED"),
        offer("p1", "o1", "200", "RECONCILED"),
        offer("p2", "o2", "500", "PENDING"),
        offer("p2", "o2", "500", "RECONCILED"),
        offer("p3", "o3", "0", "COMPLETED"),
        offer("p4", "o4", "500", "COMPLETED"),
        offer("p4", "o4", "600", "COMPLETED"),
        purchase(""),
        purchase("4.99"),
        ban("BANNED"),
        ban("ACTIVE"),
    ];
    for callback in &callbacks {
        assert_eq!(server.take(callback), "accepted");
    }
    let received = backend.wait_for(callbacks.len());
    let schema = schema();
    let mut kinds: Vec<&str> = Vec::new();
    for webhook in &received {
        assert!(webhook.is_signed);
        assert!(webhook.timestamp > 1_700_000_000);
        let errors: Vec<String> = schema.iter_errors(&webhook.body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {}", webhook.text);
        assert_eq!(webhook.body["data"]["id"], webhook.id.as_str());
        kinds.push(webhook.body["type"].as_str().expect("a type"));
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["ban", "conflict", "nothing", "pending", "purchase", "rejected", "reversal", "reward", "unban"]);
    let find = |kind: &str, player: &str| {
        let is_wanted = |webhook: &&Received| webhook.body["type"] == kind && webhook.body["data"]["player"] == player;
        received.iter().find(is_wanted).expect("the webhook").body["data"].clone()
    };
    let reward = find("reward", "p1");
    assert_eq!(reward["amount"], "500.5");
    assert_eq!(reward["transaction"], "o1");
    assert_eq!(reward["conversion"], "bitlabs/my-game/conversion/o1");
    assert_eq!(
        reward["callback"],
        json!({ "player": "p1", "tx": "o1", "gems": "500.50", "state": "COMPLETED", "ref": "", "usd": "" })
    );
    let reversal = find("reversal", "p1");
    assert_eq!((&reversal["amount"], &reversal["balance_change"]), (&json!("200"), &json!("-200")));
    assert_eq!(find("conflict", "p4")["reason"], "content_mismatch");
    assert_eq!(find("purchase", "p7")["usd"], "4.99");
    assert_eq!(find("ban", "p8")["reason"], "fraud");
}

#[test]
fn refusal_ends_a_decision_for_good() {
    let setup = Setup::new();
    let backend = Recorder::start(setup.backend, |_| (422, r#"{"refused":"no such player"}"#.to_owned()));
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    backend.wait_for(1);
    let target = "/api/record?key=bitlabs/my-game/conversion/o1";
    wait_until("the conversion is closed", || server.admin(target)["status"] == "closed");
    let record = server.admin(target);
    assert_eq!(record["closed"], "no such player");
    assert_eq!(record["balance"], "0");
    assert_eq!(server.take(&offer("p1", "o1", "500", "COMPLETED")), "duplicate");
    assert_eq!(server.take(&offer("p1", "o1", "500", "RECONCILED")), "closed");
    assert_eq!(backend.received().len(), 1);
}

#[test]
fn failures_are_repeated_with_the_same_id_and_body() {
    let setup = Setup::new();
    let mut responses = vec![(422, "no reason"), (404, ""), (302, ""), (500, "")];
    let backend = Recorder::start(setup.backend, move |_| {
        let (status, body) = responses.pop().unwrap_or((200, "ok"));
        (status, body.to_owned())
    });
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    wait_until("it is delivered", || {
        // Instead of waiting for the backoff.
        server.retry();
        server.admin("/api/record?key=bitlabs/my-game/conversion/o1")["status"] == "settled"
    });
    let received = backend.received();
    assert_eq!(received.len(), 5);
    assert!(received.iter().all(|webhook| webhook.id == received[0].id && webhook.text == received[0].text));
    assert!(received.iter().all(|webhook| webhook.is_signed));
}

#[test]
fn decisions_of_one_conversion_stay_in_order_and_block_no_other() {
    let setup = Setup::new();
    let backend = Recorder::start(setup.backend, |webhook| {
        let is_stuck = webhook.body["data"]["player"] == "stuck";
        (if is_stuck { 500 } else { 200 }, String::new())
    });
    let server = setup.start();
    server.take(&offer("stuck", "o1", "500", "COMPLETED"));
    server.take(&offer("stuck", "o1", "200", "RECONCILED"));
    for number in 2..50 {
        server.take(&offer("free", &format!("o{number}"), "10", "COMPLETED"));
    }
    let delivered = |player: &str| {
        let received = backend.received();
        received.into_iter().filter(|webhook| webhook.body["data"]["player"] == player).collect::<Vec<_>>()
    };
    wait_until("all others arrive", || delivered("free").len() == 48);
    assert!(delivered("stuck").iter().all(|webhook| webhook.body["type"] == "reward"));
    let record = server.admin("/api/record?key=bitlabs/my-game/conversion/o1");
    assert_eq!(record["status"], "pending");
    assert_eq!(record["last_error"], "failed: backend responded 500");
    // Once the first one is taken, the second follows.
    *backend.respond.lock().expect("the responses") = Box::new(|_| (200, String::new()));
    server.retry();
    wait_until("the reversal arrives", || delivered("stuck").iter().any(|webhook| webhook.body["type"] == "reversal"));
}

#[test]
fn both_secrets_sign_while_one_is_replaced() {
    let mut setup = Setup::new();
    let new = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ=";
    setup.secret = format!("{new},{}", setup.secret);
    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    assert!(backend.wait_for(1)[0].is_signed);
}

#[test]
fn status_decides_even_if_the_body_never_arrives() {
    use std::io::{Read as _, Write as _};
    let mut setup = Setup::new();
    setup.backend_keys = "timeout = \"1s\"".to_owned();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, setup.backend)).expect("a free port");
    let requests = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&requests);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 8192];
            let mut read = 0;
            // The head comes first, and then the body, which ends with a brace.
            while !request[..read].ends_with(b"}") {
                read += stream.read(&mut request[read..]).expect("a request");
            }
            *counted.lock().expect("the count") += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun").expect("a response");
            open.push(stream);
        }
    });
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    let record = || server.admin("/api/record?key=bitlabs/my-game/conversion/o1");
    wait_until("the backend was asked and the attempt ended", || {
        *requests.lock().expect("the count") > 0 && (record()["status"] == "settled" || record()["attempts"] != 0)
    });
    assert_eq!((&record()["status"], &record()["attempts"]), (&json!("settled"), &json!(0)));
    assert_eq!(*requests.lock().expect("the count"), 1);
}
