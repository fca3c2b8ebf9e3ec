//! Routes and an extractor for actix-web 4.
//!
//! - [`callbacks`] is a complete route: verify, store, let the game act, respond.
//! - [`verified`] only verifies: the handler gets a [`Verified`] callback.
//!
//! Both read the query exactly as it arrived, so they work in scopes and behind proxies that strip prefixes, terminate
//! TLS or change `Host`. A path with a secret in it must arrive whole.
//!
//! ```
//! use actix_web::App;
//! use postback::bitlabs::{self, OfferCallback};
//! use postback::{MemoryStore, Verified};
//!
//! async fn offers(offer: Verified<OfferCallback>) -> &'static str {
//!     println!("{} {:?} {:?}", offer.player, offer.state, offer.amount);
//!     "ok"
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = bitlabs::App::new("my-game", "the App Secret from the dashboard")?;
//! let first = app.offers("https://game.example/a?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]")?;
//! let second = app.offers("https://game.example/b?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]")?;
//! let receiver = MemoryStore::new().receiver(|tx, decision| {
//!     tx.add(decision.player(), decision.balance_change());
//!     Ok(())
//! });
//! let app = App::new()
//!     .route(first.path(), postback::actix::callbacks(&first, &receiver))
//!     .route(second.path(), postback::actix::verified(&second, offers));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # What actix-web rejects by itself
//!
//! Some requests never reach a handler, and so neither an endpoint's limits nor its log: a byte in the URL that is neither
//! ASCII nor percent-encoded (400), a URL of more than 65,534 bytes (400), a head of more than 128 KiB (431).

use std::future::{Ready, ready};

use actix_web::body::{self, BodyStream, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, HttpResponse, Responder, Route};

use super::CallbackResponse;
use super::route::{BODY_TIMEOUT, log_missing_callback, respond, verify};
use crate::network::{Endpoint, Verified};
use crate::receiver::{Receive, ReceiveError};
use crate::telemetry;
use crate::verify::{BadRequest, Headers, Request, VerifyError};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A route that deals with an endpoint's callbacks: verify, store, let the game act, respond.
///
/// The work goes on if the caller disconnects, so a decision is not left half carried out.
pub fn callbacks<E: Endpoint, R: Receive>(endpoint: &E, receiver: &R) -> Route {
    receiver.start();
    let (endpoint, receiver) = (endpoint.clone(), receiver.clone());
    web::to(move |request: HttpRequest, payload: web::Payload| {
        let (endpoint, receiver) = (endpoint.clone(), receiver.clone());
        async move {
            let verified = verify_request(&endpoint, &request, payload.into_inner()).await;
            http_response(&respond(&endpoint, &receiver, verified).await)
        }
    })
}

/// A route that verifies an endpoint's requests and calls `handler` for the genuine ones, which takes a
/// [`Verified`] callback besides any other extractor.
pub fn verified<E, H, Args>(endpoint: &E, handler: H) -> Route
where
    E: Endpoint,
    H: Handler<Args>,
    Args: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let endpoint = endpoint.clone();
    web::to(handler)
        .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| verify_first(endpoint.clone(), request, next)))
}

async fn verify_first<E: Endpoint, B: MessageBody + 'static>(
    endpoint: E,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let payload = request.take_payload();
    match verify_request(&endpoint, request.request(), payload).await {
        Ok(callback) => {
            request.extensions_mut().insert(callback);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => {
            telemetry::log_not_kept(&error);
            let responses = endpoint.responses();
            let response = CallbackResponse::new(Err(&ReceiveError::Rejected(error)), responses, None);
            Ok(request.into_response(http_response(&response)).map_into_right_body())
        }
    }
}

/// Takes the callback that [`verified`] put into the request.
impl<T: 'static> FromRequest for Verified<T> {
    type Error = InternalError<&'static str>;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let callback = request.extensions_mut().remove();
        ready(callback.ok_or_else(|| InternalError::new(log_missing_callback(), StatusCode::INTERNAL_SERVER_ERROR)))
    }
}

fn http_response(response: &CallbackResponse) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut built = HttpResponse::build(status);
    built.insert_header((header::CONTENT_TYPE, PLAIN_TEXT));
    for (name, value) in response.headers() {
        built.insert_header((name, &*value));
    }
    built.body(response.body.clone())
}

async fn verify_request<E: Endpoint>(
    endpoint: &E,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Verified<E::Callback>, VerifyError> {
    // Neither `full_url` nor `connection_info`: they believe what the caller says about host and scheme.
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let headers = HeaderLookup(request.headers());
    let mut read_request = Request::new(request.method().as_str(), target).with_headers(&headers);
    if let Some(peer) = request.peer_addr() {
        read_request = read_request.with_peer(peer.ip());
    }
    let limit = endpoint.body_limit();
    let rejected = |error: VerifyError| {
        telemetry::record_rejected(endpoint, &error);
        error
    };
    let body = if limit == 0 {
        Bytes::new()
    } else {
        endpoint.check_head(&read_request).map_err(rejected)?;
        read(request.headers(), payload, limit).await.map_err(|error| rejected(error.into()))?
    };
    let read_request = read_request.with_body(&body);
    endpoint.prepare(&read_request).await;
    verify(endpoint, &read_request)
}

async fn read(headers: &HeaderMap, payload: Payload, limit: usize) -> Result<Bytes, BadRequest> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(BadRequest::BodyTooLarge { limit });
    }
    let reading = body::to_bytes_limited(BodyStream::new(payload), limit);
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Err(_)) => Err(BadRequest::BodyTooLarge { limit }),
        Ok(Ok(Err(_))) | Err(_) => Err(BadRequest::BodyIncomplete),
    }
}

struct HeaderLookup<'a>(&'a HeaderMap);

impl Headers for HeaderLookup<'_> {
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8])) {
        self.0.get_all(name).for_each(|value| each(value.as_bytes()));
    }
}
