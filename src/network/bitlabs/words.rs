//! The network's words. The lists may grow: a word that this version does not know is kept. Words are compared
//! case-insensitively.

use std::fmt;

use serde::{Serialize, Serializer};

/// The state of an offer's task, a magic receipt or a cashback purchase.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Under review: nothing is due yet.
    Pending,
    /// Final: the reward is due.
    Completed,
    /// An offer or receipt was rejected or taken back, in whole or in part.
    Reconciled,
    /// A receipt is under review.
    Reviewing,
    /// A receipt was rejected. The newer word is RECONCILED.
    Rejected,
    /// A cashback purchase was registered.
    Created,
    /// The amount of a cashback purchase was changed before it became final.
    Adjusted,
    /// A word that this version does not know.
    Unknown(String),
}

impl State {
    pub(super) fn from_word(word: &str) -> Self {
        let known: &[(&str, Self)] = &[
            ("PENDING", Self::Pending),
            ("COMPLETED", Self::Completed),
            ("COMPLETE", Self::Completed),
            ("RECONCILED", Self::Reconciled),
            ("REVIEWING", Self::Reviewing),
            ("REJECTED", Self::Rejected),
            ("CREATED", Self::Created),
            ("ADJUSTED", Self::Adjusted),
        ];
        find(known, word).unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// Whether an offer may have it. A word that this version does not know may be a new one.
    pub(super) fn is_of_offers(&self) -> bool {
        matches!(self, Self::Pending | Self::Completed | Self::Reconciled | Self::Unknown(_))
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Reconciled => "RECONCILED",
            Self::Reviewing => "REVIEWING",
            Self::Rejected => "REJECTED",
            Self::Created => "CREATED",
            Self::Adjusted => "ADJUSTED",
            Self::Unknown(word) => word,
        }
    }
}

/// As the network's word.
impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The type of a callback. For offers it is contradictory, and a state overrules it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    StateChange,
    /// A word that this version does not know.
    Unknown(String),
}

impl CallbackType {
    pub(super) fn from_word(word: &str) -> Self {
        let known: &[(&str, Self)] = &[
            ("COMPLETE", Self::Complete),
            ("SCREENOUT", Self::Screenout),
            ("RECONCILIATION", Self::Reconciliation),
            ("START_BONUS", Self::StartBonus),
            ("state_change", Self::StateChange),
        ];
        find(known, word).unwrap_or_else(|| Self::Unknown(word.to_owned()))
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

/// As the network's word.
impl Serialize for CallbackType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

fn find<T: Clone>(known: &[(&str, T)], word: &str) -> Option<T> {
    known.iter().find(|(text, _)| text.eq_ignore_ascii_case(word)).map(|(_, value)| value.clone())
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
        assert_eq!(State::from_word("completed"), State::Completed);
        assert_eq!(State::from_word("Complete"), State::Completed);
        assert_eq!(CallbackType::from_word("STATE_CHANGE"), CallbackType::StateChange);
        assert_eq!(State::from_word("Complete"), State::Completed);
        assert_eq!(State::from_word("lost").as_str(), "lost");
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
