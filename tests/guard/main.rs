//! What is due: examples and properties of the guard, seen through the steps and a wallet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../ledger/mod.rs"]
mod ledger;

mod due;
mod lasting;
mod properties;
mod purchases;

use ledger::{
    Ledger, adjustment, ban, completed, decimal, event, milestone, of_player, pending, reconciled,
    revoked, with_purchase,
};
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind, NothingWhy};
use postback::event::{BanStatus, Effect, Event, EventKind, NotedWhy};
use postback::steps::{Answer, Handled, Receipt, Steps, Timing};
use proptest::prelude::*;
use rust_decimal::Decimal;

/// Plays the events and says which decisions the game saw and how much it paid.
fn outcome(events: &[Event]) -> (Vec<Kind>, Decimal) {
    let ledger = Ledger::play(events);
    (ledger.wallet.kinds(), ledger.balance())
}

fn why(events: &[Event]) -> Option<NothingWhy> {
    match Ledger::play(events).wallet.log.pop() {
        Some(Decision::NothingToPay(nothing)) => Some(nothing.why()),
        _ => None,
    }
}

fn conflict(events: &[Event]) -> Option<ConflictKind> {
    match Ledger::play(events).wallet.log.pop() {
        Some(Decision::Conflict(conflict)) => Some(conflict.kind()),
        _ => None,
    }
}
