//! What lasts: refusals, milestones, reinstatement, bans.

use super::*;

#[test]
fn refusing_a_conflict_does_not_close_the_conversion() {
    let mut ledger = Ledger::play(&[completed("o1", "500")]);
    let strange = of_player(completed("o1", "500"), "p2");
    let answer = ledger.run(Steps::receive(strange, Timing::default()), |_, _| {
        Handled::Refused("who?".into())
    });
    assert!(matches!(answer, Answer::Receipt(Receipt::Refused(_))));
    ledger.receive(&reconciled("o1", "500"));
    assert_eq!(ledger.balance(), decimal("0"));
}

#[test]
fn a_type_that_is_not_stated_is_taken_for_the_same_milestone() {
    let typeless = completed("s1", "10");
    let screenout = milestone("s1", "10", "SCREENOUT");
    assert_eq!(
        outcome(&[typeless.clone(), screenout.clone()]).1,
        decimal("10")
    );
    assert_eq!(outcome(&[screenout, typeless]).1, decimal("10"));
}

#[test]
fn a_completed_event_reinstates_only_where_it_is_set_to() {
    let mut again = completed("c1", "7");
    let EventKind::Conversion {
        effect: Effect::Completed { reinstates, .. },
        ..
    } = &mut again.kind
    else {
        unreachable!()
    };
    *reinstates = true;
    let events = [
        again.clone(),
        revoked("c1"),
        again.clone(),
        revoked("c1"),
        again,
    ];
    let (kinds, paid) = outcome(&events);
    let (restored, reversal, reward) = (Kind::RestoredReward, Kind::Reversal, Kind::Reward);
    assert_eq!(kinds, [reward, reversal, restored, reversal, restored]);
    assert_eq!(paid, decimal("7"));
    // Where nothing was revoked, its repetition is a duplicate like any other.
    let (kinds, paid) = outcome(&[events[0].clone(), events[0].clone()]);
    assert_eq!((kinds, paid), (vec![reward], decimal("7")));
    let (kinds, paid) = outcome(&[completed("c1", "7"), revoked("c1"), completed("c1", "7")]);
    assert_eq!((kinds, paid), (vec![reward, reversal], decimal("0")));
}

#[test]
fn bans_and_unbans_alternate_and_repetitions_are_not_told() {
    let (banned, active) = (ban(BanStatus::Banned), ban(BanStatus::Active));
    let events = [
        banned.clone(),
        banned.clone(),
        active.clone(),
        active,
        banned,
    ];
    assert_eq!(outcome(&events).0, [Kind::Ban, Kind::Unban, Kind::Ban]);
}

#[test]
fn the_messages_kept_about_a_players_standing_are_bounded() {
    let (banned, active) = (ban(BanStatus::Banned), ban(BanStatus::Active));
    let mut ledger = Ledger::default();
    for _ in 0..50 {
        ledger.receive(&banned);
        ledger.receive(&active);
    }
    let record = &ledger.records.values().next().unwrap().record;
    assert_eq!(record.entries().len(), 16);
    assert_eq!(
        ledger.wallet.carried_out.len(),
        100,
        "every decision has an id of its own"
    );
}

#[test]
fn a_refused_conversion_never_moves_again() {
    let mut ledger = Ledger::default();
    let steps = Steps::receive(completed("o1", "500"), Timing::default());
    let answer = ledger.run(steps, |_, _| Handled::Refused("no such player".into()));
    assert!(matches!(answer, Answer::Receipt(Receipt::Refused(_))));
    for event in [
        completed("o1", "500"),
        reconciled("o1", "500"),
        pending("o1", "500"),
    ] {
        let answer = ledger.run(Steps::receive(event, Timing::default()), |_, _| {
            panic!("the game is not asked")
        });
        assert!(matches!(
            answer,
            Answer::Receipt(Receipt::Duplicate | Receipt::Closed)
        ));
    }
    let record = &ledger.records.values().next().unwrap().record;
    assert_eq!(record.closed().unwrap().reason, "no such player");
    assert_eq!(
        (record.settled(), record.entries().len()),
        (Decimal::ZERO, 3)
    );
}
