//! The example's settings, all from the environment.

use std::env;

/// Used when `BITLABS_APP_SECRET` is not set. Public, so it protects nothing.
const DEMO_SECRET: &str = "demo-secret-do-not-use";

const OFFERS_URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]\
    &task=[%OFFER:TASK:ID%]&name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]\
    &hidden=[%OFFER:TASK:HIDDEN%]&type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]\
    &reason=[%OFFER:REJECTION_REASON%]";
const SURVEYS_URL: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]";
const RECEIPTS_URL: &str = "https://game.example/callbacks/receipts?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&magic_receipt_state=[%MAGIC_RECEIPT:STATE%]";
const CASHBACK_URL: &str = "https://game.example/callbacks/cashback?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&cashback_state=[%CASHBACK:STATE%]";
const REWARDS_URL: &str = "https://game.example/callbacks/rewards?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&type=[%TYPE%]";
const BANS_URL: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
    &ban_status=[%BAN:STATUS%]";

/// What the example is told by its environment.
pub(crate) struct Settings {
    /// `POSTBACK_LISTEN`: where to listen.
    pub(crate) listen: String,
    /// `BITLABS_APP_SECRET`: one secret, or several separated by commas while rotating.
    pub(crate) secrets: String,
    /// Whether the public demo secret is in use.
    pub(crate) is_demo: bool,
    /// What Phonexa's network authenticates with.
    pub(crate) phonexa: Phonexa,
    /// The dashboard URLs, by family: `BITLABS_OFFERS_URL` and so on.
    pub(crate) urls: Urls,
}

/// `PHONEXA_LOGIN` with `PHONEXA_PASSWORD`, and `PHONEXA_TOKEN`: either, or both.
pub(crate) struct Phonexa {
    pub(crate) login: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
}

/// The URLs as typed into the network's dashboard.
pub(crate) struct Urls {
    pub(crate) offers: String,
    pub(crate) surveys: String,
    pub(crate) receipts: String,
    pub(crate) cashback: String,
    pub(crate) rewards: String,
    pub(crate) bans: String,
}

/// A variable is set to something that is not text: no reason to fall back on a default, least of all on
/// the demo secret.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is set, but not to UTF-8 text")]
pub(crate) struct NotText {
    variable: &'static str,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, NotText> {
        let secrets = value("BITLABS_APP_SECRET")?;
        Ok(Self {
            listen: or("POSTBACK_LISTEN", "127.0.0.1:8080")?,
            is_demo: secrets.is_none(),
            secrets: secrets.unwrap_or_else(|| DEMO_SECRET.to_owned()),
            phonexa: Phonexa {
                login: value("PHONEXA_LOGIN")?,
                password: value("PHONEXA_PASSWORD")?,
                token: value("PHONEXA_TOKEN")?,
            },
            urls: Urls {
                offers: or("BITLABS_OFFERS_URL", OFFERS_URL)?,
                surveys: or("BITLABS_SURVEYS_URL", SURVEYS_URL)?,
                receipts: or("BITLABS_RECEIPTS_URL", RECEIPTS_URL)?,
                cashback: or("BITLABS_CASHBACK_URL", CASHBACK_URL)?,
                rewards: or("BITLABS_REWARDS_URL", REWARDS_URL)?,
                bans: or("BITLABS_BANS_URL", BANS_URL)?,
            },
        })
    }
}

/// A variable's text, or a default where it is not set.
pub(crate) fn or(variable: &'static str, default: &str) -> Result<String, NotText> {
    Ok(value(variable)?.unwrap_or_else(|| default.to_owned()))
}

/// A variable's text; `None` where it is not set.
pub(crate) fn value(variable: &'static str) -> Result<Option<String>, NotText> {
    match env::var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(NotText { variable }),
    }
}
