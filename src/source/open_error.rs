//! Why a request is not accepted as a callback.

use crate::event::IdError;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Whoever sent the request: a scanner, a forger, or the network itself.
    Sender,
    /// The endpoint's configuration and the network's dashboard do not fit together.
    Configuration,
    /// The store.
    Store,
    /// The game's handler.
    Handler,
}

impl Fault {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Configuration => "configuration",
            Self::Store => "store",
            Self::Handler => "handler",
        }
    }
}

/// Why a request was not accepted.
///
/// Parameter names in it come from the configuration, never from the request; but for [`Nested`](Self::Nested),
/// which shows them escaped and cut short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not the method that the network uses. The sender's fault.
    #[error("method not allowed: this endpoint answers to {allowed}")]
    Method {
        /// The methods that are allowed, for the `Allow` header.
        allowed: &'static str,
    },
    /// The request target is longer than the endpoint's limit. The sender's fault.
    #[error("the URL is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The URL holds a `#`: what follows it is never sent, so no genuine call has one. The sender's fault.
    #[error("the URL holds a '#'")]
    Fragment,
    /// More parameters than the endpoint's limit. The sender's fault.
    #[error("more than {limit} parameters")]
    TooManyParameters {
        /// The limit.
        limit: usize,
    },
    /// No signature stands at the end of the URL. The sender's fault: whoever it was does not know the secret.
    #[error("no signature at the end of the URL")]
    SignatureMissing,
    /// The signature is there and empty. The sender's fault.
    #[error("the signature is empty")]
    SignatureEmpty,
    /// The signature cannot be one: wrong length or characters. The sender's fault.
    #[error("the signature is malformed")]
    SignatureMalformed,
    /// The signature does not fit the URL under any key. A forgery, or the configuration's fault: the wrong
    /// secret, or a template that is not the very URL in the dashboard.
    #[error(
        "the signature is wrong under every key: if the call is genuine, compare the secret with the \
         network's dashboard and the configured URL with the one typed there"
    )]
    SignatureWrong,
    /// A configured parameter occurs twice, so that what was verified and what is read could differ. The
    /// sender's fault (a player can add parameters to the offer wall's URL).
    #[error("parameter {name:?} occurs more than once")]
    Repeated {
        /// The configured name.
        name: String,
    },
    /// A parameter is missing that the endpoint is configured to receive. The configuration's fault.
    #[error(
        "parameter {name:?} is missing: is the configured URL the one in the network's dashboard?"
    )]
    Missing {
        /// The configured name.
        name: String,
    },
    /// A parameter that must have a value is empty. The sender's fault.
    #[error("parameter {name:?} is empty")]
    Empty {
        /// The configured name.
        name: String,
    },
    /// A parameter's value is not what it must be. The sender's fault.
    #[error("parameter {name:?} is malformed: {reason}")]
    Malformed {
        /// The configured name.
        name: String,
        /// What is wrong with it, without the value.
        reason: &'static str,
    },
    /// A parameter's value cannot be an identifier. The sender's fault.
    #[error("parameter {name:?} cannot be used")]
    Identifier {
        /// The configured name.
        name: String,
        /// Why not.
        #[source]
        source: IdError,
    },
    /// A parameter is not percent-encoded UTF-8 text. The sender's fault.
    #[error("a parameter is not percent-encoded UTF-8 text")]
    Encoding,
    /// A static parameter has another value than the one configured. The configuration's fault.
    #[error("static parameter {name:?} is not what the configured URL says")]
    StaticChanged {
        /// The configured name.
        name: String,
    },
    /// The body is larger than the endpoint's limit. The sender's fault.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body ended before it was complete. The sender's fault, or the line's.
    #[error("the body ended before it was complete")]
    BodyCutOff,
    /// None of the accepted credentials was presented. It is not told which part was wrong. A forgery, or the
    /// configuration's fault: other credentials here than in the network's dashboard.
    #[error(
        "no accepted credentials: if the call is genuine, compare the configured ones with the network's dashboard"
    )]
    Credentials {
        /// What the caller is asked for, for the `WWW-Authenticate` header.
        challenge: Option<&'static str>,
    },
    /// The body's content type is missing, doubled, or none that the endpoint reads. The sender's fault.
    #[error("the content type is missing, doubled or another one than {accepted}")]
    UnsupportedMediaType {
        /// The content types that the endpoint reads.
        accepted: &'static str,
    },
    /// The body is not what its content type says. The sender's fault.
    #[error("the body is malformed: {reason}")]
    BodyMalformed {
        /// What is wrong with it, without anything of it.
        reason: &'static str,
    },
    /// A field of the body holds an object or a list, where there must be a single value. The sender's fault.
    #[error("field {name:?} holds an object or a list: it must be a single value")]
    Nested {
        /// The field's name as sent, at most its first 64 characters.
        name: String,
    },
    /// The callback says another state than the only one this endpoint is set to receive. The configuration's fault.
    #[error(
        "this endpoint receives {expected} only: correct the callback's activity in the network's dashboard"
    )]
    OtherState {
        /// The state that the endpoint is for.
        expected: String,
    },
}

impl OpenError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Missing { .. } | Self::StaticChanged { .. } | Self::OtherState { .. } => {
                Fault::Configuration
            }
            _ => Fault::Sender,
        }
    }

    /// Whether a genuine callback is being refused: one that is authenticated, and then is not what the endpoint is
    /// configured for. The network repeats it some times and gives up, and what it says is lost: a person should look.
    ///
    /// Sources must not return these variants before they have authenticated the request.
    pub fn is_of_genuine_callback(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Empty { .. }
                | Self::Malformed { .. }
                | Self::Identifier { .. }
                | Self::StaticChanged { .. }
                | Self::OtherState { .. }
        )
    }

    /// Whether the sender did not prove that it knows a secret.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(
            self,
            Self::SignatureMissing
                | Self::SignatureEmpty
                | Self::SignatureMalformed
                | Self::SignatureWrong
                | Self::Credentials { .. }
        )
    }
}
