//! Takes over what an earlier receiver has dealt with: remembered as settled, without asking the game.

use std::sync::Arc;

use super::consider::{Considered, consider};
use super::record::{Entry, Record};
use crate::clock::Timestamp;
use crate::decision::{ConflictKind, Decision};
use crate::event::{Effect, Event, EventKind, NotedWhy};

/// One callback that an earlier receiver has dealt with.
pub(crate) struct Past {
    pub(crate) event: Event,
    /// Otherwise the event names nobody.
    pub(crate) knows_player: bool,
    pub(crate) at: Timestamp,
}

/// What taking it over comes to.
#[derive(Debug, PartialEq)]
pub(crate) enum TakenOver {
    /// The record with it.
    Taken(Record),
    /// Nothing changes: it is known, from an import or because this receiver dealt with it itself.
    Known { is_imported: bool },
    /// Nothing changes: a decision is open, and only carrying that out tells how things stand.
    Open,
    /// Nothing changes: it does not fit what is known.
    Contradicts(Contradiction),
}

/// In what the past contradicts what is remembered. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contradiction {
    /// It says something else than another message of the same conversion.
    Conflict(ConflictKind),
    /// The game has refused the conversion here, and it is closed.
    Refused,
    /// What this receiver has moved, or what it was told, does not fit. For example: the reversal reached it
    /// before the import, when there was nothing to take back. The player's balance wants a look.
    Moved,
}

/// Takes a past callback over into the record.
///
/// It is considered like any other. What follows from it is settled at once, for the game has carried it out
/// already; so what may come later finds it paid, and takes back no more than that.
pub(crate) fn take_over(record: &Record, past: Past) -> TakenOver {
    if record.open().is_some() {
        return TakenOver::Open;
    }
    let Past {
        mut event,
        mut knows_player,
        at,
    } = past;
    if let (false, Some(player)) = (knows_player, record.player()) {
        event.player = player.clone();
        knows_player = true;
    }
    let event = Arc::new(event);
    if says_paid_of_unknown_amount(&event) {
        return close(record, event, at, knows_player);
    }
    let before = record.entries().len();
    match consider(record, &event, at) {
        Considered::Duplicate => TakenOver::Known {
            is_imported: is_imported(record, &event),
        },
        Considered::Closed(_) if !record.is_closed_by_import() => {
            TakenOver::Contradicts(Contradiction::Refused)
        }
        Considered::Closed(mut taken) => {
            taken.mark_imported(before, knows_player, at);
            TakenOver::Taken(taken)
        }
        Considered::Decided(mut taken) => {
            match taken.open_decision() {
                Some(Decision::Conflict(conflict)) => {
                    return TakenOver::Contradicts(Contradiction::Conflict(conflict.kind()));
                }
                // Among imported messages the order is not known, and does not matter.
                Some(decision)
                    if has_moved(record) && decision.balance_change() != stated(&event) =>
                {
                    return TakenOver::Contradicts(Contradiction::Moved);
                }
                _ => {}
            }
            taken.settle(at);
            taken.mark_imported(before, knows_player, at);
            TakenOver::Taken(taken)
        }
    }
}

/// Paid, and nobody knows how much: nothing of it moves any more, and whatever comes is kept, for people.
fn close(record: &Record, event: Arc<Event>, at: Timestamp, knows_player: bool) -> TakenOver {
    let is_completed =
        |entry: &&Entry| entry.counts() && matches!(entry.effect(), Some(Effect::Completed { .. }));
    if let Some(known) = record.entries().iter().find(is_completed) {
        let is_imported = known.is_imported();
        return TakenOver::Known { is_imported };
    }
    if record.is_closed_by_import() {
        return TakenOver::Known { is_imported: true };
    }
    if record.closed().is_some() {
        return TakenOver::Contradicts(Contradiction::Refused);
    }
    if record.player().is_some_and(|known| *known != event.player) {
        let conflict = Contradiction::Conflict(ConflictKind::OtherPlayer);
        return TakenOver::Contradicts(conflict);
    }
    if has_moved(record) {
        return TakenOver::Contradicts(Contradiction::Moved);
    }
    let before = record.entries().len();
    let mut taken = record.clone();
    taken.close_by_import(event, at);
    taken.mark_imported(before, knows_player, at);
    TakenOver::Taken(taken)
}

pub(super) fn says_paid_of_unknown_amount(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Conversion {
            effect: Effect::Noted {
                why: NotedWhy::PaidElsewhere,
                ..
            },
            ..
        }
    )
}

fn is_imported(record: &Record, event: &Event) -> bool {
    let mut same = record
        .entries()
        .iter()
        .filter(|entry| super::mark::is_same_state(entry.event(), event));
    same.any(Entry::is_imported)
}

/// Whether a message of which this receiver heard itself has a say in what is due.
fn has_moved(record: &Record) -> bool {
    record.entries().iter().any(|entry| {
        let moves = matches!(
            entry.effect(),
            Some(Effect::Completed { .. } | Effect::Adjusted { .. } | Effect::Revoked)
        );
        moves && entry.counts() && !entry.is_imported()
    })
}

/// By how much the earlier receiver changed the balance.
fn stated(event: &Event) -> rust_decimal::Decimal {
    match &event.kind {
        EventKind::Conversion {
            effect: Effect::Completed { amount, .. },
            ..
        } => *amount,
        EventKind::Conversion {
            effect: Effect::Adjusted { by, .. },
            ..
        } => *by,
        _ => rust_decimal::Decimal::ZERO,
    }
}
