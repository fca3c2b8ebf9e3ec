//! The game backend of `axum_receiver` with a page of metrics, as Prometheus reads it, at `/metrics`.
//!
//! ```sh
//! cargo run --release --example metrics_receiver --features axum,metrics,sqlite
//! curl http://127.0.0.1:8080/metrics
//! ```
//!
//! The settings are those of `axum_receiver`. In earnest, let nobody but your monitoring reach that page: bind it to
//! another address, or close it in the proxy.

#[path = "game/sqlite_bank.rs"]
mod bank;
mod game;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use postback::receiver::Receive;
use postback::source::Source;
use postback::web::axum::callbacks;
use tokio::net::TcpListener;

use bank::SqliteBank;
use game::{Bank, BoxError, Ending, Game, Routes};

/// In seconds: a handler or a store that needs more than the last has no good day.
const BUCKETS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// How often what was recorded is put into its buckets, also when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything is counted.
    let metrics = match record() {
        Ok(metrics) => metrics,
        Err(error) => {
            eprintln!("error: metrics cannot be recorded: {error}");
            return ExitCode::FAILURE;
        }
    };
    game::run(move |game, listener, ending| serve(game, listener, ending, metrics)).await
}

fn record() -> Result<PrometheusHandle, BoxError> {
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)?
        .install_recorder()?;
    postback::observe::describe();
    Ok(metrics)
}

async fn serve(
    game: Arc<Game<SqliteBank>>,
    listener: TcpListener,
    ending: Ending,
    metrics: PrometheusHandle,
) -> io::Result<()> {
    let kept_up = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept_up.run_upkeep();
        }
    });
    let bank = game.bank.clone();
    let player = async move |Path(id): Path<String>| match bank.statement(id).await {
        Ok(statement) => Ok(Json(statement)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let app = game
        .mount(Router::new())
        .route("/players/{id}", get(player))
        .route("/metrics", get(async move || metrics.render()))
        .route("/health", get(async || "ok"));
    axum::serve(listener, app)
        .with_graceful_shutdown(ending)
        .await
}

impl Routes for Router {
    fn endpoint<E: Source, R: Receive>(self, path: &str, endpoint: E, receiver: R) -> Self {
        self.route(path, callbacks(endpoint, receiver))
    }
}
