//! What the wallet's history says about a decision.

use postback::decision::Decision;
use postback::handler::HandlerError;
use rust_decimal::Decimal;

/// The part of a line that is not in every decision.
pub(crate) struct Line {
    pub(crate) amount: Option<Decimal>,
    pub(crate) note: Option<String>,
}

impl Line {
    pub(crate) fn of(decision: &Decision) -> Result<Self, HandlerError> {
        let amount = match decision {
            Decision::Reward(reward) => Some(reward.amount()),
            Decision::Reversal(reversal) => Some(reversal.amount()),
            Decision::Pending(pending) => pending.amount(),
            Decision::Purchase(notice) => Some(notice.purchase().usd),
            _ => None,
        };
        let note = match decision {
            Decision::NothingToPay(nothing) => Some(word(&nothing.why())?),
            Decision::Conflict(conflict) => Some(word(&conflict.kind())?),
            _ => decision.cause().reason.clone(),
        };
        Ok(Self { amount, note })
    }
}

/// The fixed word under which a value of an enum is serialised.
fn word(value: &impl serde::Serialize) -> Result<String, HandlerError> {
    Ok(serde_json::to_value(value)?
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
