//! The whole way of a callback as one route.

use std::sync::Arc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, Route, web};

use super::{open, respond};
use crate::receiver::Receive;
use crate::source::Source;
use crate::web::{Refusal, Reply, adapter};

/// A route that takes an endpoint's callbacks all the way: verify, type, remember, let the game act,
/// settle, answer. Other methods than the network's are answered 405.
///
/// It goes where any route goes, `App::route`, `Scope::route` or `Resource::route`. The work goes on when the caller hangs up:
/// a decision is not left half carried out.
///
/// ```
/// use actix_web::web;
/// use postback::receiver::Receive;
/// use postback::source::Source;
/// use postback::web::actix::callbacks;
///
/// fn mount(app: &mut web::ServiceConfig, offers: impl Source, receiver: impl Receive) {
///     app.service(web::scope("/callbacks").route("/offers", callbacks(offers, receiver)));
/// }
/// ```
pub fn callbacks<E: Source, R: Receive>(endpoint: E, receiver: R) -> Route {
    callbacks_answering(endpoint, receiver, |refusal| Reply::from(refusal))
}

/// The same, with a mapping of your own from what went wrong to the answer.
///
/// Keep to this: anything but 200 makes the network call again, and 200 makes it forget. So a callback that
/// could not be remembered must never be answered 200.
pub fn callbacks_answering<E: Source, R: Receive>(
    endpoint: E,
    receiver: R,
    reply: fn(&Refusal) -> Reply,
) -> Route {
    let route = adapter::Route::new(endpoint, receiver, reply);
    web::to(move |request: HttpRequest, payload: Payload| {
        let route = Arc::clone(&route);
        async move {
            let opened = open(route.endpoint(), &request, payload.into_inner()).await;
            respond(&route.answer(opened).await)
        }
    })
}
