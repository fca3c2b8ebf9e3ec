//! axum 0.8: two extractors and a route.
//!
//! - [`Verified<T>`] verifies and types a callback, no more.
//! - [`Delivery<T, S>`] also takes it through guard and store and hands the handler a delivery to settle.
//! - [`callbacks`] is the whole route in one call: verify, type, remember, let the game act, answer.
//!
//! All of them read the query as it stood in the request line, and of the rest only what the source asks for: they work
//! in nested routers and behind proxies that strip prefixes, end TLS or change `Host`.

mod extractors;
mod route;

pub use super::adapter::{Settled, Verified};
pub use route::{callbacks, callbacks_answering};

use axum::body::{self, Body, Bytes, HttpBody};
use axum::extract;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Reply, adapter};
use crate::source::{OpenError, Source};
use crate::wire::{Headers, Request};

adapter::delivery_and_rejection!(StatusCode);

fn respond(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, reply.body).into_response();
    for (name, value) in reply.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Opens a request at an endpoint, and logs why not.
async fn open<S: Source>(source: &S, request: extract::Request) -> Result<S::Callback, OpenError> {
    let (parts, body) = request.into_parts();
    let body = read(body, source.body_limit()).await;
    // Only what stands behind the `?` is read, which no nesting changes.
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let headers = HeaderLookup(&parts.headers);
    let request = Request::new(parts.method.as_str(), target).with_headers(&headers);
    adapter::open(source, request, body)
}

async fn read(body: Body, limit: usize) -> Result<Bytes, OpenError> {
    if limit == 0 {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(OpenError::BodyTooLarge { limit });
    }
    match body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if is_too_large(&error) => Err(OpenError::BodyTooLarge { limit }),
        Err(_) => Err(OpenError::BodyCutOff),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

struct HeaderLookup<'a>(&'a HeaderMap);

impl Headers for HeaderLookup<'_> {
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8])) {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            self.0
                .get_all(name)
                .into_iter()
                .for_each(|value| each(value.as_bytes()));
        }
    }
}
