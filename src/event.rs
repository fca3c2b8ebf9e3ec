//! What any source says, in one vocabulary.
//!
//! A source verifies a request, types it, and says what it means as an [`Event`]: which conversion of
//! which player, and with what [`Effect`] on the money. Everything below the source — guard, store,
//! receiver — knows only this vocabulary and no network.

mod id;
mod key;

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use id::{AppName, IdError, MAX_ID_BYTES, PlayerId, SourceName, TransactionId};
pub(crate) use key::LEFT_OUT;
pub use key::{RecordKey, RecordKeyError, Subject};

/// One genuine callback, said in the vocabulary that all networks share.
///
/// Only a source makes one, after it has verified the request. What the guard compares is here;
/// what else the network said stays reachable through [`Event::parameter`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The network.
    pub source: SourceName,
    /// The app of that network.
    pub app: AppName,
    /// The endpoint that received it, in the source's words (`offers`, `surveys` …). For people.
    pub endpoint: Cow<'static, str>,
    /// Whom it is about.
    pub player: PlayerId,
    /// What it says.
    pub kind: EventKind,
    /// Revenue to the publisher in US dollars, as stated. For information; no decision rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Decimal>,
    /// What the player spent in the app, where this callback says so. Never a reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Purchase>,
    /// Why, in the network's word: a rejection or ban reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it comes from the network's tester.
    #[serde(default)]
    pub test: TestCallback,
    /// What was authenticated, as a query string: for a signed URL byte for byte, without its hash; for a network
    /// that signs nothing, its parameters re-encoded, without credentials.
    pub signed: String,
}

/// What was signed is left out: it is nearly a whole URL.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("key", &format_args!("{}", self.key()))
            .field("endpoint", &self.endpoint)
            .field("player", &self.player.as_str())
            .field("kind", &self.kind)
            .field("purchase", &self.purchase)
            .field("test", &self.test)
            .finish_non_exhaustive()
    }
}

impl Event {
    /// An event that says no more than this. What else the network said is set afterwards, [`signed`](Self::signed)
    /// above all:
    ///
    /// ```
    /// use postback::event::{BanStatus, Event, EventKind};
    ///
    /// # fn example() -> Result<(), postback::event::IdError> {
    /// let ban = EventKind::Ban(BanStatus::Banned);
    /// let mut event = Event::new("acme".parse()?, "my-game".parse()?, "player-7".parse()?, ban);
    /// event.endpoint = "bans".into();
    /// event.signed = "player=player-7&banned=1".into();
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(source: SourceName, app: AppName, player: PlayerId, kind: EventKind) -> Self {
        Self {
            source,
            app,
            endpoint: Cow::default(),
            player,
            kind,
            usd: None,
            purchase: None,
            reason: None,
            test: TestCallback::No,
            signed: String::new(),
        }
    }

    /// The record that this event belongs to: for what takes back or restores, the transaction that it
    /// refers to; for everything else, and where it refers to none, its own; for bans the player.
    pub fn key(&self) -> RecordKey {
        RecordKey::of(&self.source, &self.app, self.subject())
    }

    /// What its record is about.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match &self.kind {
            // A completed event is what others refer to. Should it refer to something itself, its own
            // reversal could not be found under that.
            EventKind::Conversion {
                original: Some(original),
                effect: Effect::Adjusted { .. } | Effect::Revoked,
                ..
            } => Subject::Conversion(original.as_str()),
            EventKind::Conversion { transaction, .. } => Subject::Conversion(transaction.as_str()),
            EventKind::Ban(_) => Subject::Player(self.player.as_str()),
        }
    }

    /// The value of a parameter of this callback, decoded; also of a custom or pass-through one.
    ///
    /// `None` when it is absent, occurs more than once, or is not text.
    pub fn parameter(&self, name: &str) -> Option<String> {
        crate::wire::params::find_once(&self.signed, name)
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// Something happened to a conversion.
    Conversion {
        /// The message's own transaction.
        transaction: TransactionId,
        /// The transaction that it refers to, where that is another message's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<TransactionId>,
        /// What it does.
        effect: Effect,
    },
    /// The network changed the player's standing.
    Ban(BanStatus),
}

impl EventKind {
    /// One fixed word: `pending`, `completed`, `adjusted`, `revoked`, `noted` or `ban`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ban(_) => "ban",
            Self::Conversion { effect, .. } => match effect {
                Effect::Pending { .. } => "pending",
                Effect::Completed { .. } => "completed",
                Effect::Adjusted { .. } => "adjusted",
                Effect::Revoked => "revoked",
                Effect::Noted { .. } => "noted",
            },
        }
    }
}

/// What an event does to a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// A reward is on its way but not final. Never pays.
    Pending {
        /// The network's word for the stage (`PENDING`, `REVIEWING` …); each is a message of its own.
        stage: Cow<'static, str>,
        /// What may become due, where stated.
        amount: Option<Decimal>,
    },
    /// The reward is final.
    Completed {
        /// The reward in the app's currency. Zero is normal; below zero is a conflict.
        amount: Decimal,
        /// What was completed, where one transaction can complete in several ways (`COMPLETE`,
        /// `SCREENOUT` …). `None`: the message does not say.
        milestone: Option<Cow<'static, str>>,
        /// Whether this message, coming after a [`Effect::Revoked`], makes the reward due again. For
        /// networks whose statuses can be edited back and forth, if the operator chose so.
        reinstates: bool,
    },
    /// The reward changes by an amount.
    Adjusted {
        /// By how much: below zero takes back, above zero restores what was taken back.
        by: Decimal,
        /// Whether the message carries the conversion's own transaction (a state change), so that a
        /// missing completed event means "rejected outright" and not "original unknown".
        is_state_change: bool,
    },
    /// The whole reward is taken back, whatever it was; a late completed event does not pay.
    Revoked,
    /// Known to move nothing: an unknown state, or an event that the operator chose not to pay.
    Noted {
        /// The network's word for it.
        word: Cow<'static, str>,
        /// Why it moves nothing.
        why: NotedWhy,
    },
}

/// Why a noted event moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotedWhy {
    /// The word is not known to this version of the crate. Kept, never paid.
    UnknownState,
    /// The endpoint is set to acknowledge such events without paying.
    UnpaidByChoice,
    /// The message contradicts the network's own rules. Moves nothing and is reported as a conflict.
    Contradictory,
    /// Imported: an earlier receiver has paid, and nobody knows how much. No source says this.
    PaidElsewhere,
}

/// What the player spent in the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Purchase {
    /// In US dollars.
    pub usd: Decimal,
}

impl Purchase {
    /// A purchase of so many US dollars.
    pub fn new(usd: Decimal) -> Self {
        Self { usd }
    }
}

/// A player's standing with the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BanStatus {
    /// Banned.
    Banned,
    /// In good standing (again).
    Active,
    /// A word that this version does not know. Kept; bans and unbans nobody.
    Unknown(String),
}

/// Whether a callback comes from the network's tester, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestCallback {
    /// It is real.
    #[default]
    No,
    /// It is a test: acknowledged, not remembered, never paid.
    Acknowledged,
    /// It is a test, and the endpoint is set (on a staging system) to treat it like a real one.
    Delivered,
}
