//! What a record tells of its conversion: to operators, to stores, and to whoever resumes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use std::time::Duration;

use ledger::{Ledger, completed, decimal, of_player, reconciled};
use postback::clock::Timestamp;
use postback::event::Event;
use postback::guard::{RECORD_FORMAT, Record, RecordStatus, target};
use postback::steps::{Handled, Steps, Timing};

fn record(ledger: &Ledger) -> &Record {
    &ledger.records.values().next().unwrap().record
}

fn attempt(ledger: &mut Ledger, event: Event, handled: &Handled) {
    let steps = Steps::receive(event, Timing::default());
    ledger.run(steps, |_, _| handled.clone());
}

#[test]
fn every_attempt_at_an_open_decision_is_counted_and_leased() {
    let mut ledger = Ledger {
        now: 5_000,
        ..Ledger::default()
    };
    for attempts in 1..=3 {
        attempt(&mut ledger, completed("o1", "500"), &Handled::Failed);
        let intent = record(&ledger).open().unwrap();
        assert_eq!(intent.attempts(), attempts);
        assert_eq!(intent.leased_until(), None, "it is free to be repeated");
    }
    attempt(&mut ledger, completed("o1", "500"), &Handled::Hung);
    let intent = record(&ledger).open().unwrap();
    let end = Timestamp::from_millis(35_000);
    assert_eq!((intent.attempts(), intent.leased_until()), (4, Some(end)));
    let busy_for = |millis| intent.busy_for(Timestamp::from_millis(millis));
    assert_eq!(busy_for(34_999), Some(Duration::from_millis(1)));
    assert_eq!(busy_for(35_000), None);
}

#[test]
fn a_message_says_when_it_arrived_first_and_when_it_was_settled() {
    let mut ledger = Ledger {
        now: 5_000,
        ..Ledger::default()
    };
    attempt(&mut ledger, completed("o1", "500"), &Handled::Failed);
    assert_eq!(record(&ledger).entries()[0].settled(), None);
    ledger.now = 9_000;
    ledger.receive(&completed("o1", "500"));
    let entry = &record(&ledger).entries()[0];
    assert_eq!(entry.received(), Timestamp::from_millis(5_000));
    assert_eq!(entry.settled(), Some(Timestamp::from_millis(9_000)));
}

#[test]
fn what_was_decided_about_a_message_and_what_is_due_can_be_told_again() {
    let ledger = Ledger::play(&[completed("o1", "500"), reconciled("o1", "120")]);
    let record = record(&ledger);
    let told: Vec<_> = record
        .entries()
        .iter()
        .filter_map(|entry| entry.decision(record.key()))
        .collect();
    assert_eq!(told, ledger.wallet.log);
    assert_eq!(target(record), Ok(decimal("380")));
}

#[test]
fn where_a_record_stands_is_one_fixed_word() {
    for (handled, status, word) in [
        (Handled::Failed, RecordStatus::Open, "open"),
        (Handled::Done, RecordStatus::Settled, "settled"),
        (
            Handled::Refused("who?".into()),
            RecordStatus::Closed,
            "closed",
        ),
    ] {
        let mut ledger = Ledger::default();
        attempt(&mut ledger, completed("o1", "500"), &handled);
        let found = record(&ledger).status();
        assert_eq!((found, found.as_str()), (status, word));
    }
}

#[test]
fn a_new_record_is_written_in_the_present_form() {
    let ledger = Ledger::play(&[completed("o1", "500")]);
    assert_eq!(record(&ledger).format(), RECORD_FORMAT);
}

#[test]
fn whose_it_is_says_the_first_message_that_counts_and_nobody_when_he_was_forgotten() {
    let name = |player: Option<&postback::event::PlayerId>| player.map(|id| id.as_str().to_owned());
    let whose = |record: &Record| (name(record.player()), name(record.named_player()));
    let of = |player: &str| Some(player.to_owned());

    let stranger = of_player(reconciled("o1", "500"), "p2");
    let ledger = Ledger::play(&[completed("o1", "500"), stranger]);
    assert_eq!(whose(record(&ledger)), (of("p1"), of("p1")));
    let forgotten = record(&ledger).without_personal_fields().unwrap();
    assert_eq!(whose(&forgotten), (None, None));

    // Every message contradicts: it is nobody's conversion yet, and found under the first one's name.
    let ledger = Ledger::play(&[
        completed("o1", "-5"),
        of_player(completed("o1", "-6"), "p2"),
    ]);
    assert_eq!(whose(record(&ledger)), (None, of("p1")));
    let forgotten = record(&ledger).without_personal_fields().unwrap();
    assert_eq!(whose(&forgotten), (None, None));
}
