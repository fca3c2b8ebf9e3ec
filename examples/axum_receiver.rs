//! A small game backend that takes BitLabs callbacks with axum and keeps records and wallet in one SQLite
//! file, committed together.
//!
//! ```sh
//! cargo run --release --example axum_receiver --features axum,sqlite
//! ```
//!
//! | variable | what | default |
//! |---|---|---|
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `POSTBACK_DB` | the SQLite file | `postback.db` |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

mod game;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use game::{Ending, Game, Routes};
use postback::source::Source;
use postback::store::sqlite::{SqliteReceiver, SqliteStore};
use postback::web::axum::callbacks;
use serde_json::Value;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(serve).await
}

async fn serve(game: Arc<Game>, listener: TcpListener, ending: Ending) -> io::Result<()> {
    let app = game
        .mount(Router::new())
        .route("/players/{id}", get(player))
        .route("/health", get(async || "ok"))
        .with_state(game.store.clone());
    axum::serve(listener, app)
        .with_graceful_shutdown(ending)
        .await
}

impl Routes for Router<SqliteStore> {
    fn endpoint<E: Source>(self, path: &str, endpoint: E, receiver: SqliteReceiver) -> Self {
        self.route(path, callbacks(endpoint, receiver))
    }
}

async fn player(
    State(store): State<SqliteStore>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    game::statement(&store, id)
        .await
        .map(Json)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
