//! Bans.

use std::fmt;

use super::Field;
use super::shared::every_callback;
use crate::event::{BanStatus, Event, EventKind};
use crate::source::bitlabs::family::sealed::Typed;
use crate::source::bitlabs::macros::Role;
use crate::source::bitlabs::received::Received;
use crate::source::bitlabs::{BitlabsCallback, Endpoint, Family};
use crate::source::{Callback, OpenError};

/// A callback about a player's standing: banned from games and offers, or not (any more).
#[derive(Clone)]
pub struct BanCallback {
    received: Received,
    status: BanStatus,
}

impl BanCallback {
    /// The standing.
    pub fn status(&self) -> &BanStatus {
        &self.status
    }

    /// Why, in the network's word.
    pub fn reason(&self) -> Field<&str> {
        self.received.text(Role::BanReason)
    }

    fn received(&self) -> &Received {
        &self.received
    }
}

impl Typed for BanCallback {
    fn read(received: Received) -> Result<Self, OpenError> {
        let status = match received.decisive(Role::BanStatus)? {
            Field::Absent => return Err(received.missing(Role::BanStatus)),
            Field::Empty => {
                return Err(OpenError::Empty {
                    name: received.name(Role::BanStatus),
                });
            }
            Field::Given(word) if word.eq_ignore_ascii_case("BANNED") => BanStatus::Banned,
            Field::Given(word) if word.eq_ignore_ascii_case("ACTIVE") => BanStatus::Active,
            Field::Given(word) => BanStatus::Unknown(word.to_owned()),
        };
        Ok(Self { received, status })
    }
}

impl BitlabsCallback for BanCallback {
    const FAMILY: Family = Family::Bans;
}

impl Callback for BanCallback {
    type Source = Endpoint<Self>;

    fn event(&self) -> Event {
        Event {
            reason: self.reason().into_given().map(str::to_owned),
            ..self.received.event(EventKind::Ban(self.status.clone()))
        }
    }
}

/// Who and what; neither the URL nor other parameters.
impl fmt::Debug for BanCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanCallback")
            .field("app", &self.received.setup.app.name().as_str())
            .field("player", &self.received.player().as_str())
            .field("status", &self.status)
            .field("is_test", &self.received.is_test())
            .finish_non_exhaustive()
    }
}

every_callback!(BanCallback);
