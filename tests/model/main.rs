//! Model checking: the crate's own steps and guard, driven through every interleaving of deliveries,
//! crashes, failing handlers and leases that run out, within the bounds of a [`Setting`].
//!
//! `docs/testing.md` says what is modelled and what was measured. `POSTBACK_MODEL_FULL=1` tries the larger
//! settings, too.

#[path = "../ledger/mod.rs"]
mod ledger;

mod actions;
mod identity;
mod play;
mod properties;
mod setting;
mod world;

use postback::event::Event;
use setting::{Fault, Senders, Setting, Troubles, WalletKind};
use stateright::{Checker, HasDiscoveries, Model};

/// Explores one setting completely and holds its properties against it.
fn check(name: &str, setting: Setting) {
    let started = std::time::Instant::now();
    let checker = setting.checker().spawn_bfs().join();
    println!(
        "{name}: {} states, {} transitions, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

fn is_full() -> bool {
    std::env::var_os("POSTBACK_MODEL_FULL").is_some_and(|value| value == "1")
}

/// Distinct messages, as the network would sign them.
fn messages(events: Vec<Event>) -> Vec<Event> {
    let numbered = events.into_iter().enumerate();
    numbered.map(|(index, event)| Event { signed: format!("message={index}"), ..event }).collect()
}

/// The callbacks of an endpoint with states: all under one transaction.
fn stateful() -> Vec<Event> {
    messages(vec![ledger::pending("o1", "500"), ledger::completed("o1", "500"), ledger::reconciled("o1", "200")])
}

/// The callbacks of an endpoint without states: reversal and restoration are messages of their own that
/// refer to the first.
fn by_reference() -> Vec<Event> {
    let (taken, restored) = (ledger::adjustment("r1", "s1", "-500"), ledger::adjustment("r2", "s1", "300"));
    messages(vec![ledger::completed("s1", "500"), taken, restored])
}

fn setting(messages: Vec<Event>, wallet: WalletKind) -> Setting {
    Setting {
        sends: vec![1; messages.len()],
        messages,
        senders: Senders::RepeatUntilAnswered,
        receivers: 2,
        wallet,
        troubles: Troubles::default(),
        fault: None,
        exact: false,
    }
}

#[test]
fn probe() {
    for (family, messages) in [("stateful", stateful()), ("by reference", by_reference())] {
        for wallet in [WalletKind::Idempotent, WalletKind::CallersTransaction, WalletKind::StoreTransaction] {
            for (trouble, troubles) in [
                ("none", Troubles::default()),
                ("crash", Troubles { crashes: 1, ..Troubles::default() }),
                ("fail", Troubles { failures: 1, ..Troubles::default() }),
                ("sleep", Troubles { sleeps: 1, ..Troubles::default() }),
                ("crash+sleep", Troubles { crashes: 1, sleeps: 1, ..Troubles::default() }),
                ("fail+sleep", Troubles { failures: 1, sleeps: 1, ..Troubles::default() }),
                ("crash+fail+sleep", Troubles { crashes: 1, failures: 1, sleeps: 1, lost_commits: 1, ..Troubles::default() }),
            ] {
                let setting = Setting { troubles, ..setting(messages.clone(), wallet) };
                check(&format!("{family} {wallet:?} {trouble}"), setting);
            }
        }
    }
}
