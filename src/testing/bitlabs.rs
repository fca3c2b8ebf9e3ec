//! Signs callbacks as `BitLabs` does, without the code that verifies them.
//!
//! ```
//! use postback::testing::bitlabs::Signer;
//!
//! let url = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&state=[%OFFER_STATE%]&ref=[%REF%]";
//! let signer = Signer::new("my-app-secret", url);
//! let callback = signer.sign(&[("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED")]);
//! assert!(callback.target().starts_with("/cb?player=p1&tx=o1&gems=500&state=COMPLETED&ref=&hash="));
//! ```

use std::fmt;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

/// The network, with an app's secret and the callback URL from its dashboard.
#[derive(Clone)]
pub struct Signer {
    secret: String,
    url: String,
}

impl Signer {
    /// A signer for a callback URL as typed into the dashboard. It accepts an empty secret: forgers use it, too.
    pub fn new(secret: impl Into<String>, url: impl Into<String>) -> Self {
        Self { secret: secret.into(), url: url.into() }
    }

    /// Fills in the URL and signs it. `values` go to the URL's parameters by name; the macros of all other parameters
    /// are sent empty. A name that the URL does not have is appended, as a parameter of the offer wall's URL would be.
    pub fn sign(&self, values: &[(&str, &str)]) -> SignedCallback {
        let (prefix, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let mut pieces = Vec::new();
        let mut given: Vec<_> = values.to_vec();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            match given.iter().position(|(known, _)| *known == name) {
                Some(at) => pieces.push(format!("{name}={}", encode(given.remove(at).1))),
                None if value.starts_with("[%") => pieces.push(format!("{name}=")),
                None => pieces.push(piece.to_owned()),
            }
        }
        pieces.extend(given.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))));
        self.sign_url(&format!("{prefix}?{}", pieces.join("&")))
    }

    /// Signs a raw query under the URL's prefix.
    pub fn sign_query(&self, query: &str) -> SignedCallback {
        let (prefix, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
        self.sign_url(&format!("{prefix}?{query}"))
    }

    /// Signs any URL as it is.
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn sign_url(&self, url: &str) -> SignedCallback {
        let mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes keys of any length");
        let mut hash = String::new();
        for byte in mac.chain_update(url).finalize().into_bytes() {
            let _ = write!(hash, "{byte:02x}");
        }
        SignedCallback { url: format!("{url}&hash={hash}") }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// A signed callback.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCallback {
    url: String,
}

impl SignedCallback {
    /// The whole URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The request target, as an HTTP client sends it: path and query, `/` for an empty path.
    pub fn target(&self) -> String {
        let (_, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        match rest.find(['/', '?']).map(|at| rest.split_at(at).1) {
            Some(path) if path.starts_with('/') => path.to_owned(),
            Some(query) => format!("/{query}"),
            None => "/".to_owned(),
        }
    }

    /// The query including the signature.
    pub fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }

    /// The signature.
    pub fn hash(&self) -> &str {
        self.url.rsplit_once('=').map_or("", |(_, hash)| hash)
    }
}

/// Leaves out the URL.
impl fmt::Debug for SignedCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedCallback").finish_non_exhaustive()
    }
}

fn encode(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}
