//! The same small game as `axum_receiver`, with records and wallet in Redis. Any number of copies may share one
//! server.
//!
//! ```sh
//! redis-server --appendonly yes --appendfsync always --save "" &
//! cargo run --release --example redis_receiver --features axum,redis
//! ```
//!
//! Each decision is written down before the wallet carries it out, and the wallet is idempotent on its id
//! (`game/redis_wallet.rs`): a crash in between repeats it, and it is paid once.
//!
//! | variable | what | default |
//! |---|---|---|
//! | `REDIS_URL` | the server | `redis://127.0.0.1:6379/0` |
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `POSTBACK_LEASE_MS` | how long a decision is reserved for the copy that is at work on it | 30000 |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

#[path = "game/greeting.rs"]
mod greeting;
#[path = "game/phonexa.rs"]
mod phonexa;
#[path = "game/settings.rs"]
mod settings;
#[path = "game/redis_wallet.rs"]
mod wallet;

use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use postback::bitlabs::App;
use postback::clock::SystemClock;
use postback::receiver::{Receiver, spawn_resume};
use postback::steps::Timing;
use postback::store::redis::RedisStore;
use postback::store::redis::redis::Client;
use postback::web::axum::callbacks;
use postback::wire::KeyRing;
use serde_json::Value;
use settings::Settings;
use tokio::net::TcpListener;
use wallet::Wallet;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with the setting that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{setting} cannot be used")]
struct SettingError {
    setting: &'static str,
    source: BoxError,
}

fn about(setting: &'static str, source: impl Into<BoxError>) -> SettingError {
    SettingError {
        setting,
        source: source.into(),
    }
}

/// How often what a crash of another copy left open is looked for.
const RESUME_EVERY: Duration = Duration::from_secs(10);

/// What the greeting tells about.
struct Game {
    settings: Settings,
    phonexa: Option<postback::phonexa::Endpoint>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), BoxError> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".to_owned());
    let server = Client::open(&*url)?;
    let settings = Settings {
        // Host and port alone: the greeting is no place for a password.
        database: format!("Redis at {}", server.get_connection_info().addr()),
        ..Settings::from_environment()?
    };
    let timing = Timing {
        lease: lease()?,
        ..Timing::default()
    };

    let store = RedisStore::connect(&*url).await?;
    let wallet = Wallet::connect(server).await?;
    let receiver = Receiver::with_clock(store, SystemClock, timing).with_handler(wallet.clone());
    let resumed = receiver.resume().await?;
    if resumed.settled + resumed.failed > 0 {
        println!(
            "Left open by the last run: {} settled, {} failed again.",
            resumed.settled, resumed.failed
        );
    }
    let resuming = spawn_resume(receiver.clone(), RESUME_EVERY.min(timing.lease));

    let app = App::new("game", KeyRing::from_list(settings.secrets.as_str())?)?;
    let urls = &settings.urls;
    let offers = app
        .offers(&urls.offers)
        .build()
        .map_err(|error| about("BITLABS_OFFERS_URL", error))?;
    let surveys = app
        .surveys(&urls.surveys)
        .build()
        .map_err(|error| about("BITLABS_SURVEYS_URL", error))?;
    let receipts = app
        .receipts(&urls.receipts)
        .build()
        .map_err(|error| about("BITLABS_RECEIPTS_URL", error))?;
    let cashback = app
        .cashback(&urls.cashback)
        .build()
        .map_err(|error| about("BITLABS_CASHBACK_URL", error))?;
    let rewards = app
        .rewards(&urls.rewards)
        .build()
        .map_err(|error| about("BITLABS_REWARDS_URL", error))?;
    let bans = app
        .bans(&urls.bans)
        .build()
        .map_err(|error| about("BITLABS_BANS_URL", error))?;
    let routes = Router::new()
        .route("/callbacks/offers", callbacks(offers, receiver.clone()))
        .route("/callbacks/surveys", callbacks(surveys, receiver.clone()))
        .route("/callbacks/receipts", callbacks(receipts, receiver.clone()))
        .route("/callbacks/cashback", callbacks(cashback, receiver.clone()))
        .route("/callbacks/rewards", callbacks(rewards, receiver.clone()))
        .route("/callbacks/bans", callbacks(bans, receiver.clone()))
        .route("/players/{id}", get(player))
        .route("/health", get(async || "ok"))
        .with_state(wallet);

    let phonexa = phonexa::endpoint(&settings.phonexa)?;
    let routes = match &phonexa {
        Some(endpoint) => routes.route("/callbacks/phonexa", callbacks(endpoint.clone(), receiver)),
        None => routes,
    };

    let listener = TcpListener::bind(&settings.listen).await.map_err(|error| {
        format!(
            "cannot listen on {} (POSTBACK_LISTEN): {error}",
            settings.listen
        )
    })?;
    let address = listener.local_addr()?;
    greeting::print(&Game { settings, phonexa }, address);
    axum::serve(listener, routes)
        .with_graceful_shutdown(interrupted())
        .await?;
    resuming.abort();
    println!("Ended cleanly.");
    Ok(())
}

fn lease() -> Result<Duration, BoxError> {
    match std::env::var("POSTBACK_LEASE_MS") {
        Ok(millis) => Ok(Duration::from_millis(millis.parse().map_err(|error| {
            format!("POSTBACK_LEASE_MS is no number of milliseconds: {error}")
        })?)),
        Err(_) => Ok(Timing::default().lease),
    }
}

async fn player(
    State(wallet): State<Wallet>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    let statement = wallet.statement(&id).await.inspect_err(|error| {
        tracing::error!(%error, "a player's statement could not be read");
    });
    statement
        .map(Json)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Resolves at Ctrl-C, or when the process is asked to end.
async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return ctrl_c.await;
        };
        tokio::select! {
            () = ctrl_c => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    ctrl_c.await;
}
