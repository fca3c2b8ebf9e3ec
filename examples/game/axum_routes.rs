//! The game's routes with axum, whatever its database.

use axum::Router;
use axum::routing::get;
use postback::receiver::Receive;
use postback::web::axum::callbacks;
use tokio::net::TcpListener;

use crate::game::{self, BoxError, Game};

/// A route for each kind of callback, and one for whoever watches over the process.
pub(crate) fn routes<R, S>(game: &Game, receiver: &R) -> Router<S>
where
    R: Receive + Clone,
    S: Clone + Send + Sync + 'static,
{
    let Game {
        offers,
        surveys,
        receipts,
        cashback,
        rewards,
        bans,
        ..
    } = game;
    Router::new()
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
        .route("/health", get(async || "ok"))
}

/// Serves until the process is asked to end. `place` is where records and wallet are.
pub(crate) async fn serve(game: &Game, app: Router, place: &str) -> Result<(), BoxError> {
    let listener = TcpListener::bind(&game.settings.listen)
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} (POSTBACK_LISTEN): {error}",
                game.settings.listen
            )
        })?;
    game.greet(listener.local_addr()?, place);
    axum::serve(listener, app)
        .with_graceful_shutdown(interrupted())
        .await?;
    Ok(())
}

/// Resolves at Ctrl-C, or when the process is asked to end.
async fn interrupted() {
    game::interrupted().await;
    println!("Ending: no new requests are taken.");
}
