//! The whole way of a callback as one route.

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodRouter, any};

use super::{open, respond};
use crate::receiver::{Receive, ReceiveError};
use crate::source::{Callback, Source};
use crate::steps::Receipt;
use crate::web::{Refusal, Reply};

/// A route that takes an endpoint's callbacks all the way: verify, type, remember, let the game act,
/// settle, answer. Other methods than the network's are answered 405.
///
/// The work goes on when the caller hangs up: a decision is not left half carried out.
pub fn callbacks<E: Source, R: Receive, S>(endpoint: E, receiver: R) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    callbacks_answering(endpoint, receiver, |refusal| Reply::from(refusal))
}

/// The same, with a mapping of your own from what went wrong to the answer.
///
/// Keep to this: anything but 200 makes the network call again, and 200 makes it forget. So a callback that
/// could not be remembered must never be answered 200.
pub fn callbacks_answering<E: Source, R: Receive, S>(
    endpoint: E,
    receiver: R,
    reply: fn(&Refusal) -> Reply,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shared = Arc::new((endpoint, receiver));
    any(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            match answer(shared, request).await {
                Ok(receipt) => respond(Reply::from(&receipt)),
                Err(refusal) => respond(reply(&refusal)),
            }
        }
    })
}

async fn answer<E: Source, R: Receive>(
    shared: Arc<(E, R)>,
    request: Request,
) -> Result<Receipt, Refusal> {
    let event = open(&shared.0, request).await?.event();
    let work = tokio::spawn(async move { shared.1.receive(event).await });
    Ok(joined(work).await?)
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
