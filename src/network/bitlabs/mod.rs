//! `BitLabs`: offers, in-app purchases, surveys, magic receipts, cashback, general rewards, bans.
//!
//! The URL that is typed into the network's dashboard is the whole configuration of an endpoint:
//!
//! ```
//! use postback::bitlabs::App;
//! use postback::{Endpoint, Request};
//!
//! let app = App::new("my-game", "JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?;
//! let offers = app.offers(
//!     "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
//!      &state=[%OFFER:TASK:STATE%]&ref=[%REF%]",
//! )?;
//! assert_eq!(offers.path(), "/callbacks/offers");
//!
//! // Path and query of the request, byte for byte.
//! let target = "/callbacks/offers?player=p1&tx=o233&gems=500&state=COMPLETED&ref=\
//!               &hash=b4231f38a63623c57608d2c29f050b4bf7638644";
//! let offer = offers.verify(&Request::get(target))?;
//! assert_eq!((offer.player.as_str(), offer.amount), ("p1", Some(500.into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod callback;
mod endpoint;
mod macros;
mod rules;
mod setup;
mod words;

use std::fmt;

use serde::Serialize;

pub use callback::{
    BanCallback, BitlabsCallback, CashbackCallback, Context, OfferCallback, OfferDetails, PurchaseCallback,
    ReceiptCallback, RewardCallback, SurveyCallback, SurveyDetails,
};
pub use endpoint::BitlabsEndpoint;
pub use macros::field_of_macro;
pub use words::{CallbackType, State, TaskType};

use crate::id::{AppName, NetworkName};
use crate::network::ConfigError;
use crate::verify::KeyRing;

/// One app of the network: its name, its App Secret or several, and options for its endpoints.
///
/// Options apply to the endpoints that are made from this value. Clone the app for endpoints with other options:
///
/// ```
/// use postback::bitlabs::{App, State};
///
/// let app = App::new("my-game", "JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?;
/// let url = "https://game.example/completed?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]";
/// let completed = app.clone().only(State::Completed).offers(url)?;
/// # Ok::<(), postback::network::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct App {
    network: NetworkName,
    name: AppName,
    keys: KeyRing,
    options: Options,
}

/// What endpoints may be set to do.
#[derive(Debug, Clone, Default)]
struct Options {
    only: Option<State>,
    acknowledges_screenouts: bool,
    acknowledges_start_bonuses: bool,
    allowed_macros: Vec<String>,
    state_parameter: Option<String>,
}

impl App {
    /// An app under a name of the operator's choice. `secret` is its App Secret, a comma-separated list of secrets,
    /// a [`Secret`](crate::Secret) or a [`KeyRing`].
    ///
    /// The name is part of every key in the store: never change it, and give each app its own.
    ///
    /// # Errors
    /// [`ConfigError`], if the name or a secret cannot be used.
    pub fn new<K>(name: impl AsRef<str>, secret: K) -> Result<Self, ConfigError>
    where
        K: TryInto<KeyRing>,
        K::Error: Into<ConfigError>,
    {
        let keys = secret.try_into().map_err(Into::into)?;
        Ok(Self { network: NetworkName::new("bitlabs")?, name: AppName::new(name)?, keys, options: Options::default() })
    }

    /// The app's name.
    pub fn name(&self) -> &AppName {
        &self.name
    }

    /// An endpoint for offer callbacks, stateful or not. The URL must have the state's macro, unless
    /// [`only`](Self::only) is set.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong with the URL and what to type instead. The same for all endpoints.
    pub fn offers(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<OfferCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for offer callbacks with in-app purchases.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn purchases(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<PurchaseCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for survey callbacks.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn surveys(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<SurveyCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for magic receipt callbacks.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn receipts(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<ReceiptCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for cashback callbacks.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn cashback(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<CashbackCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for general reward callbacks.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn rewards(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<RewardCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for ban callbacks.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn bans(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<BanCallback>, ConfigError> {
        self.endpoint(url)
    }

    /// An endpoint for callbacks of any type.
    ///
    /// # Errors
    /// See [`offers`](Self::offers).
    pub fn endpoint<C: BitlabsCallback>(&self, url: impl AsRef<str>) -> Result<BitlabsEndpoint<C>, ConfigError> {
        BitlabsEndpoint::new(self.clone(), url.as_ref())
    }

    /// Option for offers and purchases: the URL receives one state only, as the dashboard can be set up. It needs
    /// no state macro then. A callback that states another state is kept as unusable.
    ///
    /// Give the URLs of all states the same parameter names. A player can add a parameter to the offer wall's URL, and
    /// one that only the URL for reversals has would make the reversal unusable, after the reward was paid.
    #[must_use]
    pub fn only(mut self, state: State) -> Self {
        self.options.only = Some(state);
        self
    }

    /// Option: SCREENOUT callbacks are acknowledged and not paid.
    #[must_use]
    pub fn acknowledge_screenouts(mut self) -> Self {
        self.options.acknowledges_screenouts = true;
        self
    }

    /// Option: `START_BONUS` callbacks are acknowledged and not paid. `BitLabs` does not pay the publisher for them.
    #[must_use]
    pub fn acknowledge_start_bonuses(mut self) -> Self {
        self.options.acknowledges_start_bonuses = true;
        self
    }

    /// Option: accepts a macro that is newer than this crate, such as `NEW:MACRO`. Its value is in the callback's
    /// query.
    #[must_use]
    pub fn allow_macro(mut self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let bare = text.strip_prefix("[%").and_then(|text| text.strip_suffix("%]"));
        self.options.allowed_macros.push(bare.unwrap_or(text).to_owned());
        self
    }

    /// Option for receipts and cashback: the parameter with the state, if it is not `magic_receipt_state` or
    /// `cashback_state`. Any macro is accepted there: the network's pages do not say how it is spelled.
    #[must_use]
    pub fn state_parameter(mut self, name: impl Into<String>) -> Self {
        self.options.state_parameter = Some(name.into());
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name.as_str())
            .field("keys", &self.keys)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A family of callbacks. Each has its own endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Offers.
    Offers,
    /// In-app purchases within offers.
    Purchases,
    /// Surveys.
    Surveys,
    /// Magic receipts.
    Receipts,
    /// Cashback.
    Cashback,
    /// General rewards.
    Rewards,
    /// Bans.
    Bans,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 7] =
        [Self::Offers, Self::Purchases, Self::Surveys, Self::Receipts, Self::Cashback, Self::Rewards, Self::Bans];

    /// Its name, which is also the endpoint's: `offers`, `surveys` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offers => "offers",
            Self::Purchases => "purchases",
            Self::Surveys => "surveys",
            Self::Receipts => "receipts",
            Self::Cashback => "cashback",
            Self::Rewards => "rewards",
            Self::Bans => "bans",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
