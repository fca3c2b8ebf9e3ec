//! The same small game backend as `axum_receiver`, with records and wallet in one Postgres database, committed
//! together. Several copies on one database behave as one.
//!
//! ```sh
//! DATABASE_URL=postgres://game:password@localhost/game \
//!     cargo run --release --example postgres_receiver --features axum,postgres,phonexa
//! ```
//!
//! | variable | what | default |
//! |---|---|---|
//! | `DATABASE_URL` | the database; its tables are made at start | none |
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

#[path = "game/postgres.rs"]
mod database;
mod game;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use game::{Ending, Game, Routes};
use postback::receiver::Receive;
use postback::source::Source;
use postback::store::postgres::PostgresStore;
use postback::web::axum::callbacks;
use serde_json::Value;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(serve).await
}

async fn serve(
    game: Arc<Game<PostgresStore>>,
    listener: TcpListener,
    ending: Ending,
) -> io::Result<()> {
    let app = game
        .mount(Router::new())
        .route("/players/{id}", get(player))
        .route("/health", get(async || "ok"))
        .with_state(game.database.clone());
    axum::serve(listener, app)
        .with_graceful_shutdown(ending)
        .await
}

impl<R: Receive + Clone> Routes<R> for Router<PostgresStore> {
    fn endpoint<E: Source>(self, path: &str, endpoint: E, receiver: R) -> Self {
        self.route(path, callbacks(endpoint, receiver))
    }
}

async fn player(
    State(store): State<PostgresStore>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    game::statement(&store, id)
        .await
        .map(Json)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
