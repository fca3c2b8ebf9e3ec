//! What every web adapter shares: which status and body answer what.
//!
//! | status | when |
//! |---|---|
//! | 200 | settled, duplicate, nothing to pay, refused by the game, test callback |
//! | 400 | a parameter is missing, malformed or doubled, or the body is malformed |
//! | 401 | the credentials are missing or wrong |
//! | 403 | the signature is missing, malformed or wrong |
//! | 405 | another method |
//! | 413, 414 | the body or the URL is too long |
//! | 415 | the body is of another content type than the endpoint reads |
//! | 500 | the handler failed, or the web server was not given endpoint or receiver |
//! | 503 | the store is down, or another delivery of the same conversion is at work; with `Retry-After` |
//!
//! Bodies are short, fixed words: never what was sent, never a secret.

#[cfg(feature = "actix-web")]
pub mod actix;
#[cfg(any(feature = "actix-web", feature = "axum"))]
mod adapter;
#[cfg(feature = "axum")]
pub mod axum;

use std::borrow::Cow;
use std::time::Duration;

use crate::receiver::ReceiveError;
use crate::source::{Fault, OpenError};
use crate::steps::Receipt;

/// Why a request is not answered 200.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not a callback that this endpoint accepts.
    #[error("the request was not accepted")]
    Open(#[from] OpenError),
    /// It is genuine, and could not be taken all the way.
    #[error("the callback could not be taken all the way")]
    Receive(#[from] ReceiveError),
    /// The web server was not given what the handler needs. The configuration's fault.
    #[error("the web server was not given a {missing}: add it to the app data")]
    NotConfigured {
        /// The type that is missing.
        missing: &'static str,
    },
}

impl Refusal {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Open(error) => error.fault(),
            Self::Receive(error) => error.fault(),
            Self::NotConfigured { .. } => Fault::Configuration,
        }
    }
}

/// An answer, for an adapter to put into its framework's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body: a fixed word, as `text/plain`.
    pub body: &'static str,
    /// The value of `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The value of `Allow`.
    pub allow: Option<&'static str>,
    /// The value of `WWW-Authenticate`.
    pub authenticate: Option<&'static str>,
}

impl Reply {
    /// A reply with a status and a fixed body.
    pub const fn new(status: u16, body: &'static str) -> Self {
        Self {
            status,
            body,
            retry_after: None,
            allow: None,
            authenticate: None,
        }
    }
}

impl Reply {
    /// The header fields of the response, apart from what every response has.
    ///
    /// ```
    /// use postback::source::OpenError;
    /// use postback::web::{Refusal, Reply};
    ///
    /// let refusal = Refusal::from(OpenError::Method { allowed: "GET" });
    /// let fields: Vec<_> = Reply::from(&refusal).headers().collect();
    /// assert_eq!(fields, [("allow", "GET".into())]);
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> + use<> {
        let retry_after = self.retry_after.map(|seconds| seconds.to_string().into());
        let fields = [
            ("retry-after", retry_after),
            ("allow", self.allow.map(Cow::Borrowed)),
            ("www-authenticate", self.authenticate.map(Cow::Borrowed)),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl From<&Receipt> for Reply {
    fn from(receipt: &Receipt) -> Self {
        Self::new(200, receipt.as_str())
    }
}

/// How long a sender is told to wait when the store is down.
const STORE_RETRY: Duration = Duration::from_secs(5);

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Open(error) => from_open_error(error),
            Refusal::Receive(ReceiveError::Handler { .. }) => Self::new(500, "handler failed"),
            Refusal::Receive(ReceiveError::Busy { retry_after }) => Self {
                retry_after: Some(whole_seconds(*retry_after)),
                ..Self::new(503, "busy")
            },
            Refusal::NotConfigured { .. } => Self::new(500, "not configured"),
            Refusal::Receive(_) => Self {
                retry_after: Some(whole_seconds(STORE_RETRY)),
                ..Self::new(503, "store unavailable")
            },
        }
    }
}

fn from_open_error(error: &OpenError) -> Reply {
    match error {
        OpenError::Method { allowed } => Reply {
            allow: Some(allowed),
            ..Reply::new(405, "method not allowed")
        },
        OpenError::TooLong { .. } => Reply::new(414, "url too long"),
        OpenError::BodyTooLarge { .. } => Reply::new(413, "body too large"),
        OpenError::UnsupportedMediaType { .. } => Reply::new(415, "unsupported media type"),
        OpenError::Credentials { challenge } => Reply {
            authenticate: *challenge,
            ..Reply::new(401, "unauthorized")
        },
        error if error.is_unauthenticated() => Reply::new(403, "forbidden"),
        _ => Reply::new(400, "bad callback"),
    }
}

/// Rounded up, so that nobody is told to come again at once.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
        .max(1)
}
