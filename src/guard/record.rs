//! What is remembered of one conversion, or of one player's standing.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decision::{Decision, Verdict};
use crate::event::{Effect, Event, EventKind, PlayerId, RecordKey};

/// The form in which this version of the crate writes a record. A store refuses a record of a later
/// form instead of guessing.
pub const RECORD_FORMAT: u32 = 1;

/// How many messages about a player's standing are kept. They carry no transaction, so nothing bounds
/// their number, and only the latest counts.
const STANDINGS_KEPT: usize = 16;

/// Why a conversion is closed that was imported without its amount.
const PAID_ELSEWHERE: &str = "imported: paid by an earlier receiver, amount unknown";

/// Everything that is remembered of one conversion: each distinct message, the decision made about it,
/// what has been settled, and what is still open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    key: RecordKey,
    /// Shared among copies: a record is copied at each step of its way, and changed at few.
    entries: Arc<[Entry]>,
    settled: Decimal,
    decisions: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Intent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Boxed, as few are.
    closed: Option<Box<Closed>>,
}

/// One distinct message and what was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    number: u32,
    event: Arc<Event>,
    received: Timestamp,
    pub(super) standing: Standing,
    /// `None`: it arrived after the conversion was closed; the game was not told.
    verdict: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<Timestamp>,
    /// Its player and what was signed were stripped, or the player was never known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forgotten: bool,
    /// An earlier receiver dealt with it; the game was not told by this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Whether a message has part in what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// It has.
    Counted,
    /// It contradicts what is known, or arrived after the conversion was closed.
    Aside,
    /// It had, until a later message reinstated the conversion.
    Lifted,
}

impl Entry {
    /// The message.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// When it arrived first.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// When the game had carried out the decision about it; `None` while that is open, and for ever if it
    /// refused.
    pub fn settled(&self) -> Option<Timestamp> {
        self.settled
    }

    /// What was decided about it. `None`: it arrived after the conversion was closed.
    pub fn decision(&self, key: &RecordKey) -> Option<Decision> {
        let verdict = self.verdict.as_ref()?;
        Some(Decision::from_verdict(
            key,
            self.number,
            &self.event,
            verdict,
        ))
    }

    /// Whether its player was forgotten, or was not known when it was imported.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Whether it was taken over from an earlier receiver ([`import`](crate::import)): that one, and not this
    /// crate, had the game carry its decision out.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    pub(super) fn forget(&mut self, event: Arc<Event>) {
        self.event = event;
        self.forgotten = true;
    }

    pub(super) fn counts(&self) -> bool {
        self.standing == Standing::Counted
    }

    pub(super) fn effect(&self) -> Option<&Effect> {
        match &self.event.kind {
            EventKind::Conversion { effect, .. } => Some(effect),
            EventKind::Ban(_) => None,
        }
    }
}

/// A decision that was written down before the game was asked to carry it out, and is not settled yet.
/// It is always about the record's last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    attempts: u32,
    /// `None`: the last attempt ended without success, anyone may repeat it.
    leased_until: Option<Timestamp>,
}

impl Intent {
    /// How often the game was asked to carry it out.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Until when somebody is at work on it.
    pub fn leased_until(&self) -> Option<Timestamp> {
        self.leased_until
    }

    /// How much longer somebody is at work on it; `None` when it is free.
    pub fn busy_for(&self, now: Timestamp) -> Option<Duration> {
        let left = now.until(self.leased_until?);
        (!left.is_zero()).then_some(left)
    }
}

/// Why nothing of a conversion ever moves again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Closed {
    /// The game's reason.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// Where a record stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordStatus {
    /// A decision is written down and not settled.
    Open,
    /// All that was decided has been carried out.
    Settled,
    /// The game refused; nothing moves any more.
    Closed,
}

impl RecordStatus {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::Closed => "closed",
        }
    }
}

impl Record {
    /// Nothing known yet.
    pub fn new(key: RecordKey) -> Self {
        Self {
            format: RECORD_FORMAT,
            key,
            entries: Arc::default(),
            settled: Decimal::ZERO,
            decisions: 0,
            open: None,
            closed: None,
        }
    }

    /// The form in which it is written.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// What it is about.
    pub fn key(&self) -> &RecordKey {
        &self.key
    }

    /// The player whose conversion it is: the one named by the first message that counts. `None` when he was
    /// forgotten.
    pub fn player(&self) -> Option<&PlayerId> {
        let counted = self
            .entries
            .iter()
            .find(|entry| entry.standing != Standing::Aside && !entry.forgotten);
        counted.map(|entry| &entry.event.player)
    }

    /// The player to look it up by: whose it is, or, where every message contradicts, whom the first one names.
    pub fn named_player(&self) -> Option<&PlayerId> {
        let mut known = self.entries.iter().filter(|entry| !entry.forgotten);
        self.player()
            .or_else(|| known.next().map(|entry| &entry.event.player))
    }

    /// Every distinct message, in order of arrival.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the messages that count do, in order of arrival.
    pub(super) fn counted_effects(&self) -> impl Iterator<Item = &Effect> {
        let counted = self.entries.iter().filter(|entry| entry.counts());
        counted.filter_map(Entry::effect)
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        Arc::make_mut(&mut self.entries)
    }

    /// What the game has paid less what it has taken back. Never below zero.
    pub fn settled(&self) -> Decimal {
        self.settled
    }

    /// The decision that is written down and not settled, if any.
    pub fn open(&self) -> Option<&Intent> {
        self.open.as_ref()
    }

    /// Why nothing moves any more, if so.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// Where it stands.
    pub fn status(&self) -> RecordStatus {
        if self.open.is_some() {
            RecordStatus::Open
        } else if self.closed.is_some() {
            RecordStatus::Closed
        } else {
            RecordStatus::Settled
        }
    }

    /// The decision that is written down and not settled.
    pub fn open_decision(&self) -> Option<Decision> {
        self.open.as_ref()?;
        self.entries.last()?.decision(&self.key)
    }

    /// Takes up a message with its decision, open until settled.
    pub(super) fn decide(
        &mut self,
        event: Arc<Event>,
        at: Timestamp,
        standing: Standing,
        verdict: Verdict,
    ) {
        self.push(event, at, standing, Some(verdict));
        self.open = Some(Intent {
            attempts: 0,
            leased_until: None,
        });
    }

    /// Takes up a message of a closed conversion.
    pub(super) fn put_aside(&mut self, event: Arc<Event>, at: Timestamp) {
        self.push(event, at, Standing::Aside, None);
    }

    fn push(
        &mut self,
        event: Arc<Event>,
        at: Timestamp,
        standing: Standing,
        verdict: Option<Verdict>,
    ) {
        let is_full =
            matches!(event.kind, EventKind::Ban(_)) && self.entries.len() >= STANDINGS_KEPT;
        self.decisions = self.decisions.saturating_add(1);
        let entry = Entry {
            number: self.decisions,
            event,
            received: at,
            standing,
            verdict,
            settled: None,
            forgotten: false,
            imported: false,
        };
        let kept = self.entries.get(usize::from(is_full)..);
        let kept = kept.unwrap_or_default().iter().cloned();
        self.entries = kept.chain([entry]).collect();
    }

    /// Whatever was taken up since was dealt with by an earlier receiver.
    pub(super) fn mark_imported(&mut self, since: usize, knows_player: bool, at: Timestamp) {
        for entry in self.entries_mut().iter_mut().skip(since) {
            entry.imported = true;
            entry.forgotten = !knows_player;
            entry.settled = Some(at);
        }
    }

    /// An earlier receiver paid, and it is not known how much.
    pub(super) fn close_by_import(&mut self, event: Arc<Event>, at: Timestamp) {
        self.put_aside(event, at);
        let reason = PAID_ELSEWHERE.to_owned();
        self.closed = Some(Box::new(Closed { reason, at }));
    }

    /// Whether it was an import that closed it, and not the game.
    pub(super) fn is_closed_by_import(&self) -> bool {
        let mut imported = self.entries.iter().filter(|entry| entry.imported);
        self.closed.is_some()
            && imported.any(|entry| super::take_over::says_paid_of_unknown_amount(&entry.event))
    }

    /// A later message made the conversion due again: what counted so far no longer does.
    pub(super) fn lift_all(&mut self) {
        for entry in self.entries_mut() {
            if entry.standing == Standing::Counted {
                entry.standing = Standing::Lifted;
            }
        }
    }

    /// Somebody goes to work on the open decision.
    pub(crate) fn lease(&mut self, until: Timestamp) {
        if let Some(intent) = &mut self.open {
            intent.attempts = intent.attempts.saturating_add(1);
            intent.leased_until = Some(until);
        }
    }

    /// The attempt failed: the decision stays open and is free to be repeated.
    pub(crate) fn release(&mut self) {
        if let Some(intent) = &mut self.open {
            intent.leased_until = None;
        }
    }

    /// The game has carried out the open decision.
    pub(crate) fn settle(&mut self, at: Timestamp) {
        if self.open.take().is_none() {
            return;
        }
        if let Some(entry) = Arc::make_mut(&mut self.entries).last_mut() {
            entry.settled = Some(at);
            if let Some(verdict) = &entry.verdict {
                // Exact: the guard only decides on amounts whose difference from the settled one is.
                self.settled = self.settled.saturating_add(verdict.balance_change());
            }
        }
    }

    /// The game refused the open decision for good.
    ///
    /// What a message that was put aside says (a conflict, which may name another player) is no ground to
    /// close the conversion: refusing that only ends it.
    pub(crate) fn close(&mut self, reason: String, at: Timestamp) {
        let is_aside = self
            .entries
            .last()
            .is_some_and(|entry| entry.standing == Standing::Aside);
        if is_aside {
            self.settle(at);
        } else {
            self.open = None;
            self.closed = Some(Box::new(Closed { reason, at }));
        }
    }
}
