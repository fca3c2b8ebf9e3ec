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
//! | `RUST_LOG` | what to log | `info` |

mod game;
#[path = "game/axum_routes.rs"]
mod routes;
#[path = "game/sqlite_wallet.rs"]
mod wallet;

use std::process::ExitCode;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use game::{BoxError, Game};
use postback::decision::Decision;
use postback::store::sqlite::{InTransaction, SqliteStore};
use serde_json::Value;

#[tokio::main]
async fn main() -> ExitCode {
    game::start_logging();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            game::print_error(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), BoxError> {
    let game = Game::from_environment()?;
    let file = std::env::var("POSTBACK_DB").unwrap_or_else(|_| "postback.db".to_owned());
    let store = SqliteStore::open(&file)?;
    store.write(|db| db.execute_batch(wallet::SCHEMA)).await?;
    let receiver = store
        .receiver(|db: &InTransaction<'_>, decision: &Decision| wallet::carry_out(db, decision));
    game::tell_resumed(receiver.resume().await?);

    let app = routes::routes(&game, &receiver)
        .route("/players/{id}", get(player))
        .with_state(store.clone());
    routes::serve(&game, app, &file).await?;
    store.close().await;
    println!("Ended cleanly.");
    Ok(())
}

async fn player(
    State(store): State<SqliteStore>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    store
        .read(move |db| wallet::statement(db, &id))
        .await
        .map(Json)
        .map_err(|error| {
            tracing::error!(%error, "a player's statement could not be read");
            StatusCode::SERVICE_UNAVAILABLE
        })
}
