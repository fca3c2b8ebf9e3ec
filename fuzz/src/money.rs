//! What is due, the plain way: in whole billionths, from the messages alone.

use postback::decision::DecisionKind;
use postback::event::{BanStatus, Effect, Event, EventKind, NotedWhy};
use rust_decimal::Decimal;

use crate::ledger::{
    Ledger, adjustment, ban, completed, milestone, of_player, pending, reconciled, revoked,
    with_purchase,
};

const AMOUNTS: [&str; 16] = [
    "0",
    "1",
    "2",
    "5",
    "0.01",
    "500",
    "499.99",
    "500.01",
    "1000",
    "0.000000001",
    "999999999999999",
    "3",
    "7",
    "300",
    "200",
    "100",
];

/// A message from two numbers: what it says, and of which conversion and how much.
pub fn message(what: u8, how: u8) -> Event {
    let amount = AMOUNTS[usize::from(how & 15)];
    let transaction = if how & 0x80 == 0 { "o1" } else { "o2" };
    let number = how >> 4 & 7;
    let said = match what % 18 {
        0 => pending(transaction, amount),
        1 => completed(transaction, amount),
        2 => milestone(transaction, amount, "COMPLETE"),
        3 => milestone(transaction, amount, "SCREENOUT"),
        4 => reconciled(transaction, amount),
        5 => adjustment(&format!("or{number}"), transaction, &format!("-{amount}")),
        6 => adjustment(&format!("or{number}"), transaction, amount),
        7 => with_purchase(
            completed(transaction, amount),
            if number & 1 == 0 { "4.99" } else { "9.99" },
        ),
        8 => with_purchase(
            completed(transaction, "0"),
            if number & 1 == 0 { "4.99" } else { "9.99" },
        ),
        9 => revoked(transaction),
        10 | 11 => noted(
            transaction,
            if what % 18 == 10 {
                NotedWhy::UnknownState
            } else {
                NotedWhy::Contradictory
            },
        ),
        12 => reinstating(completed(transaction, amount)),
        13 => of_player(completed(transaction, amount), "p2"),
        14 => of_player(reinstating(completed(transaction, amount)), "p2"),
        15 => completed(transaction, &format!("-{amount}")),
        16 => of_player(reconciled(transaction, amount), "p2"),
        _ => ban(if number & 1 == 0 {
            BanStatus::Banned
        } else {
            BanStatus::Active
        }),
    };
    if what & 0x80 == 0 {
        said
    } else {
        with_purchase(said, "1.50")
    }
}

fn noted(transaction: &str, why: NotedWhy) -> Event {
    let effect = Effect::Noted {
        word: "WORD".into(),
        why,
    };
    crate::ledger::event(transaction, None, effect)
}

fn reinstating(mut event: Event) -> Event {
    if let EventKind::Conversion {
        effect: Effect::Completed { reinstates, .. },
        ..
    } = &mut event.kind
    {
        *reinstates = true;
    }
    event
}

/// In billionths.
fn units(amount: Decimal) -> i128 {
    let exact = amount * Decimal::from(1_000_000_000);
    exact.try_into().unwrap()
}

fn effect(event: &Event) -> Option<&Effect> {
    match &event.kind {
        EventKind::Conversion { effect, .. } => Some(effect),
        _ => None,
    }
}

/// The part of a conversion's story that a message tells: there is one message for each.
#[derive(PartialEq, Clone)]
enum Slot {
    Pending(String),
    Completed(Option<String>),
    PurchaseAlone(Decimal),
    Adjusted(String),
    Revoked,
    Noted(String),
}

fn slot(event: &Event) -> Option<Slot> {
    let EventKind::Conversion {
        transaction,
        effect,
        ..
    } = &event.kind
    else {
        return None;
    };
    Some(match (effect, &event.purchase) {
        (Effect::Pending { stage, .. }, _) => Slot::Pending(stage.to_string()),
        (Effect::Completed { amount, .. }, Some(purchase)) if amount.is_zero() => {
            Slot::PurchaseAlone(purchase.usd)
        }
        (Effect::Completed { milestone, .. }, _) => {
            Slot::Completed(milestone.as_deref().map(str::to_owned))
        }
        (Effect::Adjusted { .. }, _) => Slot::Adjusted(transaction.to_string()),
        (Effect::Revoked, _) => Slot::Revoked,
        (Effect::Noted { word, .. }, _) => Slot::Noted(word.to_string()),
        _ => return None,
    })
}

fn are_one(a: &Slot, b: &Slot) -> bool {
    match (a, b) {
        (Slot::Completed(None), Slot::Completed(_))
        | (Slot::Completed(_), Slot::Completed(None)) => true,
        _ => a == b,
    }
}

fn amount(event: &Event) -> Option<Decimal> {
    match effect(event)? {
        Effect::Completed { amount, .. } => Some(*amount),
        Effect::Adjusted { by, .. } => Some(*by),
        Effect::Pending { amount, .. } => *amount,
        _ => None,
    }
}

/// What should have been paid for these messages of one conversion.
fn target<'e>(counted: impl IntoIterator<Item = &'e Event>) -> i128 {
    let (mut reward, mut net) = (0, 0);
    for event in counted {
        match effect(event) {
            Some(Effect::Revoked) => return 0,
            Some(Effect::Completed { amount, .. }) => {
                reward += units(*amount);
                net += units(*amount);
            }
            Some(Effect::Adjusted { by, .. }) => net += units(*by),
            _ => {}
        }
    }
    net.clamp(0, reward)
}

/// One conversion's messages, as a careful clerk would file them.
#[derive(Default)]
struct Clerk {
    owner: Option<String>,
    counted: Vec<Event>,
    aside: Vec<Event>,
}

impl Clerk {
    fn hear(&mut self, event: &Event) {
        let of_slot = |known: &&Event| are_one(&slot(known).unwrap(), &slot(event).unwrap());
        let says_the_same = |known: &Event| {
            known.player == event.player
                && amount(known) == amount(event)
                && (event.purchase.is_none() || known.purchase == event.purchase)
        };
        let is_revoked = self
            .counted
            .iter()
            .any(|known| effect(known) == Some(&Effect::Revoked));
        let reinstates = matches!(
            effect(event),
            Some(Effect::Completed {
                reinstates: true,
                ..
            })
        ) && is_revoked
            && !matches!(slot(event), Some(Slot::PurchaseAlone(_)));
        let is_known = self.aside.iter().filter(of_slot).any(&says_the_same)
            || !reinstates && self.counted.iter().filter(of_slot).any(says_the_same);
        if is_known {
            return;
        }
        let is_strange = self
            .owner
            .as_ref()
            .is_some_and(|owner| *owner != event.player.as_str())
            || matches!(effect(event), Some(Effect::Completed { amount, .. }) if *amount < Decimal::ZERO)
            || matches!(
                effect(event),
                Some(Effect::Noted {
                    why: NotedWhy::Contradictory,
                    ..
                })
            )
            || !reinstates && self.counted.iter().any(|known| of_slot(&known));
        if is_strange {
            return self.aside.push(event.clone());
        }
        if reinstates {
            self.counted.clear();
        }
        self.owner.get_or_insert_with(|| event.player.to_string());
        self.counted.push(event.clone());
    }
}

/// After every message of any sequence, the balance is what the clerk says.
pub fn check_sequence(messages: &[Event]) {
    let mut ledger = Ledger::default();
    let mut clerks = std::collections::BTreeMap::<_, Clerk>::new();
    for event in messages {
        ledger.receive(event);
        if slot(event).is_some() {
            clerks.entry(event.key()).or_default().hear(event);
        }
        let expected: i128 = clerks.values().map(|clerk| target(&clerk.counted)).sum();
        assert_eq!(units(ledger.balance()), expected, "after {event:?}");
        let settled: Decimal = ledger
            .records
            .values()
            .map(|stored| stored.record.settled())
            .sum();
        assert_eq!(settled, ledger.balance());
        if !matches!(
            effect(event),
            Some(Effect::Completed {
                reinstates: true,
                ..
            })
        ) {
            let told = ledger.wallet.log.len();
            ledger.receive(event);
            assert_eq!(
                ledger.wallet.log.len(),
                told,
                "a repetition is told: {event:?}"
            );
        }
    }
    assert!(
        ledger
            .records
            .values()
            .all(|stored| stored.record.open().is_none())
    );
}

/// Of the messages, those that a network would send about its conversions: they contradict nothing.
fn consistent(messages: &[Event]) -> Vec<Event> {
    let mut kept: Vec<Event> = Vec::new();
    for event in messages {
        let reinstates = matches!(
            effect(event),
            Some(Effect::Completed {
                reinstates: true,
                ..
            })
        );
        let is_contradictory = matches!(
            effect(event),
            Some(Effect::Noted {
                why: NotedWhy::Contradictory,
                ..
            })
        );
        let is_negative = matches!(effect(event), Some(Effect::Completed { amount, .. }) if *amount < Decimal::ZERO);
        let is_known = slot(event).is_none_or(|new| {
            let mut others = kept.iter().filter(|known| known.key() == event.key());
            others.any(|known| are_one(&slot(known).unwrap(), &new))
        });
        if !(reinstates || is_contradictory || is_negative || is_known) && event.player == "p1" {
            kept.push(event.clone());
        }
    }
    kept
}

/// A network's own messages end at the same balance in whatever order and however often they come.
pub fn check_any_order(messages: &[Event], seed: u8) {
    let events = consistent(messages);
    let mut played: Vec<Event> = events
        .iter()
        .chain(events.iter().take(usize::from(seed) % 4))
        .cloned()
        .collect();
    let mut state = u64::from(seed) + 1;
    for at in (1..played.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        played.swap(at, (state >> 33) as usize % (at + 1));
    }
    let mut expected = 0;
    for transaction in ["o1", "o2"] {
        let key = completed(transaction, "1").key();
        expected += target(events.iter().filter(|event| event.key() == key));
    }
    let ledger = Ledger::play(&played);
    assert_eq!(units(ledger.balance()), expected, "{played:?}");
    assert!(
        !ledger.wallet.kinds().contains(&DecisionKind::Conflict),
        "{played:?}"
    );
}
