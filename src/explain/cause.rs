//! What can be wrong, in words.

use std::fmt;

/// Why a signature does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// `http` where `https` was signed, or the other way round.
    Scheme,
    /// Another host.
    Host,
    /// Another port, or one where none was signed.
    Port,
    /// The path lacks its beginning: a proxy stripped it.
    PathPrefixStripped,
    /// The path has a beginning that was not signed: a proxy added it.
    PathPrefixAdded,
    /// `/` where an empty path was signed, or the other way round.
    EmptyPath,
    /// A slash at the path's end, or none, where the other was signed.
    TrailingSlash,
    /// Another path.
    Path,
    /// `+` where `%20` was signed, or the other way round.
    SpaceEncoding,
    /// Escapes in upper case where lower case was signed (`%2F`, `%2f`), or the other way round.
    EscapeCase,
    /// The query was decoded on its way.
    QueryDecoded,
    /// The query was encoded once more on its way.
    QueryEncoded,
    /// The query was decoded and encoded by other rules.
    QueryReencoded,
    /// `&amp;` or `\u0026` where `&` was signed: copied from a page or from JSON.
    AmpersandEscaped,
    /// The parameters stand in another order.
    Reordered,
    /// Parameters that were not signed.
    ParametersAdded,
    /// Parameters that were signed are missing.
    ParametersRemoved,
    /// A parameter called like the signature stands before it: a receiver that cuts at the first one hashes
    /// too little.
    CutAtFirst,
    /// There is no signature.
    SignatureMissing,
    /// The signature is empty.
    SignatureEmpty,
    /// The signature is in upper case, which no network sends.
    SignatureUpperCase,
    /// The signature is too short, too long, or holds what is no hexadecimal digit.
    SignatureMalformed,
    /// The secret has white space around it.
    SecretWhiteSpace,
    /// The secret has quotation marks around it.
    SecretQuoted,
    /// Another secret signed it.
    OtherSecret,
    /// The secret has the shape of an API token.
    ApiToken,
    /// One character differs from what was signed.
    ChangedByte,
}

impl Cause {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Port => "port",
            Self::PathPrefixStripped => "path prefix stripped",
            Self::PathPrefixAdded => "path prefix added",
            Self::EmptyPath => "empty path",
            Self::TrailingSlash => "trailing slash",
            Self::Path => "path",
            Self::SpaceEncoding => "space encoding",
            Self::EscapeCase => "escape case",
            Self::QueryDecoded => "query decoded",
            Self::QueryEncoded => "query encoded",
            Self::QueryReencoded => "query re-encoded",
            Self::AmpersandEscaped => "ampersand escaped",
            Self::Reordered => "parameters re-ordered",
            Self::ParametersAdded => "parameters added",
            Self::ParametersRemoved => "parameters removed",
            Self::CutAtFirst => "cut at the first hash",
            Self::SignatureMissing => "signature missing",
            Self::SignatureEmpty => "signature empty",
            Self::SignatureUpperCase => "signature in upper case",
            Self::SignatureMalformed => "signature malformed",
            Self::SecretWhiteSpace => "secret with white space",
            Self::SecretQuoted => "secret in quotation marks",
            Self::OtherSecret => "other secret",
            Self::ApiToken => "API token",
            Self::ChangedByte => "changed byte",
        }
    }

    /// Where it is to be mended.
    pub fn place(self) -> &'static str {
        match self {
            Self::Scheme
            | Self::Host
            | Self::Port
            | Self::PathPrefixStripped
            | Self::PathPrefixAdded
            | Self::EmptyPath
            | Self::TrailingSlash
            | Self::Path => "the receiver's configured URL",
            Self::SpaceEncoding
            | Self::EscapeCase
            | Self::QueryDecoded
            | Self::QueryEncoded
            | Self::QueryReencoded
            | Self::Reordered
            | Self::ParametersRemoved => "the receiver, or the proxy before it",
            Self::AmpersandEscaped => "where the URL was copied from",
            Self::ParametersAdded => "the proxy or link that adds them",
            Self::CutAtFirst => "the receiver, and the link that opens the offer wall",
            Self::SignatureMissing | Self::SignatureEmpty => "whoever sent it",
            Self::SignatureUpperCase | Self::SignatureMalformed | Self::ChangedByte => {
                "whatever stands between the network and the receiver"
            }
            Self::SecretWhiteSpace | Self::SecretQuoted | Self::OtherSecret | Self::ApiToken => {
                "the receiver's secret"
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Certainty {
    /// With this put right, the signature matches.
    Proven,
    /// By its looks.
    Guessed,
}

/// One cause that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// How sure it is.
    pub certainty: Certainty,
    /// What was signed, and what stands here instead.
    pub what: String,
    /// What to change.
    pub change: String,
}

impl Finding {
    /// Where to change it.
    pub fn place(&self) -> &'static str {
        self.cause.place()
    }
}
