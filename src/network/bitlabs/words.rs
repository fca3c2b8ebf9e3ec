//! The network's words. The lists may grow: a word that this version does not know is kept. Words are compared
//! case-insensitively.

use std::fmt;

use serde::{Serialize, Serializer};

/// Defines the words of one field. Where a value has several, the first is the one to write.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $first:literal $(| $other:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $value,)*
            /// A word that this version does not know.
            Unknown(String),
        }

        impl $name {
            pub(super) fn from_word(word: &str) -> Self {
                $(if [$first $(, $other)*].iter().any(|known| known.eq_ignore_ascii_case(word)) {
                    return Self::$value;
                })*
                Self::Unknown(word.to_owned())
            }

            /// The network's word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$value => $first,)*
                    Self::Unknown(word) => word,
                }
            }
        }

        /// As the network's word.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// The state of an offer's task, where stateful callbacks are on.
    OfferState {
        /// Under review: nothing is due yet.
        Pending = "PENDING",
        /// Final: the reward is due.
        Completed = "COMPLETED" | "COMPLETE",
        /// Rejected or taken back, in whole or in part.
        Reconciled = "RECONCILED",
    }
}

words! {
    /// The type of a callback. For offers it is contradictory, and a state overrules it.
    CallbackType {
        /// Something was completed.
        Complete = "COMPLETE",
        /// The player was screened out of a survey and gets a small reward.
        Screenout = "SCREENOUT",
        /// An earlier callback is corrected.
        Reconciliation = "RECONCILIATION",
        /// A bonus for starting. The network does not pay the publisher for it.
        StartBonus = "START_BONUS",
        /// A stateful offer changed its state.
        StateChange = "state_change",
    }
}

words! {
    /// The state of a magic receipt.
    ReceiptState {
        /// Final: the reward is due.
        Completed = "COMPLETED" | "COMPLETE",
        /// Uploaded.
        Pending = "PENDING",
        /// Under review.
        Reviewing = "REVIEWING",
        /// Rejected.
        Rejected = "REJECTED",
        /// Rejected, in the newer word.
        Reconciled = "RECONCILED",
    }
}

words! {
    /// The state of a cashback purchase.
    CashbackState {
        /// Registered.
        Created = "CREATED",
        /// Under review.
        Pending = "PENDING",
        /// The amount was changed before it became final.
        Adjusted = "ADJUSTED",
        /// Final: the reward is due.
        Completed = "COMPLETED",
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
