//! The protocol's steps by themselves: what differs inside a transaction of the store, and the fixed words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use ledger::{Ledger, completed, reconciled};
use postback::clock::Timestamp;
use postback::decision::{Decision, DecisionKind};
use postback::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use postback::store::{Stored, Swapped, Version};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn in_transaction() -> Steps {
    Steps::receive_in_transaction(completed("o1", "500"), Timing::default())
}

fn intent_first() -> Steps {
    Steps::receive(completed("o1", "500"), Timing::default())
}

/// The handler's turn: the decision that it is given.
fn decision(step: Step) -> Decision {
    let Step::Handle(decision) = step else {
        panic!("the handler's turn: {step:?}")
    };
    decision
}

/// A conversion at which somebody is at work until `lease` after `NOW`.
fn leased() -> Stored {
    let mut steps = intent_first();
    let Step::Swap { record, .. } = steps.advance(Happened::Loaded(None), NOW) else {
        panic!("the intent is written down first")
    };
    Stored {
        version: Version::FIRST,
        record,
    }
}

#[test]
fn a_twin_waits_for_the_other_but_never_inside_a_transaction_of_the_store() {
    let loaded = || Happened::Loaded(Some(leased()));
    let timing = Timing::default();
    assert_eq!(
        intent_first().advance(loaded(), NOW),
        Step::Wait(timing.pause)
    );
    assert_eq!(
        in_transaction().advance(loaded(), NOW),
        Step::Answer(Answer::Busy {
            retry_after: timing.lease
        })
    );
}

#[test]
fn a_hung_handlers_intent_and_lease_are_kept_whether_or_not_they_are_stored_already() {
    // Outside a transaction they were stored before the handler was called: nothing is left to write.
    let mut steps = intent_first();
    steps.advance(Happened::Loaded(None), NOW);
    let stored = Happened::Swapped(Swapped::Done(Version::FIRST));
    let id = decision(steps.advance(stored, NOW)).id().clone();
    let hung = || Happened::Handled(Handled::Hung);
    let failed = Step::Answer(Answer::HandlerFailed(id));
    assert_eq!(steps.advance(hung(), NOW), failed);
    // Inside it nothing is stored yet.
    let mut steps = in_transaction();
    decision(steps.advance(Happened::Loaded(None), NOW));
    let Step::Swap { expected, record } = steps.advance(hung(), NOW) else {
        panic!("the intent is written down now")
    };
    assert_eq!(expected, None);
    let lease = Timing::default().lease;
    assert_eq!(record.open().unwrap().busy_for(NOW), Some(lease));
    let stored = Happened::Swapped(Swapped::Done(Version::FIRST));
    assert_eq!(steps.advance(stored, NOW), failed);
}

#[test]
fn after_an_earlier_decision_is_refused_the_callback_has_its_own_turn() {
    let mut ledger = Ledger::default();
    let earlier = Steps::receive(completed("o1", "500"), Timing::default());
    ledger.run(earlier, |_, _| Handled::Failed);
    let later = Steps::receive(reconciled("o1", "500"), Timing::default());
    let answer = ledger.run(later, |_, decision| {
        assert_eq!(decision.kind(), DecisionKind::Reward, "the earlier one");
        Handled::Refused("no such player".into())
    });
    // It is not answered as if it were the one that was refused: it is kept.
    assert_eq!(answer, Answer::Receipt(Receipt::Closed));
    let record = &ledger.records.values().next().unwrap().record;
    assert_eq!(record.entries().len(), 2);
}

#[test]
fn how_a_handler_ended_is_one_fixed_word() {
    for (handled, word) in [
        (Handled::Done, "done"),
        (Handled::Failed, "failed"),
        (Handled::Hung, "hung"),
        (Handled::Refused("no such player".into()), "refused"),
    ] {
        assert_eq!(handled.as_str(), word);
    }
}

#[test]
fn receipts_are_fixed_words() {
    let mut ledger = Ledger::default();
    ledger.receive(&completed("o1", "500"));
    let id = ledger.wallet.log[0].id().clone();
    for (receipt, word) in [
        (
            Receipt::Settled(id.clone(), DecisionKind::Reward),
            "settled",
        ),
        (Receipt::Duplicate, "duplicate"),
        (Receipt::Refused(id), "refused"),
        (Receipt::Closed, "closed"),
        (Receipt::Test, "test"),
        (Receipt::NothingOpen, "nothing open"),
    ] {
        assert_eq!(receipt.as_str(), word);
    }
}
