//! What the example backends share whatever their web framework and database: settings, endpoints, greeting.

mod greeting;
pub(crate) mod history;
mod settings;

use std::net::SocketAddr;

use postback::bitlabs::{
    App, BanCallback, CashbackCallback, Endpoint, OfferCallback, ReceiptCallback, RewardCallback,
    SurveyCallback,
};
use postback::receiver::Resumed;
use postback::wire::KeyRing;
use settings::Settings;

/// Any error, on its way to a person.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The game's settings and endpoints.
pub(crate) struct Game {
    pub(crate) settings: Settings,
    pub(crate) offers: Endpoint<OfferCallback>,
    pub(crate) surveys: Endpoint<SurveyCallback>,
    pub(crate) receipts: Endpoint<ReceiptCallback>,
    pub(crate) cashback: Endpoint<CashbackCallback>,
    pub(crate) rewards: Endpoint<RewardCallback>,
    pub(crate) bans: Endpoint<BanCallback>,
}

impl Game {
    /// Reads the environment.
    pub(crate) fn from_environment() -> Result<Self, BoxError> {
        let settings = Settings::from_environment();
        let app = App::new("game", KeyRing::from_list(settings.secrets.as_str())?)?;
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
        Ok(Self {
            settings,
            offers,
            surveys,
            receipts,
            cashback,
            rewards,
            bans,
        })
    }

    /// Tells what to do next. `place` is where records and wallet are.
    pub(crate) fn greet(&self, address: SocketAddr, place: &str) {
        greeting::print(self, address, place);
    }
}

/// Tells what was carried out at the start.
pub(crate) fn tell_resumed(resumed: Resumed) {
    if resumed.settled + resumed.failed > 0 {
        println!(
            "Left open by the last run: {} settled, {} failed again.",
            resumed.settled, resumed.failed
        );
    }
}

pub(crate) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Prints an error and everything that led to it.
pub(crate) fn print_error(error: &(dyn std::error::Error + 'static)) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

/// Resolves at Ctrl-C, or when the process is asked to end.
pub(crate) async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return ctrl_c.await;
        };
        tokio::select! {
            () = ctrl_c => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    ctrl_c.await;
}

/// An error with the setting that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{setting} cannot be used")]
struct SettingError {
    setting: &'static str,
    source: postback::bitlabs::ConfigError,
}

fn about(setting: &'static str, source: postback::bitlabs::ConfigError) -> SettingError {
    SettingError { setting, source }
}
