//! What the game is told: one decision at a time.
//!
//! Only the guard makes a decision. A wallet function that takes `&Reward` can therefore not be called
//! for a pending callback, nor with an amount that nobody owes:
//!
//! ```compile_fail
//! # use postback::decision::Reward;
//! let forged = Reward { amount: 500.into() };
//! ```

mod kind;
mod verdict;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use kind::DecisionKind;
pub(crate) use verdict::Verdict;

use crate::event::{Event, LEFT_OUT, PlayerId, Purchase, RecordKey};

/// A decision's stable name, the same however often the decision is repeated and never used for another.
/// Make the wallet idempotent on it, e.g. as a primary key.
///
/// Written `bitlabs/my-game/conversion/o233#1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DecisionId(Arc<str>);

impl DecisionId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text for a log: of a ban, the player is left out (`bitlabs/my-game/player/[player]#1`).
    pub fn without_player(&self) -> Cow<'_, str> {
        let mut parts = self.0.splitn(4, '/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(source), Some(app), Some("player"), Some(id)) => {
                let number = id.rsplit('#').next().unwrap_or_default();
                format!("{source}/{app}/player/{LEFT_OUT}#{number}").into()
            }
            _ => (&*self.0).into(),
        }
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

/// What the game is to do about one callback. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// Pay the player.
    Reward(Reward),
    /// Take back from the player what was paid.
    Reversal(Reversal),
    /// A reward is on its way; nothing is due yet.
    Pending(Pending),
    /// The network rejected the conversion before anything was paid.
    Rejected(Rejected),
    /// Nothing is due, and why.
    NothingToPay(NothingToPay),
    /// Purchase data for a conversion that has been dealt with already. No money moves.
    Purchase(PurchaseNotice),
    /// The network banned the player (from games and offers).
    Ban(Ban),
    /// The network lifted its ban.
    Unban(Unban),
    /// The callback contradicts what is known. No money moves; somebody should look at it.
    Conflict(Conflict),
}

/// What every decision carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Ground {
    id: DecisionId,
    key: RecordKey,
    cause: Arc<Event>,
}

macro_rules! grounded {
    ($($name:ident),*) => {$(
        impl $name {
            /// The decision's stable name, on which the wallet can be idempotent.
            pub fn id(&self) -> &DecisionId {
                &self.ground.id
            }

            /// Whom it is about.
            pub fn player(&self) -> &PlayerId {
                &self.ground.cause.player
            }

            /// The record that it belongs to: the conversion, or for bans the player.
            pub fn conversion(&self) -> &RecordKey {
                &self.ground.key
            }

            /// The callback that caused it.
            pub fn cause(&self) -> &Event {
                &self.ground.cause
            }

            /// Revenue to the publisher in US dollars, as the causing callback states it; not reduced
            /// where only a part of the reward is due.
            pub fn usd(&self) -> Option<Decimal> {
                self.ground.cause.usd
            }
        }
    )*};
}

grounded!(
    Reward,
    Reversal,
    Pending,
    Rejected,
    NothingToPay,
    PurchaseNotice,
    Ban,
    Unban,
    Conflict
);

/// Pay the player this amount.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a reward is owed to the player"]
pub struct Reward {
    #[serde(flatten)]
    ground: Ground,
    amount: Decimal,
    restored: bool,
}

impl Reward {
    /// What to pay, in the app's currency; above zero.
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// Whether it gives back what an earlier reversal took.
    pub fn is_restored(&self) -> bool {
        self.restored
    }

    /// What the player spent in the app, where this callback says so. Not part of the reward.
    pub fn purchase(&self) -> Option<&Purchase> {
        self.ground.cause.purchase.as_ref()
    }
}

/// Take this amount back from the player.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a reversal is owed by the player"]
pub struct Reversal {
    #[serde(flatten)]
    ground: Ground,
    amount: Decimal,
}

impl Reversal {
    /// What to take back, in the app's currency; above zero, and never more than was paid for this conversion.
    pub fn amount(&self) -> Decimal {
        self.amount
    }
}

/// A reward is on its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pending {
    #[serde(flatten)]
    ground: Ground,
    amount: Option<Decimal>,
    stage: Cow<'static, str>,
}

impl Pending {
    /// What may become due, where the network says so.
    pub fn amount(&self) -> Option<Decimal> {
        self.amount
    }

    /// The network's word for the stage.
    pub fn stage(&self) -> &str {
        &self.stage
    }
}

/// The conversion was rejected before anything was paid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejected {
    #[serde(flatten)]
    ground: Ground,
}

impl Rejected {
    /// The network's reason, where it gives one.
    pub fn reason(&self) -> Option<&str> {
        self.ground.cause.reason.as_deref()
    }
}

/// Nothing is due.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NothingToPay {
    #[serde(flatten)]
    ground: Ground,
    why: NothingWhy,
}

impl NothingToPay {
    /// Why nothing is due.
    pub fn why(&self) -> NothingWhy {
        self.why
    }
}

/// Why nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NothingWhy {
    /// The completed event is worth nothing, e.g. an install.
    ZeroReward,
    /// The reward was taken back before its completed event arrived.
    AlreadyTakenBack,
    /// The reconciliation takes back nothing, or what it takes back was never paid or is gone already.
    NothingToTakeBack,
    /// A reconciliation whose original is not known (yet). It is remembered: should the original arrive
    /// later, it pays only what is left.
    Unlinked,
    /// A pending message that arrived after a final one.
    LatePending,
    /// A state that this version of the crate does not know.
    UnknownState,
    /// The endpoint is set to acknowledge such events without paying.
    UnpaidByChoice,
}

/// Purchase data for a conversion that has been dealt with already.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PurchaseNotice {
    #[serde(flatten)]
    ground: Ground,
    purchase: Purchase,
}

impl PurchaseNotice {
    /// What the player spent in the app.
    pub fn purchase(&self) -> &Purchase {
        &self.purchase
    }
}

/// The player was banned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ban {
    #[serde(flatten)]
    ground: Ground,
}

impl Ban {
    /// The network's reason, where it gives one.
    pub fn reason(&self) -> Option<&str> {
        self.ground.cause.reason.as_deref()
    }
}

/// The player's ban was lifted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unban {
    #[serde(flatten)]
    ground: Ground,
}

/// The callback contradicts what is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conflict {
    #[serde(flatten)]
    ground: Ground,
    kind: ConflictKind,
}

impl Conflict {
    /// In what it contradicts.
    pub fn kind(&self) -> ConflictKind {
        self.kind
    }
}

/// In what a callback contradicts what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConflictKind {
    /// The same transaction and state as an earlier message, with another content.
    OtherContent,
    /// Another player than the conversion's.
    OtherPlayer,
    /// A completed event below zero.
    NegativeReward,
    /// A message against the network's own rules, e.g. a state change that carries a negative deduction.
    Contradictory,
    /// Amounts so far apart that their sum has no exact decimal.
    AmountOutOfRange,
}

impl Decision {
    fn ground(&self) -> &Ground {
        match self {
            Self::Reward(d) => &d.ground,
            Self::Reversal(d) => &d.ground,
            Self::Pending(d) => &d.ground,
            Self::Rejected(d) => &d.ground,
            Self::NothingToPay(d) => &d.ground,
            Self::Purchase(d) => &d.ground,
            Self::Ban(d) => &d.ground,
            Self::Unban(d) => &d.ground,
            Self::Conflict(d) => &d.ground,
        }
    }

    /// The decision's stable name, on which the wallet can be idempotent.
    pub fn id(&self) -> &DecisionId {
        &self.ground().id
    }

    /// Whom it is about.
    pub fn player(&self) -> &PlayerId {
        &self.ground().cause.player
    }

    /// The record that it belongs to: the conversion, or for bans the player.
    pub fn conversion(&self) -> &RecordKey {
        &self.ground().key
    }

    /// The callback that caused it.
    pub fn cause(&self) -> &Event {
        &self.ground().cause
    }

    /// Its kind.
    pub fn kind(&self) -> DecisionKind {
        match self {
            Self::Reward(reward) if reward.restored => DecisionKind::RestoredReward,
            Self::Reward(_) => DecisionKind::Reward,
            Self::Reversal(_) => DecisionKind::Reversal,
            Self::Pending(_) => DecisionKind::Pending,
            Self::Rejected(_) => DecisionKind::Rejected,
            Self::NothingToPay(_) => DecisionKind::NothingToPay,
            Self::Purchase(_) => DecisionKind::Purchase,
            Self::Ban(_) => DecisionKind::Ban,
            Self::Unban(_) => DecisionKind::Unban,
            Self::Conflict(_) => DecisionKind::Conflict,
        }
    }

    /// By how much the player's balance changes: above zero for a reward, below for a reversal, else zero.
    pub fn balance_change(&self) -> Decimal {
        match self {
            Self::Reward(reward) => reward.amount,
            Self::Reversal(reversal) => -reversal.amount,
            _ => Decimal::ZERO,
        }
    }

    /// Says a verdict of the guard as a decision.
    pub(crate) fn from_verdict(
        key: &RecordKey,
        number: u32,
        cause: &Arc<Event>,
        verdict: &Verdict,
    ) -> Self {
        let id = DecisionId(key.numbered(number).into());
        let ground = Ground {
            id,
            key: key.clone(),
            cause: Arc::clone(cause),
        };
        match verdict.clone() {
            Verdict::Reward { amount, restored } => Self::Reward(Reward {
                ground,
                amount,
                restored,
            }),
            Verdict::Reversal { amount } => Self::Reversal(Reversal { ground, amount }),
            Verdict::Pending { amount, stage } => Self::Pending(Pending {
                ground,
                amount,
                stage,
            }),
            Verdict::Rejected => Self::Rejected(Rejected { ground }),
            Verdict::NothingToPay { why } => Self::NothingToPay(NothingToPay { ground, why }),
            Verdict::Purchase { purchase } => Self::Purchase(PurchaseNotice { ground, purchase }),
            Verdict::Ban => Self::Ban(Ban { ground }),
            Verdict::Unban => Self::Unban(Unban { ground }),
            Verdict::Conflict { kind } => Self::Conflict(Conflict { ground, kind }),
        }
    }
}
