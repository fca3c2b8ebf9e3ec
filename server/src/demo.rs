//! `postback serve --demo`: everything in one process, to try it.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use postback::testing::bitlabs::Signer;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::commands::{print, print_lines};
use crate::config::{Config, LogFormat};
use crate::serve::{self, Ports};

/// The demo network's secret. Everybody knows it, so it protects nothing.
const NETWORK_SECRET: &str = "demo-secret-do-not-use";
const BACKEND_SECRET: &str = "whsec_ZGVtby1zZWNyZXQtZG8tbm90LXVzZS1hbnl3aGVyZQ==";
const URL: &str = "https://demo.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

/// The backend's wallet: balances by player, and the ids that were booked.
#[derive(Default)]
struct Wallet {
    booked: HashSet<String>,
    balances: HashMap<String, Decimal>,
}

/// Runs the demo until it is interrupted. The admin port is the next one after `port`; with 0, both are free ones.
pub(crate) async fn run(port: u16) -> anyhow::Result<bool> {
    serve::start_logging(LogFormat::Text);
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let file = demo_file();
    let admin_port = if port == 0 { 0 } else { port.saturating_add(1) };
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\nstore = \"sqlite:{}\"\n[backend]\nurl = \"http://{}/decisions\"\nsecret = \
         \"{BACKEND_SECRET}\"\n[admin]\nlisten = \"127.0.0.1:{admin_port}\"\n[[endpoint]]\nnetwork = \"bitlabs\"\napp = \"demo\"\n\
         secret = \"{NETWORK_SECRET}\"\nfamily = \"offers\"\nurl = \"{URL}\"\n",
        file.display(),
        backend.local_addr()?
    );
    let config = Config::parse("demo", &text)?;
    let ports = Ports::bind(&config).await?;
    let store = config.store.open().await?;
    print_requests(&ports, &file)?;
    let routes = Router::new().route("/decisions", post(book)).with_state(Arc::new(Mutex::new(Wallet::default())));
    tokio::spawn(async move { axum::serve(backend, routes).await });
    serve::serve(config, ports, store).await?;
    Ok(true)
}

/// A file of its own for each run, so that the printed requests are new.
fn demo_file() -> PathBuf {
    std::env::temp_dir().join(format!("postback-demo-{}.db", std::process::id()))
}

fn print_requests(ports: &Ports, file: &Path) -> anyhow::Result<()> {
    let public = ports.public.local_addr()?;
    print_lines(
        "A demo network, with a backend in this process that prints every decision. Try, in another terminal:\n",
    )?;
    let signer = Signer::new(NETWORK_SECRET, URL);
    let callbacks: [(&str, &[(&str, &str)]); 4] = [
        ("a reward of 500", &[("player", "player-7"), ("tx", "o233"), ("gems", "500"), ("state", "COMPLETED")]),
        (
            "the same again: a duplicate",
            &[("player", "player-7"), ("tx", "o233"), ("gems", "500"), ("state", "COMPLETED")],
        ),
        (
            "200 of it are taken back",
            &[("player", "player-7"), ("tx", "o233"), ("gems", "200"), ("state", "RECONCILED")],
        ),
        ("pending: nothing is paid", &[("player", "player-8"), ("tx", "o234"), ("gems", "300"), ("state", "PENDING")]),
    ];
    for (text, values) in callbacks {
        print_lines(format_args!("  # {text}\n  curl 'http://{public}{}'", signer.sign(values).target()))?;
    }
    let forged = Signer::new("guessed", URL).sign(&[
        ("player", "player-9"),
        ("tx", "o235"),
        ("gems", "9999"),
        ("state", "COMPLETED"),
    ]);
    print_lines(format_args!("  # a forgery: 403\n  curl 'http://{public}{}'", forged.target()))?;
    if let Some(admin) = &ports.admin {
        print_lines(format_args!("\nThe page: http://{}/", admin.local_addr()?))?;
    }
    print_lines(format_args!("The store: {}\n", file.display()))
}

/// What a backend does: book each decision once, by its id.
async fn book(State(wallet): State<Arc<Mutex<Wallet>>>, Json(webhook): Json<Value>) -> StatusCode {
    let text = |name: &str| webhook.pointer(&format!("/data/{name}")).and_then(Value::as_str).unwrap_or_default();
    let Ok(change) = text("balance_change").parse::<Decimal>() else {
        return StatusCode::BAD_REQUEST;
    };
    let balance = {
        let mut wallet = wallet.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = wallet.booked.insert(text("id").to_owned());
        let balance = wallet.balances.entry(text("player").to_owned()).or_default();
        if is_new {
            *balance = balance.saturating_add(change);
        }
        *balance
    };
    let kind = webhook.get("type").and_then(Value::as_str).unwrap_or_default();
    let printed =
        print(format_args!("backend: {kind} {change} for {}, who now has {balance} ({})", text("player"), text("id")));
    if printed.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}
