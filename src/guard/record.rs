//! What is stored about one conversion, or about one player's bans.

use std::num::NonZeroU64;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decision::{Action, Decision, stored};
use crate::event::{Effect, Event, EventKind};
use crate::id::{PlayerId, RecordKey};

/// The format in which this version writes a record. A record of a later format is an error, never guessed at.
pub const RECORD_FORMAT: u32 = 1;

/// How many delivered messages about a player's bans are kept. They have no transaction, so nothing else bounds their
/// number, and only the latest counts.
const BANS_KEPT: usize = 16;

/// The longest reason or error text that a record keeps, in bytes.
const MAX_TEXT_BYTES: usize = 300;

/// A record's version, by which a store guards every change. Every change gives the record one that it never had, as long
/// as it is not removed.
///
/// In most stores it is 1 when the record is first stored, and one more at every change. Inside a
/// [`Transaction`](crate::store::Transaction) it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of a record that is stored for the first time, where changes are counted.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// From the number that a store kept. `None` for zero.
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number for a store to keep.
    pub fn number(self) -> u64 {
        self.0.get()
    }

    /// The version of a record that replaces `expected`, where changes are counted.
    pub fn after(expected: Option<Self>) -> Self {
        expected.map_or(Self::FIRST, |version| Self(version.0.saturating_add(1)))
    }
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Stored {
    /// Its version.
    pub version: Version,
    /// The record.
    pub record: Record,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, PartialEq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a swap succeeds or finds another version")]
pub enum SwapOutcome {
    /// The record was replaced, durably. This is its version now.
    Replaced(Version),
    /// Another version than the expected one is stored. Nothing was changed.
    Conflict(Option<Stored>),
}

/// Everything that is stored about one conversion (or about one player's bans): a log of messages with their decisions,
/// and a cursor.
#[derive(Debug, Clone, PartialEq, Hash, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    key: RecordKey,
    /// Shared among clones: a record is cloned often and changed rarely.
    entries: Arc<[Entry]>,
    /// The number of the last entry whose decision was delivered, declined or skipped.
    cursor: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<Box<Retry>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<Box<Closed>>,
}

/// One distinct message and the decision about it.
#[derive(Debug, Clone, PartialEq, Hash, Serialize, Deserialize)]
pub struct Entry {
    number: u32,
    event: Arc<Event>,
    received: Timestamp,
    pub(super) state: EntryState,
    /// `None`: the message arrived after the conversion was closed.
    #[serde(with = "stored")]
    action: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declined: Option<Box<str>>,
    /// Its player and query were erased, or the player was never known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Whether a message has a part in what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EntryState {
    /// It has.
    Active,
    /// It contradicts what is known, or arrived after the conversion was closed.
    Excluded,
    /// It had, until a later message took its place.
    Superseded,
}

/// The right to deliver the first pending decision. Settling it requires this very lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    token: u64,
    until: Timestamp,
}

impl Lease {
    /// When it expires.
    pub fn until(&self) -> Timestamp {
        self.until
    }
}

/// What is known about failed attempts to deliver the first pending decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retry {
    /// How many attempts failed.
    pub attempts: u32,
    /// When the last one failed.
    pub failed_at: Timestamp,
    /// The handler's error, at most 300 bytes.
    pub error: String,
}

/// Why a conversion is closed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Closed {
    /// The handler's reason, at most 300 bytes.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordStatus {
    /// Decisions wait to be delivered.
    Pending,
    /// Everything was delivered.
    Settled,
    /// The handler declined a decision for good, or an import closed it: nothing moves any more.
    Closed,
}

impl RecordStatus {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Settled => "settled",
            Self::Closed => "closed",
        }
    }
}

impl Entry {
    /// Its number in the record, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The message.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// When it arrived first.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// When its decision was delivered. `None`: it is pending, was declined, or is not to be delivered.
    pub fn delivered(&self) -> Option<Timestamp> {
        self.delivered
    }

    /// Why the handler declined it, if it did.
    pub fn declined(&self) -> Option<&str> {
        self.declined.as_deref()
    }

    /// What was decided about it. `None`: it arrived after the conversion was closed.
    pub fn action(&self) -> Option<&Action> {
        self.action.as_ref()
    }

    /// The decision about it, as the handler gets it.
    pub fn decision(&self, key: &RecordKey) -> Option<Decision> {
        let action = self.action.clone()?;
        Some(Decision::new(key, self.number, &self.event, self.received, action))
    }

    /// Whether its player was erased, or unknown when it was imported.
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// Whether it was imported: an earlier receiver carried its decision out.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == EntryState::Active
    }

    pub(super) fn effect(&self) -> Option<&Effect> {
        match &self.event.kind {
            EventKind::Conversion { effect, .. } => Some(effect),
            EventKind::Ban(_) => None,
        }
    }

    /// Whether its message can change what is due.
    pub(super) fn states_money(&self) -> bool {
        matches!(self.effect(), Some(Effect::Completed { .. } | Effect::Adjusted { .. } | Effect::Revoked))
    }

    pub(super) fn balance_change(&self) -> Decimal {
        self.action.as_ref().map_or(Decimal::ZERO, Action::balance_change)
    }
}

impl Record {
    /// An empty record.
    pub fn new(key: RecordKey) -> Self {
        Self { format: RECORD_FORMAT, key, entries: Arc::default(), cursor: 0, lease: None, retry: None, closed: None }
    }

    /// The format in which it was written.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// Its key.
    pub fn key(&self) -> &RecordKey {
        &self.key
    }

    /// The player whose conversion it is: the one in the first message that is not a contradiction. `None` if erased.
    pub fn player(&self) -> Option<&PlayerId> {
        let mut known = self.entries.iter().filter(|entry| entry.state != EntryState::Excluded && !entry.erased);
        known.next().map(|entry| &entry.event.player)
    }

    /// The player to look it up by: whose it is, or, if every message is a contradiction, the first one's.
    pub fn lookup_player(&self) -> Option<&PlayerId> {
        let mut known = self.entries.iter().filter(|entry| !entry.erased);
        self.player().or_else(|| known.next().map(|entry| &entry.event.player))
    }

    /// Every distinct message, in order of arrival.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was paid less what was taken back, as far as it was delivered. In the app's currency; negative at most while
    /// an import goes on.
    pub fn balance(&self) -> Decimal {
        let delivered = self.entries.iter().filter(|entry| entry.delivered.is_some());
        delivered.map(Entry::balance_change).sum()
    }

    /// The sum of all decisions, delivered or not.
    pub fn decided(&self) -> Decimal {
        self.entries.iter().map(Entry::balance_change).sum()
    }

    /// The decisions that wait to be delivered, in order.
    pub fn pending(&self) -> impl Iterator<Item = Decision> {
        let waiting = self.entries.iter().filter(|entry| entry.number > self.cursor);
        waiting.filter_map(|entry| entry.decision(&self.key))
    }

    /// Whether a decision waits to be delivered.
    pub fn is_pending(&self) -> bool {
        self.entries.last().is_some_and(|last| last.number > self.cursor)
    }

    /// The lease on the first pending decision, if somebody took one.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Failed attempts to deliver the first pending decision.
    pub fn retry(&self) -> Option<&Retry> {
        self.retry.as_deref()
    }

    /// Why nothing moves any more, if so.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// Its state.
    pub fn status(&self) -> RecordStatus {
        if self.is_pending() {
            RecordStatus::Pending
        } else if self.closed.is_some() {
            RecordStatus::Closed
        } else {
            RecordStatus::Settled
        }
    }

    /// When something last happened in it.
    pub fn last_change(&self) -> Timestamp {
        let moments = self.entries.iter().map(|entry| entry.delivered.unwrap_or(entry.received));
        let closed = self.closed.iter().map(|closed| closed.at);
        let failed = self.retry.iter().map(|retry| retry.failed_at);
        moments.chain(closed).chain(failed).max().unwrap_or_default()
    }

    /// The record without personal data: neither the player, nor the queries, nor the reasons of network and handler.
    /// Transactions, amounts and decisions stay, so that a repeated callback is still a duplicate and a reversal still
    /// takes back no more than was paid.
    ///
    /// `None` while a decision is pending, because delivering it takes the player.
    #[must_use]
    pub fn erased(&self) -> Option<Self> {
        if self.is_pending() {
            return None;
        }
        let nobody = PlayerId::placeholder("(erased)");
        let mut record = self.clone();
        for entry in Arc::make_mut(&mut record.entries) {
            let event = Event { player: nobody.clone(), query: String::new(), reason: None, ..(*entry.event).clone() };
            entry.event = Arc::new(event);
            entry.declined = entry.declined.take().map(|_| Box::default());
            entry.erased = true;
        }
        if let Some(closed) = &mut record.closed {
            closed.reason.clear();
        }
        Some(record)
    }

    /// The number of the last entry.
    pub(crate) fn last_number(&self) -> u32 {
        self.entries.last().map_or(0, |last| last.number)
    }

    /// The number of the last entry whose decision was delivered, declined or skipped.
    pub(crate) fn cursor(&self) -> u32 {
        self.cursor
    }

    /// The first pending decision.
    pub(crate) fn head(&self) -> Option<Decision> {
        let mut waiting = self.entries.iter().filter(|entry| entry.number > self.cursor);
        waiting.next()?.decision(&self.key)
    }

    pub(crate) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    pub(super) fn append(&mut self, event: Arc<Event>, at: Timestamp, state: EntryState, action: Option<Action>) {
        let entry = Entry {
            number: self.last_number().saturating_add(1),
            event,
            received: at,
            state,
            action,
            delivered: None,
            declined: None,
            erased: false,
            imported: false,
        };
        let is_ban = matches!(entry.event.kind, EventKind::Ban(_));
        let delivered = self.entries.iter().filter(|entry| entry.number <= self.cursor).count();
        let surplus = if is_ban { delivered.saturating_sub(BANS_KEPT - 1) } else { 0 };
        let kept = self.entries.iter().skip(surplus).cloned();
        self.entries = kept.chain([entry]).collect();
        if self.closed.is_some() {
            self.cursor = self.last_number();
        }
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        Arc::make_mut(&mut self.entries)
    }

    /// Marks every entry after `number` as dealt with by an earlier receiver.
    pub(super) fn mark_imported(&mut self, number: u32, knows_player: bool, at: Timestamp) {
        for entry in self.entries_mut() {
            if entry.number > number {
                entry.imported = true;
                entry.erased = !knows_player;
                entry.delivered = Some(at);
            }
        }
        self.cursor = self.last_number();
    }

    /// Replaces an entry's message by the network's own about the same thing.
    pub(super) fn set_event(&mut self, number: u32, event: &Arc<Event>, erased: bool) {
        for entry in self.entries_mut() {
            if entry.number == number {
                entry.event = Arc::clone(event);
                entry.erased = erased;
            }
        }
    }

    pub(super) fn set_closed(&mut self, reason: &str, at: Timestamp) {
        let reason = truncated(reason);
        self.closed = Some(Box::new(Closed { reason, at }));
        self.cursor = self.last_number();
        self.lease = None;
        self.retry = None;
    }

    /// Reserves the first pending decision. `token` must be unique among the leases of this record.
    pub(crate) fn take_lease(&mut self, token: u64, until: Timestamp) -> Lease {
        let lease = Lease { token, until };
        self.lease = Some(lease);
        lease
    }

    /// Whether this lease on this cursor is still the current one.
    pub(crate) fn holds(&self, lease: Lease, cursor: u32) -> bool {
        self.lease == Some(lease) && self.cursor == cursor
    }

    /// The handler carried out the first pending decision.
    pub(crate) fn settle_head(&mut self, at: Timestamp) {
        self.advance(|entry| entry.delivered = Some(at));
    }

    /// The handler failed to carry out the first pending decision, which stays pending.
    pub(crate) fn fail_head(&mut self, error: &str, at: Timestamp) {
        self.count_failure(error, at);
        self.lease = None;
    }

    /// The handler did not return in time. It may still be running, so the lease stays until it expires.
    pub(crate) fn time_out_head(&mut self, at: Timestamp) {
        self.count_failure("timed out", at);
    }

    fn count_failure(&mut self, error: &str, at: Timestamp) {
        let attempts = self.retry.as_ref().map_or(0, |retry| retry.attempts).saturating_add(1);
        let error = truncated(error);
        self.retry = Some(Box::new(Retry { attempts, failed_at: at, error }));
    }

    /// The handler declined the first pending decision for good. If it moves money, the conversion is closed, and the
    /// decisions behind it are not delivered either.
    pub(crate) fn decline_head(&mut self, reason: &str, at: Timestamp) {
        let moves_money = self.head().is_some_and(|decision| !decision.balance_change().is_zero());
        self.advance(|entry| entry.declined = Some(truncated(reason).into()));
        if moves_money {
            self.set_closed(reason, at);
        }
    }

    fn advance(&mut self, change: impl FnOnce(&mut Entry)) {
        let cursor = self.cursor;
        let next = self.entries_mut().iter_mut().find(|entry| entry.number > cursor);
        if let Some(entry) = next {
            change(entry);
            self.cursor = entry.number;
        }
        self.lease = None;
        self.retry = None;
    }
}

/// At most [`MAX_TEXT_BYTES`] of a text.
fn truncated(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}
