//! Model checking: the crate's own steps and guard, driven through every interleaving of deliveries,
//! crashes, failing handlers and leases that run out, within the bounds of a [`Setting`].
//!
//! `docs/testing.md` says what is modelled and what was measured. `POSTBACK_MODEL_FULL=1` tries the larger
//! settings, too.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../ledger/mod.rs"]
mod ledger;

mod actions;
mod faults;
mod identity;
mod play;
mod properties;
mod reduction;
mod setting;
mod settings;
mod world;

use std::time::Instant;

use setting::{Setting, WalletKind};
use settings::{by_reference, calm, revocable, stateful};
use stateright::{Checker, Model};

fn is_full() -> bool {
    std::env::var_os("POSTBACK_MODEL_FULL").is_some_and(|value| value == "1")
}

/// Explores the settings completely and holds the properties against every world in them.
fn check_all(wallet: WalletKind) {
    let families = [
        ("states", stateful()),
        ("references", by_reference()),
        ("revocable", revocable()),
    ];
    for (family, messages) in families {
        let mut settings = settings::quick(&messages, wallet);
        // What can go wrong is the same in each family; only what is due differs.
        match (family, is_full()) {
            ("states", true) => settings.extend(settings::full(&messages, wallet)),
            ("states", false) | (_, true) => {}
            (_, false) => settings.truncate(3),
        }
        for (name, setting) in settings {
            check(&format!("{wallet:?}, {family}, {name}"), setting);
        }
    }
}

fn check(name: &str, setting: Setting) {
    let started = Instant::now();
    let threads = if is_full() { 2 } else { 1 };
    let checker = setting.checker().threads(threads).spawn_dfs().join();
    println!(
        "{name}: {} states, {} transitions, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        started.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

#[test]
fn a_wallet_that_knows_the_ids_ends_at_what_is_due() {
    check_all(WalletKind::Idempotent);
}

#[test]
fn a_wallet_in_the_callers_transaction_ends_at_what_is_due() {
    check_all(WalletKind::CallersTransaction);
}

#[test]
fn a_wallet_in_the_stores_transaction_ends_at_what_is_due() {
    check_all(WalletKind::StoreTransaction);
}

#[test]
fn worlds_that_count_as_the_same_go_the_same_ways() {
    for wallet in WalletKind::ALL {
        // A completed message, sent twice, and its reconciliation.
        let calm = || calm(stateful().split_off(1), wallet).sends(&[1, 2]);
        let mut settings = vec![
            calm().sleeps(1),
            calm().failures(1),
            calm().crashes(1).forgets(1),
        ];
        if is_full() {
            settings.extend([
                calm().crashes(1).failures(1).sleeps(1),
                calm().refusals(1).forgets(1).sleeps(1).resumes(1),
                calm().lost_commits(1).crashes(1).sleeps(1),
            ]);
        }
        for setting in settings {
            let (exact, reduced) = reduction::assert_the_same_go_the_same_ways(&setting);
            println!(
                "{wallet:?}, {:?}: {exact} worlds count as {reduced}",
                setting.troubles
            );
            let explored = setting.checker().spawn_dfs().join().unique_state_count();
            assert_eq!(explored, reduced, "the checker saw them all");
        }
    }
}
