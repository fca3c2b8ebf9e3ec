//! What the guard found, as it is written down.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ConflictKind, NothingWhy};
use crate::event::Purchase;

/// What the guard found, as it is written down. A [`Decision`] is a verdict with its ground.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Reward {
        amount: Decimal,
        restored: bool,
    },
    Reversal {
        amount: Decimal,
    },
    Pending {
        amount: Option<Decimal>,
        stage: Cow<'static, str>,
    },
    Rejected,
    NothingToPay {
        why: NothingWhy,
    },
    Purchase {
        purchase: Purchase,
    },
    Ban,
    Unban,
    Conflict {
        kind: ConflictKind,
    },
}

impl Verdict {
    /// By how much the settled amount changes once the game has carried it out.
    pub(crate) fn balance_change(&self) -> Decimal {
        match self {
            Self::Reward { amount, .. } => *amount,
            Self::Reversal { amount } => -*amount,
            _ => Decimal::ZERO,
        }
    }
}
