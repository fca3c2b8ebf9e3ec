//! A backend: a process of its own whose ledger, in SQLite, is idempotent on `webhook-id`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postback_test_servers::{Running, wait_until};
use rusqlite::Connection;
use sha2::Sha256;

use crate::program::BACKEND_SECRET;

/// Names the port and the file of the backend that this process is to be.
const ROLE: &str = "POSTBACK_TEST_BACKEND";

/// One request that a backend was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) conversion: String,
    pub(crate) player: String,
    pub(crate) change: i64,
}

/// A backend process.
pub(crate) struct Backend {
    port: u16,
    file: PathBuf,
    child: Option<Running>,
}

impl Backend {
    pub(crate) fn new(port: u16, directory: &Path) -> Self {
        Self { port, file: directory.join("ledger.db"), child: None }
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&mut self) {
        self.spawn();
        let port = self.port;
        wait_until("the backend listens", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    pub(crate) fn spawn(&mut self) {
        let program = std::env::current_exe().expect("this program");
        let role = format!("{} {}", self.port, self.file.display());
        let mut command = Command::new(program);
        command
            .args(["--exact", "backend::serves_as_a_backend_when_asked", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(Running::start(&mut command));
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// What was booked, in order.
    pub(crate) fn bookings(&self) -> Vec<Booking> {
        let Ok(ledger) = Connection::open(&self.file) else {
            return Vec::new();
        };
        let _ = ledger.busy_timeout(std::time::Duration::from_secs(10));
        let Ok(mut query) = ledger.prepare("SELECT id, kind, conversion, player, change FROM bookings ORDER BY rowid")
        else {
            return Vec::new();
        };
        let rows = query.query_map([], |row| {
            Ok(Booking {
                id: row.get(0)?,
                kind: row.get(1)?,
                conversion: row.get(2)?,
                player: row.get(3)?,
                change: row.get(4)?,
            })
        });
        rows.expect("the ledger").map(|row| row.expect("a booking")).collect()
    }
}

/// Verifies a Standard Webhooks signature with code of its own.
pub(crate) fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = STANDARD.decode(BACKEND_SECRET.trim_start_matches("whsec_")).expect("a key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{}.{}.", text("webhook-id"), text("webhook-timestamp")).as_bytes());
    mac.update(body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    text("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// Not a test by itself: other tests start this program again with `POSTBACK_TEST_BACKEND` set.
#[test]
fn serves_as_a_backend_when_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (port, file) = role.split_once(' ').expect("a port and a file");
    let ledger = Connection::open(file).expect("a ledger");
    ledger
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 10000;
             CREATE TABLE IF NOT EXISTS bookings (id TEXT PRIMARY KEY, kind TEXT, conversion TEXT, player TEXT, change INTEGER)",
        )
        .expect("a table");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().expect("a port"))).expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let routes = Router::new().route("/decisions", post(book)).with_state(Arc::new(Mutex::new(ledger)));
        axum::serve(listener, routes).await.expect("serving");
    });
}

async fn book(State(ledger): State<Arc<Mutex<Connection>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_signed(&headers, &body) {
        return StatusCode::FORBIDDEN;
    }
    let webhook: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let data = |name: &str| webhook["data"][name].as_str().expect("a text").to_owned();
    assert_eq!(headers["webhook-id"].to_str().expect("text"), data("id"));
    let change: i64 = data("balance_change").parse().expect("a whole number");
    let kind = webhook["type"].as_str().expect("a type");
    // The ledger commits before the response: a crash in between makes the server repeat the same id.
    let booked = ledger.lock().expect("the ledger").execute(
        "INSERT INTO bookings VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
        (data("id"), kind, data("conversion"), data("player"), change),
    );
    if booked.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}
