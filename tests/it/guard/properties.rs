//! Properties over random conversions, held against a plain reference implementation.

use std::collections::BTreeSet;

use postback::testing::guard::target;
use postback::testing::protocol::{Command, HandlerResult, Protocol};
use postback::{Decimal, Effect, Event, EventKind, IgnoreReason, Receipt};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{
    Game, Wallet, adjustment, as_test, completed, decimal, ignored, milestone, of_player, pending, reconciled,
    reinstating, revoked, with_purchase,
};

/// What should be paid for the messages of one conversion that agree with each other, written the plain way.
fn reference(events: &[Event]) -> Decimal {
    let mut seen = BTreeSet::new();
    let (mut completed, mut adjusted, mut is_revoked) = (Decimal::ZERO, Decimal::ZERO, false);
    for event in events {
        let EventKind::Conversion { transaction, effect, .. } = &event.kind else {
            continue;
        };
        if !seen.insert(format!("{transaction} {effect:?}")) {
            continue;
        }
        match effect {
            Effect::Completed { amount, .. } => completed += amount,
            Effect::Adjusted { by, .. } => adjusted += by,
            Effect::Revoked => is_revoked = true,
            _ => {}
        }
    }
    if is_revoked {
        return Decimal::ZERO;
    }
    (completed + adjusted).min(completed).max(Decimal::ZERO)
}

fn amount() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        2 => Just(Decimal::ZERO),
        8 => (0_i64..200_000).prop_map(|cents| Decimal::new(cents, 2)),
        1 => (0_i64..i64::MAX, 0_u32..9).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
    ]
}

/// The messages of one conversion as a network would send them: none contradicts another.
fn conversion() -> impl Strategy<Value = Vec<Event>> {
    (
        prop::option::of(amount()),
        prop::option::of(amount()),
        any::<(bool, bool, bool)>(),
        prop::option::of(amount()),
        vec((amount(), any::<bool>()), 0..5),
    )
        .prop_map(|(reward, bonus, flags, state_change, adjustments)| {
            let (is_pending, is_ignored, is_revoked) = flags;
            let mut events = Vec::new();
            if is_pending {
                events.push(pending("o1", "1"));
            }
            if is_ignored {
                events.push(ignored("o1", "LATER", IgnoreReason::UnknownState));
            }
            events.extend(reward.map(|amount| milestone("o1", &amount.to_string(), "COMPLETE")));
            events.extend(bonus.map(|amount| milestone("o1", &amount.to_string(), "START")));
            events.extend(state_change.map(|amount| reconciled("o1", &amount.to_string())));
            if is_revoked {
                events.push(revoked("o1"));
            }
            for (at, (by, takes)) in adjustments.into_iter().enumerate() {
                let by = if takes { -by } else { by };
                events.push(adjustment(&format!("or{at}"), "o1", &by.to_string()));
            }
            events
        })
}

/// The same messages in any order, each at least once.
fn shuffled(events: Vec<Event>) -> impl Strategy<Value = Vec<Event>> {
    vec(0..events.len().max(1), 0..6)
        .prop_map(move |repeated| {
            let repeated = repeated.into_iter().filter_map(|at| events.get(at));
            events.iter().chain(repeated).cloned().collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn played_conversion() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    conversion().prop_flat_map(|events| (Just(events.clone()), shuffled(events)))
}

/// Messages that may contradict each other in any way.
fn any_message() -> impl Strategy<Value = Event> {
    let small = (0_i64..4).prop_map(|amount| Decimal::new(amount * 100, 0).to_string());
    let event = (0..12_usize, small).prop_map(|(kind, amount)| match kind {
        0 => pending("o1", &amount),
        1 => completed("o1", &amount),
        2 => milestone("o1", &amount, "COMPLETE"),
        3 => milestone("o1", &amount, "START"),
        4 => reinstating("o1", &amount),
        5 => reconciled("o1", &amount),
        6 => adjustment("or1", "o1", &format!("-{amount}")),
        7 => adjustment("or2", "o1", &amount),
        8 => revoked("o1"),
        9 => ignored("o1", "RECONCILED", IgnoreReason::Contradictory),
        10 => with_purchase(completed("o1", "0"), "4.99"),
        _ => completed("o1", "-5"),
    });
    (event, 0..8_u8, 0..8_u8).prop_map(|(event, stranger, test)| {
        let event = if stranger == 0 { of_player(event, "p2") } else { event };
        if test == 0 { as_test(event) } else { event }
    })
}

/// The bounds that hold for every record, whatever it contains.
fn assert_consistent(game: &Game) {
    for stored in game.records.values() {
        let record = &stored.record;
        let mut completed = Decimal::ZERO;
        let mut decided = Decimal::ZERO;
        for entry in record.entries() {
            if let EventKind::Conversion { effect: Effect::Completed { amount, .. }, .. } = &entry.event().kind {
                completed += (*amount).max(Decimal::ZERO);
            }
            decided += entry.action().unwrap().balance_change();
            assert!(decided >= Decimal::ZERO && decided <= completed, "{record:#?}");
        }
        assert_eq!(target(record), Some(decided), "{record:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_never_matter((events, played) in played_conversion()) {
        let game = Game::play(&played);
        prop_assert_eq!(game.wallet.balance, reference(&events));
        let conflicts = game.wallet.actions().into_iter().filter(|action| *action == "conflict");
        prop_assert_eq!(conflicts.count(), 0, "none of the messages contradicts another");
    }

    #[test]
    fn balance_stays_within_what_was_completed(played in vec(any_message(), 0..12)) {
        let mut game = Game::default();
        for event in &played {
            game.receive(event);
            assert_consistent(&game);
            let delivered: Decimal = game.records.values().map(|stored| stored.record.balance()).sum();
            prop_assert_eq!(delivered, game.wallet.balance);
        }
    }

    #[test]
    fn repeated_messages_are_duplicates(played in vec(any_message(), 1..12)) {
        let played: Vec<Event> = played.into_iter().filter(|event| !is_reinstating(event)).collect();
        let mut game = Game::play(&played);
        let before = game.outcome();
        for event in &played {
            let command = game.receive_with(event, |_, _| panic!("it was delivered before"));
            prop_assert!(matches!(
                command,
                Command::Finish(Receipt::Duplicate | Receipt::Test)
            ), "{:?}", command);
        }
        prop_assert_eq!(game.outcome(), before);
    }

    #[test]
    fn test_flags_never_pay_and_never_hide_a_reversal(
        flagged in played_conversion().prop_flat_map(|(_, played)| {
            let count = played.len();
            (Just(played), vec(any::<bool>(), count))
        })
    ) {
        let (played, flags) = flagged;
        let can_pay = |event: &Event| match &event.kind {
            EventKind::Conversion { effect, .. } => match effect {
                Effect::Completed { .. } | Effect::Pending { .. } => true,
                Effect::Adjusted { by, .. } => *by > Decimal::ZERO,
                _ => false,
            },
            _ => false,
        };
        let flagged = played.iter().zip(&flags).map(|(event, is_test)| {
            if *is_test { as_test(event.clone()) } else { event.clone() }
        });
        let flagged: Vec<Event> = flagged.collect();
        let counted = played.iter().zip(&flags).filter(|(event, is_test)| !**is_test || !can_pay(event));
        let counted: Vec<Event> = counted.map(|(event, _)| event.clone()).collect();
        prop_assert_eq!(Game::play(&flagged).outcome(), Game::play(&counted).outcome());
        prop_assert_eq!(Game::play(&flagged).wallet.balance, reference(&counted));
    }

    #[test]
    fn crash_at_any_command_loses_nothing_and_pays_once(
        (events, played) in played_conversion(),
        crashes in vec((0_usize..6, 0_u8..3), 40),
    ) {
        let mut game = Game::default();
        let mut crashes = crashes.into_iter();
        // The network repeats each message until it is answered with 200.
        for event in &played {
            loop {
                let (last, end) = crashes.next().unwrap_or((usize::MAX, 0));
                let mut protocol = Protocol::receive(event.clone().into(), game.timing);
                let mut commands = 0;
                while commands < last && game.step(&mut protocol, |wallet, decision| handle(wallet, decision, end)) {
                    commands += 1;
                }
                if matches!(protocol.command(), Command::Finish(_)) {
                    break;
                }
                // The process is gone. Its lease expires.
                game.now = game.now.after(game.timing.lease);
            }
        }
        prop_assert_eq!(game.wallet.balance, reference(&events));
        prop_assert!(game.records.values().all(|stored| !stored.record.is_pending()));
    }

    #[test]
    fn concurrent_callbacks_are_delivered_once_and_in_order(
        (events, played) in played_conversion(),
        in_transaction in any::<bool>(),
        schedule in vec((0_usize..5, 0_u8..12), 0..200),
    ) {
        let mut game = Game::default();
        let mut waiting = played.into_iter();
        let mut running: Vec<Option<(Event, Protocol)>> = vec![None; 4];
        for (process, choice) in schedule {
            let Some(slot) = running.get_mut(process) else {
                game.now = game.now.after(game.timing.lease / 2);
                continue;
            };
            let Some((event, protocol)) = slot else {
                *slot = waiting.next().map(|event| {
                    let received = event.clone().into();
                    let protocol = match (choice % 3, in_transaction) {
                        (0, _) => Protocol::accept(received, game.timing),
                        (_, false) => Protocol::receive(received, game.timing),
                        (_, true) => Protocol::receive(received, game.timing).in_transaction(),
                    };
                    (event, protocol)
                });
                continue;
            };
            let before = game.wallet.clone();
            let is_running = choice > 0 && game.step(protocol, |wallet, decision| handle(wallet, decision, choice));
            if !is_running {
                // It ended, or its process crashed. In both cases its callback may come again.
                if !matches!(protocol.command(), Command::Finish(_)) {
                    let again = Protocol::accept(event.clone().into(), game.timing);
                    game.run(again, |_, _| panic!("accepting delivers nothing"));
                }
                *slot = None;
            }
            assert_in_order(&before, &game);
        }
        // Those that are still running die. The network repeats everything, and recovery delivers it.
        game.now = game.now.after(game.timing.lease);
        for event in events.iter().cloned() {
            game.run(Protocol::accept(event.into(), game.timing), |_, _| panic!("accepting delivers nothing"));
        }
        for key in game.records.keys().cloned().collect::<Vec<_>>() {
            let delivered = game.run(Protocol::deliver(key, game.timing), |wallet, decision| handle(wallet, decision, 0));
            prop_assert_eq!(delivered, Command::Finish(Receipt::NothingPending));
        }
        assert_consistent(&game);
        prop_assert_eq!(game.wallet.balance, reference(&events));
        for stored in game.records.values() {
            let record = &stored.record;
            let decisions = record.entries().iter().filter_map(|entry| entry.decision(record.key()));
            prop_assert_eq!(decisions.collect::<Vec<_>>(), game.wallet.log.clone());
        }
    }
}

fn is_reinstating(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Conversion { effect: Effect::Completed { reinstates: true, .. }, .. })
}

/// Ends in one of several ways, before or after it took effect.
fn handle(wallet: &mut Wallet, decision: &postback::Decision, choice: u8) -> HandlerResult {
    if choice != 1 {
        wallet.carry_out(decision);
    }
    match choice {
        1 | 2 => HandlerResult::Failed { error: "wallet down".into() },
        3 => HandlerResult::TimedOut,
        _ => HandlerResult::Done,
    }
}

/// What took effect since is the next decision, and the balance is within its bounds.
fn assert_in_order(before: &Wallet, game: &Game) {
    let (paid, earlier) = (&game.wallet.log, before.log.len());
    for (at, decision) in paid.iter().enumerate().skip(earlier) {
        let record = &game.records[decision.conversion()].record;
        let entry = &record.entries()[at];
        assert_eq!(entry.decision(record.key()).as_ref(), Some(decision));
    }
    assert!(game.wallet.balance >= decimal("0"));
}
