//! What the example backends share whatever their web framework and database: their life, settings, endpoints,
//! routes, greeting.

mod greeting;
pub(crate) mod history;
mod phonexa;
mod routes;
mod running;
mod settings;

use std::future::Future;
use std::net::SocketAddr;

use postback::bitlabs::{
    App, BanCallback, CashbackCallback, Endpoint, OfferCallback, ReceiptCallback, RewardCallback,
    SurveyCallback,
};
use postback::receiver::{Receive, Resumed};
use postback::wire::KeyRing;
pub(crate) use routes::Routes;
pub(crate) use running::{Ending, run};
use serde_json::Value;
pub(crate) use settings::Settings;

/// Any error, on its way to a person.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The database with the store and the wallet.
pub(crate) trait Database: Sized + Send + Sync + 'static {
    type Receiver: Receive + Clone;

    /// Opens it, notes in the settings where it is, and carries out what a crash left open.
    fn open(
        settings: &mut Settings,
    ) -> impl Future<Output = Result<(Self, Self::Receiver, Resumed), BoxError>>;

    /// What `GET /players/{id}` answers.
    fn statement(&self, player: String) -> impl Future<Output = Result<Value, BoxError>> + Send;

    fn close(&self) -> impl Future<Output = ()>;
}

/// The game: its endpoints, its database, and the receiver that pays into its wallet.
pub(crate) struct Game<D: Database> {
    pub(crate) settings: Settings,
    pub(crate) offers: Endpoint<OfferCallback>,
    pub(crate) surveys: Endpoint<SurveyCallback>,
    pub(crate) receipts: Endpoint<ReceiptCallback>,
    pub(crate) cashback: Endpoint<CashbackCallback>,
    pub(crate) rewards: Endpoint<RewardCallback>,
    pub(crate) bans: Endpoint<BanCallback>,
    pub(crate) phonexa: Option<postback::phonexa::Endpoint>,
    pub(crate) database: D,
    pub(crate) receiver: D::Receiver,
}

impl<D: Database> Game<D> {
    /// Reads the environment, opens the database, and carries out what a crash left open.
    pub(crate) async fn open() -> Result<Self, BoxError> {
        let mut settings = Settings::from_environment()?;
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

        let (database, receiver, resumed) = D::open(&mut settings).await?;
        if resumed.settled + resumed.failed > 0 {
            println!(
                "Left open by the last run: {} settled, {} failed again.",
                resumed.settled, resumed.failed
            );
        }
        Ok(Self {
            settings,
            offers,
            surveys,
            receipts,
            cashback,
            rewards,
            bans,
            phonexa,
            database,
            receiver,
        })
    }

    /// Tells what to do next.
    pub(crate) fn greet(&self, address: SocketAddr) {
        greeting::print(&self.settings, self.phonexa.is_some(), address);
    }
}

/// What `GET /players/{id}` answers; an error is logged.
pub(crate) async fn statement(database: &impl Database, player: String) -> Result<Value, BoxError> {
    database.statement(player).await.inspect_err(|error| {
        tracing::error!(%error, "a player's statement could not be read");
    })
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
