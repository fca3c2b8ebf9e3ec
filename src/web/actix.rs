//! actix-web 4: two extractors and a route.
//!
//! - [`Verified<T>`] verifies and types a callback, no more.
//! - [`Delivery<T, S>`] also takes it through guard and store and hands the handler a delivery to settle.
//! - [`callbacks`] is the whole route in one call: verify, type, remember, let the game act, answer.
//!
//! All of them read the query as it stood in the request line, and of the rest only what the source asks
//! for: they work in scopes and behind proxies that strip prefixes, end TLS or change `Host`.
//!
//! The extractors take the endpoint and the receiver from the app data, wrapped in
//! [`web::Data`](actix_web::web::Data) or bare. What is missing there is answered 500 and logged.
//!
//! ```
//! use actix_web::{App, web};
//! use postback::source::trailing_hash::{Endpoint, Postback};
//! use postback::clock::SystemClock;
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::receiver::Receiver;
//! use postback::store::MemoryStore;
//! use postback::web::actix::{Delivery, Rejection, Settled, Verified, callbacks};
//!
//! async fn peek(Verified(postback): Verified<Postback>) -> String {
//!     format!("{:?}", postback.meaning())
//! }
//!
//! async fn offers(delivery: Delivery<Postback, MemoryStore>) -> Result<Settled, Rejection> {
//!     delivery.settle_with(&pay).await
//! }
//!
//! fn pay(decision: &Decision) -> std::future::Ready<Result<(), HandlerError>> {
//!     println!("{}: {}", decision.player(), decision.balance_change());
//!     std::future::ready(Ok(()))
//! }
//!
//! # fn example(endpoint: Endpoint) {
//! let receiver = Receiver::new(MemoryStore::new()); // for tests; keep real records in SQLite
//! let app = App::new()
//!     .app_data(web::Data::new(endpoint.clone()))
//!     .app_data(web::Data::new(receiver.clone()))
//!     .route("/peek", web::to(peek))
//!     .route("/extracted", web::to(offers))
//!     .route("/in-one-call", callbacks(endpoint, receiver.with_handler(pay)));
//! # let _ = app;
//! # }
//! ```
//!
//! # What actix-web answers by itself
//!
//! Some requests never reach a handler, and so neither an endpoint's limits nor its log:
//!
//! - A byte in the URL that is neither ASCII nor percent-encoded: 400. (axum lets UTF-8 through: such a
//!   callback is verified, and paid, there.) Networks that percent-encode what they fill in send none.
//! - A URL of more than 65 534 bytes: 400; a head of more than 128 KiB or more than 96 header fields: 431.
//! - HTTP/1.1 without a `Host`, or with two; `Content-Length` beside `Transfer-Encoding`: 400.
//!
//! Paths are matched decoded: `/%6Fffers` is `/offers`, too. What was signed is the query and the
//! configured prefix, so nothing depends on it.

mod extractors;
mod route;

pub use super::adapter::{Settled, Verified};
pub use route::{callbacks, callbacks_answering};

use actix_web::body::{self, BodyStream};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::{Reply, adapter};
use crate::source::{OpenError, Source};
use crate::wire::{Headers, Request};

adapter::delivery_and_rejection!(StatusCode);

/// Written out once, not for each answer.
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn respond(reply: &Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, PLAIN_TEXT));
    for field in reply.headers() {
        response.insert_header((field.0, &*field.1));
    }
    response.body(reply.body)
}

/// Opens a request at an endpoint, and logs why not.
async fn open<S: Source>(
    source: &S,
    request: &HttpRequest,
    payload: Payload,
) -> Result<S::Callback, OpenError> {
    let body = read(request.headers(), payload, source.body_limit()).await;
    // Neither `full_url` nor `connection_info`: they believe what the caller says about host and scheme.
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let headers = HeaderLookup(request.headers());
    let request = Request::new(request.method().as_str(), target).with_headers(&headers);
    adapter::open(source, request, body)
}

async fn read(headers: &HeaderMap, payload: Payload, limit: usize) -> Result<Bytes, OpenError> {
    if limit == 0 {
        return Ok(Bytes::new());
    }
    let is_announced_too_large =
        announced(headers).is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX));
    if is_announced_too_large {
        return Err(OpenError::BodyTooLarge { limit });
    }
    match body::to_bytes_limited(BodyStream::new(payload), limit).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(OpenError::BodyCutOff),
        Err(_) => Err(OpenError::BodyTooLarge { limit }),
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

struct HeaderLookup<'a>(&'a HeaderMap);

impl Headers for HeaderLookup<'_> {
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8])) {
        self.0
            .get_all(name)
            .for_each(|value| each(value.as_bytes()));
    }
}
