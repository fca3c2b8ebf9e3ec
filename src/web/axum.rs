//! axum 0.8: two extractors and a route.
//!
//! - [`Verified<T>`] verifies and types a callback, no more.
//! - [`Delivery<T, S>`] also takes it through guard and store and hands the handler a delivery to settle.
//! - [`callbacks`] is the whole route in one call: verify, type, remember, let the game act, answer.
//!
//! All of them read the query as it stood in the request line, and of the rest only what the source asks for: they work
//! in nested routers and behind proxies that strip prefixes, end TLS or change `Host`.

mod delivery;
mod route;
mod verified;

pub use delivery::{Delivery, Settled};
pub use route::{callbacks, callbacks_answering};
pub use verified::Verified;

use axum::body::{self, Body, Bytes, HttpBody};
use axum::extract;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

use super::{Refusal, Reply};
use crate::source::{OpenError, Source};
use crate::wire::{Headers, Request};

/// Why a request was answered with something other than 200.
///
/// To answer otherwise, let the handler take `Result<Verified<T>, Rejection>` (or of [`Delivery`]) and
/// look at [`Rejection::refusal`].
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Rejection(#[from] Refusal);

impl Rejection {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(Reply::from(&self.0).status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body of the response: a fixed word.
    pub fn body_text(&self) -> &'static str {
        Reply::from(&self.0).body
    }

    /// The reason.
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<OpenError> for Rejection {
    fn from(error: OpenError) -> Self {
        Self(error.into())
    }
}

impl From<crate::receiver::ReceiveError> for Rejection {
    fn from(error: crate::receiver::ReceiveError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        respond(Reply::from(&self.0))
    }
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, reply.body).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = reply.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(challenge) = reply.authenticate {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    response
}

/// Opens a request at an endpoint, and logs why not.
async fn open<S: Source>(source: &S, request: extract::Request) -> Result<S::Callback, OpenError> {
    let (parts, body) = request.into_parts();
    let opened = match read(body, source.body_limit()).await {
        Ok(body) => open_read(source, &parts, &body),
        Err(error) => Err(error),
    };
    opened.inspect_err(|error| {
        tracing::warn!(%error, fault = ?error.fault(), "request refused");
    })
}

fn open_read<S: Source>(source: &S, parts: &Parts, body: &[u8]) -> Result<S::Callback, OpenError> {
    // Only what stands behind the `?` is read, which no nesting changes.
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let headers = HeaderLookup(&parts.headers);
    source.open(
        &Request::new(parts.method.as_str(), target)
            .with_headers(&headers)
            .with_body(body),
    )
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
