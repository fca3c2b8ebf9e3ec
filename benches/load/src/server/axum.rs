//! axum, set up as its own documentation does.

use std::error::Error;
use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use postback::receiver::Receiver;
use postback::store::MemoryStore;
use postback::web::axum::callbacks;
use tokio::net::TcpListener;

use super::game::{self, PAID, PATH, Paid};

/// Answers without looking.
pub fn hello() -> Router {
    Router::new().route(PATH, get(|| async { "OK" }))
}

/// The receiver, with records in memory.
pub fn memory() -> Result<Router, Box<dyn Error>> {
    let paid = Paid::default();
    let receiver = Receiver::new(MemoryStore::new()).with_handler(paid.handler());
    Ok(Router::new()
        .route(PATH, callbacks(game::endpoint()?, receiver))
        .route(PAID, get(async move || paid.count().to_string())))
}

/// Serves with the runtime that `#[tokio::main]` makes.
#[tokio::main]
pub async fn run(port: u16, router: Router) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}

/// The receiver, with records and wallet in one SQLite file.
#[tokio::main]
pub async fn run_with_sqlite(port: u16, database: &Path) -> Result<(), Box<dyn Error>> {
    let (store, receiver) = game::sqlite(database).await?;
    let paid = async move || match game::paid_in_sqlite(&store).await {
        Ok(count) => (StatusCode::OK, count.to_string()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let router = Router::new()
        .route(PATH, callbacks(game::endpoint()?, receiver))
        .route(PAID, get(paid));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}
