//! Imports what an earlier receiver dealt with into a record.
//!
//! An imported row is a fact: the earlier receiver dealt with that message. It is taken to have paid what its payments
//! state, and to have taken back what its reversals state, but no more than it had paid. So what it moved in a conversion
//! is the target of the imported messages alone, and
//!
//! ```text
//! decided = target(imported) + Σ decisions made here
//! due     = target(all) − decided
//! ```
//!
//! Each row counts for the difference that it makes to `target(imported)`. Both targets depend on sets, so rows may come
//! in any order, before, between and after callbacks. A callback that arrives later finds the right `decided`. One that
//! arrived too early, such as a reversal before the payment was imported, leaves a difference, and a later row may
//! explain it. [`correct`] therefore settles it once, at the end of an import.
//!
//! Two things are not corrected, because the list may be wrong about them (it may have been read from a wallet that both
//! receivers write to): a message that moved money here as well, and a conversion with pending decisions. Both are
//! reported, and nothing changes.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::apply::{
    contradiction, exact_sum, is_same_content, is_same_state, same_amount_taken_back, supersede, target, target_of,
};
use super::record::{Entry, EntryState, Record};
use crate::clock::Timestamp;
use crate::decision::{Action, ConflictKind, NothingReason};
use crate::event::{Effect, Event, EventKind, IgnoreReason};

/// What became of one imported row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It is stored as dealt with.
    Imported,
    /// It is stored, and the conversion is closed because nobody knows how much was paid: nothing of it moves any more.
    ImportedClosed,
    /// It was imported before. Nothing changed.
    AlreadyImported,
    /// The same callback was received here. Nothing changed. If the earlier receiver moved money because of it, it was
    /// moved twice: the player may have been paid twice.
    AlreadyReceived,
    /// Decisions of the conversion are pending here. Nothing changed: deliver them, then import again.
    Pending,
    /// The handler declined the conversion here, and it is closed. Nothing changed.
    Closed,
    /// It contradicts what is known. Nothing changed.
    Conflict(ConflictKind),
}

impl Outcome {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::ImportedClosed => "imported_closed",
            Self::AlreadyImported => "already_imported",
            Self::AlreadyReceived => "already_received",
            Self::Pending => "pending",
            Self::Closed => "closed",
            Self::Conflict(_) => "conflict",
        }
    }

    /// Whether a person should look at the row.
    pub fn needs_attention(self) -> bool {
        !matches!(self, Self::Imported | Self::AlreadyImported)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imported => "imported",
            Self::ImportedClosed => "imported without an amount: the conversion is closed",
            Self::AlreadyImported => "imported before",
            Self::AlreadyReceived => "received here as well: money may have moved twice",
            Self::Pending => "a decision is pending: deliver it, then import again",
            Self::Closed => "the handler declined this conversion: it is closed",
            Self::Conflict(ConflictKind::ContentMismatch) => "another amount is known for it",
            Self::Conflict(ConflictKind::PlayerMismatch) => "the conversion belongs to another player",
            Self::Conflict(ConflictKind::NegativeReward) => "the amount paid is negative",
            Self::Conflict(ConflictKind::AmountOutOfRange) => "the amount is out of range",
            Self::Conflict(ConflictKind::Contradictory) => "contradicts what is known",
        })
    }
}

/// What the network can still cause in a conversion, although it was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exposure {
    /// No payment is known: a completed callback pays.
    Unpaid,
    /// Payments are known for named milestones only: a completed callback of another milestone pays.
    OtherMilestones,
    /// The player is unknown: a callback is taken to be about whichever player it names.
    AnyPlayer,
    /// The conversion is closed: nothing is paid, and a reversal takes nothing back.
    NoReversal,
}

impl Exposure {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::OtherMilestones => "other_milestones",
            Self::AnyPlayer => "any_player",
            Self::NoReversal => "no_reversal",
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unpaid => "no payment imported: a completed callback pays",
            Self::OtherMilestones => "a completed callback of another milestone pays",
            Self::AnyPlayer => "no player imported: a callback that names any player is accepted",
            Self::NoReversal => "closed: a reversal takes nothing back",
        })
    }
}

/// Imports one row. Returns the changed record if there is something to store.
///
/// The event names a placeholder unless the player is known.
pub(crate) fn import(
    record: &Record,
    mut event: Event,
    mut knows_player: bool,
    at: Timestamp,
) -> (Outcome, Option<Record>) {
    if let (false, Some(player)) = (knows_player, record.player()) {
        event.player = player.clone();
        knows_player = true;
    }
    let event = Arc::new(event);
    let unchanged = |outcome| (outcome, None);
    let EventKind::Conversion { effect, .. } = &event.kind else {
        return unchanged(Outcome::Conflict(ConflictKind::Contradictory));
    };
    if let Some(kind) = contradiction(record, &event, effect) {
        return unchanged(Outcome::Conflict(kind));
    }
    let is_of_unknown_amount = is_of_unknown_amount(effect);
    let known = if is_of_unknown_amount { known_payment(record) } else { known_message(record, &event) };
    let replaced = match known {
        Known::Imported => return unchanged(Outcome::AlreadyImported),
        Known::Moved => return unchanged(Outcome::AlreadyReceived),
        Known::Otherwise => return unchanged(Outcome::Conflict(ConflictKind::ContentMismatch)),
        Known::Identifies(number) => {
            let mut record = record.clone();
            record.set_event(number, &event, !knows_player);
            return (Outcome::Imported, Some(record));
        }
        Known::Unmoved(number) => Some(number),
        Known::Not => None,
    };
    if record.is_pending() {
        return unchanged(Outcome::Pending);
    }
    let mut imported = record.clone();
    let last = record.last_number();
    if record.closed().is_some() || is_of_unknown_amount {
        if !is_of_unknown_amount && known_payment_is_of_unknown_amount(record) {
            imported.append(event, at, EntryState::Excluded, None);
        } else if record.closed().is_none() {
            imported.append(event, at, EntryState::Active, None);
            imported.set_closed("paid by an earlier receiver, amount unknown", at);
        } else {
            return unchanged(Outcome::Closed);
        }
        imported.mark_imported(last, knows_player, at);
        return (Outcome::ImportedClosed, Some(imported));
    }
    let Some(action) = action(record, effect) else {
        return unchanged(Outcome::Conflict(ConflictKind::AmountOutOfRange));
    };
    // A list may not say by which message something was taken back. The message received here does.
    let entry = replaced.and_then(|number| record.entry(number));
    let event = entry.map_or(Arc::clone(&event), |entry| {
        Arc::new(Event { player: event.player.clone(), ..(**entry.event()).clone() })
    });
    supersede(&mut imported, |entry| Some(entry.number()) == replaced);
    imported.append(event, at, EntryState::Active, Some(action));
    imported.mark_imported(last, knows_player, at);
    match due(&imported) {
        Some(_) => (Outcome::Imported, Some(imported)),
        None => unchanged(Outcome::Conflict(ConflictKind::AmountOutOfRange)),
    }
}

/// Whether decisions and target differ, which only an import can cause.
pub(crate) fn needs_correction(record: &Record) -> bool {
    record.closed().is_none() && due(record).is_some_and(|due| !due.is_zero())
}

/// Settles a difference that imports left by one more decision, which is pending then. It is about the received message
/// that would have been decided otherwise, had the import come first; `None` if there is nothing to settle.
pub(crate) fn correct(record: &Record, at: Timestamp) -> Option<Record> {
    if !needs_correction(record) {
        return None;
    }
    let due = due(record)?;
    let is_fitting = |entry: &Entry| {
        let takes_back = match entry.effect() {
            Some(Effect::Adjusted { by, .. }) => *by < Decimal::ZERO,
            Some(Effect::Revoked) => true,
            _ => false,
        };
        takes_back == (due < Decimal::ZERO)
    };
    let causes =
        record.entries().iter().filter(|entry| entry.is_active() && !entry.is_imported() && entry.states_money());
    let cause = causes.max_by_key(|entry| (is_fitting(entry), entry.number()))?;
    let event = if cause.is_erased() {
        let player = record.player()?.clone();
        Arc::new(Event { player, ..(**cause.event()).clone() })
    } else {
        Arc::clone(cause.event())
    };
    let is_restored = !matches!(cause.effect(), Some(Effect::Completed { .. }));
    let mut corrected = record.clone();
    supersede(&mut corrected, |entry| entry.number() == cause.number());
    let action = Action::moving(due, is_restored);
    corrected.append(event, at, EntryState::Active, Some(action));
    Some(corrected)
}

/// What the network can still cause.
pub(crate) fn exposures(record: &Record) -> Vec<Exposure> {
    if record.closed().is_some() {
        return vec![Exposure::NoReversal];
    }
    let mut milestones = payments(record).map(|entry| match entry.effect() {
        Some(Effect::Completed { milestone, .. }) => milestone.as_ref(),
        _ => None,
    });
    let mut found = Vec::new();
    match milestones.next() {
        None => found.push(Exposure::Unpaid),
        Some(first) if first.is_some() && milestones.all(|milestone| milestone.is_some()) => {
            found.push(Exposure::OtherMilestones);
        }
        Some(_) => {}
    }
    if record.player().is_none() {
        found.push(Exposure::AnyPlayer);
    }
    found
}

/// How a row relates to the messages of a record.
enum Known {
    /// It is none of them.
    Not,
    /// It was imported before.
    Imported,
    /// It says which message took back what was imported as this entry.
    Identifies(u32),
    /// It was received here, and money moved because of it.
    Moved,
    /// It was received here as this entry, and moved nothing.
    Unmoved(u32),
    /// It is known with another content.
    Otherwise,
}

fn known_message(record: &Record, event: &Event) -> Known {
    let is_candidate = |entry: &&Entry| {
        let is_known = entry.is_imported() || entry.is_active();
        is_known && is_same_message(entry.event(), event)
    };
    let candidates: Vec<&Entry> = record.entries().iter().filter(is_candidate).collect();
    let mut same: Vec<&Entry> =
        candidates.iter().copied().filter(|entry| is_same_content(entry.event(), event)).collect();
    // Of several received ones that it may be, one that moved nothing.
    same.sort_by_key(|entry| (!entry.is_imported(), !entry.balance_change().is_zero()));
    let Some(best) = same.first() else {
        return match same_amount_taken_back(record, event) {
            _ if !candidates.is_empty() => Known::Otherwise,
            Some(number) => Known::Identifies(number),
            None => Known::Not,
        };
    };
    if best.is_imported() {
        Known::Imported
    } else if best.balance_change().is_zero() && states_amount(event) {
        Known::Unmoved(best.number())
    } else {
        Known::Moved
    }
}

/// How a payment of unknown amount relates to the messages of a record.
fn known_payment(record: &Record) -> Known {
    if known_payment_is_of_unknown_amount(record) || payments(record).any(Entry::is_imported) {
        Known::Imported
    } else if payments(record).any(|entry| !entry.balance_change().is_zero()) {
        Known::Moved
    } else {
        Known::Not
    }
}

fn payments(record: &Record) -> impl Iterator<Item = &Entry> {
    record.entries().iter().filter(|entry| {
        entry.is_active() && matches!(entry.effect(), Some(Effect::Completed { amount, .. }) if !amount.is_zero())
    })
}

fn known_payment_is_of_unknown_amount(record: &Record) -> bool {
    let mut imported = record.entries().iter().filter(|entry| entry.is_imported());
    imported.any(|entry| entry.effect().is_some_and(is_of_unknown_amount))
}

fn is_of_unknown_amount(effect: &Effect) -> bool {
    matches!(effect, Effect::Ignored { reason: IgnoreReason::PaidElsewhere, .. })
}

/// Whether a row is the same message as a known one. A row that does not say by which message something was taken back
/// is the same as one that took back that amount.
fn is_same_message(known: &Event, row: &Event) -> bool {
    let is_same_reversal = match (&known.kind, &row.kind) {
        (
            EventKind::Conversion { effect: Effect::Adjusted { by: a, same_transaction: false }, .. },
            EventKind::Conversion { effect: Effect::Adjusted { by: b, same_transaction: true }, .. },
        ) => a == b,
        _ => false,
    };
    is_same_reversal || is_same_state(known, row)
}

fn states_amount(event: &Event) -> bool {
    match &event.kind {
        EventKind::Conversion { effect, .. } => match effect {
            Effect::Completed { amount, .. } => !amount.is_zero(),
            Effect::Adjusted { by, .. } => !by.is_zero(),
            _ => false,
        },
        EventKind::Ban(_) => false,
    }
}

/// What the earlier receiver did about a message, as far as its balance is concerned. `None`: the amounts cannot be added
/// exactly.
fn action(record: &Record, effect: &Effect) -> Option<Action> {
    let imported = record.entries().iter().filter(|entry| entry.is_imported());
    let imported = imported.filter_map(Entry::effect);
    let before = target_of(imported.clone())?;
    let after = target_of(imported.chain([effect]))?;
    let moved = exact_sum(after, -before)?;
    if !moved.is_zero() {
        return Some(Action::moving(moved, false));
    }
    let reason = match effect {
        Effect::Pending { stage, amount } => {
            return Some(Action::Pending { amount: *amount, stage: stage.clone() });
        }
        Effect::Completed { amount, .. } if amount.is_zero() => NothingReason::ZeroReward,
        Effect::Completed { .. } => NothingReason::AlreadyTakenBack,
        _ => NothingReason::NothingToTakeBack,
    };
    Some(Action::Nothing { reason })
}

fn due(record: &Record) -> Option<Decimal> {
    exact_sum(target(record)?, -record.decided())
}
