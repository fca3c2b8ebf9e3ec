//! The check must be able to fail: each fault is found, and nothing where it is absent.

use stateright::{Checker, HasDiscoveries, Model};

use crate::setting::{Fault, Setting, WalletKind};
use crate::settings::{calm, stateful};
use crate::{check, properties};

/// Expects the checker to find something wrong, and shows the shortest way to it.
fn assert_found(fault: Fault, setting: &Setting, wrong: &'static str) {
    check(&format!("without {fault:?}"), setting.clone());
    let shortest = (1..40).find_map(|depth| {
        let faulty = Setting {
            fault: Some(fault),
            ..setting.clone()
        };
        let checker = faulty.checker().target_max_depth(depth);
        let checker = checker.finish_when(HasDiscoveries::AllOf([wrong].into()));
        checker.spawn_bfs().join().discovery(wrong)
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
    let setting = calm(stateful(), WalletKind::Idempotent).failures(1);
    assert_found(Fault::IntentDropped, &setting, properties::REST);
    assert_found(Fault::IntentDropped, &setting, properties::AGREE);
}

#[test]
fn a_lease_that_is_not_fenced_is_found() {
    let idempotent = calm(stateful(), WalletKind::Idempotent).sleeps(1);
    assert_found(Fault::LeaseNotFenced, &idempotent, properties::REST);
    assert_found(Fault::LeaseNotFenced, &idempotent, properties::ANSWERED);
    let in_transaction = calm(stateful(), WalletKind::CallersTransaction).sleeps(1);
    assert_found(Fault::LeaseNotFenced, &in_transaction, properties::ONCE);
    assert_found(Fault::LeaseNotFenced, &in_transaction, properties::BOUNDS);
}

#[test]
fn a_swap_that_ignores_the_version_is_found() {
    let in_transaction = calm(stateful(), WalletKind::CallersTransaction);
    assert_found(Fault::VersionIgnored, &in_transaction, properties::ONCE);
    let idempotent = calm(stateful(), WalletKind::Idempotent);
    assert_found(Fault::VersionIgnored, &idempotent, properties::REST);
}

#[test]
fn a_key_of_the_transaction_alone_is_found() {
    for wallet in WalletKind::ALL {
        let setting = calm(stateful(), wallet);
        assert_found(Fault::TransactionAloneIsTheKey, &setting, properties::REST);
    }
}

#[test]
fn a_wallet_that_forgets_ids_is_found() {
    let setting = calm(stateful(), WalletKind::Idempotent).crashes(1);
    assert_found(Fault::WalletForgetsIds, &setting, properties::ONCE);
    assert_found(Fault::WalletForgetsIds, &setting, properties::BOUNDS);
}
