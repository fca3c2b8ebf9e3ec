//! HTTP: statuses and bodies, and routes for axum and actix-web.
//!
//! | status | when |
//! |---|---|
//! | 200 | settled, accepted, duplicate, nothing to pay, declined by the handler, test |
//! | 400 | genuine but unusable (kept), or not a callback |
//! | 401, 403 | wrong or missing credentials; wrong or missing signature |
//! | 405, 413, 414, 415 | wrong method, body too large, URL too long, wrong content type |
//! | 500 | the handler failed |
//! | 503 | the store is down, or another process works on the same conversion; with `Retry-After` |
//!
//! Bodies are short fixed words, unless the network expects others: never what was sent, never a secret.

#[cfg(feature = "actix-web")]
pub mod actix;
#[cfg(feature = "axum")]
pub mod axum;

use std::borrow::Cow;
use std::time::Duration;

use crate::network::Responses;
use crate::protocol::Receipt;
use crate::receiver::ReceiveError;
use crate::verify::{BadRequest, NotGenuine, VerifyError};

/// How long a network is asked to wait when the store is down.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What to respond, in terms of no framework.
///
/// ```
/// use postback::web::CallbackResponse;
/// use postback::{Receipt, Responses};
///
/// let response = CallbackResponse::new(Ok(&Receipt::Duplicate), Responses::default(), None);
/// assert_eq!((response.status, &*response.body), (200, "duplicate"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body, as `text/plain`.
    pub body: Cow<'static, str>,
    /// The value of `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The value of `Allow`.
    pub allow: Option<&'static str>,
    /// The value of `WWW-Authenticate`.
    pub authenticate: Option<&'static str>,
}

impl CallbackResponse {
    /// The response to a request, in the form that the network expects. `transaction` is the callback's, for networks
    /// that want to read it.
    pub fn new(result: Result<&Receipt, &ReceiveError>, responses: Responses<'_>, transaction: Option<&str>) -> Self {
        match result {
            Ok(receipt) => {
                let expected = match receipt {
                    Receipt::Duplicate => responses.duplicate.or(responses.settled),
                    _ => responses.settled,
                };
                Self::of(200, expected_body(expected, receipt.as_str(), transaction))
            }
            Err(ReceiveError::Rejected(VerifyError::BadRequest(BadRequest::Empty))) if responses.accept_probe => {
                Self::of(200, "ok".into())
            }
            Err(error) => {
                let response = Self::of_error(error, responses);
                let body = expected_body(responses.rejected, &response.body, transaction);
                Self { body, ..response }
            }
        }
    }

    fn of(status: u16, body: Cow<'static, str>) -> Self {
        Self { status, body, retry_after: None, allow: None, authenticate: None }
    }

    fn of_error(error: &ReceiveError, responses: Responses<'_>) -> Self {
        let simple = |status, body: &'static str| Self::of(status, body.into());
        match error {
            ReceiveError::Rejected(VerifyError::BadRequest(error)) => match error {
                BadRequest::Method { allowed } => Self { allow: Some(allowed), ..simple(405, "method not allowed") },
                BadRequest::UrlTooLong { .. } => simple(414, "url too long"),
                BadRequest::BodyTooLarge { .. } => simple(413, "body too large"),
                BadRequest::BodyIncomplete => simple(408, "incomplete body"),
                BadRequest::ContentType { .. } => simple(415, "unsupported content type"),
                BadRequest::Fragment => simple(400, "bad request"),
                BadRequest::Empty => simple(403, "forbidden"),
            },
            ReceiveError::Rejected(VerifyError::NotGenuine(error)) => match (error, responses.not_genuine_status) {
                (_, Some(status)) => simple(status, "forbidden"),
                (NotGenuine::Credentials { challenge }, None) => {
                    Self { authenticate: *challenge, ..simple(401, "unauthorized") }
                }
                (_, None) => simple(403, "forbidden"),
            },
            ReceiveError::Rejected(VerifyError::Unusable(_)) => simple(400, "unusable callback"),
            ReceiveError::Rejected(VerifyError::KeysUnavailable) => {
                Self { retry_after: Some(whole_seconds(STORE_RETRY_AFTER)), ..simple(503, "keys unavailable") }
            }
            ReceiveError::Handler { .. } => simple(500, "handler failed"),
            ReceiveError::Busy { retry_after } => {
                Self { retry_after: Some(whole_seconds(*retry_after)), ..simple(503, "busy") }
            }
            ReceiveError::Store(_) => {
                Self { retry_after: Some(whole_seconds(STORE_RETRY_AFTER)), ..simple(503, "store unavailable") }
            }
        }
    }

    /// The header fields that depend on the response.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> + use<> {
        let retry_after = self.retry_after.map(|seconds| seconds.to_string().into());
        let fields = [
            ("retry-after", retry_after),
            ("allow", self.allow.map(Cow::Borrowed)),
            ("www-authenticate", self.authenticate.map(Cow::Borrowed)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn expected_body(expected: Option<&str>, otherwise: &str, transaction: Option<&str>) -> Cow<'static, str> {
    match expected {
        None => otherwise.to_owned().into(),
        Some(template) => template.replace("{transaction}", transaction.unwrap_or_default()).into(),
    }
}

/// Rounded up, so that nobody retries at once.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

/// What the routes of both frameworks share.
#[cfg(any(feature = "actix-web", feature = "axum"))]
mod route {
    use std::time::Duration;

    use tracing::Instrument as _;

    use super::CallbackResponse;
    use crate::event::EventKind;
    use crate::id::TransactionId;
    use crate::network::{Callback as _, Endpoint, Verified};
    use crate::receiver::{Receive, receive_or_keep};
    use crate::telemetry;
    use crate::verify::{Request, VerifyError};

    /// Logs that an extractor has no callback. Returns the body of the response.
    pub(super) fn log_missing_callback() -> &'static str {
        let error = "no verified callback in this request: build the route with `verified(&endpoint, handler)`";
        tracing::error!(target: "postback::request", %error);
        "not configured"
    }

    /// How long a server waits for a request's body.
    pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

    /// Verifies a request whose body was read, and records why it is rejected.
    pub(super) fn verify<E: Endpoint>(
        endpoint: &E,
        request: &Request<'_>,
    ) -> Result<Verified<E::Callback>, VerifyError> {
        endpoint.verify(request).inspect_err(|error| telemetry::record_rejected(endpoint, error))
    }

    /// Receives a verified callback, or keeps an unusable one, and says what to respond. Both in a task of their own, so
    /// that the work goes on if the caller disconnects.
    pub(super) async fn respond<E: Endpoint, R: Receive>(
        endpoint: &E,
        receiver: &R,
        verified: Result<Verified<E::Callback>, VerifyError>,
    ) -> CallbackResponse {
        let mut transaction = None;
        let receiver = receiver.clone();
        let ended = match verified {
            Ok(callback) => {
                let event = callback.to_event();
                if let EventKind::Conversion { transaction: own, .. } = &event.kind {
                    transaction = Some(callback.stated_transaction().unwrap_or(own).clone());
                }
                let endpoint = endpoint.clone();
                let work = async move { receive_or_keep(&receiver, &endpoint, &callback, event).await };
                tokio::spawn(work.in_current_span()).await
            }
            Err(VerifyError::Unusable(unusable)) => {
                let work = async move {
                    match receiver.keep(&unusable).await {
                        Ok(()) => Err(VerifyError::Unusable(unusable).into()),
                        Err(error) => Err(error.into()),
                    }
                };
                tokio::spawn(work.in_current_span()).await
            }
            Err(error) => Ok(Err(error.into())),
        };
        match ended {
            Ok(result) => {
                let transaction = transaction.as_ref().map(TransactionId::as_str);
                CallbackResponse::new(result.as_ref(), endpoint.responses(), transaction)
            }
            // The store panicked. The network should retry.
            Err(_) => CallbackResponse::of(500, "internal error".into()),
        }
    }
}
