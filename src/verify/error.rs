//! Why a request is not accepted.

use std::borrow::Cow;

use crate::error::Origin;
use crate::event::UnusableCallback;
use crate::id::{AppName, IdError, NetworkName};

/// Why a request is not accepted as a callback. The variant says how far it got: nothing before
/// [`Unusable`](Self::Unusable) was authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request cannot be a callback. Nothing was authenticated.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The sender did not prove to be the network.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// The callback is genuine, but a field that decides about money cannot be used. It must be kept
    /// ([`Receive::keep`](crate::Receive::keep)), because the network gives up after some retries.
    #[error("genuine callback cannot be used: {}", .0.problem)]
    Unusable(Box<Unusable>),
    /// The network's keys cannot be fetched at the moment. The network should retry.
    #[error("the network's verification keys are not available: check the connection to the key server")]
    KeysUnavailable,
}

impl VerifyError {
    /// Who is at fault.
    pub fn origin(&self) -> Origin {
        match self {
            Self::BadRequest(_) | Self::NotGenuine(_) => Origin::Sender,
            Self::Unusable(unusable) => unusable.problem.origin(),
            Self::KeysUnavailable => Origin::Configuration,
        }
    }

    /// Whether the callback was authenticated.
    pub fn is_genuine(&self) -> bool {
        matches!(self, Self::Unusable(_))
    }

    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::BadRequest(error) => error.as_str(),
            Self::NotGenuine(error) => error.as_str(),
            Self::Unusable(unusable) => unusable.problem.as_str(),
            Self::KeysUnavailable => "keys_unavailable",
        }
    }
}

/// Why a request cannot be a callback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The network uses another HTTP method.
    #[error("method not allowed: use {allowed}")]
    Method {
        /// The value for the `Allow` header.
        allowed: &'static str,
    },
    /// The request target is longer than the limit.
    #[error("URL longer than {limit} bytes")]
    UrlTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request target contains a `#`.
    #[error("URL contains a '#'")]
    Fragment,
    /// The body is larger than the limit.
    #[error("body larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body ended early or took too long.
    #[error("incomplete body")]
    BodyIncomplete,
    /// The body's content type is missing, repeated, or not one that the endpoint reads.
    #[error("unsupported content type: use {accepted}")]
    ContentType {
        /// The content types that the endpoint reads.
        accepted: &'static str,
    },
    /// The request has no parameters and no body, as a dashboard's test of the URL may have.
    #[error("no parameters")]
    Empty,
}

impl BadRequest {
    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Method { .. } => "method",
            Self::UrlTooLong { .. } => "url_too_long",
            Self::Fragment => "fragment",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyIncomplete => "body_incomplete",
            Self::ContentType { .. } => "content_type",
            Self::Empty => "empty",
        }
    }
}

/// Why a request is not genuine. A forgery, or the wrong secret or URL in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotGenuine {
    /// There is no signature where it must be.
    #[error("missing signature")]
    SignatureMissing,
    /// The signature has the wrong length or characters.
    #[error("malformed signature")]
    SignatureMalformed,
    /// The signature does not match under any key.
    #[error(
        "wrong signature: if the call is genuine, compare the secret and the configured URL with the network's \
         dashboard"
    )]
    SignatureWrong,
    /// No accepted credentials were presented.
    #[error("wrong or missing credentials: if the call is genuine, compare them with the network's dashboard")]
    Credentials {
        /// The value for the `WWW-Authenticate` header.
        challenge: Option<&'static str>,
    },
    /// The body that should be authenticated cannot be read.
    #[error("malformed body: {reason}")]
    MalformedBody {
        /// What is wrong with it, without any of it.
        reason: &'static str,
    },
    /// The sender's address is not on the list that the operator chose to enforce.
    #[error("sender's address is not on the configured list")]
    Address,
    /// `AdMob`: a view of an ad unit that is not one of the endpoint's. Google signs those of all publishers alike.
    #[error("view of another ad unit: if it is yours, add it to this endpoint's ad units")]
    OtherAdUnit,
    /// `AdMob`: the signed text has another number of one of its parameters than the query, or more than one.
    #[error(
        "the signed text does not show which parameters it has: a forgery, or custom data or a user id of the app \
         contains '&' and the name of one of AdMob's parameters, such as \"&ad_unit=\""
    )]
    AmbiguousText,
}

impl NotGenuine {
    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureWrong => "signature_wrong",
            Self::Credentials { .. } => "credentials",
            Self::MalformedBody { .. } => "malformed_body",
            Self::Address => "address",
            Self::OtherAdUnit => "other_ad_unit",
            Self::AmbiguousText => "ambiguous_text",
        }
    }
}

/// A genuine callback that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unusable {
    /// What is wrong.
    pub problem: Problem,
    /// What to keep.
    pub callback: UnusableCallback,
}

impl Unusable {
    /// A problem of a genuine callback, with what has to be kept of it.
    pub(crate) fn new(
        network: &NetworkName,
        app: &AppName,
        endpoint: Cow<'static, str>,
        path: &str,
        problem: Problem,
        query: String,
    ) -> Self {
        let (network, app, path) = (network.clone(), app.clone(), path.to_owned());
        let callback = UnusableCallback { network, app, endpoint, path, problem: problem.to_string(), query };
        Self { problem, callback }
    }
}

impl From<Unusable> for VerifyError {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(Box::new(unusable))
    }
}

/// What is wrong with a genuine callback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The conversion's record cannot be read.
    #[error("the conversion's record cannot be read: repair it, or upgrade postback if a later version wrote it")]
    UnreadableRecord,
    /// A parameter of the configured URL is missing.
    #[error("missing parameter {name:?}: compare the configured URL with the one in the network's dashboard")]
    Missing {
        /// The parameter.
        name: String,
    },
    /// A parameter that must have a value is empty.
    #[error("empty parameter {name:?}")]
    Empty {
        /// The parameter.
        name: String,
    },
    /// A parameter's value is not what it must be.
    #[error("malformed parameter {name:?}: {reason}")]
    Malformed {
        /// The parameter.
        name: String,
        /// What is wrong with it, without the value.
        reason: &'static str,
    },
    /// A parameter's value cannot be an identifier.
    #[error("invalid identifier in parameter {name:?}: {error}")]
    Identifier {
        /// The parameter.
        name: String,
        /// Why.
        error: IdError,
    },
    /// A parameter that decides about money occurs more than once. A player may have added it to the offer wall's
    /// URL.
    #[error("parameter {name:?} occurs more than once")]
    Repeated {
        /// The parameter.
        name: String,
    },
    /// A parameter contains the macro's own text: the network did not replace it.
    #[error("the macro in parameter {name:?} was not replaced: correct its spelling in the network's dashboard")]
    MacroNotReplaced {
        /// The parameter.
        name: String,
    },
    /// A static parameter has another value than the configured one.
    #[error("static parameter {name:?} differs from the configured URL: correct one of the two")]
    StaticMismatch {
        /// The parameter.
        name: String,
    },
    /// The callback has another state than the only one this endpoint receives.
    #[error("this endpoint receives {expected} only: correct the callback's activity in the network's dashboard")]
    StateMismatch {
        /// The state that the endpoint is for.
        expected: String,
    },
    /// The callback would pay, and is so long that its reversal might not arrive.
    #[error("query longer than {limit} bytes: its reversal might not arrive, so it is not paid")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The app did not pass the player to the network.
    #[error("no player in the callback: {fix}")]
    NoPlayer {
        /// What to do about it.
        fix: &'static str,
    },
}

impl Problem {
    /// Who is at fault.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Missing { .. }
            | Self::MacroNotReplaced { .. }
            | Self::StaticMismatch { .. }
            | Self::StateMismatch { .. }
            | Self::NoPlayer { .. } => Origin::Configuration,
            Self::UnreadableRecord => Origin::Store,
            _ => Origin::Sender,
        }
    }

    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Empty { .. } => "empty_parameter",
            Self::Malformed { .. } => "malformed",
            Self::Identifier { .. } => "identifier",
            Self::Repeated { .. } => "repeated",
            Self::MacroNotReplaced { .. } => "macro_not_replaced",
            Self::StaticMismatch { .. } => "static_mismatch",
            Self::StateMismatch { .. } => "state_mismatch",
            Self::NoPlayer { .. } => "no_player",
            Self::TooLong { .. } => "too_long",
            Self::UnreadableRecord => "unreadable_record",
        }
    }
}
