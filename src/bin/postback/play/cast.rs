//! Who plays: a player of the scenario's own, with transactions that no earlier run had.

use postback::bitlabs::Family;
use postback::testing::bitlabs::{CallbackBuilder, Network};

use crate::dashboard::Dashboard;

/// The URLs of the example receivers, used when none is given.
const DEMO: &[(Family, &str)] = &[
    (
        Family::Offers,
        "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
         &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]\
         &task=[%OFFER:TASK:ID%]&name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]\
         &hidden=[%OFFER:TASK:HIDDEN%]&type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]\
         &reason=[%OFFER:REJECTION_REASON%]",
    ),
    (
        Family::Surveys,
        "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
         &usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]",
    ),
    (
        Family::Receipts,
        "https://game.example/callbacks/receipts?player=[%USER:UID%]&tx=[%TX%]\
         &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&magic_receipt_state=[%MAGIC_RECEIPT:STATE%]",
    ),
    (
        Family::Cashback,
        "https://game.example/callbacks/cashback?player=[%USER:UID%]&tx=[%TX%]\
         &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&cashback_state=[%CASHBACK:STATE%]",
    ),
    (
        Family::Rewards,
        "https://game.example/callbacks/rewards?player=[%USER:UID%]&tx=[%TX%]\
         &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&type=[%TYPE%]",
    ),
    (
        Family::Bans,
        "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
         &ban_status=[%BAN:STATUS%]",
    ),
];

/// The same dashboard with the demo's URLs, unless one of its own was given.
pub(crate) fn or_demo(mut given: Dashboard) -> Dashboard {
    let all = crate::dashboard::FAMILIES;
    if all.iter().any(|family| given.url(*family).is_some()) {
        return given;
    }
    let demo = |wanted: Family| {
        DEMO.iter()
            .find(|(family, _)| *family == wanted)
            .map(|(_, url)| (*url).to_owned())
    };
    given.offers_url = demo(Family::Offers);
    given.surveys_url = demo(Family::Surveys);
    given.receipts_url = demo(Family::Receipts);
    given.cashback_url = demo(Family::Cashback);
    given.rewards_url = demo(Family::Rewards);
    given.bans_url = demo(Family::Bans);
    given
}

/// What Phonexa's network authenticates with.
pub(crate) enum Phonexa {
    Token(String),
    Login(String, String),
}

impl Phonexa {
    /// As the example receivers have it: from the environment, if it is there.
    pub(crate) fn from_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (variable("PHONEXA_LOGIN"), variable("PHONEXA_PASSWORD")) {
            (Some(login), Some(password)) => Some(Self::Login(login, password)),
            _ => variable("PHONEXA_TOKEN").map(Self::Token),
        }
    }
}

/// One performance of a scenario.
pub(crate) struct Cast<'a> {
    pub(crate) network: &'a Network,
    pub(crate) dashboard: &'a Dashboard,
    pub(crate) phonexa: Option<&'a Phonexa>,
    pub(crate) player: String,
    /// Makes transactions its own: digits only, as the network's are.
    pub(crate) number: String,
}

impl Cast<'_> {
    /// A transaction of this performance; `prefix` as the network has it: `o`, `or`, or none.
    pub(crate) fn transaction(&self, prefix: &str, number: u32) -> String {
        format!("{prefix}{}{number:02}", self.number)
    }

    /// The URL of a family; an in-app purchase may come to the offers' URL.
    pub(crate) fn url(&self, family: Family) -> Option<&str> {
        self.dashboard.url(family)
    }

    /// Whether a family's URL has one of these macros.
    pub(crate) fn has(&self, family: Family, macros: &[&str]) -> bool {
        self.url(family).is_some_and(|url| {
            macros
                .iter()
                .any(|text| url.contains(&format!("[%{text}%]")))
        })
    }

    pub(crate) fn callback(&self, family: Family) -> CallbackBuilder {
        self.network
            .callback(self.url(family).unwrap_or_default())
            .player(&self.player)
            .set("OFFER:ID", "7001")
            .set("OFFER_ID", "7001")
            .set("OFFER:NAME", "Lords Mobile: Kingdom Wars & more")
            .set("OFFER_NAME", "Lords Mobile: Kingdom Wars & more")
            .set("OFFER:TASK:ID", "9002")
            .set("TASK_ID", "9002")
            .usd("2.50")
    }

    pub(crate) fn offer(&self, transaction: u32, state: &str, gems: &str) -> CallbackBuilder {
        self.callback(Family::Offers)
            .transaction(self.transaction("o", transaction))
            .state(state)
            .amount(gems)
            .call_type(if state == "NONE" {
                "COMPLETE"
            } else {
                "state_change"
            })
    }

    pub(crate) fn survey(&self, transaction: u32, call_type: &str, gems: &str) -> CallbackBuilder {
        self.callback(Family::Surveys)
            .transaction(self.transaction("", transaction))
            .call_type(call_type)
            .amount(gems)
    }

    pub(crate) fn ban(&self, status: &str) -> CallbackBuilder {
        self.callback(Family::Bans)
            .ban_status(status)
            .ban_reason("FRAUD")
    }
}
