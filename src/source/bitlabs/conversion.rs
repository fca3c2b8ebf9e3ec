//! What all callbacks about conversions share.

use std::fmt;

use rust_decimal::Decimal;

use super::family::Family;
use super::macros::Role;
use super::meaning::{Facts, Meaning};
use super::received::Received;
use crate::event::{Event, EventKind, Purchase, TransactionId};
use crate::source::Field;
use crate::source::OpenError;

/// A genuine callback about a conversion, with its meaning decided.
#[derive(Clone)]
pub(super) struct Conversion {
    received: Received,
    transaction: TransactionId,
    /// The transaction that it refers to, where that is not its own.
    original: Option<TransactionId>,
    amount: Field<Decimal>,
    usd: Field<Decimal>,
    purchase: Field<Decimal>,
    meaning: Meaning,
}

impl Conversion {
    /// Types a callback by the rules of its family; `state` is the parameter that brings its state.
    pub(super) fn read(
        received: Received,
        state: Role,
        rule: impl Fn(&Facts<'_>) -> Result<Meaning, OpenError>,
    ) -> Result<Self, OpenError> {
        let transaction: TransactionId = received.required(Role::Transaction)?;
        let original = original(&received, &transaction)?;
        received.decisive(Role::Amount)?;
        let amount = received.amount(Role::Amount)?;
        let usd = received.amount(Role::Usd)?;
        if received.setup.family == Family::Purchases {
            received.decisive(Role::Purchase)?;
        }
        let purchase = received.amount(Role::Purchase)?;
        let no_amount = || match amount {
            Field::Empty => OpenError::Empty {
                name: received.name(Role::Amount),
            },
            _ => received.missing(Role::Amount),
        };
        let meaning = rule(&Facts {
            amount,
            no_amount: &no_amount,
            state: received.decisive(state)?,
            call_type: match received.setup.family {
                Family::Surveys | Family::Rewards => received.decisive(Role::CallType)?,
                _ => received.text(Role::CallType),
            },
            refers_to_other: original.is_some(),
            has_correction_id: is_correction_id(&transaction),
            options: &received.setup.options,
        })?;
        Ok(Self {
            received,
            transaction,
            original,
            amount,
            usd,
            purchase,
            meaning,
        })
    }

    pub(super) fn received(&self) -> &Received {
        &self.received
    }

    pub(super) fn transaction(&self) -> &TransactionId {
        &self.transaction
    }

    pub(super) fn original(&self) -> Option<&TransactionId> {
        self.original.as_ref()
    }

    pub(super) fn amount(&self) -> Field<Decimal> {
        self.amount
    }

    pub(super) fn usd(&self) -> Field<Decimal> {
        self.usd
    }

    pub(super) fn purchase(&self) -> Field<Decimal> {
        self.purchase
    }

    pub(super) fn event(&self) -> Event {
        let reason = self.received.text(Role::Rejection).into_given();
        let reason = reason.or(self.received.text(Role::SurveyReason).into_given());
        Event {
            usd: self.usd.into_given(),
            purchase: self.purchase.into_given().map(Purchase::new),
            reason: reason.map(str::to_owned),
            ..self.received.event(EventKind::Conversion {
                transaction: self.transaction.clone(),
                original: self.original.clone(),
                effect: self.meaning.effect(),
            })
        }
    }

    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("app", &self.received.setup.app.name().as_str())
            .field("player", &self.received.player().as_str())
            .field("transaction", &self.transaction.as_str())
            .field(
                "original",
                &self.original.as_ref().map(TransactionId::as_str),
            )
            .field("meaning", &self.meaning)
            .field("is_test", &self.received.is_test())
            .finish_non_exhaustive()
    }
}

fn original(
    received: &Received,
    transaction: &TransactionId,
) -> Result<Option<TransactionId>, OpenError> {
    // Absent or empty: what it refers to is not known, and a correction without it moves nothing.
    match received.text(Role::Original) {
        Field::Given(text) if text != transaction.as_str() => TransactionId::new(text)
            .map(Some)
            .map_err(|source| OpenError::Identifier {
                name: received.name(Role::Original),
                source,
            }),
        _ => Ok(None),
    }
}

/// Whether a transaction's id is one that stateless offers give to their reconciliations: `or` instead of `o`
/// before the number.
fn is_correction_id(transaction: &TransactionId) -> bool {
    transaction
        .as_str()
        .strip_prefix("or")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
