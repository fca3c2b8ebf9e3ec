//! `BitLabs`' side of the wire: fills in a callback URL and signs it.
//!
//! ```
//! use postback::testing::bitlabs::Network;
//!
//! let callback = Network::new("my secret")
//!     .callback("https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&state=[%OFFER_STATE%]")
//!     .player("p1")
//!     .transaction("o1")
//!     .amount("500")
//!     .state("COMPLETED")
//!     .sign();
//! assert!(callback.target().starts_with("/cb?player=p1&tx=o1&gems=500&state=COMPLETED&hash="));
//! ```

use std::fmt;

use super::trailing_hash::Signer;
use crate::wire::{Algorithm, Encoding};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use super::trailing_hash::SignedCallback;

/// The network, knowing an app's secret.
#[derive(Clone)]
pub struct Network {
    secret: String,
}

impl Network {
    /// With this App Secret. An empty one is not refused here: forgers use it, too.
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
        }
    }

    /// A callback to this URL, as typed into the dashboard. Macros that are not set are sent empty.
    pub fn callback(&self, url: impl Into<String>) -> CallbackBuilder {
        CallbackBuilder {
            network: self.clone(),
            url: url.into(),
            macros: Vec::new(),
            parameters: Vec::new(),
            pass_through: Vec::new(),
            is_test: false,
            space: "%20",
        }
    }

    /// Signs any URL as it stands.
    pub fn sign_url(&self, url: &str) -> SignedCallback {
        Signer::new(&*self.secret, "hash", Algorithm::HmacSha1, Encoding::Hex).sign_url(url)
    }
}

/// The secret is not shown.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network([redacted])")
    }
}

/// One callback being filled in.
#[derive(Clone)]
#[must_use = "a callback is sent only when signed: end with `sign`"]
pub struct CallbackBuilder {
    network: Network,
    url: String,
    macros: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    pass_through: Vec<(String, String)>,
    is_test: bool,
    space: &'static str,
}

impl CallbackBuilder {
    /// The player: `USER:UID`, `USER:ID` or `UID`.
    pub fn player(self, id: impl Into<String>) -> Self {
        self.set_all(&["USER:UID", "USER:ID", "UID"], id)
    }

    /// The transaction: `TX`.
    pub fn transaction(self, id: impl Into<String>) -> Self {
        self.set("TX", id)
    }

    /// The transaction that it refers to: `REF`.
    pub fn original(self, id: impl Into<String>) -> Self {
        self.set("REF", id)
    }

    /// The amount in the app's currency: `VALUE:CURRENCY`, `CURRENCY:VALUE` or `VAL`.
    pub fn amount(self, amount: impl Into<String>) -> Self {
        self.set_all(&["VALUE:CURRENCY", "CURRENCY:VALUE", "VAL"], amount)
    }

    /// The revenue in US dollars: `VALUE:USD`, `CURRENCY:USD` or `RAW`.
    pub fn usd(self, amount: impl Into<String>) -> Self {
        self.set_all(&["VALUE:USD", "CURRENCY:USD", "RAW"], amount)
    }

    /// The state of an offer, a receipt or cashback: `OFFER:TASK:STATE`, `OFFER_STATE`, and whatever macro stands
    /// behind the names `magic_receipt_state` and `cashback_state`.
    pub fn state(self, state: impl Into<String>) -> Self {
        let state = state.into();
        self.set_all(&["OFFER:TASK:STATE", "OFFER_STATE"], state.clone())
            .parameter("magic_receipt_state", state.clone())
            .parameter("cashback_state", state)
    }

    /// The type: `TYPE` or `ACTIVITY:TYPE`.
    pub fn call_type(self, call_type: impl Into<String>) -> Self {
        self.set_all(&["TYPE", "ACTIVITY:TYPE"], call_type)
    }

    /// The in-app purchase in US dollars: `OFFER:TASK:IAP:USD`.
    pub fn purchase(self, usd: impl Into<String>) -> Self {
        self.set("OFFER:TASK:IAP:USD", usd)
    }

    /// A ban's status: `BAN:STATUS` or `BAN_STATE`.
    pub fn ban_status(self, status: impl Into<String>) -> Self {
        self.set_all(&["BAN:STATUS", "BAN_STATE"], status)
    }

    /// The reason of a ban: `BAN:REASON` or `BAN_REASON`.
    pub fn ban_reason(self, reason: impl Into<String>) -> Self {
        self.set_all(&["BAN:REASON", "BAN_REASON"], reason)
    }

    /// Any macro, by the text between `[%` and `%]`.
    pub fn set(mut self, text: impl Into<String>, value: impl Into<String>) -> Self {
        self.macros.push((text.into(), value.into()));
        self
    }

    /// Whatever macro stands behind a parameter's name; nothing, if the URL has no such parameter.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// One more parameter, as those that the offer wall's URL is opened with.
    pub fn pass_through(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.pass_through.push((name.into(), value.into()));
        self
    }

    /// As sent by the dashboard's tester: with `debug=true`.
    pub fn debug(mut self) -> Self {
        self.is_test = true;
        self
    }

    /// Writes a space as `+`, not as `%20`.
    pub fn spaces_as_plus(mut self) -> Self {
        self.space = "+";
        self
    }

    /// Fills the URL in and signs it.
    pub fn sign(self) -> SignedCallback {
        self.network.sign_url(&self.filled_in())
    }

    fn filled_in(&self) -> String {
        let (prefix, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let mut pieces: Vec<String> = query
            .split('&')
            .filter(|piece| !piece.is_empty())
            .map(|piece| self.fill(piece))
            .collect();
        for (name, value) in &self.pass_through {
            pieces.push(format!("{}={}", self.encode(name), self.encode(value)));
        }
        if self.is_test {
            pieces.push("debug=true".to_owned());
        }
        format!("{prefix}?{}", pieces.join("&"))
    }

    fn fill(&self, piece: &str) -> String {
        let macro_of = |value: &str| Some(value.strip_prefix("[%")?.strip_suffix("%]")?.to_owned());
        let Some((name, text)) = piece
            .split_once('=')
            .and_then(|(name, value)| Some((name, macro_of(value)?)))
        else {
            return piece.to_owned();
        };
        let last = |list: &[(String, String)], key: &str| {
            list.iter()
                .rev()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value.clone())
        };
        let value = last(&self.macros, &text)
            .or_else(|| last(&self.parameters, name))
            .unwrap_or_default();
        format!("{name}={}", self.encode(&value))
    }

    fn encode(&self, text: &str) -> String {
        const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        utf8_percent_encode(text, ESCAPED)
            .to_string()
            .replace("%20", self.space)
    }

    fn set_all(mut self, texts: &[&str], value: impl Into<String>) -> Self {
        let value = value.into();
        for text in texts {
            self = self.set(*text, value.clone());
        }
        self
    }
}

/// Neither secret nor URL are shown.
impl fmt::Debug for CallbackBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackBuilder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signer_agrees_with_the_published_vectors() {
        for (secret, url, hash) in [
            (
                "JLOIAUNMHFli7ZJOQVEzm98rzqnm9",
                "https://publisher.com/complete?uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500",
                "dbcd6bb8ca677344592842a52b4fca9bec36cd4b",
            ),
            (
                "",
                "http://url.com?param1=foo&param2=bar",
                "3171f6b78e06cadcec4c9c3b15f858b8400e8738",
            ),
        ] {
            assert_eq!(Network::new(secret).sign_url(url).hash(), hash);
        }
    }

    #[test]
    fn the_target_is_what_an_http_client_sends() {
        let network = Network::new("k");
        assert!(
            network
                .sign_url("http://url.com?a=1")
                .target()
                .starts_with("/?a=1&hash=")
        );
        assert!(
            network
                .sign_url("http://url.com/b/c?a=1")
                .target()
                .starts_with("/b/c?a=1&hash=")
        );
    }
}
