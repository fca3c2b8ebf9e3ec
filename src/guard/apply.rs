//! Applies one message to a record.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::record::{Entry, EntryState, Record};
use crate::clock::Timestamp;
use crate::decision::{Action, ConflictKind, NothingReason};
use crate::event::{BanStatus, Effect, Event, EventKind, IgnoreReason};

/// What applying a message comes to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Applied {
    /// The record contains this message already, as the entry with this number.
    Duplicate {
        /// The entry's number.
        number: u32,
    },
    /// A test that could pay. Nothing is stored.
    Test,
    /// The conversion is closed: the message is kept, and nothing is decided.
    Kept(Record),
    /// The record with the message and the decision about it, which is the last one pending.
    Decided(Record),
}

/// Applies one message to a record.
pub fn apply(record: &Record, event: &Arc<Event>, at: Timestamp) -> Applied {
    if event.is_test && is_left_out_as_test(event) {
        return Applied::Test;
    }
    let finding = match &event.kind {
        EventKind::Ban(status) => apply_ban(record, event, status),
        EventKind::Conversion { effect, .. } => apply_conversion(record, event, effect),
    };
    match finding {
        Finding::Duplicate(number) => Applied::Duplicate { number },
        Finding::New { mut record, state, action } => {
            if record.closed().is_some() {
                record.append(Arc::clone(event), at, EntryState::Excluded, None);
                return Applied::Kept(record);
            }
            record.append(Arc::clone(event), at, state, Some(action));
            Applied::Decided(record)
        }
    }
}

/// What should have been paid by now according to the messages that count, in the app's currency.
///
/// `None` if the amounts cannot be added exactly. [`apply`] never lets such a message count.
pub fn target(record: &Record) -> Option<Decimal> {
    target_of(active_effects(record))
}

enum Finding {
    Duplicate(u32),
    New { record: Record, state: EntryState, action: Action },
}

/// Whether a message is left out if it is marked as a test. A player may have set the mark, so it cannot hide a reversal
/// or a ban.
fn is_left_out_as_test(event: &Event) -> bool {
    match &event.kind {
        EventKind::Ban(_) => false,
        EventKind::Conversion { effect, .. } => match effect {
            Effect::Pending { .. } | Effect::Completed { .. } => true,
            Effect::Adjusted { by, .. } => *by > Decimal::ZERO,
            // A state that is not understood may be a reversal.
            Effect::Ignored { reason, .. } => {
                !matches!(reason, IgnoreReason::UnknownState | IgnoreReason::EmptyState | IgnoreReason::Contradictory)
            }
            Effect::Revoked => false,
        },
    }
}

/// A ban has neither transaction nor time: it repeats the latest one, or it is new.
fn apply_ban(record: &Record, event: &Event, status: &BanStatus) -> Finding {
    if let Some(last) = record.entries().last()
        && last.event().kind == event.kind
    {
        return Finding::Duplicate(last.number());
    }
    let action = match status {
        BanStatus::Banned => Action::Ban,
        BanStatus::Active => Action::Unban,
        BanStatus::Unknown(_) => nothing(NothingReason::UnknownState),
    };
    Finding::New { record: record.clone(), state: EntryState::Active, action }
}

fn apply_conversion(known: &Record, event: &Arc<Event>, effect: &Effect) -> Finding {
    let revocation = reinstated_revocation(known, event, effect);
    let reinstates = revocation.is_some();
    let may_be_repeated = |entry: &&Entry| match revocation {
        // What counted before starts anew. What was left out since then is left out again.
        Some(revocation) => entry.number() > revocation && entry.state == EntryState::Excluded,
        None => entry.state != EntryState::Superseded,
    };
    let same_state: Vec<&Entry> =
        known.entries().iter().filter(may_be_repeated).filter(|entry| is_same_state(entry.event(), event)).collect();

    // A duplicate is the repetition of a message that counts, or of one that is equal in every respect: an excluded
    // message must not swallow another one.
    let duplicate = same_state.iter().find(|entry| {
        may_be_same_player(entry, event)
            && is_same_content(entry.event(), event)
            && (entry.is_active() || entry.event().kind == event.kind)
    });
    if let Some(duplicate) = duplicate {
        return Finding::Duplicate(duplicate.number());
    }
    let excluded = |action| Finding::New { record: known.clone(), state: EntryState::Excluded, action };
    let conflict = |kind| excluded(Action::Conflict { kind });
    if let Some(kind) = contradiction(known, event, effect) {
        return conflict(kind);
    }
    if same_state.iter().any(|entry| entry.is_active()) {
        let is_known = same_state.iter().any(|entry| entry.event().purchase_usd == event.purchase_usd);
        let is_same_reward = same_state.iter().any(|entry| entry.is_active() && is_same_amount(entry.event(), event));
        return match event.purchase_usd {
            Some(usd) if is_same_reward && !is_known => excluded(Action::Purchase { usd }),
            _ => conflict(ConflictKind::ContentMismatch),
        };
    }
    let mut record = known.clone();
    if reinstates {
        supersede(&mut record, Entry::is_active);
    }
    if let Some(number) = same_amount_taken_back(&record, event) {
        record.set_event(number, event, false);
        supersede(&mut record, |entry| entry.number() == number);
    }
    match decide(&record, event, effect, reinstates) {
        Some(action) => Finding::New { record, state: EntryState::Active, action },
        None => conflict(ConflictKind::AmountOutOfRange),
    }
}

/// The entry of the revocation that a completed message lifts, which starts the conversion anew.
fn reinstated_revocation(record: &Record, event: &Event, effect: &Effect) -> Option<u32> {
    if !matches!(effect, Effect::Completed { reinstates: true, .. }) || is_purchase_only(event) {
        return None;
    }
    let is_revocation = |entry: &&Entry| entry.is_active() && matches!(entry.effect(), Some(Effect::Revoked));
    record.entries().iter().rfind(is_revocation).map(Entry::number)
}

/// Takes entries out of what is due.
pub(super) fn supersede(record: &mut Record, which: impl Fn(&Entry) -> bool) {
    for entry in record.entries_mut() {
        if which(entry) {
            entry.state = EntryState::Superseded;
        }
    }
}

/// The imported reversal that this message identifies, if there is one. An earlier receiver's list often says how much
/// was taken back, but not by which message. The network's own message about it, with a transaction of its own, must not
/// take it back again.
pub(super) fn same_amount_taken_back(record: &Record, event: &Event) -> Option<u32> {
    let EventKind::Conversion { effect: Effect::Adjusted { by, same_transaction: false }, .. } = &event.kind else {
        return None;
    };
    let is_same = |entry: &&Entry| {
        let same =
            matches!(entry.effect(), Some(Effect::Adjusted { by: imported, same_transaction: true }) if imported == by);
        entry.is_imported() && entry.is_active() && same
    };
    record.entries().iter().find(is_same).map(Entry::number)
}

pub(super) fn contradiction(record: &Record, event: &Event, effect: &Effect) -> Option<ConflictKind> {
    if record.player().is_some_and(|player| *player != event.player) {
        return Some(ConflictKind::PlayerMismatch);
    }
    match effect {
        Effect::Completed { amount, .. } if *amount < Decimal::ZERO => Some(ConflictKind::NegativeReward),
        Effect::Ignored { reason: IgnoreReason::Contradictory, .. } => Some(ConflictKind::Contradictory),
        _ => None,
    }
}

/// The decision that follows from what is due, and otherwise from what the message says. `None`: the amounts cannot be
/// added exactly.
fn decide(record: &Record, event: &Event, effect: &Effect, was_reinstated: bool) -> Option<Action> {
    // These never move money, not even a difference that an import has left (see `guard::import`).
    if matches!(effect, Effect::Pending { .. } | Effect::Ignored { .. }) {
        return Some(nothing_due(record, event, effect));
    }
    let target = target_of(active_effects(record).chain([effect]))?;
    let due = exact_sum(target, -record.decided())?;
    if !due.is_zero() {
        let restored = matches!(effect, Effect::Adjusted { .. }) || was_reinstated;
        return Some(Action::moving(due, restored));
    }
    Some(nothing_due(record, event, effect))
}

fn nothing_due(record: &Record, event: &Event, effect: &Effect) -> Action {
    let is_any = |wanted: fn(&Effect) -> bool| {
        let mut counted = record.entries().iter().filter(|entry| entry.is_active() && !is_purchase_only(entry.event()));
        counted.any(|entry| entry.effect().is_some_and(wanted))
    };
    let is_completed = is_any(|effect| matches!(effect, Effect::Completed { .. }));
    let is_reversed = is_any(|effect| matches!(effect, Effect::Adjusted { .. } | Effect::Revoked));
    match effect {
        Effect::Pending { .. } if is_completed || is_reversed => nothing(NothingReason::LatePending),
        Effect::Pending { stage, amount } => Action::Pending { amount: *amount, stage: stage.clone() },
        Effect::Completed { amount, .. } => match event.purchase_usd {
            Some(usd) if amount.is_zero() => Action::Purchase { usd },
            _ if amount.is_zero() => nothing(NothingReason::ZeroReward),
            _ => nothing(NothingReason::AlreadyTakenBack),
        },
        Effect::Adjusted { by, .. } if is_completed && *by > Decimal::ZERO => nothing(NothingReason::AboveCompleted),
        Effect::Adjusted { .. } | Effect::Revoked if is_completed => nothing(NothingReason::NothingToTakeBack),
        Effect::Adjusted { same_transaction: true, .. } | Effect::Revoked => Action::Rejected,
        Effect::Adjusted { .. } => nothing(NothingReason::Unlinked),
        Effect::Ignored { reason, .. } => nothing(match reason {
            IgnoreReason::EmptyState => NothingReason::EmptyState,
            IgnoreReason::UnpaidByChoice => NothingReason::UnpaidByChoice,
            IgnoreReason::NotAReward => NothingReason::NotAReward,
            IgnoreReason::UnknownState | IgnoreReason::Contradictory | IgnoreReason::PaidElsewhere => {
                NothingReason::UnknownState
            }
        }),
    }
}

fn nothing(reason: NothingReason) -> Action {
    Action::Nothing { reason }
}

fn active_effects(record: &Record) -> impl Iterator<Item = &Effect> {
    record.entries().iter().filter(|entry| entry.is_active()).filter_map(Entry::effect)
}

pub(super) fn target_of<'a>(effects: impl Iterator<Item = &'a Effect>) -> Option<Decimal> {
    let mut completed = Decimal::ZERO;
    let mut adjusted = Decimal::ZERO;
    let mut is_revoked = false;
    for effect in effects {
        match effect {
            Effect::Completed { amount, .. } => completed = exact_sum(completed, *amount)?,
            Effect::Adjusted { by, .. } => adjusted = exact_sum(adjusted, *by)?,
            Effect::Revoked => is_revoked = true,
            Effect::Pending { .. } | Effect::Ignored { .. } => {}
        }
    }
    if is_revoked {
        return Some(Decimal::ZERO);
    }
    // Without a completed message `completed` is zero, and so is everything clamped to it.
    let net = exact_sum(completed, adjusted)?;
    Some(net.min(completed).max(Decimal::ZERO))
}

/// The sum, unless it would have to be rounded: `Decimal` silently drops digits beyond 28.
pub(super) fn exact_sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    a.checked_add(b).filter(|sum| sum.scale() >= a.scale().max(b.scale()))
}

/// Whether two messages are about the same transaction and state: the later one is then a repetition, brings purchase
/// data, or contradicts the earlier one, but is never an event of its own.
pub(super) fn is_same_state(earlier: &Event, later: &Event) -> bool {
    let (
        EventKind::Conversion { transaction: a, effect: first, .. },
        EventKind::Conversion { transaction: b, effect: second, .. },
    ) = (&earlier.kind, &later.kind)
    else {
        return false;
    };
    a == b
        && match (first, second) {
            (Effect::Pending { stage: a, .. }, Effect::Pending { stage: b, .. })
            | (Effect::Ignored { status: a, .. }, Effect::Ignored { status: b, .. }) => a == b,
            // What is worth nothing does not stand in the way of a reward, nor an adjustment by zero of a real one.
            (Effect::Completed { amount: a, .. }, Effect::Completed { amount: b, .. })
                if a.is_zero() != b.is_zero() =>
            {
                false
            }
            (Effect::Completed { milestone: a, .. }, Effect::Completed { milestone: b, .. }) => {
                match (is_purchase_only(earlier), is_purchase_only(later)) {
                    (true, true) => earlier.purchase_usd == later.purchase_usd,
                    // An endpoint whose URL has no type does not say which milestone it is. The same transaction then
                    // counts as the same one: one reward too late is better than two.
                    (false, false) => a == b || a.is_none() || b.is_none(),
                    _ => false,
                }
            }
            (Effect::Adjusted { by: a, .. }, Effect::Adjusted { by: b, .. }) => a.is_zero() == b.is_zero(),
            (Effect::Revoked, Effect::Revoked) => true,
            _ => false,
        }
}

/// Whether the message brings purchase data and no reward: the second of the two callbacks in which a purchase may
/// arrive. It may overtake the first and must not take its place.
pub(super) fn is_purchase_only(event: &Event) -> bool {
    let EventKind::Conversion { effect: Effect::Completed { amount, .. }, .. } = &event.kind else {
        return false;
    };
    amount.is_zero() && event.purchase_usd.is_some()
}

/// Whether two messages of the same state say the same about money. The same conversion may reach two endpoints whose
/// URLs have different parameters, so an absent value matches any.
pub(super) fn is_same_content(earlier: &Event, later: &Event) -> bool {
    let usd_matches = match (earlier.usd, later.usd) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    is_same_amount(earlier, later)
        && usd_matches
        && (later.purchase_usd.is_none() || earlier.purchase_usd == later.purchase_usd)
}

fn is_same_amount(earlier: &Event, later: &Event) -> bool {
    let (EventKind::Conversion { effect: first, .. }, EventKind::Conversion { effect: second, .. }) =
        (&earlier.kind, &later.kind)
    else {
        return false;
    };
    match (first, second) {
        (Effect::Completed { amount: a, .. }, Effect::Completed { amount: b, .. })
        | (Effect::Adjusted { by: a, .. }, Effect::Adjusted { by: b, .. }) => a == b,
        (Effect::Pending { amount: a, .. }, Effect::Pending { amount: b, .. }) => a == b,
        _ => true,
    }
}

/// The player of an erased entry is unknown and matches any.
fn may_be_same_player(entry: &Entry, event: &Event) -> bool {
    entry.is_erased() || entry.event().player == event.player
}
