//! Cases that several measurements share, and the README as a test.

use hmac::{Hmac, KeyInit as _, Mac as _};
use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback};
use postback::network::ConfigError;
use postback::testing::bitlabs::Signer;
use sha1::Sha1;

#[doc = include_str!("../../README.md")]
#[cfg(doctest)]
struct Readme;

/// The app's secret.
pub const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";

/// A dashboard URL with all that a game is likely to ask for: 15 parameters.
pub const URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&ref=[%REF%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&type=[%TYPE%]&offer=[%OFFER:ID%]\
    &offer_name=[%OFFER:NAME%]&task=[%OFFER:TASK:ID%]&task_name=[%OFFER:TASK:NAME%]\
    &task_type=[%OFFER:TASK:TYPE:ID%]&ip=[%USER:IP_ADDRESS%]&country=[%COUNTRY%]&source=bitlabs";

/// The endpoint of [`URL`].
///
/// # Errors
/// None: the URL is valid.
pub fn offers() -> Result<BitlabsEndpoint<OfferCallback>, ConfigError> {
    App::new("my-game", SECRET)?.offers(URL)
}

/// The request target of a genuine callback.
pub fn genuine(transaction: &str) -> String {
    let values = [
        ("player", "8cc877ee-af19-488d-b28d-216fb866b996"),
        ("tx", transaction),
        ("gems", "1500"),
        ("usd", "2.50"),
        ("state", "COMPLETED"),
        ("type", "state_change"),
        ("offer", "118230"),
        ("offer_name", "Lords Mobile: Kingdom Wars & Castle Fights"),
        ("task", "998121"),
        ("task_name", "Reach Castle Level 117"),
        ("task_type", "2"),
        ("ip", "203.0.113.177"),
        ("country", "DE"),
    ];
    Signer::new(SECRET, URL).sign(&values).target()
}

/// The same with a wrong signature of the right form.
pub fn forged(transaction: &str) -> String {
    let genuine = genuine(transaction);
    let (url, _) = genuine.rsplit_once('=').unwrap_or_default();
    format!("{url}=0123456789abcdef0123456789abcdef01234567")
}

/// The keyed hash of as many bytes as [`genuine`] signs: the floor that no verifier can go below.
#[derive(Debug)]
pub struct Floor {
    prepared: Hmac<Sha1>,
    message: String,
}

impl Floor {
    /// For a genuine callback.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new() -> Self {
        let prepared = Hmac::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
        let target = genuine("o1");
        let (signed, _) = target.rsplit_once('&').unwrap_or_default();
        Self { prepared, message: format!("https://game.example{signed}") }
    }

    /// Computes it once.
    pub fn run(&self) -> [u8; 20] {
        self.prepared.clone().chain_update(&self.message).finalize().into_bytes().into()
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}
