//! The kinds of decision.

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Decision;

/// The kinds of decision, for logs, counters and histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecisionKind {
    /// [`Decision::Reward`] of a completed event.
    Reward,
    /// [`Decision::Reward`] that gives back what was taken.
    RestoredReward,
    /// [`Decision::Reversal`].
    Reversal,
    /// [`Decision::Pending`].
    Pending,
    /// [`Decision::Rejected`].
    Rejected,
    /// [`Decision::NothingToPay`].
    NothingToPay,
    /// [`Decision::Purchase`].
    Purchase,
    /// [`Decision::Ban`].
    Ban,
    /// [`Decision::Unban`].
    Unban,
    /// [`Decision::Conflict`].
    Conflict,
}

impl DecisionKind {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::RestoredReward => "restored_reward",
            Self::Reversal => "reversal",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::NothingToPay => "nothing_to_pay",
            Self::Purchase => "purchase",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Conflict => "conflict",
        }
    }
}

impl fmt::Display for DecisionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
