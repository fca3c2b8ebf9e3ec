//! What is due: examples and properties of the guard, seen through the steps and a wallet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use ledger::{
    Ledger, adjustment, ban, completed, decimal, event, milestone, of_player, pending, reconciled,
    revoked, with_purchase,
};
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind, NothingWhy};
use postback::event::{BanStatus, Effect, Event, EventKind, NotedWhy};
use postback::steps::{Answer, Handled, Receipt, Steps, Timing};
use proptest::prelude::*;
use rust_decimal::Decimal;

/// Plays the events and says which decisions the game saw and how much it paid.
fn outcome(events: &[Event]) -> (Vec<Kind>, Decimal) {
    let ledger = Ledger::play(events);
    (ledger.wallet.kinds(), ledger.balance())
}

fn why(events: &[Event]) -> Option<NothingWhy> {
    match Ledger::play(events).wallet.log.pop() {
        Some(Decision::NothingToPay(nothing)) => Some(nothing.why()),
        _ => None,
    }
}

fn conflict(events: &[Event]) -> Option<ConflictKind> {
    match Ledger::play(events).wallet.log.pop() {
        Some(Decision::Conflict(conflict)) => Some(conflict.kind()),
        _ => None,
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn the_decision_follows_from_what_is_due_and_what_the_message_says() {
    let screenout = milestone("s1", "5", "SCREENOUT");
    let table: &[(&str, Vec<Event>, Vec<Kind>, &str)] = &[
        (
            "pending pays nothing",
            vec![pending("o1", "500")],
            vec![Kind::Pending],
            "0",
        ),
        (
            "completed pays",
            vec![completed("o1", "500")],
            vec![Kind::Reward],
            "500",
        ),
        (
            "a repetition is not even told",
            vec![completed("o1", "500"), completed("o1", "500")],
            vec![Kind::Reward],
            "500",
        ),
        (
            "completed after pending pays",
            vec![pending("o1", "500"), completed("o1", "500")],
            vec![Kind::Pending, Kind::Reward],
            "500",
        ),
        (
            "reconciled after pending takes nothing back",
            vec![pending("o1", "500"), reconciled("o1", "500")],
            vec![Kind::Pending, Kind::Rejected],
            "0",
        ),
        (
            "reconciled alone is a rejection",
            vec![reconciled("o1", "0")],
            vec![Kind::Rejected],
            "0",
        ),
        (
            "reconciled after completed takes back",
            vec![completed("o1", "500"), reconciled("o1", "500")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "in part",
            vec![completed("o1", "500"), reconciled("o1", "120.50")],
            vec![Kind::Reward, Kind::Reversal],
            "379.50",
        ),
        (
            "a late completed does not pay what was taken back",
            vec![reconciled("o1", "500"), completed("o1", "500")],
            vec![Kind::Rejected, Kind::NothingToPay],
            "0",
        ),
        (
            "but it pays the rest",
            vec![reconciled("o1", "200"), completed("o1", "500")],
            vec![Kind::Rejected, Kind::Reward],
            "300",
        ),
        (
            "a reversal by reference",
            vec![completed("o1", "500"), adjustment("or1", "o1", "-500")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "a reversed reversal is restored",
            vec![
                completed("s1", "2"),
                adjustment("r1", "s1", "-2"),
                adjustment("r2", "s1", "2"),
            ],
            vec![Kind::Reward, Kind::Reversal, Kind::Reward],
            "2",
        ),
        (
            "never more is restored than was completed",
            vec![completed("s1", "2"), adjustment("r2", "s1", "2")],
            vec![Kind::Reward, Kind::NothingToPay],
            "2",
        ),
        (
            "never more is taken than was paid",
            vec![completed("s1", "2"), adjustment("r1", "s1", "-3")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "another transaction is another conversion",
            vec![completed("o1", "500"), completed("o2", "500")],
            vec![Kind::Reward, Kind::Reward],
            "1000",
        ),
        (
            "milestones of one transaction are events of their own",
            vec![screenout, milestone("s1", "100", "COMPLETE")],
            vec![Kind::Reward, Kind::Reward],
            "105",
        ),
        (
            "revoked takes all back",
            vec![completed("c1", "7"), revoked("c1")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "revoked first blocks",
            vec![revoked("c1"), completed("c1", "7")],
            vec![Kind::Rejected, Kind::NothingToPay],
            "0",
        ),
    ];
    for (rule, events, kinds, balance) in table {
        let (seen, paid) = outcome(events);
        let seen: Vec<_> = seen
            .into_iter()
            .map(|kind| {
                if kind == Kind::RestoredReward {
                    Kind::Reward
                } else {
                    kind
                }
            })
            .collect();
        assert_eq!((&seen, paid), (kinds, decimal(balance)), "{rule}");
    }
}

#[test]
fn a_reward_that_gives_back_what_was_taken_says_so() {
    let events = [
        completed("s1", "2"),
        adjustment("r1", "s1", "-2"),
        adjustment("r2", "s1", "2"),
    ];
    assert_eq!(
        outcome(&events).0,
        [Kind::Reward, Kind::Reversal, Kind::RestoredReward]
    );
}

#[test]
fn nothing_to_pay_says_why() {
    let noted = |why| {
        let word = "WORD".into();
        event("o1", None, Effect::Noted { word, why })
    };
    let table = [
        (vec![completed("o1", "0")], NothingWhy::ZeroReward),
        (
            vec![reconciled("o1", "5"), completed("o1", "5")],
            NothingWhy::AlreadyTakenBack,
        ),
        (
            vec![completed("o1", "5"), reconciled("o1", "0")],
            NothingWhy::NothingToTakeBack,
        ),
        (vec![adjustment("or1", "o1", "-5")], NothingWhy::Unlinked),
        (
            vec![completed("o1", "5"), pending("o1", "5")],
            NothingWhy::LatePending,
        ),
        (
            vec![noted(NotedWhy::UnknownState)],
            NothingWhy::UnknownState,
        ),
        (
            vec![noted(NotedWhy::UnpaidByChoice)],
            NothingWhy::UnpaidByChoice,
        ),
    ];
    for (events, expected) in table {
        assert_eq!(why(&events), Some(expected));
    }
}

#[test]
fn an_unlinked_reversal_is_held_against_its_original_when_that_arrives() {
    let (kinds, paid) = outcome(&[adjustment("or1", "o1", "-200"), completed("o1", "500")]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::NothingToPay, Kind::Reward], decimal("300"))
    );
}

#[test]
fn conflicts_move_nothing_and_are_told_once() {
    let table = [
        (
            vec![completed("o1", "500"), completed("o1", "900")],
            ConflictKind::OtherContent,
            "500",
        ),
        (
            vec![
                completed("o1", "500"),
                of_player(completed("o1", "500"), "p2"),
            ],
            ConflictKind::OtherPlayer,
            "500",
        ),
        (
            vec![
                completed("o1", "500"),
                of_player(reconciled("o1", "500"), "p2"),
            ],
            ConflictKind::OtherPlayer,
            "500",
        ),
        (
            vec![completed("o1", "-5")],
            ConflictKind::NegativeReward,
            "0",
        ),
        (
            vec![completed("o1", "5"), pending("o1", "5"), pending("o1", "6")],
            ConflictKind::OtherContent,
            "5",
        ),
    ];
    for (mut events, kind, balance) in table {
        assert_eq!(conflict(&events), Some(kind));
        let told = outcome(&events).0.len();
        events.push(events.last().unwrap().clone());
        assert_eq!(
            outcome(&events),
            (Ledger::play(&events).wallet.kinds(), decimal(balance))
        );
        assert_eq!(
            outcome(&events).0.len(),
            told,
            "a repeated conflict is a duplicate"
        );
    }
}

#[test]
fn another_revenue_is_another_content_and_an_unstated_one_is_not() {
    let paid = |usd: Option<&str>| {
        let mut event = completed("o1", "500");
        event.usd = usd.map(decimal);
        event
    };
    for (first, later, expected) in [
        (Some("5"), Some("5.00"), None),
        (Some("5"), Some("6"), Some(ConflictKind::OtherContent)),
        (Some("5"), None, None),
        (None, Some("5"), None),
    ] {
        let events = [paid(first), paid(later)];
        assert_eq!(conflict(&events), expected, "{first:?} {later:?}");
        assert_eq!(Ledger::play(&events).balance(), decimal("500"));
    }
}

#[test]
fn any_single_amount_is_exact_whatever_its_scale() {
    for amount in [
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "7.9228162514264337593543950335",
        "0.5000000000000000000000000000",
    ] {
        let events = [completed("o1", amount), reconciled("o1", amount)];
        assert_eq!(outcome(&events[..1]).1, decimal(amount));
        assert_eq!(outcome(&events).1, decimal("0"));
    }
}

#[test]
fn amounts_without_an_exact_sum_are_a_conflict() {
    let huge = "9999999999999999999999999999";
    let events = [completed("o1", huge), adjustment("r1", "o1", "-0.1")];
    assert_eq!(conflict(&events), Some(ConflictKind::AmountOutOfRange));
    assert_eq!(Ledger::play(&events).balance(), decimal(huge));
}

#[test]
fn purchase_data_is_handed_on_and_never_pays_in_either_order() {
    let reward = completed("o1", "500");
    let same_amount = with_purchase(completed("o1", "500"), "4.99");
    let no_amount = with_purchase(completed("o1", "0"), "4.99");
    for data in [&same_amount, &no_amount] {
        let (kinds, paid) = outcome(&[reward.clone(), data.clone(), data.clone()]);
        assert_eq!(
            (kinds, paid),
            (vec![Kind::Reward, Kind::Purchase], decimal("500"))
        );
    }
    let (kinds, paid) = outcome(&[no_amount, reward.clone()]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::Purchase, Kind::Reward], decimal("500"))
    );
    let (kinds, paid) = outcome(&[same_amount, reward]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::Reward], decimal("500")),
        "the purchase came with the reward"
    );
}

#[test]
fn purchase_data_does_not_hide_another_amount() {
    let events = [
        completed("o1", "500"),
        with_purchase(completed("o1", "900"), "4.99"),
    ];
    assert_eq!(conflict(&events), Some(ConflictKind::OtherContent));
}

#[test]
fn purchase_data_alone_completes_nothing() {
    let data = with_purchase(completed("o1", "0"), "4.99");
    assert_eq!(
        outcome(&[data.clone(), pending("o1", "5")]).0,
        [Kind::Purchase, Kind::Pending]
    );
    assert_eq!(
        outcome(&[data, reconciled("o1", "5")]).0,
        [Kind::Purchase, Kind::Rejected]
    );
}

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

fn amount() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        2 => Just(Decimal::ZERO),
        8 => (0_i64..200_000).prop_map(|cents| Decimal::new(cents, 2)),
        1 => (0_i64..i64::MAX, 0_u32..9).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
    ]
}

/// The messages of one conversion as a network would send them, stateful or not.
fn conversion() -> impl Strategy<Value = Vec<Event>> {
    let adjustments = proptest::collection::vec((amount(), any::<bool>()), 0..5);
    (
        proptest::option::of(amount()),
        any::<bool>(),
        proptest::option::of(amount()),
        adjustments,
    )
        .prop_map(|(reward, has_pending, state_change, adjustments)| {
            let mut events = Vec::new();
            if has_pending {
                events.push(pending("o1", "1"));
            }
            events.extend(reward.map(|amount| completed("o1", &amount.to_string())));
            events.extend(state_change.map(|amount| reconciled("o1", &amount.to_string())));
            for (index, (by, takes)) in adjustments.into_iter().enumerate() {
                let by = if takes { -by } else { by };
                events.push(adjustment(&format!("or{index}"), "o1", &by.to_string()));
            }
            events
        })
}

/// The events in some order, each one or more times.
fn shuffled_with_repeats(events: Vec<Event>) -> impl Strategy<Value = Vec<Event>> {
    let count = events.len();
    let repeats = proptest::collection::vec(0..count.max(1), 0..6);
    repeats
        .prop_map(move |repeats| {
            let repeated = repeats
                .into_iter()
                .filter_map(|index| events.get(index).cloned());
            events
                .clone()
                .into_iter()
                .chain(repeated)
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// The target written the plain way, from the events alone.
fn plain_target(events: &[Event]) -> Decimal {
    let mut completed = None;
    let mut sum = Decimal::ZERO;
    let mut seen = std::collections::BTreeSet::new();
    for event in events {
        let EventKind::Conversion {
            transaction,
            effect,
            ..
        } = &event.kind
        else {
            continue;
        };
        match effect {
            Effect::Completed { amount, .. } => completed = Some(*amount),
            Effect::Adjusted { by, .. } if seen.insert(transaction.as_str()) => sum += *by,
            _ => {}
        }
    }
    completed.map_or(Decimal::ZERO, |reward| {
        (reward + sum).max(Decimal::ZERO).min(reward)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        (events, played) in conversion().prop_flat_map(|events| {
            (Just(events.clone()), shuffled_with_repeats(events))
        })
    ) {
        prop_assert_eq!(Ledger::play(&played).balance(), plain_target(&events));
    }

    #[test]
    fn nothing_is_paid_without_a_completed_event_and_never_more_than_it(
        played in conversion().prop_flat_map(shuffled_with_repeats)
    ) {
        let mut ledger = Ledger::default();
        let mut ceiling = Decimal::ZERO;
        for event in &played {
            if let EventKind::Conversion { effect: Effect::Completed { amount, .. }, .. } = &event.kind {
                ceiling = *amount;
            }
            ledger.receive(event);
            prop_assert!(ledger.balance() >= Decimal::ZERO && ledger.balance() <= ceiling);
            let settled: Decimal = ledger.records.values().map(|stored| stored.record.settled()).sum();
            prop_assert_eq!(settled, ledger.balance());
        }
    }

    #[test]
    fn a_crash_at_any_step_loses_nothing_and_pays_nothing_twice(
        (events, played) in conversion().prop_flat_map(|events| {
            (Just(events.clone()), shuffled_with_repeats(events))
        }),
        crashes in proptest::collection::vec((0_usize..6, 0_u8..3), 40),
    ) {
        let timing = Timing::default();
        let mut ledger = Ledger::default();
        let mut crashes = crashes.into_iter();
        // The network repeats each message until it is answered 200.
        for event in &played {
            loop {
                let (stop_after, how) = crashes.next().unwrap_or((usize::MAX, 0));
                let mut steps = Steps::receive(event.clone(), timing);
                let mut step = steps.step();
                let mut answered = false;
                for _ in 0..stop_after {
                    let handle = |wallet: &mut ledger::Wallet, decision: &Decision| {
                        if how != 1 {
                            wallet.carry_out(decision);
                        }
                        if how == 0 { Handled::Done } else { Handled::Failed }
                    };
                    let Some(happened) = ledger.carry_out(&step, handle) else {
                        answered = matches!(step, postback::steps::Step::Answer(Answer::Receipt(_)));
                        break;
                    };
                    step = steps.advance(happened, ledger.now());
                }
                if answered {
                    break;
                }
                // The process is gone; its lease runs out.
                ledger.now += 31_000;
            }
        }
        prop_assert_eq!(ledger.balance(), plain_target(&events));
        prop_assert!(ledger.records.values().all(|stored| stored.record.open().is_none()));
    }
}
