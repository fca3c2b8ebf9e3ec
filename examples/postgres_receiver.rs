//! The same small game backend as `axum_receiver`, with records and wallet in one Postgres database, committed
//! together. Several copies on one database behave as one.
//!
//! ```sh
//! DATABASE_URL=postgres://game:password@localhost/game \
//!     cargo run --release --example postgres_receiver --features axum,postgres
//! ```
//!
//! | variable | what | default |
//! |---|---|---|
//! | `DATABASE_URL` | the database; its tables are made at start | none |
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `RUST_LOG` | what to log | `info` |

mod game;
#[path = "game/axum_routes.rs"]
mod routes;
#[path = "game/postgres_wallet.rs"]
mod wallet;

use std::process::ExitCode;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use game::{BoxError, Game};
use postback::receiver::spawn_resume;
use postback::store::postgres::PostgresStore;
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
    let url = std::env::var("DATABASE_URL")
        .map_err(|_| "set DATABASE_URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
    let store = PostgresStore::open(&url).await?;
    wallet::migrate(store.pool()).await?;
    let receiver = store.receiver(wallet::Wallet);
    game::tell_resumed(receiver.resume().await?);
    // What fails later, here or in another copy, is repeated even if the network gives up.
    let resuming = spawn_resume(receiver.clone(), Duration::from_secs(60));

    let app = routes::routes(&game, &receiver)
        .route("/players/{id}", get(player))
        .with_state(store.clone());
    routes::serve(&game, app, "the database of DATABASE_URL").await?;
    resuming.abort();
    store.pool().close().await;
    println!("Ended cleanly.");
    Ok(())
}

async fn player(
    State(store): State<PostgresStore>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    wallet::statement(store.pool(), &id)
        .await
        .map(Json)
        .map_err(|error| {
            tracing::error!(%error, "a player's statement could not be read");
            StatusCode::SERVICE_UNAVAILABLE
        })
}
