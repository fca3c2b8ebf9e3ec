//! The whole way of a callback as one route.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};

use super::{Rejection, open, respond};
use crate::receiver::{Receive, ReceiveError};
use crate::source::{Callback, Source};
use crate::steps::Receipt;
use crate::web::Reply;

/// A route that takes an endpoint's callbacks all the way: verify, type, remember, let the game act,
/// settle, answer. Other methods than the network's are answered 405.
///
/// The work goes on when the caller hangs up: a decision is not left half carried out.
pub fn callbacks<E: Source, R: Receive, S>(endpoint: E, receiver: R) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shared = Arc::new((endpoint, receiver));
    any(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move { answer(shared, request).await }
    })
}

async fn answer<E: Source, R: Receive>(shared: Arc<(E, R)>, request: Request) -> Response {
    let event = match open(&shared.0, request).await {
        Ok(callback) => callback.event(),
        Err(error) => return Rejection::from(error).into_response(),
    };
    let work = tokio::spawn(async move { shared.1.receive(event).await });
    match joined(work).await {
        Ok(receipt) => respond(Reply::from(&receipt)),
        Err(error) => Rejection::from(error).into_response(),
    }
}

async fn joined(
    work: tokio::task::JoinHandle<Result<Receipt, ReceiveError>>,
) -> Result<Receipt, ReceiveError> {
    match work.await {
        Ok(result) => result,
        // Only when the runtime shuts down or a store panics: the sender comes again.
        Err(_) => Err(ReceiveError::Store(crate::store::StoreError::Closed)),
    }
}
