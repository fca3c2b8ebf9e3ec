//! The side of a network that signs its URL with a trailing keyed hash.
//!
//! ```
//! use postback::testing::trailing_hash::Signer;
//! use postback::wire::{Algorithm, Encoding};
//!
//! let signer = Signer::new("my secret", "verifier", Algorithm::HmacSha256, Encoding::Base64Url);
//! let callback = signer.sign_url("https://game.example/cb?user=p1&tx=t1&coins=500");
//! assert!(callback.target().starts_with("/cb?user=p1&tx=t1&coins=500&verifier="));
//! ```

use std::fmt;

use sha1::Sha1;
use sha2::Sha256;

use super::base64::{STANDARD, URL_SAFE, encode, encode_padded};
use super::keyed_hash::hmac;
use crate::wire::{Algorithm, Encoding};

/// A network that knows a secret.
#[derive(Clone)]
pub struct Signer {
    secret: String,
    parameter: String,
    algorithm: Algorithm,
    encoding: Encoding,
}

impl Signer {
    /// With this secret, the signature's parameter, and how it is made and written. An empty secret is not refused
    /// here: forgers use it, too.
    pub fn new(
        secret: impl Into<String>,
        parameter: impl Into<String>,
        algorithm: Algorithm,
        encoding: Encoding,
    ) -> Self {
        Self {
            secret: secret.into(),
            parameter: parameter.into(),
            algorithm,
            encoding,
        }
    }

    /// Signs any URL as it stands.
    pub fn sign_url(&self, url: &str) -> SignedCallback {
        let (key, message) = (self.secret.as_bytes(), url.as_bytes());
        let digest = match self.algorithm {
            Algorithm::HmacSha1 => hmac::<Sha1>(key, message),
            Algorithm::HmacSha256 => hmac::<Sha256>(key, message),
        };
        let hash = match self.encoding {
            Encoding::Hex => hex(&digest),
            Encoding::Base64 => encode_padded(&digest, STANDARD),
            Encoding::Base64Url => encode(&digest, URL_SAFE),
            Encoding::Base64Escaped => encode_padded(&digest, STANDARD)
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D"),
        };
        SignedCallback::new(format!("{url}&{}=", self.parameter), &hash)
    }
}

/// The secret is not shown.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("parameter", &self.parameter)
            .field("algorithm", &self.algorithm)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// A signed callback, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCallback {
    url: String,
    target: String,
    hash_bytes: usize,
}

impl SignedCallback {
    fn new(url: String, hash: &str) -> Self {
        let url = url + hash;
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let target = rest
            .find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/");
        // HTTP has no empty path.
        let target = if target.starts_with('?') {
            format!("/{target}")
        } else {
            target.to_owned()
        };
        Self {
            url,
            target,
            hash_bytes: hash.len(),
        }
    }

    /// The whole URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The request target: path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The query, signature and all.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The signature.
    pub fn hash(&self) -> &str {
        self.url
            .get(self.url.len().saturating_sub(self.hash_bytes)..)
            .unwrap_or_default()
    }
}

/// Not shown: the URL holds the signature.
impl fmt::Debug for SignedCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedCallback").finish_non_exhaustive()
    }
}
