//! Events, and a small game that delivers their decisions without a store or a runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use postback::store::{DedupStore, KeptCallback, KeptId, Record, Stored, SwapOutcome, Version};
use postback::testing::protocol::{Command, HandlerResult, Input, Protocol};
use postback::{
    BanStatus, Decimal, Decision, Effect, Event, EventKind, IgnoreReason, InTransaction, MemoryStore, Receiver,
    RecordKey, StoreError, Timestamp, Timing, Verified,
};
use postback_test_servers::events::conversion;

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn event(transaction: &str, original: Option<&str>, effect: Effect) -> Event {
    conversion("p1", transaction, original, effect).into_inner()
}

pub(crate) fn pending(transaction: &str, amount: &str) -> Event {
    event(transaction, None, Effect::Pending { stage: "PENDING".into(), amount: Some(decimal(amount)) })
}

pub(crate) fn completed(transaction: &str, amount: &str) -> Event {
    completion(transaction, amount, None, false)
}

fn completion(transaction: &str, amount: &str, milestone: Option<&str>, reinstates: bool) -> Event {
    let milestone = milestone.map(|word| word.to_owned().into());
    event(transaction, None, Effect::Completed { amount: decimal(amount), milestone, reinstates })
}

pub(crate) fn milestone(transaction: &str, amount: &str, word: &str) -> Event {
    completion(transaction, amount, Some(word), false)
}

/// A completed message that makes the reward due again after a revocation.
pub(crate) fn reinstating(transaction: &str, amount: &str) -> Event {
    completion(transaction, amount, None, true)
}

/// A state change of the same transaction that takes `amount` back.
pub(crate) fn reconciled(transaction: &str, amount: &str) -> Event {
    event(transaction, None, Effect::Adjusted { by: -decimal(amount), same_transaction: true })
}

/// A message with a transaction of its own that adjusts another one.
pub(crate) fn adjustment(transaction: &str, original: &str, by: &str) -> Event {
    event(transaction, Some(original), Effect::Adjusted { by: decimal(by), same_transaction: false })
}

pub(crate) fn revoked(transaction: &str) -> Event {
    event(transaction, None, Effect::Revoked)
}

pub(crate) fn ignored(transaction: &str, status: &'static str, reason: IgnoreReason) -> Event {
    event(transaction, None, Effect::Ignored { status: status.into(), reason })
}

pub(crate) fn ban(status: BanStatus) -> Event {
    let mut event = completed("unused", "0");
    event.kind = EventKind::Ban(status);
    event
}

pub(crate) fn of_player(mut event: Event, player: &str) -> Event {
    event.player = player.parse().unwrap();
    event
}

pub(crate) fn with_purchase(mut event: Event, usd: &str) -> Event {
    event.purchase_usd = Some(decimal(usd));
    event
}

pub(crate) fn as_test(mut event: Event) -> Event {
    event.is_test = true;
    event
}

pub(crate) fn genuine(event: Event) -> Verified<Event> {
    Verified::assume_genuine(event)
}

/// A wallet that is idempotent on the decision's id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wallet {
    pub(crate) balance: Decimal,
    ids: BTreeSet<String>,
    /// Every decision once, in the order in which it took effect.
    pub(crate) log: Vec<Decision>,
}

impl Wallet {
    pub(crate) fn carry_out(&mut self, decision: &Decision) {
        if self.ids.insert(decision.id().to_string()) {
            self.balance += decision.balance_change();
            self.log.push(decision.clone());
        }
    }

    pub(crate) fn actions(&self) -> Vec<&'static str> {
        let actions = self.log.iter().map(|decision| decision.action().as_str());
        actions.collect()
    }
}

/// A table of records, a wallet and a clock. Tests drive protocols over it, one command at a time if need be.
#[derive(Debug, Clone)]
pub(crate) struct Game {
    pub(crate) records: BTreeMap<RecordKey, Stored>,
    pub(crate) wallet: Wallet,
    pub(crate) now: Timestamp,
    pub(crate) timing: Timing,
}

impl Default for Game {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            wallet: Wallet::default(),
            now: Timestamp::from_millis(1_700_000_000_000),
            timing: Timing::default(),
        }
    }
}

impl Game {
    /// Receives the events one after the other, with a handler that succeeds.
    pub(crate) fn play(events: &[Event]) -> Self {
        let mut game = Self::default();
        for event in events {
            game.receive(event);
        }
        game
    }

    pub(crate) fn receive(&mut self, event: &Event) -> Command {
        self.receive_with(event, |wallet, decision| {
            wallet.carry_out(decision);
            HandlerResult::Done
        })
    }

    pub(crate) fn receive_with(
        &mut self,
        event: &Event,
        handle: impl FnMut(&mut Wallet, &Decision) -> HandlerResult,
    ) -> Command {
        self.run(Protocol::receive(event.clone().into(), self.timing), handle)
    }

    /// Drives a protocol to its end.
    pub(crate) fn run(
        &mut self,
        mut protocol: Protocol,
        mut handle: impl FnMut(&mut Wallet, &Decision) -> HandlerResult,
    ) -> Command {
        for _ in 0..10_000 {
            if !self.step(&mut protocol, &mut handle) {
                return protocol.command();
            }
        }
        panic!("no end after 10000 commands");
    }

    /// Does what the protocol asks for. Returns whether there was something to do.
    pub(crate) fn step(
        &mut self,
        protocol: &mut Protocol,
        handle: impl FnOnce(&mut Wallet, &Decision) -> HandlerResult,
    ) -> bool {
        let input = match protocol.command() {
            Command::Load(key) => Input::Loaded(self.records.get(&key).cloned()),
            Command::Swap { expected, record } => Input::Swapped(self.swap(expected, record)),
            Command::Handle { decision, .. } => Input::Handled(handle(&mut self.wallet, &decision)),
            Command::SwapAndHandle { expected, record, decision } => {
                let before = self.clone();
                match self.swap(expected, record) {
                    conflict @ SwapOutcome::Conflict(_) => Input::Swapped(conflict),
                    SwapOutcome::Replaced(_) => {
                        let result = handle(&mut self.wallet, &decision);
                        if result != HandlerResult::Done {
                            *self = before;
                        }
                        Input::Handled(result)
                    }
                }
            }
            Command::Wait(span) => {
                self.now = self.now.after(span);
                Input::Waited
            }
            _ => return false,
        };
        protocol.advance(input, self.now);
        true
    }

    pub(crate) fn swap(&mut self, expected: Option<Version>, record: Record) -> SwapOutcome {
        let current = self.records.get(record.key());
        if current.map(|stored| stored.version) != expected {
            return SwapOutcome::Conflict(current.cloned());
        }
        let version = Version::after(expected);
        let stored = Stored { version, record };
        self.records.insert(stored.record.key().clone(), stored);
        SwapOutcome::Replaced(version)
    }

    /// The only record.
    pub(crate) fn record(&self) -> &Record {
        let mut records = self.records.values();
        let record = &records.next().unwrap().record;
        assert!(records.next().is_none(), "there is one record");
        record
    }

    /// What the handler saw, and what the wallet paid.
    pub(crate) fn outcome(&self) -> (Vec<&'static str>, Decimal) {
        (self.wallet.actions(), self.wallet.balance)
    }
}

/// A receiver whose handler pays into the wallet of the store.
pub(crate) fn paying(store: &MemoryStore) -> Receiver<MemoryStore, InTransaction<MemoryStore>> {
    store.receiver(|tx, decision| {
        tx.add(decision.player(), decision.balance_change());
        Ok(())
    })
}

/// Waits until something happened, however slow the machine is.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen: {what}");
}

type Hook = dyn Fn(&'static str, Option<&RecordKey>) -> Result<(), StoreError> + Send + Sync;

/// A memory store with something that happens before every operation: an error, a panic, a delay.
#[derive(Clone)]
pub(crate) struct HookedStore {
    pub(crate) inner: MemoryStore,
    hook: Arc<Hook>,
}

impl HookedStore {
    pub(crate) fn new(
        hook: impl Fn(&'static str, Option<&RecordKey>) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner: MemoryStore::new(), hook: Arc::new(hook) }
    }
}

impl DedupStore for HookedStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        (self.hook)("load", Some(key))?;
        self.inner.load(key).await
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        (self.hook)("swap", Some(record.key()))?;
        self.inner.swap(expected, record).await
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        (self.hook)("list_pending", after)?;
        self.inner.list_pending(after, limit).await
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        (self.hook)("keep_unusable", None)?;
        self.inner.keep_unusable(kept).await
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        (self.hook)("list_unusable", None)?;
        self.inner.list_unusable(after, limit).await
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        (self.hook)("remove_unusable", None)?;
        self.inner.remove_unusable(id).await
    }
}
