//! Routes and an extractor for axum 0.8.
//!
//! - [`callbacks`] is a complete route: verify, store, let the game act, respond.
//! - [`verified`] only verifies: the handler gets a [`Verified`] callback.
//!
//! Both read the query exactly as it arrived, so they work in nested routers and behind proxies that strip prefixes,
//! terminate TLS or change `Host`. A path with a secret in it must arrive whole.
//!
//! ```
//! use axum::Router;
//! use postback::bitlabs::{App, OfferCallback};
//! use postback::{MemoryStore, Verified};
//!
//! async fn offers(offer: Verified<OfferCallback>) -> &'static str {
//!     println!("{} {:?} {:?}", offer.player, offer.state, offer.amount);
//!     "ok"
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = App::new("my-game", "the App Secret from the dashboard")?;
//! let first = app.offers("https://game.example/a?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]")?;
//! let second = app.offers("https://game.example/b?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]")?;
//! let receiver = MemoryStore::new().receiver(|tx, decision| {
//!     tx.add(decision.player(), decision.balance_change());
//!     Ok(())
//! });
//! let routes: Router = Router::new()
//!     .route(first.path(), postback::axum::callbacks(&first, &receiver))
//!     .route(second.path(), postback::axum::verified(&second, offers));
//! # let _ = routes;
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::body::{self, Body, Bytes, HttpBody as _};
use axum::extract::{self, ConnectInfo, FromRequestParts, OriginalUri};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};

use super::CallbackResponse;
use super::route::{BODY_TIMEOUT, log_missing_callback, respond, verify};
use crate::network::{Endpoint, Verified};
use crate::receiver::{Receive, ReceiveError};
use crate::telemetry;
use crate::verify::{BadRequest, Headers, Request, VerifyError};

/// A route that deals with an endpoint's callbacks: verify, store, let the game act, respond.
///
/// The work goes on if the caller disconnects, so a decision is not left half carried out.
pub fn callbacks<E: Endpoint, R: Receive, S>(endpoint: &E, receiver: &R) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    receiver.start();
    let (endpoint, receiver) = (endpoint.clone(), receiver.clone());
    any(move |request: extract::Request| {
        let (endpoint, receiver) = (endpoint.clone(), receiver.clone());
        async move {
            let (parts, body) = request.into_parts();
            let verified = verify_request(&endpoint, &parts, body).await;
            respond(&endpoint, &receiver, verified).await
        }
    })
}

/// A route that verifies an endpoint's requests and calls `handler` for the genuine ones, which takes a
/// [`Verified`] callback besides any other extractor.
pub fn verified<E: Endpoint, H, T, S>(endpoint: &E, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    let endpoint = endpoint.clone();
    any(handler).layer(middleware::from_fn(move |request: extract::Request, next: Next| {
        let endpoint = endpoint.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            match verify_request(&endpoint, &parts, body).await {
                Ok(callback) => {
                    parts.extensions.insert(callback);
                    next.run(extract::Request::from_parts(parts, Body::empty())).await
                }
                Err(error) => {
                    telemetry::log_not_kept(&error);
                    let responses = endpoint.responses();
                    CallbackResponse::new(Err(&ReceiveError::Rejected(error)), responses, None).into_response()
                }
            }
        }
    }))
}

/// Takes the callback that [`verified`] put into the request.
impl<T, S> FromRequestParts<S> for Verified<T>
where
    T: Clone + Send + Sync + 'static,
    S: Send + Sync,
{
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.remove().ok_or_else(|| (StatusCode::INTERNAL_SERVER_ERROR, log_missing_callback()))
    }
}

impl IntoResponse for CallbackResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = self.headers();
        let mut response = (status, self.body).into_response();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

async fn verify_request<E: Endpoint>(
    endpoint: &E,
    parts: &Parts,
    body: Body,
) -> Result<Verified<E::Callback>, VerifyError> {
    // Nested routers remove what they matched from the path, which may contain a secret.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let headers = HeaderLookup(&parts.headers);
    let mut request = Request::new(parts.method.as_str(), target).with_headers(&headers);
    if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        request = request.with_peer(peer.ip());
    }
    let limit = endpoint.body_limit();
    let rejected = |error: VerifyError| {
        telemetry::record_rejected(endpoint, &error);
        error
    };
    let body = if limit == 0 {
        Bytes::new()
    } else {
        endpoint.check_head(&request).map_err(rejected)?;
        read(body, limit).await.map_err(|error| rejected(error.into()))?
    };
    let request = request.with_body(&body);
    endpoint.prepare(&request).await;
    verify(endpoint, &request)
}

async fn read(body: Body, limit: usize) -> Result<Bytes, BadRequest> {
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(BadRequest::BodyTooLarge { limit });
    }
    match tokio::time::timeout(BODY_TIMEOUT, body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_large(&error) => Err(BadRequest::BodyTooLarge { limit }),
        Ok(Err(_)) | Err(_) => Err(BadRequest::BodyIncomplete),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    error.source().is_some_and(<dyn Error>::is::<http_body_util::LengthLimitError>)
}

struct HeaderLookup<'a>(&'a HeaderMap);

impl Headers for HeaderLookup<'_> {
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8])) {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            self.0.get_all(name).into_iter().for_each(|value| each(value.as_bytes()));
        }
    }
}
