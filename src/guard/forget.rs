//! Forgets who it was, and keeps what it takes not to pay twice.

use std::sync::Arc;

use super::record::{Entry, Record};
use crate::clock::Timestamp;
use crate::event::{Event, PlayerId};

/// What stands in a forgotten player's place.
const FORGOTTEN: &str = "(forgotten)";

impl Record {
    /// The record without personal fields: neither the player nor what was signed (which holds names and
    /// addresses). Transactions, amounts and decisions stay, so that a repetition is still a duplicate and a
    /// reversal still takes back no more than was paid.
    ///
    /// `None` while a decision is open, since carrying it out takes the player.
    #[must_use]
    pub fn without_personal_fields(&self) -> Option<Self> {
        if self.open().is_some() {
            return None;
        }
        let nobody = PlayerId::placeholder(FORGOTTEN);
        let mut record = self.clone();
        for entry in record.entries_mut() {
            let event = Event {
                player: nobody.clone(),
                signed: String::new(),
                ..entry.event().clone()
            };
            entry.forget(Arc::new(event));
        }
        Some(record)
    }

    /// When something last happened in it.
    pub fn last_change(&self) -> Timestamp {
        let moments = self
            .entries()
            .iter()
            .map(|entry| entry.settled().unwrap_or(entry.received()));
        let closed = self.closed().map(|closed| closed.at);
        moments.chain(closed).max().unwrap_or_default()
    }
}

impl Entry {
    /// Whether this message says the same player as another; of a forgotten one nobody can tell.
    pub(super) fn may_be_of(&self, event: &Event) -> bool {
        self.is_forgotten() || self.event().player == event.player
    }
}
