//! Who is at fault when something goes wrong, and what is wrong with a configuration.

use std::convert::Infallible;

use crate::id::IdError;

/// Who is at fault, and so who can fix it. Every error of this crate has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The caller: a forgery, or a request that is not a callback.
    Sender,
    /// The configuration here, or the one in the network's dashboard.
    Configuration,
    /// The store.
    Store,
    /// The game's handler.
    Handler,
}

impl Origin {
    /// One fixed word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Configuration => "configuration",
            Self::Store => "store",
            Self::Handler => "handler",
        }
    }
}

/// Why a secret, a network's description or an endpoint cannot be used. Every message says what to do instead.
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
    /// A secret, or a ring of them, cannot be used.
    #[error("{problem}")]
    Secret {
        /// What is wrong with it, without any of it, and what to do.
        problem: String,
    },
    /// Nothing proves that a callback is genuine.
    #[error("no secret for {network}: {fix}")]
    NoSecret {
        /// The network.
        network: String,
        /// What to add.
        fix: &'static str,
    },
    /// The callback URL cannot be used.
    #[error("{problem}")]
    Url {
        /// What is wrong with it and what to type instead.
        problem: String,
    },
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
    /// An ad unit, or the list of them, cannot be used.
    #[error("{problem}")]
    AdUnits {
        /// What is wrong and what to do instead.
        problem: String,
    },
    /// A verification key, a list of them, or a root certificate cannot be used.
    #[error("{problem}")]
    Keys {
        /// What is wrong and what to use instead.
        problem: String,
    },
}

/// For conversions that cannot fail, such as that of a [`KeyRing`](crate::KeyRing) into itself.
impl From<Infallible> for ConfigError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
