//! One row of an import.

use rust_decimal::Decimal;

use crate::clock::Timestamp;
use crate::event::{
    AppName, Effect, Event, EventKind, NotedWhy, PlayerId, SourceName, TestCallback, TransactionId,
};
use crate::guard;

/// What stands in the place of a player whom the row does not name.
const NOT_KNOWN: &str = "(not known)";

/// A callback that an earlier receiver has dealt with.
///
/// The transaction is written as the callback brings it (for Phonexa, conversion and goal as the postback's
/// `transaction()` says them). Amounts are in the app's currency, as the callback states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCallback {
    transaction: TransactionId,
    original: Option<TransactionId>,
    effect: Effect,
    player: Option<PlayerId>,
    at: Option<Timestamp>,
}

impl PastCallback {
    /// The reward was paid: so much. Zero is fine: acknowledged, and worth nothing.
    pub fn paid(transaction: TransactionId, amount: Decimal) -> Self {
        Self::new(
            transaction,
            Effect::Completed {
                amount,
                milestone: None,
                reinstates: false,
            },
        )
    }

    /// The reward was paid, and nobody knows how much.
    ///
    /// The conversion is closed: nothing of it moves any more. A repetition or a reversal is kept in the record and reported as
    /// `closed`; taking something back is then up to a person.
    pub fn paid_unknown_amount(transaction: TransactionId) -> Self {
        Self::new(
            transaction,
            Effect::Noted {
                word: "PAID".into(),
                why: NotedWhy::PaidElsewhere,
            },
        )
    }

    /// So much was taken back, told by a message of the conversion's own transaction (BitLabs' `RECONCILED`
    /// where callbacks are stateful). The amount is above zero.
    pub fn taken_back(transaction: TransactionId, amount: Decimal) -> Self {
        Self::new(
            transaction,
            Effect::Adjusted {
                by: minus(amount),
                is_state_change: true,
            },
        )
    }

    /// So much of `original` was taken back, told by a message with a transaction of its own (BitLabs'
    /// `RECONCILIATION` with its `REF`). The amount is above zero.
    pub fn taken_back_by(
        transaction: TransactionId,
        original: TransactionId,
        amount: Decimal,
    ) -> Self {
        let mut past = Self::new(
            transaction,
            Effect::Adjusted {
                by: minus(amount),
                is_state_change: false,
            },
        );
        past.original = Some(original);
        past
    }

    /// A pending reward was shown, with the stage's word (`PENDING`) and the amount as the callback states
    /// them. Anything else in either makes the callback's repetition news, or a conflict. Neither ever pays; so leave
    /// the row out when in doubt.
    pub fn pending(
        transaction: TransactionId,
        stage: impl Into<String>,
        amount: Option<Decimal>,
    ) -> Self {
        let stage = stage.into().into();
        Self::new(transaction, Effect::Pending { stage, amount })
    }

    fn new(transaction: TransactionId, effect: Effect) -> Self {
        Self {
            transaction,
            original: None,
            effect,
            player: None,
            at: None,
        }
    }

    /// Whose it was. Then a callback of the same conversion that names another player is a conflict.
    #[must_use]
    pub fn player(mut self, player: PlayerId) -> Self {
        self.player = Some(player);
        self
    }

    /// When the earlier receiver dealt with it. Otherwise the moment of the import is kept.
    #[must_use]
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.at = Some(moment);
        self
    }

    /// Which milestone was paid, in the network's word (`COMPLETE`, `SCREENOUT`, `START_BONUS`), where one
    /// transaction may pay several. Otherwise it stands for all of them. Of no effect but on [`paid`](Self::paid).
    #[must_use]
    pub fn milestone(mut self, word: impl Into<String>) -> Self {
        if let Effect::Completed { milestone, .. } = &mut self.effect {
            *milestone = Some(word.into().into());
        }
        self
    }

    /// The transaction.
    pub fn transaction(&self) -> &TransactionId {
        &self.transaction
    }

    pub(super) fn in_the_guards_words(
        &self,
        source: &SourceName,
        app: &AppName,
        moment: Timestamp,
    ) -> guard::Past {
        let known = self.player.clone();
        let player = known.unwrap_or_else(|| PlayerId::placeholder(NOT_KNOWN));
        let event = Event {
            source: source.clone(),
            app: app.clone(),
            endpoint: "import".into(),
            player,
            kind: EventKind::Conversion {
                transaction: self.transaction.clone(),
                original: self.original.clone(),
                effect: self.effect.clone(),
            },
            usd: None,
            purchase: None,
            reason: None,
            test: TestCallback::No,
            signed: String::new(),
        };
        guard::Past {
            event,
            knows_player: self.player.is_some(),
            at: self.at.unwrap_or(moment),
        }
    }
}

/// Whatever sign it was written with: what was taken back never pays.
fn minus(amount: Decimal) -> Decimal {
    -amount.abs()
}
