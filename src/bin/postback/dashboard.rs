//! The URLs as typed into the dashboard, one an endpoint.

use clap::Args;
use postback::bitlabs::{App, ConfigError, Family};
use postback::wire::KeyRing;

use crate::ending::{Failure, about};
use crate::endpoint::Opens;

#[derive(Args, Clone)]
#[command(next_help_heading = "Dashboard URLs, as typed there, macros and all")]
#[expect(clippy::struct_field_names, reason = "the names of the options")]
pub(crate) struct Dashboard {
    /// For offers.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_OFFERS_URL",
        hide_env_values = true
    )]
    pub(crate) offers_url: Option<String>,
    /// For offers that bring in-app purchases.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_PURCHASES_URL",
        hide_env_values = true
    )]
    pub(crate) purchases_url: Option<String>,
    /// For surveys.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_SURVEYS_URL",
        hide_env_values = true
    )]
    pub(crate) surveys_url: Option<String>,
    /// For magic receipts.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_RECEIPTS_URL",
        hide_env_values = true
    )]
    pub(crate) receipts_url: Option<String>,
    /// For cashback.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_CASHBACK_URL",
        hide_env_values = true
    )]
    pub(crate) cashback_url: Option<String>,
    /// For general rewards.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_REWARDS_URL",
        hide_env_values = true
    )]
    pub(crate) rewards_url: Option<String>,
    /// For bans.
    #[arg(
        long,
        value_name = "URL",
        env = "BITLABS_BANS_URL",
        hide_env_values = true
    )]
    pub(crate) bans_url: Option<String>,
}

/// Every family, in the order of the vendor's pages.
pub(crate) const FAMILIES: [Family; 7] = [
    Family::Offers,
    Family::Purchases,
    Family::Surveys,
    Family::Receipts,
    Family::Cashback,
    Family::Rewards,
    Family::Bans,
];

impl Dashboard {
    /// The URL of a family, if one was given.
    pub(crate) fn url(&self, family: Family) -> Option<&str> {
        let url = match family {
            Family::Offers => &self.offers_url,
            Family::Purchases => &self.purchases_url,
            Family::Surveys => &self.surveys_url,
            Family::Receipts => &self.receipts_url,
            Family::Cashback => &self.cashback_url,
            Family::Rewards => &self.rewards_url,
            Family::Bans => &self.bans_url,
            _ => return None,
        };
        url.as_deref()
    }

    /// The endpoints that were given.
    pub(crate) fn endpoints(&self, keys: &KeyRing) -> Result<Vec<Box<dyn Opens>>, Failure> {
        let app = App::new("game", keys.clone())?;
        let given = FAMILIES
            .into_iter()
            .filter_map(|family| Some((family, self.url(family)?)));
        given
            .map(|(family, url)| {
                endpoint(&app, family, url).map_err(|error| {
                    about(format!("--{}-url cannot be used", family.name()), error)
                })
            })
            .collect()
    }
}

/// An endpoint for one family.
pub(crate) fn endpoint(
    app: &App,
    family: Family,
    url: &str,
) -> Result<Box<dyn Opens>, ConfigError> {
    Ok(match family {
        Family::Purchases => Box::new(app.purchases(url).build()?),
        Family::Surveys => Box::new(app.surveys(url).build()?),
        Family::Receipts => Box::new(app.receipts(url).build()?),
        Family::Cashback => Box::new(app.cashback(url).build()?),
        Family::Rewards => Box::new(app.rewards(url).build()?),
        Family::Bans => Box::new(app.bans(url).build()?),
        _ => Box::new(app.offers(url).build()?),
    })
}
