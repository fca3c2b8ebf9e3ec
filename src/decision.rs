//! What the game is asked to do: one decision at a time.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::event::{Event, EventKind};
use crate::id::{PlayerId, REDACTED_PLAYER, RecordKey};

/// A decision's stable id: the same whenever the decision is repeated, never used for another one. Make the wallet
/// idempotent on it, for example as a primary key.
///
/// Visible ASCII without spaces: the record's key (other characters and `.` percent-encoded), the decision's number in the
/// record, and a digest of its content, so that a record that was erased or lost cannot reuse an id for something
/// else: `bitlabs/my-game/conversion/o233#1-8c4f0a61`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DecisionId(Arc<str>);

/// What is escaped in the key within a decision's id, so that the id is printable and only its last `#` separates. It has
/// no `.`, which separates it from the time where webhooks are signed.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'#').add(b'.');

impl DecisionId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text for a log: `bitlabs/my-game/player/[player]#1-8c4f0a61` for a ban.
    pub fn redacted(&self) -> Cow<'_, str> {
        let mut parts = self.0.splitn(4, '/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(network), Some(app), Some("player"), Some(id)) => {
                let number = id.rsplit('#').next().unwrap_or_default();
                format!("{network}/{app}/player/{REDACTED_PLAYER}#{number}").into()
            }
            _ => (&*self.0).into(),
        }
    }

    fn new(key: &RecordKey, number: u32, event: &Event, received: Timestamp, action: &Action) -> Self {
        let mut text = String::with_capacity(key.as_str().len() + 24);
        text.extend(utf8_percent_encode(key.as_str(), ESCAPED));
        let mut content = Sha256::new();
        let mut add = |field: &str| {
            content.update(field.as_bytes());
            content.update([0]);
        };
        add(action.as_str());
        add(&action.balance_change().normalize().to_string());
        match &event.kind {
            EventKind::Conversion { transaction, .. } => add(transaction.as_str()),
            // A ban has no transaction: only the time of arrival distinguishes two of them.
            EventKind::Ban(_) => add(&received.as_millis().to_string()),
        }
        let [a, b, c, d, ..] = <[u8; 32]>::from(content.finalize());
        let _ = write!(text, "#{number}-{:08x}", u32::from_be_bytes([a, b, c, d]));
        Self(text.into())
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for DecisionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What the game is asked to do about one callback. Cheap to clone.
///
/// ```
/// use postback::{Action, Decision};
///
/// fn describe(decision: &Decision) -> String {
///     match decision.action() {
///         Action::Reward(reward) => format!("{} gets {}", decision.player(), reward.amount()),
///         Action::Reversal(reversal) => format!("{} loses {}", decision.player(), reversal.amount()),
///         other => format!("{}: {}", decision.player(), other.as_str()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Hash, Serialize)]
pub struct Decision {
    id: DecisionId,
    conversion: RecordKey,
    received: Timestamp,
    event: Arc<Event>,
    #[serde(flatten)]
    action: Action,
}

impl Decision {
    pub(crate) fn new(key: &RecordKey, number: u32, event: &Arc<Event>, received: Timestamp, action: Action) -> Self {
        Self {
            id: DecisionId::new(key, number, event, received, &action),
            conversion: key.clone(),
            received,
            event: Arc::clone(event),
            action,
        }
    }

    /// The stable id to be idempotent on.
    pub fn id(&self) -> &DecisionId {
        &self.id
    }

    /// The player.
    pub fn player(&self) -> &PlayerId {
        &self.event.player
    }

    /// The record it belongs to: the conversion, or for a ban the player.
    pub fn conversion(&self) -> &RecordKey {
        &self.conversion
    }

    /// What to do.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// By how much the player's balance changes, in the app's currency: positive for a reward, negative for a
    /// reversal, otherwise zero.
    pub fn balance_change(&self) -> Decimal {
        self.action.balance_change()
    }

    /// When the callback that caused it arrived first.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// The callback that caused it.
    pub fn event(&self) -> &Event {
        &self.event
    }
}

/// What to do about a callback.
///
/// A [`Reward`] has private fields, so a wallet function that takes one cannot be called for anything else:
///
/// ```compile_fail,E0451
/// let forged = postback::Reward { amount: 500.into(), restored: false };
/// ```
#[derive(Debug, Clone, PartialEq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Pay the player.
    Reward(Reward),
    /// Take back from the player what was paid.
    Reversal(Reversal),
    /// A reward is on its way. Nothing is due yet.
    Pending {
        /// What may become due, where the network says so.
        #[serde(with = "crate::decimal::option")]
        amount: Option<Decimal>,
        /// The network's word for the stage.
        stage: Cow<'static, str>,
    },
    /// The network rejected the conversion before anything was paid.
    Rejected,
    /// Nothing is due.
    Nothing {
        /// Why.
        reason: NothingReason,
    },
    /// Purchase data for a conversion that was already decided. No money moves.
    Purchase {
        /// What the player spent in the app, in US dollars.
        #[serde(with = "crate::decimal")]
        usd: Decimal,
    },
    /// The network banned the player.
    Ban,
    /// The network lifted its ban.
    Unban,
    /// The callback contradicts what is known. No money moves; somebody should look at it.
    Conflict {
        /// The contradiction.
        kind: ConflictKind,
    },
}

impl Action {
    /// One fixed word: `reward`, `reversal`, `pending`, `rejected`, `nothing`, `purchase`, `ban`, `unban` or
    /// `conflict`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reward(_) => "reward",
            Self::Reversal(_) => "reversal",
            Self::Pending { .. } => "pending",
            Self::Rejected => "rejected",
            Self::Nothing { .. } => "nothing",
            Self::Purchase { .. } => "purchase",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Conflict { .. } => "conflict",
        }
    }

    /// By how much the player's balance changes.
    pub fn balance_change(&self) -> Decimal {
        match self {
            Self::Reward(reward) => reward.amount,
            Self::Reversal(reversal) => -reversal.amount,
            _ => Decimal::ZERO,
        }
    }

    /// Pays a positive amount, takes back a negative one.
    pub(crate) fn moving(amount: Decimal, restored: bool) -> Self {
        if amount.is_sign_negative() {
            Self::Reversal(Reversal { amount: -amount })
        } else {
            Self::Reward(Reward { amount, restored })
        }
    }
}

/// Pay the player this amount.
#[derive(Debug, Clone, PartialEq, Hash, Serialize)]
pub struct Reward {
    #[serde(with = "crate::decimal")]
    amount: Decimal,
    restored: bool,
}

impl Reward {
    /// What to pay, in the app's currency; positive.
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// Whether it gives back what an earlier reversal took.
    pub fn is_restored(&self) -> bool {
        self.restored
    }
}

/// Take this amount back from the player.
#[derive(Debug, Clone, PartialEq, Hash, Serialize)]
pub struct Reversal {
    #[serde(with = "crate::decimal")]
    amount: Decimal,
}

impl Reversal {
    /// What to take back, in the app's currency; positive, and never more than was paid for this conversion.
    pub fn amount(&self) -> Decimal {
        self.amount
    }
}

/// Why nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NothingReason {
    /// The completed event is worth nothing, such as an install.
    ZeroReward,
    /// The reward was taken back before its completed event arrived.
    AlreadyTakenBack,
    /// The reversal takes back nothing, or what it takes back was never paid or is gone already.
    NothingToTakeBack,
    /// A correction would raise the reward above what was completed. The network may owe the player the difference.
    AboveCompleted,
    /// A reversal whose original is unknown (so far). It is remembered: if the original arrives later, only what
    /// is left is paid.
    Unlinked,
    /// A pending message that arrived after a final one.
    LatePending,
    /// The state is unknown to this version of the crate.
    UnknownState,
    /// The state is empty.
    EmptyState,
    /// The endpoint acknowledges such events without paying.
    UnpaidByChoice,
    /// The event is not about a reward.
    NotAReward,
}

impl NothingReason {
    /// One fixed word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ZeroReward => "zero_reward",
            Self::AlreadyTakenBack => "already_taken_back",
            Self::NothingToTakeBack => "nothing_to_take_back",
            Self::AboveCompleted => "above_completed",
            Self::Unlinked => "unlinked",
            Self::LatePending => "late_pending",
            Self::UnknownState => "unknown_state",
            Self::EmptyState => "empty_state",
            Self::UnpaidByChoice => "unpaid_by_choice",
            Self::NotAReward => "not_a_reward",
        }
    }

    /// Whether money may be missing because of it, so that a person should look.
    pub fn is_doubtful(self) -> bool {
        matches!(self, Self::AboveCompleted | Self::Unlinked | Self::UnknownState | Self::EmptyState)
    }
}

/// How a callback contradicts what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConflictKind {
    /// The same transaction and state as an earlier message, with other content.
    ContentMismatch,
    /// Another player than the conversion's.
    PlayerMismatch,
    /// A completed event with a negative amount.
    NegativeReward,
    /// A message against the network's own rules, such as a state change with a negative deduction.
    Contradictory,
    /// Amounts so far apart that their sum has no exact decimal.
    AmountOutOfRange,
}

impl ConflictKind {
    /// One fixed word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentMismatch => "content_mismatch",
            Self::PlayerMismatch => "player_mismatch",
            Self::NegativeReward => "negative_reward",
            Self::Contradictory => "contradictory",
            Self::AmountOutOfRange => "amount_out_of_range",
        }
    }
}

/// The stored form of an [`Action`]. `Action` itself does not implement `Deserialize`: that would be a way to make up
/// a [`Reward`].
pub(crate) mod stored {
    use serde::{Deserializer, Serializer};

    use super::{Action, ConflictKind, Cow, Decimal, Deserialize, NothingReason, Reversal, Reward, Serialize};

    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Form {
        Reward {
            #[serde(with = "crate::decimal")]
            amount: Decimal,
            restored: bool,
        },
        Reversal {
            #[serde(with = "crate::decimal")]
            amount: Decimal,
        },
        Pending {
            #[serde(with = "crate::decimal::option")]
            amount: Option<Decimal>,
            stage: Cow<'static, str>,
        },
        Rejected,
        Nothing {
            reason: NothingReason,
        },
        Purchase {
            #[serde(with = "crate::decimal")]
            usd: Decimal,
        },
        Ban,
        Unban,
        Conflict {
            kind: ConflictKind,
        },
    }

    #[expect(clippy::ref_option, reason = "serde calls it with the field")]
    pub(crate) fn serialize<S: Serializer>(action: &Option<Action>, to: S) -> Result<S::Ok, S::Error> {
        action.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Action>, D::Error> {
        let form = Option::<Form>::deserialize(from)?;
        Ok(form.map(|form| match form {
            Form::Reward { amount, restored } => Action::Reward(Reward { amount, restored }),
            Form::Reversal { amount } => Action::Reversal(Reversal { amount }),
            Form::Pending { amount, stage } => Action::Pending { amount, stage },
            Form::Rejected => Action::Rejected,
            Form::Nothing { reason } => Action::Nothing { reason },
            Form::Purchase { usd } => Action::Purchase { usd },
            Form::Ban => Action::Ban,
            Form::Unban => Action::Unban,
            Form::Conflict { kind } => Action::Conflict { kind },
        }))
    }
}
