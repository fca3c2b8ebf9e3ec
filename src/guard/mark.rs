//! What makes two messages the same message.

use crate::event::{Effect, Event, EventKind};

/// Whether `later` is about the same transaction and state as `earlier`: then it is a repetition, brings
/// purchase data, or contradicts it, but is never an event of its own.
pub(super) fn is_same_state(earlier: &Event, later: &Event) -> bool {
    match (&earlier.kind, &later.kind) {
        (
            EventKind::Conversion {
                transaction: a,
                effect: first,
                ..
            },
            EventKind::Conversion {
                transaction: b,
                effect: second,
                ..
            },
        ) => a == b && same_state(earlier, first, later, second),
        _ => false,
    }
}

fn same_state(earlier: &Event, first: &Effect, later: &Event, second: &Effect) -> bool {
    match (first, second) {
        (Effect::Pending { stage: a, .. }, Effect::Pending { stage: b, .. })
        | (Effect::Noted { word: a, .. }, Effect::Noted { word: b, .. }) => a == b,
        (Effect::Completed { milestone: a, .. }, Effect::Completed { milestone: b, .. }) => {
            match (is_purchase_only(earlier), is_purchase_only(later)) {
                (true, true) => earlier.purchase == later.purchase,
                // An endpoint whose URL carries no type does not say which milestone it was. The same
                // transaction is then taken for the same one: better one reward late than two.
                (false, false) => a == b || a.is_none() || b.is_none(),
                _ => false,
            }
        }
        (Effect::Adjusted { .. }, Effect::Adjusted { .. }) | (Effect::Revoked, Effect::Revoked) => {
            true
        }
        _ => false,
    }
}

/// Whether the message brings purchase data and no reward: the second of the two callbacks in which an
/// in-app purchase may come. It may overtake the first and must not take its place.
pub(super) fn is_purchase_only(event: &Event) -> bool {
    let EventKind::Conversion {
        effect: Effect::Completed { amount, .. },
        ..
    } = &event.kind
    else {
        return false;
    };
    amount.is_zero() && event.purchase.is_some()
}

/// Whether two messages of the same state and player also say the same. Only what decides about money is compared:
/// the same conversion may reach two endpoints whose URLs carry different parameters.
pub(super) fn is_same_content(earlier: &Event, later: &Event) -> bool {
    is_same_amount(earlier, later)
        && equal_where_both_say(earlier.usd.as_ref(), later.usd.as_ref())
        && (later.purchase.is_none() || earlier.purchase == later.purchase)
}

/// Whether two messages state the same amount.
pub(super) fn is_same_amount(earlier: &Event, later: &Event) -> bool {
    match (&earlier.kind, &later.kind) {
        (
            EventKind::Conversion { effect: first, .. },
            EventKind::Conversion { effect: second, .. },
        ) => match (first, second) {
            (Effect::Completed { amount: a, .. }, Effect::Completed { amount: b, .. })
            | (Effect::Adjusted { by: a, .. }, Effect::Adjusted { by: b, .. }) => a == b,
            (Effect::Pending { amount: a, .. }, Effect::Pending { amount: b, .. }) => a == b,
            _ => true,
        },
        _ => false,
    }
}

fn equal_where_both_say<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}
