//! The check must be able to fail: each fault is found, and nothing where it is absent.

use stateright::{Checker, HasDiscoveries, Model};

use crate::actions::Action;
use crate::setting::{Fault, Setting, WalletKind};
use crate::settings::{calm, stateful};
use crate::{check, properties};

/// Expects the checker to find each of these wrong, and shows the shortest way to it.
fn assert_found(fault: Fault, setting: Setting, wrong: &[&'static str]) {
    check(&format!("without {fault:?}"), setting.clone());
    let faulty = Setting {
        fault: Some(fault),
        ..setting
    };
    for wrong in wrong {
        let Some(mut way) = way_to(&faulty, wrong, usize::MAX) else {
            panic!("{fault:?} goes unnoticed: {wrong}")
        };
        // The checker ends some worlds after its first find, so there may be a shorter way.
        while let Some(shorter) = way_to(&faulty, wrong, way.len() - 1) {
            way = shorter;
        }
        println!("{fault:?}, {:?}: \"{wrong}\" broken by", faulty.wallet);
        for action in way {
            println!("    {action:?}");
        }
    }
}

/// A way of at most so many actions to a world in which the property does not hold.
fn way_to(faulty: &Setting, wrong: &'static str, actions: usize) -> Option<Vec<Action>> {
    // Depth counts worlds, the first and the one beyond the last included.
    let checker = faulty
        .clone()
        .checker()
        .target_max_depth(actions.saturating_add(2));
    let checker = checker.finish_when(HasDiscoveries::AllOf([wrong].into()));
    Some(checker.spawn_bfs().join().discovery(wrong)?.into_actions())
}

#[test]
fn an_intent_that_is_dropped_when_the_handler_fails_is_found() {
    let setting = calm(stateful(), WalletKind::Idempotent).failures(1);
    let wrong = [properties::REST, properties::AGREE];
    assert_found(Fault::IntentDropped, setting, &wrong);
}

#[test]
fn a_lease_that_is_not_fenced_is_found() {
    let idempotent = calm(stateful(), WalletKind::Idempotent).sleeps(1);
    let wrong = [properties::REST, properties::ANSWERED];
    assert_found(Fault::LeaseNotFenced, idempotent, &wrong);
    let in_transaction = calm(stateful(), WalletKind::CallersTransaction).sleeps(1);
    let wrong = [properties::ONCE, properties::BOUNDS];
    assert_found(Fault::LeaseNotFenced, in_transaction, &wrong);
}

#[test]
fn a_swap_that_ignores_the_version_is_found() {
    let in_transaction = calm(stateful(), WalletKind::CallersTransaction);
    assert_found(Fault::VersionIgnored, in_transaction, &[properties::ONCE]);
    let idempotent = calm(stateful(), WalletKind::Idempotent);
    assert_found(Fault::VersionIgnored, idempotent, &[properties::REST]);
}

#[test]
fn a_lost_claim_that_counts_as_won_is_found() {
    let setting = calm(stateful(), WalletKind::Idempotent);
    let wrong = [properties::AGREE, properties::REST];
    assert_found(Fault::LostClaimCountsAsWon, setting, &wrong);
}

#[test]
fn a_key_of_the_transaction_alone_is_found() {
    for wallet in WalletKind::ALL {
        let setting = calm(stateful(), wallet);
        let wrong = [properties::REST];
        assert_found(Fault::TransactionAloneIsTheKey, setting, &wrong);
    }
}

#[test]
fn a_wallet_that_forgets_ids_is_found() {
    let setting = calm(stateful(), WalletKind::Idempotent).crashes(1);
    let wrong = [properties::ONCE, properties::BOUNDS];
    assert_found(Fault::WalletForgetsIds, setting, &wrong);
}
