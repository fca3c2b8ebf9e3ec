//! What the example backends share whatever their web framework and database: their life, settings,
//! endpoints, routes, greeting.

mod bank;
mod greeting;
pub(crate) mod history;
mod phonexa;
mod routes;
mod running;
pub(crate) mod settings;

use postback::bitlabs::{
    App, BanCallback, CashbackCallback, Endpoint, OfferCallback, ReceiptCallback, RewardCallback,
    SurveyCallback,
};
use postback::wire::KeyRing;
use settings::Settings;

pub(crate) use bank::Bank;
pub(crate) use routes::Routes;
pub(crate) use running::{Ending, run};

/// Any error, on its way to a person.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The game: its endpoints, where records and wallet are, and the receiver that pays into the wallet.
pub(crate) struct Game<B: Bank> {
    pub(crate) settings: Settings,
    pub(crate) offers: Endpoint<OfferCallback>,
    pub(crate) surveys: Endpoint<SurveyCallback>,
    pub(crate) receipts: Endpoint<ReceiptCallback>,
    pub(crate) cashback: Endpoint<CashbackCallback>,
    pub(crate) rewards: Endpoint<RewardCallback>,
    pub(crate) bans: Endpoint<BanCallback>,
    pub(crate) phonexa: Option<postback::phonexa::Endpoint>,
    pub(crate) bank: B,
    pub(crate) receiver: B::Receiver,
}

impl<B: Bank> Game<B> {
    /// Reads the environment, opens the bank, and carries out what a crash left open.
    pub(crate) async fn open() -> Result<Self, BoxError> {
        let settings = Settings::from_environment()?;
        let keys = KeyRing::from_list(settings.secrets.as_str())
            .map_err(|error| about("BITLABS_APP_SECRET", error))?;
        let app = App::new("game", keys)?;
        let urls = &settings.urls;
        let offers = app
            .offers(&urls.offers)
            .build()
            .map_err(|error| about("BITLABS_OFFERS_URL", error))?;
        let surveys = app
            .surveys(&urls.surveys)
            .build()
            .map_err(|error| about("BITLABS_SURVEYS_URL", error))?;
        let receipts = app
            .receipts(&urls.receipts)
            .build()
            .map_err(|error| about("BITLABS_RECEIPTS_URL", error))?;
        let cashback = app
            .cashback(&urls.cashback)
            .build()
            .map_err(|error| about("BITLABS_CASHBACK_URL", error))?;
        let rewards = app
            .rewards(&urls.rewards)
            .build()
            .map_err(|error| about("BITLABS_REWARDS_URL", error))?;
        let bans = app
            .bans(&urls.bans)
            .build()
            .map_err(|error| about("BITLABS_BANS_URL", error))?;
        let phonexa = phonexa::endpoint(&settings.phonexa)?;
        let (opened, receiver) = B::open().await?;
        Ok(Self {
            settings,
            offers,
            surveys,
            receipts,
            cashback,
            rewards,
            bans,
            phonexa,
            bank: opened,
            receiver,
        })
    }
}

/// An error with the setting that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{setting} cannot be used")]
struct SettingError {
    setting: &'static str,
    source: BoxError,
}

fn about(setting: &'static str, source: impl Into<BoxError>) -> SettingError {
    SettingError {
        setting,
        source: source.into(),
    }
}
