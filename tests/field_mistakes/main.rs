//! One test for each mistake that hand-written receivers make (`docs/field-mistakes.md`), named after it
//! and numbered alike. Each looks at what the network sees and at what the player has.
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

mod amounts;
mod answers;
mod genuine;
mod remembered;
mod states;

use std::sync::Arc;

use bitlabs_game::{Game, OFFERS, SECRET, app};
use ledger::decimal;
use postback::decision::{Decision, DecisionKind as Kind};
use postback::delivery::Progress;
use postback::event::RecordKey;
use postback::guard::Record;
use postback::handler::HandlerError;
use postback::receiver::{ReceiveError, Receiver};
use postback::source::{Callback, OpenError, Source};
use postback::steps::Timing;
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};
use postback::testing::bitlabs::Network;
use postback::web::{Refusal, Reply};
use postback::wire::{KeyRing, Request, Secret};

/// Asserts that a request is answered so, and that nothing was paid or told.
async fn refused(target: &str, status: u16) {
    let game = Game::new();
    assert_eq!(game.request(&game.offers, target).await, status, "{target}");
    assert!(game.kinds().is_empty(), "{target}");
}

fn completed(network: &Network) -> String {
    let callback = network
        .callback(OFFERS)
        .player("p1")
        .transaction("o1")
        .state("COMPLETED")
        .amount("500");
    callback.sign().target().to_owned()
}
