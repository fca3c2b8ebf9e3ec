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

use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use game::{BoxError, Game};
use postback::store::sqlite::SqliteStore;
use postback::web::axum::callbacks;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long requests under way may take to end after Ctrl-C. Longer than the store waits for a locked
/// file; a client that never finishes its request would otherwise keep the program from ending.
const GRACE: Duration = Duration::from_secs(6);

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
    let game = Game::open().await?;
    let Game {
        offers,
        surveys,
        receipts,
        cashback,
        rewards,
        bans,
        receiver,
        ..
    } = &game;
    let app = Router::new()
        .route(
            "/callbacks/offers",
            callbacks(offers.clone(), receiver.clone()),
        )
        .route(
            "/callbacks/surveys",
            callbacks(surveys.clone(), receiver.clone()),
        )
        .route(
            "/callbacks/receipts",
            callbacks(receipts.clone(), receiver.clone()),
        )
        .route(
            "/callbacks/cashback",
            callbacks(cashback.clone(), receiver.clone()),
        )
        .route(
            "/callbacks/rewards",
            callbacks(rewards.clone(), receiver.clone()),
        )
        .route("/callbacks/bans", callbacks(bans.clone(), receiver.clone()))
        .route("/players/{id}", get(player))
        .route("/health", get(async || "ok"))
        .with_state(game.store.clone());

    let listener = TcpListener::bind(&game.settings.listen)
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} (POSTBACK_LISTEN): {error}",
                game.settings.listen
            )
        })?;
    game.greet(listener.local_addr()?);
    let (ending, begun) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        interrupted().await;
        // Nobody listens any more when the server has failed by itself.
        let _ = ending.send(());
    });
    let patience = async {
        if begun.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        }
    };
    tokio::select! {
        served = server.into_future() => served?,
        () = patience => println!("Some client keeps its connection open: it is closed now."),
    }
    game.store.close().await;
    println!("Ended cleanly.");
    Ok(())
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

/// Resolves at Ctrl-C, or when the process is asked to end.
async fn interrupted() {
    game::interrupted().await;
    println!("Ending: no new requests are taken.");
}
