//! What the example backends share whatever their web framework: its life, settings, endpoints,
//! routes, wallet, greeting.

mod greeting;
mod phonexa;
mod routes;
mod running;
mod settings;
mod wallet;

use std::net::SocketAddr;

use postback::bitlabs::{
    App, BanCallback, CashbackCallback, Endpoint, OfferCallback, ReceiptCallback, RewardCallback,
    SurveyCallback,
};
use postback::decision::Decision;
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};
use postback::wire::KeyRing;
pub(crate) use routes::Routes;
pub(crate) use running::{Ending, run};
use serde_json::Value;
use settings::Settings;

/// Any error, on its way to a person.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The game: its endpoints, its store, and the receiver that pays into its wallet.
pub(crate) struct Game {
    pub(crate) settings: Settings,
    pub(crate) offers: Endpoint<OfferCallback>,
    pub(crate) surveys: Endpoint<SurveyCallback>,
    pub(crate) receipts: Endpoint<ReceiptCallback>,
    pub(crate) cashback: Endpoint<CashbackCallback>,
    pub(crate) rewards: Endpoint<RewardCallback>,
    pub(crate) bans: Endpoint<BanCallback>,
    pub(crate) phonexa: Option<postback::phonexa::Endpoint>,
    pub(crate) store: SqliteStore,
    pub(crate) receiver: SqliteReceiver,
}

impl Game {
    /// Reads the environment, opens the file, and carries out what a crash left open.
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

        let store = SqliteStore::open(&settings.database)?;
        store.write(|db| db.execute_batch(wallet::SCHEMA)).await?;
        let receiver = store.receiver(|db: &InTransaction<'_>, decision: &Decision| {
            wallet::carry_out(db, decision)
        });
        let resumed = receiver.resume().await?;
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
            store,
            receiver,
        })
    }

    /// Tells what to do next.
    pub(crate) fn greet(&self, address: SocketAddr) {
        greeting::print(self, address);
    }
}

/// What `GET /players/{id}` answers.
pub(crate) async fn statement(store: &SqliteStore, player: String) -> Result<Value, BoxError> {
    Ok(store
        .read(move |db| wallet::statement(db, &player))
        .await
        .inspect_err(|error| {
            tracing::error!(%error, "a player's statement could not be read");
        })?)
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
