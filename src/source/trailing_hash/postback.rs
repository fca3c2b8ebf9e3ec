//! What such an endpoint receives, typed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::config::Meaning;
use super::endpoint::{ENDPOINT, Endpoint, Role, Setup};
use crate::event::{
    Effect, Event, EventKind, IdError, NotedWhy, PlayerId, TestCallback, TransactionId,
};
use crate::source::signed_url::Opened;
use crate::source::{Callback, Field, OpenError, amount};
use crate::wire::params::Places;
use crate::wire::{KeyId, KeyNumber, Params};

/// A genuine postback of a network that was described.
#[derive(Clone)]
pub struct Postback {
    setup: Arc<Setup>,
    params: Params,
    places: Places,
    key: KeyNumber,
    player: PlayerId,
    transaction: TransactionId,
    /// Where it is not the postback's own.
    original: Option<TransactionId>,
    amount: Field<Decimal>,
    usd: Field<Decimal>,
    effect: Effect,
    meaning: Option<Meaning>,
}

impl Postback {
    pub(super) fn read(setup: &Arc<Setup>, opened: Opened) -> Result<Self, OpenError> {
        let Opened {
            params,
            places,
            key,
        } = opened;
        let reader = Reader {
            setup,
            params: &params,
            places: &places,
        };
        let player = reader.required(Role::Player)?;
        let transaction = reader.required(Role::Transaction)?;
        let original = reader.original(&transaction)?;
        let amount = reader.amount(Role::Amount)?;
        let usd = reader.amount(Role::Usd)?;
        let word = match reader.text(Role::Status) {
            Field::Absent if setup.slot(Role::Status).is_some() => {
                return Err(reader.missing(Role::Status));
            }
            // An empty status is a word that is not known.
            text => text.into_given().unwrap_or_default(),
        };
        let known = setup.rule.of_word(word);
        let effect = match known {
            None => Effect::Noted {
                word: word.to_owned().into(),
                why: NotedWhy::UnknownState,
            },
            Some((stage, Meaning::Pending)) => Effect::Pending {
                stage: stage.to_owned().into(),
                amount: amount.into_given(),
            },
            Some((_, Meaning::Completed)) => Effect::Completed {
                amount: reader.given(Role::Amount, amount)?,
                milestone: None,
                reinstates: false,
            },
            Some((_, Meaning::Reversed)) => match amount {
                // Networks write it with either sign.
                Field::Given(amount) => Effect::Adjusted {
                    by: -amount.abs(),
                    is_state_change: original.is_none(),
                },
                Field::Absent | Field::Empty => Effect::Revoked,
            },
        };
        let meaning = known.map(|(_, meaning)| meaning);
        Ok(Self {
            setup: Arc::clone(setup),
            params,
            places,
            key,
            player,
            transaction,
            original,
            amount,
            usd,
            effect,
            meaning,
        })
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            setup: &self.setup,
            params: &self.params,
            places: &self.places,
        }
    }

    /// The player.
    pub fn player(&self) -> &PlayerId {
        &self.player
    }

    /// The transaction of this postback.
    pub fn transaction(&self) -> &TransactionId {
        &self.transaction
    }

    /// The transaction that it refers to, where that is another one.
    pub fn original(&self) -> Option<&TransactionId> {
        self.original.as_ref()
    }

    /// The amount in the app's currency, as stated.
    pub fn amount(&self) -> Field<Decimal> {
        self.amount
    }

    /// The revenue in US dollars, as stated.
    pub fn usd(&self) -> Field<Decimal> {
        self.usd
    }

    /// The status as sent.
    pub fn status(&self) -> Field<&str> {
        self.reader().text(Role::Status)
    }

    /// What it means; `None` for a word that is not described.
    pub fn meaning(&self) -> Option<Meaning> {
        self.meaning
    }

    /// The key that it was signed with.
    pub fn key_id(&self) -> &KeyId {
        self.setup.url.key(self.key)
    }

    /// The value of any parameter; `None` when it is absent or occurs more than once.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.params.once(name)
    }
}

impl Callback for Postback {
    type Source = Endpoint;

    fn event(&self) -> Event {
        Event {
            source: self.setup.source.clone(),
            app: self.setup.app.clone(),
            endpoint: ENDPOINT.into(),
            player: self.player.clone(),
            kind: EventKind::Conversion {
                transaction: self.transaction.clone(),
                original: self.original.clone(),
                effect: self.effect.clone(),
            },
            usd: self.usd.into_given(),
            purchase: None,
            reason: None,
            test: TestCallback::No,
            signed: self.params.signed().to_owned(),
        }
    }
}

/// A map: what is mapped, under its own name as far as it was sent, then all other parameters.
impl Serialize for Postback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reader = self.reader();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("source", self.setup.source.as_str())?;
        map.serialize_entry("app", self.setup.app.as_str())?;
        map.serialize_entry("key_id", self.key_id())?;
        map.serialize_entry("meaning", &self.meaning)?;
        let mapped = || {
            Role::ALL
                .into_iter()
                .filter(|role| self.setup.slot(*role).is_some())
        };
        for role in mapped() {
            match reader.text(role) {
                Field::Absent => {}
                text => map.serialize_entry(role.method(), &text)?,
            }
        }
        let others: Vec<(&str, &str)> = self
            .params
            .iter()
            .filter(|(name, _)| !mapped().any(|role| self.setup.name(role) == *name))
            .collect();
        map.serialize_entry("other_parameters", &others)?;
        map.end()
    }
}

/// Without the query: that is nearly a whole URL.
impl fmt::Debug for Postback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postback")
            .field("source", &self.setup.source.as_str())
            .field("app", &self.setup.app.as_str())
            .field("player", &self.player.as_str())
            .field("transaction", &self.transaction.as_str())
            .field(
                "original",
                &self.original.as_ref().map(TransactionId::as_str),
            )
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// Reads parameters by what they bring.
struct Reader<'p> {
    setup: &'p Setup,
    params: &'p Params,
    places: &'p Places,
}

impl<'p> Reader<'p> {
    fn text(&self, role: Role) -> Field<&'p str> {
        let slot = self.setup.slot(role);
        match slot.and_then(|slot| self.params.value_at(self.places, slot)) {
            None => Field::Absent,
            Some("") => Field::Empty,
            Some(text) => Field::Given(text),
        }
    }

    fn missing(&self, role: Role) -> OpenError {
        OpenError::Missing {
            name: self.setup.name(role),
        }
    }

    fn given<T>(&self, role: Role, field: Field<T>) -> Result<T, OpenError> {
        match field {
            Field::Given(value) => Ok(value),
            Field::Empty => Err(OpenError::Empty {
                name: self.setup.name(role),
            }),
            Field::Absent => Err(self.missing(role)),
        }
    }

    fn required<T: FromStr<Err = IdError>>(&self, role: Role) -> Result<T, OpenError> {
        let text = self.given(role, self.text(role))?;
        text.parse().map_err(|source| OpenError::Identifier {
            name: self.setup.name(role),
            source,
        })
    }

    fn original(&self, own: &TransactionId) -> Result<Option<TransactionId>, OpenError> {
        match self.text(Role::Original) {
            Field::Given(text) if own != text => self.required(Role::Original).map(Some),
            _ => Ok(None),
        }
    }

    /// Malformed ones are errors, whatever the amount is needed for.
    fn amount(&self, role: Role) -> Result<Field<Decimal>, OpenError> {
        self.text(role)
            .try_map(amount::parse)
            .map_err(|reason| OpenError::Malformed {
                name: self.setup.name(role),
                reason,
            })
    }
}
