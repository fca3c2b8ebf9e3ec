//! Properties: any order, any repetition, a crash at any step.

use super::*;

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
