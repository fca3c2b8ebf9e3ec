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
mod reduction;
mod setting;
mod world;

use std::time::Instant;

use postback::event::Event;
use setting::{Fault, Senders, Setting, Troubles, WalletKind};
use stateright::{Checker, HasDiscoveries, Model};

const NO_TROUBLE: Troubles = Troubles {
    crashes: 0,
    failures: 0,
    refusals: 0,
    sleeps: 0,
    lost_commits: 0,
    resumes: 0,
};

/// A conversion's callbacks, each signed differently.
fn messages(events: [Event; 3]) -> Vec<Event> {
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(index, event)| Event {
            signed: format!("message={index}"),
            ..event
        })
        .collect()
}

/// An endpoint with states: all come under one transaction.
fn stateful() -> Vec<Event> {
    messages([
        ledger::pending("o1", "500"),
        ledger::completed("o1", "500"),
        ledger::reconciled("o1", "200"),
    ])
}

/// An endpoint without: reversal and restoration are messages of their own that refer to the first.
fn by_reference() -> Vec<Event> {
    let (taken, restored) = (
        ledger::adjustment("r1", "s1", "-500"),
        ledger::adjustment("r2", "s1", "300"),
    );
    messages([ledger::completed("s1", "500"), taken, restored])
}

/// A network that takes back all or nothing.
fn revocable() -> Vec<Event> {
    messages([
        ledger::pending("c1", "7"),
        ledger::completed("c1", "7"),
        ledger::revoked("c1"),
    ])
}

/// Two processes, each message sent once and repeated until answered, and nothing goes wrong.
fn setting(messages: Vec<Event>, wallet: WalletKind) -> Setting {
    Setting {
        sends: vec![1; messages.len()],
        messages,
        senders: Senders::RepeatUntilAnswered,
        receivers: 2,
        wallet,
        troubles: NO_TROUBLE,
        fault: None,
        exact: false,
    }
}

/// Some seconds even without optimisation.
fn quick(messages: &[Event], wallet: WalletKind) -> Vec<(&'static str, Setting)> {
    let setting = || setting(messages.to_vec(), wallet);
    let troubles = |troubles| Setting {
        troubles,
        ..setting()
    };
    let lossy = Troubles {
        lost_commits: 1,
        crashes: 1,
        ..NO_TROUBLE
    };
    let mut settings = vec![
        ("nothing goes wrong", setting()),
        (
            "a duplicate and a sleeper",
            Setting {
                sends: vec![1, 2, 1],
                ..troubles(Troubles {
                    sleeps: 1,
                    ..NO_TROUBLE
                })
            },
        ),
        (
            "a crash and a sleeper",
            troubles(Troubles {
                crashes: 1,
                sleeps: 1,
                ..NO_TROUBLE
            }),
        ),
        (
            "a failing handler and a sleeper",
            troubles(Troubles {
                failures: 1,
                sleeps: 1,
                ..NO_TROUBLE
            }),
        ),
        (
            "a refusal and a crash",
            troubles(Troubles {
                refusals: 1,
                crashes: 1,
                ..NO_TROUBLE
            }),
        ),
        (
            "nobody repeats, somebody resumes",
            Setting {
                senders: Senders::GiveUp,
                ..troubles(Troubles {
                    crashes: 1,
                    failures: 1,
                    ..NO_TROUBLE
                })
            },
        ),
        (
            "three processes",
            Setting {
                receivers: 3,
                ..troubles(Troubles {
                    sleeps: 1,
                    ..NO_TROUBLE
                })
            },
        ),
    ];
    if wallet != WalletKind::Idempotent {
        settings.push(("a lost commit and a crash", troubles(lossy)));
    }
    settings
}

/// Minutes, and optimised.
fn full(messages: &[Event], wallet: WalletKind) -> Vec<(&'static str, Setting)> {
    let setting = || setting(messages.to_vec(), wallet);
    let lost_commits = u8::from(wallet != WalletKind::Idempotent);
    let once = Troubles {
        crashes: 1,
        failures: 1,
        refusals: 0,
        sleeps: 1,
        lost_commits,
        resumes: 0,
    };
    vec![
        (
            "two of each trouble",
            Setting {
                troubles: Troubles {
                    crashes: 2,
                    failures: 2,
                    sleeps: 2,
                    ..NO_TROUBLE
                },
                ..setting()
            },
        ),
        (
            "three processes, all troubles",
            Setting {
                receivers: 3,
                sends: vec![1, 2, 1],
                troubles: once,
                ..setting()
            },
        ),
        (
            "each message twice, all troubles and a refusal",
            Setting {
                sends: vec![2, 2, 2],
                troubles: Troubles {
                    refusals: 1,
                    ..once
                },
                ..setting()
            },
        ),
        (
            "nobody repeats, somebody resumes, all troubles",
            Setting {
                senders: Senders::GiveUp,
                sends: vec![1, 2, 1],
                troubles: Troubles {
                    crashes: 2,
                    resumes: 1,
                    ..once
                },
                ..setting()
            },
        ),
    ]
}

fn is_full() -> bool {
    std::env::var_os("POSTBACK_MODEL_FULL").is_some_and(|value| value == "1")
}

/// Explores the settings completely and holds the properties against every world in them.
fn check_all(wallet: WalletKind) {
    let mut families = vec![("states", stateful()), ("references", by_reference())];
    if is_full() {
        families.push(("revocable", revocable()));
    }
    for (family, messages) in families {
        let mut settings = quick(&messages, wallet);
        if is_full() {
            settings.extend(full(&messages, wallet));
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
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    println!(
        "{name}: {states} states, {transitions} transitions, {:.1} s",
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
    let mut troubles = vec![
        Troubles {
            sleeps: 1,
            ..NO_TROUBLE
        },
        Troubles {
            failures: 1,
            ..NO_TROUBLE
        },
        Troubles {
            crashes: 1,
            lost_commits: 1,
            ..NO_TROUBLE
        },
    ];
    if is_full() {
        troubles.push(Troubles {
            crashes: 1,
            failures: 1,
            refusals: 1,
            sleeps: 1,
            lost_commits: 0,
            resumes: 1,
        });
    }
    for wallet in [
        WalletKind::Idempotent,
        WalletKind::CallersTransaction,
        WalletKind::StoreTransaction,
    ] {
        for troubles in &troubles {
            let messages = stateful().split_off(1);
            let setting = Setting {
                sends: vec![1, 2],
                troubles: *troubles,
                ..setting(messages, wallet)
            };
            let (exact, reduced) = reduction::assert_the_same_go_the_same_ways(&setting);
            println!("{wallet:?}, {troubles:?}: {exact} worlds count as {reduced}");
            let explored = setting.checker().spawn_dfs().join().unique_state_count();
            assert_eq!(explored, reduced, "the checker saw them all");
        }
    }
}

/// Expects the checker to find something wrong, and shows the shortest way to it; and nothing where the
/// fault is absent.
fn assert_found(fault: Fault, setting: &Setting, wrong: &'static str) {
    check(&format!("without {fault:?}"), setting.clone());
    let faulty = Setting {
        fault: Some(fault),
        ..setting.clone()
    };
    let shortest = (1..40).find_map(|depth| {
        let checker = faulty.clone().checker().target_max_depth(depth);
        checker
            .finish_when(HasDiscoveries::AllOf([wrong].into()))
            .spawn_bfs()
            .join()
            .discovery(wrong)
    });
    let Some(path) = shortest else {
        panic!("{fault:?} goes unnoticed: {wrong}")
    };
    println!("{fault:?} breaks \"{wrong}\":");
    for action in path.into_actions() {
        println!("    {action:?}");
    }
}

#[test]
fn an_intent_that_is_dropped_when_the_handler_fails_is_found() {
    let troubles = Troubles {
        failures: 1,
        ..NO_TROUBLE
    };
    let setting = Setting {
        troubles,
        ..setting(stateful(), WalletKind::Idempotent)
    };
    assert_found(Fault::IntentDropped, &setting, properties::REST);
    assert_found(Fault::IntentDropped, &setting, properties::AGREE);
}

#[test]
fn a_lease_that_is_not_fenced_is_found() {
    let troubles = Troubles {
        sleeps: 1,
        ..NO_TROUBLE
    };
    let idempotent = Setting {
        troubles,
        ..setting(stateful(), WalletKind::Idempotent)
    };
    assert_found(Fault::LeaseNotFenced, &idempotent, properties::REST);
    assert_found(Fault::LeaseNotFenced, &idempotent, properties::ANSWERED);
    let in_transaction = Setting {
        troubles,
        ..setting(stateful(), WalletKind::CallersTransaction)
    };
    assert_found(Fault::LeaseNotFenced, &in_transaction, properties::ONCE);
    assert_found(Fault::LeaseNotFenced, &in_transaction, properties::BOUNDS);
}

#[test]
fn a_swap_that_ignores_the_version_is_found() {
    let in_transaction = setting(stateful(), WalletKind::CallersTransaction);
    assert_found(Fault::VersionIgnored, &in_transaction, properties::ONCE);
    assert_found(
        Fault::VersionIgnored,
        &setting(stateful(), WalletKind::Idempotent),
        properties::REST,
    );
}

#[test]
fn a_key_of_the_transaction_alone_is_found() {
    for wallet in [
        WalletKind::Idempotent,
        WalletKind::CallersTransaction,
        WalletKind::StoreTransaction,
    ] {
        assert_found(
            Fault::TransactionAloneIsTheKey,
            &setting(stateful(), wallet),
            properties::REST,
        );
    }
}

#[test]
fn a_wallet_that_forgets_ids_is_found() {
    let troubles = Troubles {
        crashes: 1,
        ..NO_TROUBLE
    };
    let setting = Setting {
        troubles,
        ..setting(stateful(), WalletKind::Idempotent)
    };
    assert_found(Fault::WalletForgetsIds, &setting, properties::ONCE);
    assert_found(Fault::WalletForgetsIds, &setting, properties::BOUNDS);
}
