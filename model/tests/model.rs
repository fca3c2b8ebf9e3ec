//! Explores every setting completely.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it explored"
)]

use std::time::Instant;

use postback::Event;
use postback::import::PastCallback;
use postback_model::properties::{AGREE, ALONE, ANSWERED, BOUNDS, CLOSED, ONCE, ORDER, REST, TARGET};
use postback_model::setting::{
    Arrivals, adjustment, by_reference, by_state, completed, decimal, reconciled, reinstating, revocable, revoked,
};
use postback_model::{Fault, Setting, WalletKind};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

fn is_full() -> bool {
    std::env::var_os("POSTBACK_MODEL_FULL").is_some_and(|value| value == "1")
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

fn elsewhere(messages: Vec<Event>) -> Setting {
    Setting::calm(messages, WalletKind::Idempotent)
}

fn in_transaction(messages: Vec<Event>) -> Setting {
    Setting::calm(messages, WalletKind::Transaction)
}

/// A completed callback and its reversal.
fn two() -> Vec<Event> {
    vec![completed("o1", "500"), reconciled("o1", "200")]
}

#[test]
fn wallet_elsewhere_ends_at_what_is_due() {
    for (family, messages) in [("states", by_state()), ("references", by_reference()), ("revocable", revocable())] {
        check(&format!("{family}: nothing goes wrong"), elsewhere(messages.clone()));
        check(&format!("{family}: a crash"), elsewhere(messages).with(|t| t.crashes = 1));
    }
}

#[test]
fn faults_beside_each_other_end_at_what_is_due() {
    let two = || elsewhere(two());
    check("repetitions, a stall", two().sends(&[2, 1]).with(|t| t.stalls = 1));
    check("a crash, a stall", two().with(|t| (t.crashes, t.stalls) = (1, 1)));
    check("a failure, a stall", two().with(|t| (t.failures, t.stalls) = (1, 1)));
    check("a declined decision, a crash", two().with(|t| (t.declines, t.crashes) = (1, 1)));
    check("a clock that jumps, a crash", two().with(|t| (t.jumps, t.crashes) = (1, 1)));
    check("a slow store", two().with(|t| t.ticks = 4));
    check("three processes, a stall", two().processes(3).sends(&[2, 1]).with(|t| t.stalls = 1));
    check("recovery only", two().without_repeats().with(|t| (t.crashes, t.failures, t.recoveries) = (1, 1, 1)));
}

#[test]
fn accepted_callbacks_end_at_what_is_due() {
    for (family, messages) in [("states", by_state()), ("references", by_reference())] {
        let accepting = elsewhere(messages).arrivals(Arrivals::Accept);
        check(&format!("{family}: accepted"), accepting.with(|t| t.recoveries = 1));
    }
    let accepting = || elsewhere(two()).arrivals(Arrivals::Accept);
    check("accepted, a failure, a crash", accepting().with(|t| (t.failures, t.crashes, t.recoveries) = (1, 1, 1)));
    check(
        "accepted, a declined decision, a stall",
        accepting().with(|t| (t.declines, t.stalls, t.recoveries) = (1, 1, 2)),
    );
    check("accepted or received", elsewhere(two()).arrivals(Arrivals::Both).processes(3));
}

#[test]
fn wallet_in_the_transaction_ends_at_what_is_due() {
    for (family, messages) in [("states", by_state()), ("references", by_reference()), ("revocable", revocable())] {
        let setting = || in_transaction(messages.clone()).arrivals(Arrivals::Both);
        check(
            &format!("{family}: a failure, a lost commit"),
            setting().with(|t| (t.failures, t.lost_commits, t.recoveries) = (1, 1, 1)),
        );
        check(&format!("{family}: a declined decision, a crash"), setting().with(|t| (t.declines, t.crashes) = (1, 1)));
    }
    check(
        "three processes, failures, lost commits",
        in_transaction(two())
            .arrivals(Arrivals::Both)
            .processes(3)
            .sends(&[2, 1])
            .with(|t| (t.failures, t.lost_commits) = (2, 1)),
    );
}

fn paid() -> PastCallback {
    PastCallback::paid("o1".parse().unwrap(), decimal("500"))
}

fn taken_back_by() -> PastCallback {
    let (transaction, original) = ("r1".parse().unwrap(), "o1".parse().unwrap());
    PastCallback::taken_back_by(transaction, original, decimal("200"))
}

#[test]
fn imports_and_callbacks_end_at_what_is_due() {
    let messages = || vec![completed("o1", "500"), adjustment("r1", "o1", "-200")];
    for (wallet, setting) in [("elsewhere", elsewhere(messages())), ("in the transaction", in_transaction(messages()))]
    {
        for (rows, past) in [("a payment", vec![paid()]), ("a payment and its reversal", vec![paid(), taken_back_by()])]
        {
            let setting = setting.clone().importing(past);
            check(&format!("{rows} imported, wallet {wallet}"), setting);
        }
    }
}

/// A reward that was a conflict before it was revoked and reinstated.
fn reinstated() -> Vec<Event> {
    vec![reinstating("c1", "500"), reinstating("c1", "600"), revoked("c1"), reinstating("c1", "600")]
}

#[test]
fn reinstated_conflict_is_paid() {
    check("reinstated", elsewhere(reinstated()).in_order("600").with(|t| t.crashes = 1));
    check("reinstated", in_transaction(reinstated()).in_order("600").with(|t| t.lost_commits = 1));
}

/// Expects the checker to find each of these broken by the fault, and nothing without it.
fn assert_found(fault: Fault, setting: &Setting, broken: &[&'static str]) {
    let sound = setting.clone().checker().spawn_dfs().join();
    for property in setting.properties() {
        if property.expectation == Expectation::Always {
            sound.assert_no_discovery(property.name);
        }
    }
    for property in broken {
        let faulty = setting.clone().fault(fault);
        let checker = faulty.checker().finish_when(HasDiscoveries::AllOf([*property].into()));
        let checker = checker.spawn_bfs().join();
        let Some(path) = checker.discovery(property) else { panic!("{fault:?} is not found: {property}") };
        println!("{fault:?} breaks \"{property}\":");
        for action in path.into_actions() {
            println!("    {action:?}");
        }
    }
}

#[test]
fn dropped_intent_is_found() {
    let setting = elsewhere(two()).with(|t| t.failures = 1);
    assert_found(Fault::IntentDropped, &setting, &[AGREE]);
    let setting = setting.without_repeats();
    assert_found(Fault::IntentDropped, &setting, &[REST]);
}

#[test]
fn missing_fencing_is_found() {
    let setting = elsewhere(two()).with(|t| t.stalls = 1);
    assert_found(Fault::NoFencing, &setting, &[ANSWERED]);
}

#[test]
fn transaction_alone_as_key_is_found() {
    assert_found(Fault::TransactionAloneIsTheKey, &elsewhere(two()), &[REST]);
    let setting = in_transaction(two()).arrivals(Arrivals::Accept);
    assert_found(Fault::TransactionAloneIsTheKey, &setting, &[ANSWERED, REST]);
}

#[test]
fn lease_that_starts_before_the_swap_is_found() {
    let setting = elsewhere(vec![completed("o1", "500")]).sends(&[2]).with(|t| t.ticks = 4);
    assert_found(Fault::LeaseFromTheHandlersStart, &setting, &[ALONE]);
}

#[test]
fn conflict_that_blocks_reinstatement_is_found() {
    let setting = elsewhere(reinstated()).in_order("600");
    assert_found(Fault::ConflictBlocksReinstatement, &setting, &[REST]);
}

#[test]
fn declined_notice_that_closes_is_found() {
    let setting = elsewhere(by_state()).with(|t| t.declines = 1);
    assert_found(Fault::DeclinedNoticeCloses, &setting, &[CLOSED]);
}

#[test]
fn settling_without_the_lease_token_is_found() {
    let setting = elsewhere(two()).with(|t| t.stalls = 1);
    assert_found(Fault::SettlesWithoutTheToken, &setting, &[AGREE, REST]);
}

#[test]
fn due_computed_from_delivered_decisions_is_found() {
    let setting = elsewhere(two()).arrivals(Arrivals::Accept);
    assert_found(Fault::DueFromDelivered, &setting, &[TARGET]);
    let setting = elsewhere(by_reference()).with(|t| t.failures = 1);
    assert_found(Fault::DueFromDelivered, &setting, &[BOUNDS]);
}

#[test]
fn delivery_out_of_order_is_found() {
    let setting = elsewhere(two()).arrivals(Arrivals::Accept);
    assert_found(Fault::DeliversTheLastFirst, &setting, &[ORDER, BOUNDS]);
}

#[test]
fn large_settings_end_at_what_is_due() {
    if !is_full() {
        return;
    }
    let both = |messages: Vec<Event>| elsewhere(messages).arrivals(Arrivals::Both);
    let elsewhere = || both(two());
    check(
        "three processes, a crash, a failure, a stall",
        elsewhere().processes(3).with(|t| (t.crashes, t.failures, t.stalls) = (1, 1, 1)),
    );
    check(
        "every callback twice, a crash, a stall",
        elsewhere().sends(&[2, 2]).with(|t| (t.crashes, t.stalls) = (1, 1)),
    );
    check(
        "a crash, a failure, a stall, a clock that jumps",
        elsewhere().with(|t| (t.crashes, t.failures, t.stalls, t.jumps) = (1, 1, 1, 1)),
    );
    check(
        "a failure, a stall, a declined decision, a clock that jumps, recovery",
        elsewhere().with(|t| (t.failures, t.stalls, t.declines, t.jumps, t.recoveries) = (1, 1, 1, 1, 1)),
    );
    check(
        "three messages, three processes, a crash, a failure, a stall",
        both(by_state()).processes(3).with(|t| (t.crashes, t.failures, t.stalls) = (1, 1, 1)),
    );
    for messages in [by_state(), by_reference(), revocable()] {
        check(
            "in the transaction: three processes, every callback twice, and everything that can go wrong there",
            in_transaction(messages)
                .arrivals(Arrivals::Both)
                .processes(3)
                .sends(&[2, 2, 2])
                .with(|t| (t.crashes, t.failures, t.declines, t.lost_commits, t.recoveries) = (1, 2, 1, 1, 1)),
        );
    }
    let _ = ONCE;
}
