//! A game for tests: a wallet that is idempotent on the decision's id, and a ledger that drives the
//! crate's own steps over a map, so that a test can stop them anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::collections::{BTreeMap, BTreeSet};

use postback::clock::Timestamp;
use postback::decision::{Decision, DecisionKind};
use postback::event::{
    AppName, BanStatus, Effect, Event, EventKind, PlayerId, Purchase, RecordKey, SourceName,
    TransactionId,
};
use postback::steps::{Answer, Handled, Happened, Step, Steps, Timing};
use postback::store::{Stored, Swapped, Version};
use rust_decimal::Decimal;

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn event(transaction: &str, original: Option<&str>, effect: Effect) -> Event {
    let kind = EventKind::Conversion {
        transaction: TransactionId::new(transaction).unwrap(),
        original: original.map(|id| TransactionId::new(id).unwrap()),
        effect,
    };
    let mut event = Event::new(
        SourceName::new("bitlabs").unwrap(),
        AppName::new("game").unwrap(),
        PlayerId::new("p1").unwrap(),
        kind,
    );
    event.endpoint = "offers".into();
    event.signed = format!("tx={transaction}");
    event
}

pub fn pending(transaction: &str, amount: &str) -> Event {
    event(
        transaction,
        None,
        Effect::Pending {
            stage: "PENDING".into(),
            amount: Some(decimal(amount)),
        },
    )
}

pub fn completed(transaction: &str, amount: &str) -> Event {
    let effect = Effect::Completed {
        amount: decimal(amount),
        milestone: None,
        reinstates: false,
    };
    event(transaction, None, effect)
}

pub fn milestone(transaction: &str, amount: &str, word: &str) -> Event {
    let effect = Effect::Completed {
        amount: decimal(amount),
        milestone: Some(word.to_owned().into()),
        reinstates: false,
    };
    event(transaction, None, effect)
}

/// A state change of the same transaction that takes back `amount`.
pub fn reconciled(transaction: &str, amount: &str) -> Event {
    event(
        transaction,
        None,
        Effect::Adjusted {
            by: -decimal(amount),
            is_state_change: true,
        },
    )
}

/// A message of its own that refers to another one and adjusts it by `by`.
pub fn adjustment(transaction: &str, original: &str, by: &str) -> Event {
    event(
        transaction,
        Some(original),
        Effect::Adjusted {
            by: decimal(by),
            is_state_change: false,
        },
    )
}

pub fn revoked(transaction: &str) -> Event {
    event(transaction, None, Effect::Revoked)
}

pub fn ban(status: BanStatus) -> Event {
    let mut event = completed("unused", "0");
    event.kind = EventKind::Ban(status);
    event
}

pub fn of_player(mut event: Event, player: &str) -> Event {
    event.player = PlayerId::new(player).unwrap();
    event
}

pub fn with_purchase(mut event: Event, usd: &str) -> Event {
    event.purchase = Some(Purchase::new(decimal(usd)));
    event
}

#[derive(Debug, Default)]
pub struct Wallet {
    pub balance: Decimal,
    pub carried_out: BTreeSet<String>,
    /// Every decision once, in the order in which it was carried out first.
    pub log: Vec<Decision>,
}

impl Wallet {
    pub fn carry_out(&mut self, decision: &Decision) {
        if self.carried_out.insert(decision.id().to_string()) {
            self.balance += decision.balance_change();
            self.log.push(decision.clone());
        }
    }

    pub fn kinds(&self) -> Vec<DecisionKind> {
        self.log.iter().map(Decision::kind).collect()
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub records: BTreeMap<RecordKey, Stored>,
    pub wallet: Wallet,
    pub now: u64,
}

impl Ledger {
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    pub fn swap(&mut self, expected: Option<Version>, record: postback::guard::Record) -> Swapped {
        let current = self.records.get(record.key());
        if current.map(|stored| stored.version) != expected {
            return Swapped::Lost(current.cloned());
        }
        let version = Version::following(expected);
        self.records
            .insert(record.key().clone(), Stored { version, record });
        Swapped::Done(version)
    }

    /// Does what one step asks for; `None` when it asks for the answer to be given.
    pub fn carry_out(
        &mut self,
        step: &Step,
        handled: impl FnOnce(&mut Wallet, &Decision) -> Handled,
    ) -> Option<Happened> {
        Some(match step {
            Step::Load(key) => Happened::Loaded(self.records.get(key).cloned()),
            Step::Swap { expected, record } => {
                Happened::Swapped(self.swap(*expected, record.clone()))
            }
            Step::Handle(decision) => Happened::Handled(handled(&mut self.wallet, decision)),
            Step::Wait(span) => {
                self.now += u64::try_from(span.as_millis()).unwrap();
                Happened::Waited
            }
            Step::Answer(_) => return None,
        })
    }

    pub fn run(
        &mut self,
        mut steps: Steps,
        mut handle: impl FnMut(&mut Wallet, &Decision) -> Handled,
    ) -> Answer {
        let mut step = steps.step();
        for _ in 0..10_000 {
            let Some(happened) = self.carry_out(&step, &mut handle) else {
                let Step::Answer(answer) = step else {
                    unreachable!("only an answer ends the steps")
                };
                return answer;
            };
            step = steps.advance(happened, self.now());
        }
        panic!("no answer after 10000 steps");
    }

    pub fn receive(&mut self, event: &Event) -> Answer {
        self.run(
            Steps::receive(event.clone(), Timing::default()),
            |wallet, decision| {
                wallet.carry_out(decision);
                Handled::Done
            },
        )
    }

    pub fn play(events: &[Event]) -> Self {
        let mut ledger = Self::default();
        for event in events {
            ledger.receive(event);
        }
        ledger
    }

    pub fn balance(&self) -> Decimal {
        self.wallet.balance
    }
}
