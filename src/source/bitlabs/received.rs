//! A genuine callback before it is typed: what all families share.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::ser::{SerializeMap, Serializer};

use super::endpoint::Setup;
use super::macros::Role;
use crate::event::{Event, EventKind, IdError, PlayerId, TestCallback};
use crate::source::signed_url::Opened;
use crate::source::{Field, OpenError, amount};
use crate::wire::params::Places;
use crate::wire::{KeyId, KeyNumber, Params, Request};
use rust_decimal::Decimal;

/// A verified query with its parameters found.
#[derive(Clone)]
pub struct Received {
    pub(super) setup: Arc<Setup>,
    params: Params,
    places: Places,
    key: KeyNumber,
    player: PlayerId,
    is_test: bool,
}

impl Received {
    pub(super) fn open(setup: &Arc<Setup>, request: &Request<'_>) -> Result<Self, OpenError> {
        let Opened {
            params,
            places,
            key,
        } = setup.url.open(request)?;
        // A player can add parameters to the offer wall's URL, and they are signed like the others: a second
        // flag was refused.
        let is_test = setup
            .url
            .flag(&params, &places)
            .is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let text = |role| text_of(setup, &params, &places, role);
        let player = identifier(setup, Role::Player, text(Role::Player))?;
        Ok(Self {
            setup: Arc::clone(setup),
            params,
            places,
            key,
            player,
            is_test,
        })
    }

    /// The value of the parameter with this role.
    pub(super) fn text(&self, role: Role) -> Field<&str> {
        text_of(&self.setup, &self.params, &self.places, role)
    }

    /// The same, of a parameter that decides over money: where the configured URL has it, so must the callback.
    pub(super) fn decisive(&self, role: Role) -> Result<Field<&str>, OpenError> {
        match self.text(role) {
            Field::Absent if self.setup.slot(role).is_some() => Err(self.missing(role)),
            text => Ok(text),
        }
    }

    /// An identifier that must be there.
    pub(super) fn required<T: FromStr<Err = IdError>>(&self, role: Role) -> Result<T, OpenError> {
        identifier(&self.setup, role, self.text(role))
    }

    /// An amount; malformed ones are errors, whatever it is needed for.
    pub(super) fn amount(&self, role: Role) -> Result<Field<Decimal>, OpenError> {
        self.text(role)
            .try_map(amount::parse)
            .map_err(|reason| OpenError::Malformed {
                name: self.name(role),
                reason,
            })
    }

    pub(super) fn missing(&self, role: Role) -> OpenError {
        OpenError::Missing {
            name: self.name(role),
        }
    }

    pub(super) fn name(&self, role: Role) -> String {
        self.setup.name(role)
    }

    pub(super) fn player(&self) -> &PlayerId {
        &self.player
    }

    pub(super) fn key_id(&self) -> &KeyId {
        self.setup.url.key(self.key)
    }

    pub(super) fn is_test(&self) -> bool {
        self.is_test
    }

    pub(super) fn params(&self) -> &Params {
        &self.params
    }

    /// The event, without what only some families have.
    pub(super) fn event(&self, kind: EventKind) -> Event {
        Event {
            source: self.setup.app.source().clone(),
            app: self.setup.app.name().clone(),
            endpoint: self.setup.family.name().into(),
            player: self.player.clone(),
            kind,
            usd: None,
            purchase: None,
            reason: None,
            test: match (self.is_test, self.setup.options.delivers_tests) {
                (false, _) => TestCallback::No,
                (true, false) => TestCallback::Acknowledged,
                (true, true) => TestCallback::Delivered,
            },
            signed: self.params.signed().to_owned(),
        }
    }

    /// A map: what every callback has, then each configured field that was sent under its own name (nothing
    /// where it was empty), then all other parameters.
    pub(super) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("source", self.setup.app.source().as_str())?;
        map.serialize_entry("app", self.setup.app.name().as_str())?;
        map.serialize_entry("endpoint", self.setup.family.name())?;
        map.serialize_entry("key_id", self.key_id())?;
        map.serialize_entry("is_test", &self.is_test)?;
        for role in self.setup.roles().iter().copied().flatten() {
            match self.text(role) {
                Field::Absent => {}
                text => map.serialize_entry(role.key(), &text)?,
            }
        }
        let others: Vec<(&str, &str)> = self
            .params
            .iter()
            .filter(|(name, _)| !self.has_role(name))
            .collect();
        map.serialize_entry("other_parameters", &others)?;
        map.end()
    }

    fn has_role(&self, name: &str) -> bool {
        let mut configured = self.setup.parameters().iter().zip(self.setup.roles());
        configured.any(|(parameter, role)| parameter.name() == name && role.is_some())
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").finish_non_exhaustive()
    }
}

fn text_of<'p>(setup: &Setup, params: &'p Params, places: &Places, role: Role) -> Field<&'p str> {
    match setup
        .slot(role)
        .and_then(|slot| params.value_at(places, slot))
    {
        None => Field::Absent,
        Some("") => Field::Empty,
        Some(text) => Field::Given(text),
    }
}

fn identifier<T: FromStr<Err = IdError>>(
    setup: &Setup,
    role: Role,
    text: Field<&str>,
) -> Result<T, OpenError> {
    match text {
        Field::Absent => Err(OpenError::Missing {
            name: setup.name(role),
        }),
        Field::Empty => Err(OpenError::Empty {
            name: setup.name(role),
        }),
        Field::Given(text) => text.parse().map_err(|source| OpenError::Identifier {
            name: setup.name(role),
            source,
        }),
    }
}
