//! What such an endpoint receives, typed.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use super::config::DoneAfterRejected;
use super::endpoint::{ENDPOINT, Endpoint, Setup};
use super::parameters::Parameters;
use super::status::Status;
use crate::event::{
    AppName, Effect, Event, EventKind, NotedWhy, PlayerId, SourceName, TestCallback, TransactionId,
};
use crate::source::{Callback, Field, OpenError, amount};

/// A genuine postback about a conversion.
///
/// The same postback is equal whichever way it came: as GET, form or JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversionPostback {
    source: SourceName,
    app: AppName,
    player: PlayerId,
    conversion: String,
    goal: Option<String>,
    transaction: TransactionId,
    payout: Field<Decimal>,
    currency: Field<String>,
    status: Status,
    effect: Effect,
    parameters: Parameters,
}

impl ConversionPostback {
    pub(super) fn read(setup: &Arc<Setup>, parameters: Parameters) -> Result<Self, OpenError> {
        let names = &setup.names;
        let field = |name: Option<&String>| -> Result<Field<&str>, OpenError> {
            let value = name.map(|name| parameters.once(name)).transpose()?;
            Ok(match value.flatten() {
                None => Field::Absent,
                Some("") => Field::Empty,
                Some(text) => Field::Given(text),
            })
        };
        let player = given(&names.player, field(Some(&names.player))?)?;
        let player = PlayerId::new(player).map_err(|source| OpenError::Identifier {
            name: names.player.clone(),
            source,
        })?;
        let conversion = given(&names.conversion, field(Some(&names.conversion))?)?;
        let goal = field(names.goal.as_ref())?.into_given();
        let transaction =
            TransactionId::new(unit(conversion, goal)).map_err(|source| OpenError::Identifier {
                name: names.conversion.clone(),
                source,
            })?;
        let status = status(setup, field(names.status.as_ref())?)?;
        // Builders refuse endpoints that need a payout and have no name for it.
        let payout_name = names.payout.clone().unwrap_or_default();
        let payout = field(names.payout.as_ref())?
            .try_map(amount::parse)
            .map_err(|reason| OpenError::Malformed {
                name: payout_name.clone(),
                reason,
            })?;
        let effect = match &status {
            Status::Pending => Effect::Pending {
                stage: status.as_str().to_owned().into(),
                amount: payout.into_given(),
            },
            Status::Done => Effect::Completed {
                amount: given(&payout_name, payout)?,
                milestone: None,
                reinstates: setup.done_after_rejected == DoneAfterRejected::Reinstates,
            },
            Status::Rejected => Effect::Revoked,
            Status::Unknown(word) => Effect::Noted {
                word: word.clone().into(),
                why: NotedWhy::UnknownState,
            },
        };
        Ok(Self {
            source: setup.source.clone(),
            app: setup.app.clone(),
            player,
            conversion: conversion.to_owned(),
            goal: goal.map(str::to_owned),
            transaction,
            payout,
            currency: field(names.currency.as_ref())?.map(str::to_owned),
            status,
            effect,
            parameters,
        })
    }

    /// The player.
    pub fn player(&self) -> &PlayerId {
        &self.player
    }

    /// The conversion's id.
    pub fn conversion(&self) -> &str {
        &self.conversion
    }

    /// The goal; `None` where it is absent or empty.
    pub fn goal(&self) -> Option<&str> {
        self.goal.as_deref()
    }

    /// The unit that is paid once: conversion and goal as one transaction.
    ///
    /// `c1` without a goal, `c1:install` with one. A `%` or `:` in the conversion's id is written `%25` or `%3A`, so
    /// that the first `:` always ends it and no two units share a transaction.
    pub fn transaction(&self) -> &TransactionId {
        &self.transaction
    }

    /// The payout as stated.
    pub fn payout(&self) -> Field<Decimal> {
        self.payout
    }

    /// The payout's currency as stated.
    pub fn currency(&self) -> Field<&str> {
        match &self.currency {
            Field::Absent => Field::Absent,
            Field::Empty => Field::Empty,
            Field::Given(currency) => Field::Given(currency),
        }
    }

    /// The status: the parameter's, or the endpoint's.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The value of any parameter; `None` when it is absent or occurs more than once.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.once(name).ok().flatten()
    }
}

/// Conversion and goal, so that no two pairs give the same text.
fn unit(conversion: &str, goal: Option<&str>) -> String {
    let conversion = conversion.replace('%', "%25").replace(':', "%3A");
    match goal {
        None => conversion,
        Some(goal) => format!("{conversion}:{goal}"),
    }
}

fn status(setup: &Setup, sent: Field<&str>) -> Result<Status, OpenError> {
    let Some(name) = &setup.names.status else {
        return setup.status.clone().ok_or_else(|| OpenError::Missing {
            name: "status".to_owned(),
        });
    };
    let sent = Status::from_word(given(name, sent)?);
    match &setup.status {
        Some(expected) if *expected != sent => Err(OpenError::OtherState {
            expected: expected.to_string(),
        }),
        _ => Ok(sent),
    }
}

fn given<T>(name: &str, field: Field<T>) -> Result<T, OpenError> {
    let name = || name.to_owned();
    match field {
        Field::Given(value) => Ok(value),
        Field::Empty => Err(OpenError::Empty { name: name() }),
        Field::Absent => Err(OpenError::Missing { name: name() }),
    }
}

impl Callback for ConversionPostback {
    type Source = Endpoint;

    fn event(&self) -> Event {
        let currency = self.currency().into_given();
        let in_usd = currency.is_some_and(|currency| currency.eq_ignore_ascii_case("USD"));
        Event {
            source: self.source.clone(),
            app: self.app.clone(),
            endpoint: ENDPOINT.into(),
            player: self.player.clone(),
            kind: EventKind::Conversion {
                transaction: self.transaction.clone(),
                original: None,
                effect: self.effect.clone(),
            },
            usd: self.payout.into_given().filter(|_| in_usd),
            purchase: None,
            reason: None,
            test: TestCallback::No,
            signed: self.parameters.to_form(),
        }
    }
}

/// What is typed, and then all parameters as sent, but for secret ones.
impl Serialize for ConversionPostback {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut all = serializer.serialize_struct("ConversionPostback", 10)?;
        all.serialize_field("source", &self.source)?;
        all.serialize_field("app", &self.app)?;
        all.serialize_field("player", &self.player)?;
        all.serialize_field("conversion", &self.conversion)?;
        all.serialize_field("goal", &self.goal)?;
        all.serialize_field("transaction", &self.transaction)?;
        all.serialize_field("payout", &self.payout)?;
        all.serialize_field("currency", &self.currency)?;
        all.serialize_field("status", &self.status)?;
        let parameters: Vec<(&str, &str)> = self.parameters.iter().collect();
        all.serialize_field("parameters", &parameters)?;
        all.end()
    }
}

/// Without the parameters: they are nearly a whole request.
impl fmt::Debug for ConversionPostback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversionPostback")
            .field("app", &self.app.as_str())
            .field("player", &self.player.as_str())
            .field("conversion", &self.conversion)
            .field("goal", &self.goal)
            .field("payout", &self.payout)
            .field("currency", &self.currency)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
