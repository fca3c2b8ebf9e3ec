//! The network's words: lists that may grow. A word that this version does not know is kept, never
//! refused; words are compared without regard to case.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! open_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $other:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A word that this version does not know, as it was sent.
            Unknown(String),
        }

        impl $name {
            /// Reads the network's word.
            pub fn from_word(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) $(|| word.eq_ignore_ascii_case($other))* {
                    return Self::$variant;
                })+
                Self::Unknown(word.to_owned())
            }

            /// The network's word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

open_list! {
    /// The state of an offer's task, where stateful callbacks are on.
    OfferState {
        /// Under review; nothing is due yet.
        Pending = "PENDING",
        /// Final: the reward is due.
        Completed = "COMPLETED",
        /// Rejected or taken back, wholly or in part.
        Reconciled = "RECONCILED",
    }
}

open_list! {
    /// The type of a callback. For offers it is contradictory, and a state overrules it.
    CallbackType {
        /// Something was completed.
        Complete = "COMPLETE",
        /// The player was screened out of a survey, and is rewarded a little.
        Screenout = "SCREENOUT",
        /// An earlier callback is corrected.
        Reconciliation = "RECONCILIATION",
        /// A bonus for starting. The network does not pay the publisher for it.
        StartBonus = "START_BONUS",
        /// A stateful offer changed its state.
        StateChange = "state_change",
    }
}

open_list! {
    /// The state of a magic receipt.
    ReceiptState {
        /// Final: the reward is due.
        Completed = "COMPLETED" | "COMPLETE",
        /// Uploaded.
        Pending = "PENDING",
        /// Being looked at.
        Reviewing = "REVIEWING",
        /// Refused.
        Rejected = "REJECTED",
        /// Refused, in the newer word.
        Reconciled = "RECONCILED",
    }
}

open_list! {
    /// The state of a cashback purchase.
    CashbackState {
        /// Registered.
        Created = "CREATED",
        /// Under review.
        Pending = "PENDING",
        /// The amount was changed, before it is final.
        Adjusted = "ADJUSTED",
        /// Final: the reward is due.
        Completed = "COMPLETED",
    }
}

open_list! {
    /// How trustworthy the network thinks the player is.
    FraudLevel {
        /// Trustworthy.
        Good = "GOOD",
        /// In between.
        Medium = "MEDIUM",
        /// Suspicious.
        Bad = "BAD",
    }
}

open_list! {
    /// Why an offer was rejected.
    RejectionReason {
        /// The click's cookie was seen before.
        DupeCookie = "DUPE_COOKIE",
        /// The advertiser's postback came from another country.
        PostbackCountryMismatch = "POSTBACK_COUNTRY_MISMATCH",
        /// Events were skipped.
        SkippedEvents = "SKIPPED_EVENTS",
        /// High fraud score.
        HighFraudScore = "HIGH_FRAUD_SCORE",
        /// High fraud score at IPQS.
        HighIpqsFraudScore = "HIGH_IPQS_FRAUD_SCORE",
        /// Fraud according to Adjust.
        AdjustFraud = "ADJUST_FRAUD",
        /// The address is blocked.
        DchIpBlock = "DCH_IP_BLOCK",
        /// The device is not allowed.
        DeviceNotAllowed = "DEVICE_NOT_ALLOWED",
        /// The player has converted already.
        VcUserAlreadyConverted = "VC_USER_ALREADY_CONVERTED",
        /// The transaction has converted already.
        TxidAlreadyConverted = "TXID_ALREADY_CONVERTED",
        /// The address has converted already.
        IpAlreadyConverted = "IP_ALREADY_CONVERTED",
        /// The advertiser took the money back.
        Chargeback = "CHARGEBACK",
        /// The event was not promised.
        EventNotPromised = "EVENT_NOT_PROMISED",
        /// The click has expired.
        ClickExpired = "CLICK_EXPIRED",
        /// The offer's event has expired.
        OfferEventExpired = "OFFER_EVENT_EXPIRED",
        /// The player is blocked.
        VcUserBlocked = "VC_USER_BLOCKED",
        /// Not a time-played event.
        NotTimePlayedEvent = "NOT_TIME_PLAYED_EVENT",
        /// The time-played goal is another one.
        TimePlayedGoalMismatch = "TIME_PLAYED_GOAL_MISMATCH",
        /// A time-played event without a goal.
        NoTpGoalIdProvidedForTimePlayedEvent = "NO_TP_GOAL_ID_PROVIDED_FOR_TIME_PLAYED_EVENT",
        /// Another network has the conversion.
        Reattributed = "REATTRIBUTED",
    }
}

/// What kind of task was done: the network's number and its documented name.
///
/// The vendor's page has two tables, and the second calls number 4 "time played": the number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskType(Option<u32>);

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
    /// Of this number.
    pub fn new(id: u32) -> Self {
        Self(Some(id))
    }

    /// Reads the network's number; empty, `null` and anything else is an unknown type.
    pub fn from_word(word: &str) -> Self {
        let is_number = word.bytes().all(|b| b.is_ascii_digit());
        Self(word.parse().ok().filter(|_| is_number))
    }

    /// The number, where one was sent; also one that this version has no name for.
    pub fn id(self) -> Option<u32> {
        self.0
    }

    /// The documented name: `INSTALL`, `PURCHASE` …; `UNKNOWN` for any other number and for none.
    pub fn name(self) -> &'static str {
        let place = self
            .0
            .and_then(|id| id.checked_sub(1))
            .and_then(|place| usize::try_from(place).ok());
        place
            .and_then(|place| TASK_TYPES.get(place))
            .copied()
            .unwrap_or("UNKNOWN")
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id} {}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_kept() {
        assert_eq!(OfferState::from_word("completed"), OfferState::Completed);
        assert_eq!(
            CallbackType::from_word("STATE_CHANGE"),
            CallbackType::StateChange
        );
        assert_eq!(ReceiptState::from_word("Complete"), ReceiptState::Completed);
        assert_eq!(FraudLevel::from_word("ok").as_str(), "ok");
        assert_eq!(
            RejectionReason::from_word("chargeback"),
            RejectionReason::Chargeback
        );
    }

    #[test]
    fn a_task_type_is_shown_by_number_and_name() {
        for (word, shown) in [("3", "3 PURCHASE"), ("99", "99 UNKNOWN"), ("", "UNKNOWN")] {
            assert_eq!(TaskType::from_word(word).to_string(), shown);
        }
    }

    #[test]
    fn task_types_keep_the_number_beside_the_documented_name() {
        for (word, id, name) in [
            ("1", Some(1), "INSTALL"),
            ("3", Some(3), "PURCHASE"),
            ("14", Some(14), "OTHER_SALE"),
            ("15", Some(15), "UNKNOWN"),
            ("0", Some(0), "UNKNOWN"),
            ("null", None, "UNKNOWN"),
            ("", None, "UNKNOWN"),
            ("+3", None, "UNKNOWN"),
        ] {
            let task = TaskType::from_word(word);
            assert_eq!((task.id(), task.name()), (id, name), "{word:?}");
        }
    }
}
