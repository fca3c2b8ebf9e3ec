//! The whole way of a callback as one route.

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodRouter, any};

use super::{open, respond};
use crate::receiver::Receive;
use crate::source::Source;
use crate::web::adapter::Route;
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
    let route = Route::new(endpoint, receiver, reply);
    any(move |request: Request| {
        let route = Arc::clone(&route);
        async move {
            let opened = open(route.endpoint(), request).await;
            respond(&route.answer(opened).await)
        }
    })
}
