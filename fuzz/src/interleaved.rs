//! Several receivers at work on one store, stopped and resumed anywhere, beside a model of the store.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::{Event, RecordKey};
use postback::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use postback::store::{DedupStore, MemoryStore, Retention, Stored, Swapped, Version};
use rust_decimal::Decimal;

use crate::ledger::{Wallet, adjustment, completed, of_player, pending, reconciled};

/// Two conversions: of a player, and of one whom the game does not know and always refuses.
fn events() -> Vec<Event> {
    vec![
        pending("o1", "500"),
        completed("o1", "500"),
        reconciled("o1", "200"),
        adjustment("or1", "o1", "-100"),
        adjustment("or2", "o1", "50"),
        of_player(completed("o2", "300"), "ghost"),
    ]
}

fn target() -> Decimal {
    Decimal::from(500 - 200 - 100 + 50)
}

#[derive(Default)]
pub struct World {
    store: MemoryStore,
    model: BTreeMap<String, Stored>,
    wallet: Wallet,
    decided: BTreeMap<String, Decimal>,
    workers: [Option<Steps>; 3],
    now: u64,
}

impl World {
    /// One thing happens: which, and to whom.
    pub fn happen(&mut self, what: u8, whom: u8) {
        let worker = usize::from(whom % 3);
        let events = events();
        let number = usize::from(whom / 3) % events.len();
        let event = events[number].clone();
        match what % 12 {
            begin @ (0 | 1) => {
                let mut steps = Steps::receive(event, Timing::default());
                // Beside those that look first there are some that claim.
                if begin == 1 {
                    steps.claim(Timestamp::from_millis(self.now));
                }
                self.workers[worker] = Some(steps);
            }
            2 => self.workers[worker] = Some(Steps::resume(event.key(), Timing::default())),
            // The process is gone.
            3 => self.workers[worker] = None,
            4 => self.now += [1, 20, 1_000, 29_999, 30_000, 31_000][usize::from(whom) % 6],
            5 => self.in_transaction(event, whom),
            6 => self.forget(&event.key()),
            7 => self.check_listing(usize::from(whom % 4)),
            8 => self.remove_with_a_wrong_version(&event.key()),
            _ => {
                if let Some(mut steps) = self.workers[worker].take() {
                    if let Some(happened) = self.carry_out(&steps.step(), whom / 3) {
                        steps.advance(happened, Timestamp::from_millis(self.now));
                        self.workers[worker] = Some(steps);
                    }
                }
            }
        }
        let balance = self.wallet.balance;
        assert!(
            balance >= Decimal::ZERO && balance <= Decimal::from(500),
            "{balance}"
        );
    }

    /// All processes are gone, leases run out, and the network repeats until it is answered 200.
    pub fn come_to_rest(&mut self) {
        self.workers = [None, None, None];
        self.now += 31_000;
        for (number, event) in events().into_iter().enumerate() {
            let mut steps = Steps::receive(event, Timing::default());
            if number % 2 == 0 {
                steps.claim(Timestamp::from_millis(self.now));
            }
            let mut rounds = 0;
            while let Some(happened) = self.carry_out(&steps.step(), 0) {
                steps.advance(happened, Timestamp::from_millis(self.now));
                rounds += 1;
                assert!(rounds < 100, "no answer");
            }
            let Step::Answer(answer) = steps.step() else {
                unreachable!()
            };
            assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
        }
        assert_eq!(self.wallet.balance, target());
        assert!(
            self.model
                .values()
                .all(|stored| stored.record.open().is_none())
        );
        let settled: Decimal = self
            .model
            .values()
            .map(|stored| stored.record.settled())
            .sum();
        assert_eq!(settled, target());
        self.check_listing(9);
    }

    /// Does what one step asks for; `None` when it asks for the answer to be given.
    fn carry_out(&mut self, step: &Step, how: u8) -> Option<Happened> {
        Some(match step {
            Step::Load(key) => Happened::Loaded(self.load(key)),
            Step::Swap { expected, record } => {
                let swapped = at_once(self.store.swap(*expected, record)).unwrap();
                let key = record.key().to_string();
                let current = self.model.get(&key).cloned();
                if current.as_ref().map(|stored| stored.version) == *expected {
                    let version =
                        Version::from_number(expected.map_or(1, |old| old.number() + 1)).unwrap();
                    assert_eq!(swapped, Swapped::Done(version));
                    self.model.insert(
                        key,
                        Stored {
                            version,
                            record: record.clone(),
                        },
                    );
                } else {
                    assert_eq!(swapped, Swapped::Lost(current));
                }
                Happened::Swapped(swapped)
            }
            Step::Handle(decision) => Happened::Handled(self.handle(decision, how)),
            Step::Wait(span) => {
                self.now += u64::try_from(span.as_millis()).unwrap();
                Happened::Waited
            }
            Step::Answer(_) => return None,
        })
    }

    fn load(&self, key: &RecordKey) -> Option<Stored> {
        let stored = at_once(self.store.load(key)).unwrap();
        assert_eq!(stored.as_ref(), self.model.get(&key.to_string()));
        stored
    }

    fn handle(&mut self, decision: &Decision, how: u8) -> Handled {
        let change = decision.balance_change();
        let known = *self
            .decided
            .entry(decision.id().to_string())
            .or_insert(change);
        assert_eq!(known, change, "a decision was repeated with another amount");
        if decision.player() == "ghost" {
            return if how % 4 == 1 {
                Handled::Failed
            } else {
                Handled::Refused("no such player".into())
            };
        }
        if !matches!(how % 6, 2 | 4) {
            self.wallet.carry_out(decision);
        }
        match how % 6 {
            1 | 2 => Handled::Failed,
            3 | 4 => Handled::Hung,
            _ => Handled::Done,
        }
    }

    /// A delivery inside the store's own transaction, where the wallet is: what fails is rolled back.
    fn in_transaction(&mut self, event: Event, how: u8) {
        let mut steps = Steps::receive_in_transaction(event, Timing::default());
        loop {
            let step = steps.step();
            let (balance, told) = (self.wallet.balance, self.wallet.log.len());
            let Some(happened) = self.carry_out(&step, how) else {
                return;
            };
            if matches!(happened, Happened::Handled(Handled::Failed | Handled::Hung)) {
                // Unless an earlier attempt of a process elsewhere has paid already.
                for decision in self.wallet.log.drain(told..) {
                    self.wallet.carried_out.remove(decision.id().as_str());
                }
                self.wallet.balance = balance;
            }
            if let Step::Answer(Answer::Receipt(Receipt::NothingOpen)) =
                steps.advance(happened, Timestamp::from_millis(self.now))
            {
                unreachable!("a callback is not a request to resume");
            }
        }
    }

    fn forget(&mut self, key: &RecordKey) {
        let Some(stored) = self.load(key) else { return };
        if let Some(record) = stored.record.without_personal_fields() {
            assert!(!serde_json::to_string(&record).unwrap().contains("ghost"));
            self.carry_out(
                &Step::Swap {
                    expected: Some(stored.version),
                    record,
                },
                0,
            );
        }
    }

    fn check_listing(&self, limit: usize) {
        let open = self
            .model
            .values()
            .filter(|stored| stored.record.open().is_some());
        let expected: Vec<_> = open
            .map(|stored| stored.record.key().clone())
            .take(limit)
            .collect();
        assert_eq!(
            at_once(self.store.unsettled(None, limit)).unwrap(),
            expected
        );
    }

    fn remove_with_a_wrong_version(&self, key: &RecordKey) {
        let version = self
            .load(key)
            .map_or(Version::FIRST, |stored| stored.version.next());
        assert!(!at_once(self.store.remove(key, version)).unwrap());
    }
}

/// The memory store never waits.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits"),
    }
}
