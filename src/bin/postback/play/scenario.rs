//! What the network does, and what a right receiver makes of it.

use rust_decimal::Decimal;

use super::cast::Cast;
use super::client::Outgoing;
use super::script::{delivery, offers, phonexa, players};

/// What a receiver must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// 200, if need be after some retries.
    Taken,
    /// Any refusal of the client's: 400 to 499.
    Refused,
}

/// One request.
pub(crate) struct Sending {
    pub(crate) what: String,
    pub(crate) request: Outgoing,
    pub(crate) expected: Expected,
}

/// Requests that are sent together, and how the player stands when all are answered.
pub(crate) struct Act {
    pub(crate) sendings: Vec<Sending>,
    pub(crate) balance: Option<Decimal>,
    pub(crate) banned: Option<bool>,
    /// The rule that decides, shown where it is broken.
    pub(crate) rule: &'static str,
}

/// A part of a conversion's life. `script` returns `None` where the dashboard's URLs lack what it needs.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static str,
    pub(crate) script: fn(&Cast<'_>) -> Option<Vec<Act>>,
}

const PHONEXA: &str = "PHONEXA_TOKEN, or PHONEXA_LOGIN and PHONEXA_PASSWORD, in the environment";

pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "offer-completed",
        needs: "an offers URL",
        script: offers::offer_completed,
    },
    Scenario {
        name: "offer-pending-completed",
        needs: "an offers URL",
        script: offers::offer_pending_completed,
    },
    Scenario {
        name: "offer-pending-reconciled",
        needs: "an offers URL",
        script: offers::offer_pending_reconciled,
    },
    Scenario {
        name: "offer-reconciled-late",
        needs: "an offers URL",
        script: offers::offer_reconciled_late,
    },
    Scenario {
        name: "offer-stateless-reconciled",
        needs: "an offers URL with [%REF%]",
        script: offers::offer_stateless_reconciled,
    },
    Scenario {
        name: "reconciled-overtakes",
        needs: "an offers URL",
        script: offers::reconciled_overtakes,
    },
    Scenario {
        name: "purchase-two-callbacks",
        needs: "an offers URL with [%OFFER:TASK:IAP:USD%]",
        script: offers::purchase_two_callbacks,
    },
    Scenario {
        name: "survey-reversed-and-restored",
        needs: "a surveys URL",
        script: players::survey_reversed_and_restored,
    },
    Scenario {
        name: "ban-unban",
        needs: "a bans URL",
        script: players::ban_unban,
    },
    Scenario {
        name: "multi-conversion",
        needs: "an offers URL",
        script: offers::multi_conversion,
    },
    Scenario {
        name: "batch",
        needs: "an offers URL",
        script: delivery::batch,
    },
    Scenario {
        name: "duplicates",
        needs: "an offers URL",
        script: delivery::duplicates,
    },
    Scenario {
        name: "dashboard-test",
        needs: "an offers URL",
        script: delivery::dashboard_test,
    },
    Scenario {
        name: "forged",
        needs: "an offers URL",
        script: delivery::forged,
    },
    Scenario {
        name: "phonexa-completed",
        needs: PHONEXA,
        script: phonexa::completed,
    },
    Scenario {
        name: "phonexa-rejected",
        needs: PHONEXA,
        script: phonexa::rejected,
    },
    Scenario {
        name: "phonexa-forged",
        needs: PHONEXA,
        script: phonexa::forged,
    },
];
