//! The numbered rules of `docs/protocol/bitlabs.md`, section 4, each played through endpoint, receiver,
//! store and wallet; what counts is the balance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

#[path = "../bitlabs_game/mod.rs"]
mod bitlabs_game;
#[path = "../ledger/mod.rs"]
mod ledger;

mod families;
mod numbered;

use bitlabs_game::{Game, OFFERS, RECONCILED, REWARDS, app};
use ledger::decimal;
use postback::bitlabs::OfferState;
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind, NothingWhy};
