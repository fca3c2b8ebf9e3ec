//! The game behind axum, whatever its database.

use std::io;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use postback::receiver::Receive;
use postback::source::Source;
use postback::web::axum::callbacks;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::game::{Bank, Ending, Game, Routes};

/// Answers requests until it is told to end.
pub(crate) async fn serve<B: Bank>(
    game: Arc<Game<B>>,
    listener: TcpListener,
    ending: Ending,
) -> io::Result<()> {
    let app = game
        .mount(Router::new())
        .route("/players/{id}", get(player::<B>))
        .route("/health", get(async || "ok"))
        .with_state(game.bank.clone());
    axum::serve(listener, app)
        .with_graceful_shutdown(ending)
        .await
}

impl<S: Clone + Send + Sync + 'static> Routes for Router<S> {
    fn endpoint<E: Source, R: Receive>(self, path: &str, endpoint: E, receiver: R) -> Self {
        self.route(path, callbacks(endpoint, receiver))
    }
}

async fn player<B: Bank>(
    State(bank): State<B>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    bank.statement(id).await.map(Json).map_err(|error| {
        tracing::error!(%error, "a player's statement could not be read");
        StatusCode::SERVICE_UNAVAILABLE
    })
}
