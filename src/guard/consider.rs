//! Holds a message against what is remembered.

use std::sync::Arc;

use super::mark::{is_purchase_only, is_same_amount, is_same_content, is_same_state};
use super::record::{Entry, Record, Standing};
use super::target::{OutOfRange, exact_sum, target_with};
use crate::clock::Timestamp;
use crate::decision::{ConflictKind, NothingWhy, Verdict};
use crate::event::{BanStatus, Effect, Event, EventKind, NotedWhy};

/// What a message comes to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Considered {
    /// It was known already. Nothing changes.
    Duplicate,
    /// The conversion is closed: the message is kept, the game is not told.
    Closed(Record),
    /// The record with the message taken up and the decision about it open
    /// ([`Record::open_decision`] says which).
    Decided(Record),
}

/// Considers one message in the light of what is remembered.
///
/// The record must have no decision open: what is written down is carried out first.
pub fn consider(record: &Record, event: &Arc<Event>, at: Timestamp) -> Considered {
    let verdict = match &event.kind {
        EventKind::Ban(status) => consider_standing(record, event, status),
        EventKind::Conversion { effect, .. } => consider_conversion(record, event, effect),
    };
    let Some(Finding {
        mut record,
        standing,
        verdict,
    }) = verdict
    else {
        return Considered::Duplicate;
    };
    if record.closed().is_some() {
        record.put_aside(Arc::clone(event), at);
        return Considered::Closed(record);
    }
    record.decide(Arc::clone(event), at, standing, verdict);
    Considered::Decided(record)
}

struct Finding {
    record: Record,
    standing: Standing,
    verdict: Verdict,
}

/// A ban carries neither transaction nor time: it repeats the last one, or it is news.
fn consider_standing(record: &Record, event: &Event, status: &BanStatus) -> Option<Finding> {
    if record
        .entries()
        .last()
        .is_some_and(|last| last.event().kind == event.kind)
    {
        return None;
    }
    let verdict = match status {
        BanStatus::Banned => Verdict::Ban,
        BanStatus::Active => Verdict::Unban,
        BanStatus::Unknown(_) => Verdict::NothingToPay {
            why: NothingWhy::UnknownState,
        },
    };
    Some(Finding {
        record: record.clone(),
        standing: Standing::Counted,
        verdict,
    })
}

fn consider_conversion(heard: &Record, event: &Event, effect: &Effect) -> Option<Finding> {
    let reinstates = reinstates(heard, event, effect);
    let is_lifted = |entry: &Entry| match entry.standing {
        Standing::Lifted => true,
        Standing::Counted => reinstates,
        Standing::Aside => false,
    };
    let same_state: Vec<_> = heard
        .entries()
        .iter()
        .filter(|entry| !is_lifted(entry) && is_same_state(entry.event(), event))
        .collect();

    if same_state
        .iter()
        .any(|entry| entry.may_be_of(event) && is_same_content(entry.event(), event))
    {
        return None;
    }
    if let Some(kind) = contradiction(heard, event, effect) {
        return Some(Finding {
            // What is put aside reinstates nothing.
            record: heard.clone(),
            standing: Standing::Aside,
            verdict: Verdict::Conflict { kind },
        });
    }
    if same_state.iter().any(|entry| entry.counts()) {
        let is_known = same_state
            .iter()
            .any(|entry| entry.event().purchase == event.purchase);
        let is_same_reward = same_state
            .iter()
            .any(|entry| entry.counts() && is_same_amount(entry.event(), event));
        let verdict = match &event.purchase {
            Some(purchase) if is_same_reward && !is_known => Verdict::Purchase {
                purchase: purchase.clone(),
            },
            _ => Verdict::Conflict {
                kind: ConflictKind::OtherContent,
            },
        };
        return Some(Finding {
            record: heard.clone(),
            standing: Standing::Aside,
            verdict,
        });
    }
    let mut record = heard.clone();
    if reinstates {
        record.lift_all();
    }
    Some(match verdict(&record, event, effect, reinstates) {
        Ok(verdict) => Finding {
            record,
            standing: Standing::Counted,
            verdict,
        },
        Err(OutOfRange) => Finding {
            record: heard.clone(),
            standing: Standing::Aside,
            verdict: Verdict::Conflict {
                kind: ConflictKind::AmountOutOfRange,
            },
        },
    })
}

/// Whether a completed message that may reinstate comes after the reward was revoked: it starts the conversion anew.
fn reinstates(record: &Record, event: &Event, effect: &Effect) -> bool {
    let is_revoked = record
        .entries()
        .iter()
        .any(|entry| entry.counts() && matches!(entry.effect(), Some(Effect::Revoked)));
    is_revoked
        && !is_purchase_only(event)
        && matches!(
            effect,
            Effect::Completed {
                reinstates: true,
                ..
            }
        )
}

fn contradiction(record: &Record, event: &Event, effect: &Effect) -> Option<ConflictKind> {
    if record
        .player()
        .is_some_and(|player| *player != event.player)
    {
        return Some(ConflictKind::OtherPlayer);
    }
    match effect {
        Effect::Completed { amount, .. } if amount.is_sign_negative() && !amount.is_zero() => {
            Some(ConflictKind::NegativeReward)
        }
        Effect::Noted {
            why: NotedWhy::Contradictory,
            ..
        } => Some(ConflictKind::Contradictory),
        _ => None,
    }
}

/// The decision that follows from what is due, and from what the message says.
fn verdict(
    record: &Record,
    event: &Event,
    effect: &Effect,
    was_reinstated: bool,
) -> Result<Verdict, OutOfRange> {
    let due = exact_sum(target_with(record, effect)?, -record.settled())?;
    if due.is_sign_negative() && !due.is_zero() {
        return Ok(Verdict::Reversal { amount: -due });
    }
    if !due.is_zero() {
        let restored = matches!(effect, Effect::Adjusted { .. }) || was_reinstated;
        return Ok(Verdict::Reward {
            amount: due,
            restored,
        });
    }
    Ok(nothing_due(record, event, effect))
}

fn nothing_due(record: &Record, event: &Event, effect: &Effect) -> Verdict {
    let is_among = |wanted: fn(&Effect) -> bool| {
        let mut counted = record
            .entries()
            .iter()
            .filter(|entry| entry.counts() && !is_purchase_only(entry.event()));
        counted.any(|entry| entry.effect().is_some_and(wanted))
    };
    let is_completed = is_among(|effect| matches!(effect, Effect::Completed { .. }));
    let is_reversed =
        is_among(|effect| matches!(effect, Effect::Adjusted { .. } | Effect::Revoked));
    let nothing = |why| Verdict::NothingToPay { why };
    match effect {
        Effect::Pending { .. } if is_completed || is_reversed => nothing(NothingWhy::LatePending),
        Effect::Pending { stage, amount } => Verdict::Pending {
            amount: *amount,
            stage: stage.clone(),
        },
        Effect::Completed { .. } if is_purchase_only(event) => match &event.purchase {
            Some(purchase) => Verdict::Purchase {
                purchase: purchase.clone(),
            },
            None => nothing(NothingWhy::ZeroReward),
        },
        Effect::Completed { amount, .. } if amount.is_zero() => nothing(NothingWhy::ZeroReward),
        Effect::Completed { .. } => nothing(NothingWhy::AlreadyTakenBack),
        Effect::Adjusted { .. } | Effect::Revoked if is_completed => {
            nothing(NothingWhy::NothingToTakeBack)
        }
        Effect::Adjusted {
            is_state_change: true,
            ..
        }
        | Effect::Revoked => Verdict::Rejected,
        Effect::Adjusted { .. } => nothing(NothingWhy::Unlinked),
        Effect::Noted {
            why: NotedWhy::UnpaidByChoice,
            ..
        } => nothing(NothingWhy::UnpaidByChoice),
        Effect::Noted { .. } => nothing(NothingWhy::UnknownState),
    }
}
