//! `BitLabs`: offers, in-app purchases, surveys, magic receipts, cashback, general rewards, bans.
//!
//! The URL that is typed into the network's dashboard is the whole configuration of an endpoint:
//!
//! ```
//! use postback::source::{Callback, Source, bitlabs::App};
//! use postback::wire::{KeyRing, Request};
//!
//! let app = App::new("my-game", KeyRing::from_list("JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?)?;
//! let offers = app
//!     .offers(
//!         "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
//!          &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]",
//!     )
//!     .build()?;
//! # use postback::testing::bitlabs::Network;
//! # let signed = Network::new("JLOIAUNMHFli7ZJOQVEzm98rzqnm9").sign_url(
//! #     "https://game.example/callbacks/offers?player=p1&tx=o233&gems=500&state=COMPLETED&ref=");
//! # let target = signed.target();
//! // `target` is the path and query of the request, as they came.
//! let callback = offers.open(&Request::get(target))?;
//! assert_eq!(callback.player(), "p1");
//! let event = callback.event();
//! # let _ = event;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::event::{AppName, SourceName};
use crate::wire::{Algorithm, Encoding, KeyRing, SignatureScheme};

mod callbacks;
mod config;
mod conversion;
mod endpoint;
mod family;
mod macros;
mod meaning;
mod received;
mod words;

pub use super::Field;
pub use callbacks::{
    BanCallback, CashbackCallback, OfferCallback, PurchaseCallback, ReceiptCallback,
    RewardCallback, SurveyCallback,
};
pub use config::{ConfigError, EndpointBuilder};
pub use endpoint::Endpoint;
pub use family::{BitlabsCallback, Family, PaysExtras, StateByName, Stateful};
pub use macros::{Vocabulary, macro_meaning};
pub use words::{
    CallbackType, CashbackState, FraudLevel, OfferState, ReceiptState, RejectionReason, TaskType,
};

/// What the dashboard's tester adds.
const FLAG: &str = "debug";

/// The parameters that the network adds by itself.
pub(crate) const RESERVED: [&str; 2] = ["hash", FLAG];

pub(crate) fn scheme() -> SignatureScheme {
    SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex)
}

/// One app of the network: its name and its secrets. Several can live in one program, each with its own
/// name space of transactions.
#[derive(Clone)]
pub struct App {
    source: SourceName,
    name: AppName,
    keys: KeyRing,
}

impl App {
    /// An app under a name of the operator's choice, with its App Secret or several.
    ///
    /// The name is part of every key in the store: never change it.
    ///
    /// # Errors
    /// [`ConfigError::AppName`], when the name cannot be one.
    pub fn new(name: impl Into<String>, keys: impl Into<KeyRing>) -> Result<Self, ConfigError> {
        Ok(Self {
            source: SourceName::new("bitlabs").map_err(ConfigError::AppName)?,
            name: AppName::new(name.into()).map_err(ConfigError::AppName)?,
            keys: keys.into(),
        })
    }

    /// The network's name, `bitlabs`.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The app's name.
    pub fn name(&self) -> &AppName {
        &self.name
    }

    /// An endpoint for offer callbacks, stateful or not, from the URL in the dashboard. It must have the state's macro:
    /// see [`guide::bitlabs`](crate::guide::bitlabs#4-stateful-or-not).
    pub fn offers(&self, url: impl Into<String>) -> EndpointBuilder<OfferCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for offer callbacks that bring in-app purchases.
    pub fn purchases(&self, url: impl Into<String>) -> EndpointBuilder<PurchaseCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for survey callbacks.
    pub fn surveys(&self, url: impl Into<String>) -> EndpointBuilder<SurveyCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for magic receipt callbacks.
    pub fn receipts(&self, url: impl Into<String>) -> EndpointBuilder<ReceiptCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for cashback callbacks.
    pub fn cashback(&self, url: impl Into<String>) -> EndpointBuilder<CashbackCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for general reward callbacks.
    pub fn rewards(&self, url: impl Into<String>) -> EndpointBuilder<RewardCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }

    /// An endpoint for ban callbacks.
    pub fn bans(&self, url: impl Into<String>) -> EndpointBuilder<BanCallback> {
        EndpointBuilder::new(self.clone(), url.into())
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name.as_str())
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
