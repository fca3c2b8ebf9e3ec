//! What a callback of any network says, in one vocabulary.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{AppName, NetworkName, PlayerId, RecordKey, TransactionId};

/// One callback in the vocabulary that all networks share.
///
/// An `Event` proves nothing. What pays is a [`Verified<Event>`](crate::Verified), which only an
/// endpoint creates.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The network.
    pub network: NetworkName,
    /// The app of that network.
    pub app: AppName,
    /// The endpoint that received it (`offers`, `surveys` …). For people.
    pub endpoint: Cow<'static, str>,
    /// The player.
    pub player: PlayerId,
    /// What it says.
    pub kind: EventKind,
    /// Revenue to the publisher in US dollars, as stated. For information only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::decimal::option")]
    pub usd: Option<Decimal>,
    /// What the player spent in the app in US dollars, where this callback says so. Never a reward.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::decimal::option")]
    pub purchase_usd: Option<Decimal>,
    /// The network's reason for a rejection or ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the network marked it as a test. A test never pays, but it still reverses and bans: players may
    /// be able to set the mark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
    /// The parameters as a query string: byte for byte as sent where the network signs its URL, re-encoded
    /// otherwise. Contains no signature and no secret.
    pub query: String,
}

/// Leaves out the query, which is nearly the whole URL.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("key", &format_args!("{}", self.key()))
            .field("endpoint", &self.endpoint)
            .field("player", &self.player.as_str())
            .field("kind", &self.kind)
            .field("purchase_usd", &self.purchase_usd)
            .field("is_test", &self.is_test)
            .finish_non_exhaustive()
    }
}

impl Event {
    /// An event with the required fields. Set the others afterwards:
    ///
    /// ```
    /// use postback::{BanStatus, Event, EventKind};
    ///
    /// let kind = EventKind::Ban(BanStatus::Banned);
    /// let mut event = Event::new("acme".parse()?, "my-game".parse()?, "player-7".parse()?, kind);
    /// event.endpoint = "bans".into();
    /// event.query = "player=player-7&banned=1".into();
    /// # Ok::<(), postback::IdError>(())
    /// ```
    pub fn new(network: NetworkName, app: AppName, player: PlayerId, kind: EventKind) -> Self {
        Self {
            network,
            app,
            endpoint: Cow::default(),
            player,
            kind,
            usd: None,
            purchase_usd: None,
            reason: None,
            is_test: false,
            query: String::new(),
        }
    }

    /// The record it belongs to. For an adjustment or a revocation, that of the original transaction it refers to;
    /// for a ban, the player's; otherwise that of its own transaction.
    pub fn key(&self) -> RecordKey {
        match &self.kind {
            // A completed event is what others refer to. If it refers to something itself, its own reversal
            // could not be found under that.
            EventKind::Conversion {
                original: Some(original),
                effect: Effect::Adjusted { .. } | Effect::Revoked,
                ..
            } => RecordKey::conversion(&self.network, &self.app, original),
            EventKind::Conversion { transaction, .. } => RecordKey::conversion(&self.network, &self.app, transaction),
            EventKind::Ban(_) => RecordKey::player(&self.network, &self.app, &self.player),
        }
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// Something happened to a conversion.
    Conversion {
        /// The message's own transaction.
        transaction: TransactionId,
        /// The transaction it refers to, if that is another message's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<TransactionId>,
        /// What it does.
        effect: Effect,
    },
    /// The network banned or unbanned the player.
    Ban(BanStatus),
}

impl EventKind {
    /// One fixed word: `pending`, `completed`, `adjusted`, `revoked`, `ignored` or `ban`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ban(_) => "ban",
            Self::Conversion { effect, .. } => match effect {
                Effect::Pending { .. } => "pending",
                Effect::Completed { .. } => "completed",
                Effect::Adjusted { .. } => "adjusted",
                Effect::Revoked => "revoked",
                Effect::Ignored { .. } => "ignored",
            },
        }
    }
}

/// What an event does to a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// A reward is on its way but not final. Never pays.
    Pending {
        /// The network's word for the stage (`PENDING`, `REVIEWING` …). Each stage is a message of its own.
        stage: Cow<'static, str>,
        /// What may become due, where stated.
        #[serde(with = "crate::decimal::option")]
        amount: Option<Decimal>,
    },
    /// The reward is final.
    Completed {
        /// The reward in the app's currency. Zero is normal; a negative amount is a conflict.
        #[serde(with = "crate::decimal")]
        amount: Decimal,
        /// What was completed, where one transaction can complete in several ways (`COMPLETE`, `SCREENOUT`, a goal's
        /// id). `None`: the message does not say.
        milestone: Option<Cow<'static, str>>,
        /// Whether this message makes the reward due again after an [`Effect::Revoked`]. For networks whose statuses
        /// can be edited back and forth, if the operator chose so.
        reinstates: bool,
    },
    /// The reward changes by an amount.
    Adjusted {
        /// By how much: negative takes back, positive restores what was taken back.
        #[serde(with = "crate::decimal")]
        by: Decimal,
        /// Whether the message carries the conversion's own transaction, so that a missing completed event means
        /// "rejected outright" and not "original unknown".
        same_transaction: bool,
    },
    /// The whole reward is taken back, whatever it was. A completed event that arrives later does not pay.
    Revoked,
    /// Moves nothing.
    Ignored {
        /// The network's word for it; empty if the word itself was empty.
        status: Cow<'static, str>,
        /// Why it moves nothing.
        reason: IgnoreReason,
    },
}

/// Why an event moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The state or type is unknown to this version of the crate.
    UnknownState,
    /// The state is empty, although the endpoint's URL has a parameter for it.
    EmptyState,
    /// The endpoint acknowledges such events without paying.
    UnpaidByChoice,
    /// The event is not about a reward, such as an install notice without an amount.
    NotAReward,
    /// The message contradicts the network's own rules. It is reported as a conflict.
    Contradictory,
    /// Imported: an earlier receiver paid, and the amount is unknown.
    PaidElsewhere,
}

/// Whether a player is banned by the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BanStatus {
    /// Banned.
    Banned,
    /// Not banned (any more).
    Active,
    /// A word that this version does not know. Bans and unbans nobody.
    Unknown(String),
}

/// A genuine callback that could not be used: authenticated, but a field that decides about money is missing or
/// malformed. It is kept by the store and can be replayed once the configuration is fixed.
///
/// Only endpoints create one.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnusableCallback {
    /// The network.
    pub network: NetworkName,
    /// The app of that network.
    pub app: AppName,
    /// The endpoint that received it.
    pub endpoint: Cow<'static, str>,
    /// That endpoint's path. Only an endpoint with the same path replays it: what it means may depend on its URL.
    pub path: String,
    /// What was wrong, without the value.
    pub problem: String,
    /// The parameters as a query string, without signature and secrets.
    pub query: String,
}

impl fmt::Debug for UnusableCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnusableCallback")
            .field("network", &self.network.as_str())
            .field("app", &self.app.as_str())
            .field("endpoint", &self.endpoint)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
