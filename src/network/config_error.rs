//! Why a network or an endpoint cannot be set up.

use crate::id::IdError;
use crate::verify::{SecretError, UrlError};

/// Why a network's description or an endpoint cannot be used. Every message says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no preset of this name.
    #[error("unknown network {name:?}: {fix}")]
    UnknownNetwork {
        /// The name.
        name: String,
        /// What to use instead.
        fix: String,
    },
    /// A description cannot be read.
    #[error("cannot read network description {file:?}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's reason.
        reason: String,
    },
    /// A description has a mistake.
    #[error("invalid network description{place}: {problem}")]
    Description {
        /// Where: the file, then the line or the key, each with a separator before it.
        place: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The name of a network, an app or an endpoint cannot be one.
    #[error("invalid name of a network, app or endpoint: {0}")]
    Name(#[from] IdError),
    /// A secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nothing proves that a callback is genuine.
    #[error("no secret for {network}: {fix}")]
    NoSecret {
        /// The network.
        network: String,
        /// What to add.
        fix: &'static str,
    },
    /// The callback URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The network signs the whole URL, so it must be known.
    #[error("no callback URL for {network}, which signs it: add the one from its dashboard")]
    NoUrl {
        /// The network.
        network: String,
    },
    /// The callback URL lacks a parameter.
    #[error("no parameter for the {what} in the callback URL: add {fix}")]
    MissingParameter {
        /// What the parameter is for.
        what: String,
        /// What to add to the URL.
        fix: String,
    },
    /// A parameter has a static value where the network must fill in a macro.
    #[error("static value of parameter {name:?}, which is for the {what}: type the network's macro there")]
    StaticValue {
        /// The parameter.
        name: String,
        /// What the parameter is for.
        what: String,
    },
    /// A static amount in the callback URL is not a number.
    #[error("static amount in parameter {name:?} of the callback URL: {reason}")]
    StaticAmount {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One parameter is used for two things.
    #[error("parameter {name:?} is for both the {first} and the {second}: give each its own")]
    SharedParameter {
        /// The parameter.
        name: String,
        /// One of the things.
        first: String,
        /// The other.
        second: String,
    },
    /// Nothing says what a callback of this endpoint means.
    #[error("no meaning for callbacks: name the parameter of the status, or set the meaning of this endpoint")]
    NoMeaning,
    /// The signature does not separate its fields, so one callback could be read as another.
    #[error(
        "ambiguous signature: it runs {fields} together, so that one callback can be passed off as another; \
         add a static parameter such as &{parameter}=… with a long random text to the callback URL, or declare the \
         shape of one of them"
    )]
    AmbiguousSignature {
        /// The fields without a boundary.
        fields: String,
        /// The name for the static parameter.
        parameter: String,
    },
    /// Something was set that this network has no use for.
    #[error("{what} cannot be set for {network}: {fix}")]
    NotForNetwork {
        /// What was set.
        what: &'static str,
        /// The network.
        network: String,
        /// What to do instead.
        fix: &'static str,
    },
    /// A credential cannot be sent as configured.
    #[error("invalid credential: {fix}")]
    Credential {
        /// What to do instead.
        fix: &'static str,
    },
    /// A secret that is part of the path contains characters that are escaped there.
    #[error("secret in the path contains other characters than A-Z a-z 0-9 . _ ~ -: choose one without them")]
    PathSecret,
    /// An entry of a list of addresses is none.
    #[error(
        "invalid address {entry:?}: use addresses such as 192.0.2.1 or 2001:db8::1, or networks such as 192.0.2.0/24"
    )]
    Address {
        /// The entry.
        entry: String,
    },
    /// A BitLabs endpoint cannot be set up.
    #[error("{endpoint}: {error}")]
    Endpoint {
        /// The endpoint: `offers`, `surveys` …
        endpoint: &'static str,
        /// Why not.
        #[source]
        error: Box<Self>,
    },
    /// A macro is not one of the network's.
    #[error("{name}=[%{text}%] in the callback URL is not a BitLabs macro: {fix}")]
    UnknownMacro {
        /// The parameter.
        name: String,
        /// The macro as typed.
        text: String,
        /// What to type instead.
        fix: String,
    },
    /// Two parameters stand for the same thing, in two spellings.
    #[error("{first:?} and {second:?} in the callback URL stand for the same thing: remove one of them")]
    RepeatedField {
        /// The first parameter.
        first: String,
        /// The second parameter.
        second: String,
    },
    /// An option does not apply to this endpoint.
    #[error("option `{option}` does not apply to this endpoint: remove it")]
    Option {
        /// The option's method.
        option: &'static str,
    },
    /// A verification key cannot be used.
    #[error("invalid verification key {id}: use an ECDSA P-256 public key")]
    Key {
        /// The key's number.
        id: u64,
    },
}
