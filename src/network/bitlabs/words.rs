//! The network's words. The lists may grow: a word that this version does not know is kept. Words are compared
//! case-insensitively.

use std::fmt;

use serde::{Serialize, Serializer};

/// The state of an offer's task, where stateful callbacks are on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum OfferState {
    /// Under review: nothing is due yet.
    Pending,
    /// Final: the reward is due.
    Completed,
    /// Rejected or taken back, in whole or in part.
    Reconciled,
    /// A word that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl OfferState {
    pub(super) fn from_word(word: &str) -> Self {
        const WORDS: &[(&str, OfferState)] = &[
            ("PENDING", OfferState::Pending),
            ("COMPLETED", OfferState::Completed),
            ("COMPLETE", OfferState::Completed),
            ("RECONCILED", OfferState::Reconciled),
        ];
        let found = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        found.map_or_else(|| Self::Unknown(word.to_owned()), |(_, value)| value.clone())
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Reconciled => "RECONCILED",
            Self::Unknown(word) => word,
        }
    }
}

/// The type of a callback. For offers it is contradictory, and a state overrules it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum CallbackType {
    /// Something was completed.
    Complete,
    /// The player was screened out of a survey and gets a small reward.
    Screenout,
    /// An earlier callback is corrected.
    Reconciliation,
    /// A bonus for starting. The network does not pay the publisher for it.
    StartBonus,
    /// A stateful offer changed its state.
    #[serde(rename = "state_change")]
    StateChange,
    /// A word that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl CallbackType {
    pub(super) fn from_word(word: &str) -> Self {
        const WORDS: &[(&str, CallbackType)] = &[
            ("COMPLETE", CallbackType::Complete),
            ("SCREENOUT", CallbackType::Screenout),
            ("RECONCILIATION", CallbackType::Reconciliation),
            ("START_BONUS", CallbackType::StartBonus),
            ("state_change", CallbackType::StateChange),
        ];
        let found = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        found.map_or_else(|| Self::Unknown(word.to_owned()), |(_, value)| value.clone())
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Screenout => "SCREENOUT",
            Self::Reconciliation => "RECONCILIATION",
            Self::StartBonus => "START_BONUS",
            Self::StateChange => "state_change",
            Self::Unknown(word) => word,
        }
    }
}

/// The state of a magic receipt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ReceiptState {
    /// Final: the reward is due.
    Completed,
    /// Uploaded.
    Pending,
    /// Under review.
    Reviewing,
    /// Rejected.
    Rejected,
    /// Rejected, in the newer word.
    Reconciled,
    /// A word that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl ReceiptState {
    pub(super) fn from_word(word: &str) -> Self {
        const WORDS: &[(&str, ReceiptState)] = &[
            ("COMPLETED", ReceiptState::Completed),
            ("COMPLETE", ReceiptState::Completed),
            ("PENDING", ReceiptState::Pending),
            ("REVIEWING", ReceiptState::Reviewing),
            ("REJECTED", ReceiptState::Rejected),
            ("RECONCILED", ReceiptState::Reconciled),
        ];
        let found = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        found.map_or_else(|| Self::Unknown(word.to_owned()), |(_, value)| value.clone())
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Pending => "PENDING",
            Self::Reviewing => "REVIEWING",
            Self::Rejected => "REJECTED",
            Self::Reconciled => "RECONCILED",
            Self::Unknown(word) => word,
        }
    }
}

/// The state of a cashback purchase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum CashbackState {
    /// Registered.
    Created,
    /// Under review.
    Pending,
    /// The amount was changed before it became final.
    Adjusted,
    /// Final: the reward is due.
    Completed,
    /// A word that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl CashbackState {
    pub(super) fn from_word(word: &str) -> Self {
        const WORDS: &[(&str, CashbackState)] = &[
            ("CREATED", CashbackState::Created),
            ("PENDING", CashbackState::Pending),
            ("ADJUSTED", CashbackState::Adjusted),
            ("COMPLETED", CashbackState::Completed),
        ];
        let found = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        found.map_or_else(|| Self::Unknown(word.to_owned()), |(_, value)| value.clone())
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "CREATED",
            Self::Pending => "PENDING",
            Self::Adjusted => "ADJUSTED",
            Self::Completed => "COMPLETED",
            Self::Unknown(word) => word,
        }
    }
}

/// What kind of task was done: the network's number and its documented name.
///
/// The network's page has two tables, and the second one calls number 4 "time played". The number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskType(u32);

const TASK_TYPES: [&str; 14] = [
    "INSTALL",
    "EVENT",
    "PURCHASE",
    "ADJUST",
    "PLAYTIME",
    "APPSFLYER",
    "SPONSORSHIP",
    "SIGN_UP",
    "DEPOSIT",
    "DIRECT_DEPOSIT",
    "ORDERED_LEVEL_EVENT",
    "AD_VIEW",
    "ANY_PURCHASE",
    "OTHER_SALE",
];

impl TaskType {
    pub(super) fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number, also one that this version has no name for.
    pub fn id(self) -> u32 {
        self.0
    }

    /// The documented name: `INSTALL`, `PURCHASE` …; `UNKNOWN` for any other number.
    pub fn name(self) -> &'static str {
        let place = self.0.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| TASK_TYPES.get(place)).copied().unwrap_or("UNKNOWN")
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.name())
    }
}

/// As its number.
impl Serialize for TaskType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_kept() {
        assert_eq!(OfferState::from_word("completed"), OfferState::Completed);
        assert_eq!(OfferState::from_word("Complete"), OfferState::Completed);
        assert_eq!(CallbackType::from_word("STATE_CHANGE"), CallbackType::StateChange);
        assert_eq!(ReceiptState::from_word("Complete"), ReceiptState::Completed);
        assert_eq!(CashbackState::from_word("lost").as_str(), "lost");
        for (value, json) in [
            (CallbackType::StartBonus, "\"START_BONUS\""),
            (CallbackType::StateChange, "\"state_change\""),
            (CallbackType::Unknown("New".into()), "\"New\""),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(json.trim_matches('"'), value.as_str());
        }
    }

    #[test]
    fn task_types_keep_number_and_documented_name() {
        for (id, shown) in
            [(1, "1 INSTALL"), (3, "3 PURCHASE"), (14, "14 OTHER_SALE"), (15, "15 UNKNOWN"), (0, "0 UNKNOWN")]
        {
            assert_eq!(TaskType::new(id).to_string(), shown);
        }
    }
}
