//! What handlers inside a store's transaction promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rust_decimal::Decimal;
use tokio::task::JoinSet;

use super::fixtures::{
    CALLERS, adjusted, completed, decimal, genuine, load, pending_keys, pending_record, player, poll_once, stored,
};
use crate::decision::Action;
use crate::event::Event;
use crate::handler::HandlerError;
use crate::id::PlayerId;
use crate::protocol::Receipt;
use crate::receiver::{InTransaction, ReceiveError, Receiver};
use crate::store::{Record, StoreError, SwapOutcome, Transaction, TransactionWork, TransactionalStore, Version, json};

/// Tests the promises of [`TransactionalStore`].
///
/// - `open` opens an empty store.
/// - `receiver` makes a receiver whose handler adds [`Decision::balance_change`](crate::Decision::balance_change) to the player's balance inside the
///   transaction, and then returns [`Script::end`].
/// - `balance` reads a player's balance outside any transaction: zero for an unknown player.
///
/// # Panics
/// If the store breaks a promise.
pub async fn transactional<S: TransactionalStore>(
    open: impl AsyncFn() -> S,
    receiver: impl Fn(&S, Script) -> Receiver<S, InTransaction<S>>,
    balance: impl AsyncFn(&S, &PlayerId) -> Decimal,
) {
    let start = async || {
        let (store, script) = (open().await, Script::default());
        let receiver = receiver(&store, script.clone()).without_recovery();
        Wallet { receiver, script, balance: &balance, player: player("player-7") }
    };
    start().await.callback_pays_once().await;
    for end in [End::Fail, End::Panic] {
        start().await.failed_handler_leaves_no_trace(end).await;
    }
    start().await.declined_decision_leaves_no_trace().await;
    start().await.accepted_callbacks_are_delivered_in_order().await;
    start().await.concurrent_callbacks_pay_once_each().await;
    start().await.dropped_callbacks_pay_once().await;
    start().await.failed_work_rolls_back().await;
    start().await.savepoint_undoes_only_what_follows().await;
}

/// How the handler under test ends. A handler changes the balance first and then returns [`Script::end`].
#[derive(Debug, Clone, Default)]
pub struct Script {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    end: End,
    calls: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum End {
    #[default]
    Succeed,
    Fail,
    Decline,
    Panic,
}

impl Script {
    /// Returns what the suite wants the handler to return, or panics if it wants that.
    ///
    /// # Errors
    /// [`HandlerError`], if the suite wants the handler to fail or to decline.
    ///
    /// # Panics
    /// If the suite wants it to.
    pub fn end(&self) -> Result<(), HandlerError> {
        let end = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            state.end
        };
        match end {
            End::Succeed => Ok(()),
            End::Fail => Err(HandlerError::failed("failed on purpose")),
            End::Decline => Err(HandlerError::declined("declined on purpose")),
            End::Panic => panic!("panicked on purpose"),
        }
    }

    fn set(&self, end: End) {
        self.state.lock().unwrap().end = end;
    }

    fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }
}

struct Wallet<'a, S: TransactionalStore, B> {
    receiver: Receiver<S, InTransaction<S>>,
    script: Script,
    balance: &'a B,
    player: PlayerId,
}

impl<S: TransactionalStore, B: AsyncFn(&S, &PlayerId) -> Decimal> Wallet<'_, S, B> {
    async fn receive(&self, event: Event) -> Result<Receipt, ReceiveError> {
        self.receiver.receive(genuine(event)).await
    }

    async fn has(&self, amount: &str, promise: &str) {
        let balance = (self.balance)(self.receiver.store(), &self.player).await;
        assert_eq!(balance, decimal(amount), "the player's balance: {promise}");
    }

    async fn record(&self, event: &Event) -> Record {
        let stored = load(self.receiver.store(), &event.key()).await;
        stored.expect("a received callback must be stored").record
    }

    async fn callback_pays_once(self) {
        let event = completed("t1", "500.25");
        let receipt = self.receive(event.clone()).await.expect("receive a callback");
        assert!(matches!(receipt, Receipt::Settled(_)), "settled by the first call: {receipt:?}");
        let receipt = self.receive(event.clone()).await.expect("receive a callback");
        assert_eq!(receipt, Receipt::Duplicate, "a repetition must be a duplicate");
        self.has("500.25", "a repeated callback must be paid once").await;
        assert_eq!(self.script.calls(), 1, "the handler must be called once per decision");

        self.receive(adjusted("t1", "-500.25")).await.expect("receive a reversal");
        self.has("0", "a reversal must take back what was paid").await;
        let conflict = self.receive(completed("t1", "900")).await.expect("receive a conflict");
        let Receipt::Settled(decision) = conflict else { panic!("a conflict must be delivered") };
        assert!(matches!(decision.action(), Action::Conflict { .. }), "another amount is a conflict");
        self.has("0", "a conflict must move nothing").await;
        assert!(!self.record(&event).await.is_pending(), "everything was delivered");
        assert_eq!(self.script.calls(), 3, "the handler must be called once per decision");
    }

    async fn failed_handler_leaves_no_trace(self, end: End) {
        let event = completed("t1", "500");
        self.script.set(end);
        let store = self.receiver.store();
        for _ in 0..2 {
            let error = self.receive(event.clone()).await.expect_err("the handler failed");
            assert!(matches!(error, ReceiveError::Handler { .. }), "the handler failed: {error:?}");
            self.has("0", "what a failed handler did must be undone").await;
            assert_eq!(
                pending_keys(store, 10).await,
                [event.key()],
                "a decision whose handler failed must be stored as pending"
            );
        }
        let attempts = self.record(&event).await.retry().map(|retry| retry.attempts);
        assert_eq!(attempts, Some(2), "failed attempts must be counted durably");
        self.script.set(End::Succeed);
        let receipt = self.receiver.deliver(event.key()).await.expect("deliver what is pending");
        assert_eq!(receipt, Receipt::NothingPending, "a retried decision must be delivered");
        self.has("500", "a retried decision must be paid once").await;
        assert!(pending_keys(store, 10).await.is_empty(), "a delivered decision is not pending");
    }

    async fn declined_decision_leaves_no_trace(self) {
        let event = completed("t1", "500");
        self.script.set(End::Decline);
        let receipt = self.receive(event.clone()).await.expect("receive a callback");
        assert!(matches!(receipt, Receipt::Declined(_)), "declined for good: {receipt:?}");
        self.script.set(End::Succeed);
        let receipt = self.receive(event.clone()).await.expect("receive a callback");
        assert_eq!(receipt, Receipt::Duplicate, "a declined callback must not be retried");
        let receipt = self.receive(adjusted("t1", "-500")).await.expect("receive a reversal");
        assert_eq!(receipt, Receipt::Closed, "nothing must move in a closed conversion");
        self.has("0", "what a declining handler did must be undone").await;
        let record = self.record(&event).await;
        assert!(record.closed().is_some() && !record.is_pending(), "declined money closes");
    }

    async fn accepted_callbacks_are_delivered_in_order(self) {
        let first = completed("t1", "500");
        for event in [first.clone(), adjusted("t1", "-200")] {
            let receipt = self.receiver.accept(genuine(event)).await.expect("accept a callback");
            assert!(matches!(receipt, Receipt::Accepted(_)), "accepted for later: {receipt:?}");
        }
        self.has("0", "an accepted callback must not be paid before it is delivered").await;
        assert_eq!(self.script.calls(), 0, "accepting must not call the handler");
        self.script.set(End::Fail);
        self.receiver.deliver(first.key()).await.expect_err("the handler failed");
        assert_eq!(self.script.calls(), 1, "nothing must be delivered past a failed decision");
        self.script.set(End::Succeed);
        self.receiver.deliver(first.key()).await.expect("deliver what is pending");
        self.has("300", "every accepted callback must be delivered").await;

        self.script.set(End::Fail);
        self.receive(completed("t2", "500")).await.expect_err("the handler failed");
        self.script.set(End::Succeed);
        let receipt = self.receive(adjusted("t2", "-200")).await.expect("receive a reversal");
        assert!(matches!(receipt, Receipt::Settled(_)), "settled by this call: {receipt:?}");
        self.has("600", "a callback must deliver what is pending before it").await;
    }

    async fn concurrent_callbacks_pay_once_each(self) {
        let calls: JoinSet<_> = (0..CALLERS * 2)
            .map(|caller| {
                let receiver = self.receiver.clone();
                let event = completed(&format!("t{}", caller % 8), "5");
                async move {
                    for _ in 0..100 {
                        match receiver.receive(genuine(event.clone())).await {
                            Ok(receipt) => return receipt,
                            // A store may give up under contention; the network retries.
                            Err(ReceiveError::Store(_) | ReceiveError::Busy { .. }) => {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                            Err(error) => panic!("receive concurrently: {error:?}"),
                        }
                    }
                    panic!("a callback must be received after some retries");
                }
            })
            .collect();
        for receipt in calls.join_all().await {
            assert!(
                matches!(receipt, Receipt::Settled(_) | Receipt::Duplicate),
                "a concurrent callback must be settled or a duplicate: {receipt:?}"
            );
        }
        self.has("40", "concurrent callbacks of eight conversions must be paid once each").await;
    }

    async fn dropped_callbacks_pay_once(self) {
        for number in 0..20 {
            let event = completed(&format!("t{number}"), "5");
            poll_once(self.receive(event.clone())).await;
            self.receive(event).await.expect("receive a callback after a dropped call");
        }
        self.has("100", "a callback whose first call was dropped must be paid once").await;
        let store = self.receiver.store();
        assert!(pending_keys(store, 10).await.is_empty(), "all of them were delivered");
    }

    async fn failed_work_rolls_back(self) {
        let result = self.transact("t1", Step::FailAfterHandling).await;
        assert!(matches!(result, Err(StoreError::Overloaded)), "an error of the work must be returned");
        self.has("0", "failed work must be rolled back").await;
        let stored = load(self.receiver.store(), &completed("t1", "5").key()).await;
        assert_eq!(stored, None, "failed work must be rolled back");
        self.transact("t1", Step::RollBackSecond).await.expect("the store works after a rollback");
    }

    async fn savepoint_undoes_only_what_follows(self) {
        self.transact("t1", Step::RollBackSecond).await.expect("commit");
        self.has("5", "a rolled back savepoint must undo the handler's work, and only that").await;
        let key = completed("t1", "5").key();
        let stored = load(self.receiver.store(), &key).await.expect("committed");
        assert_eq!(
            stored.version,
            Version::FIRST,
            "a rolled back savepoint must undo the swap after it, and only that"
        );
    }

    async fn transact(&self, transaction: &str, step: Step) -> Result<(), StoreError> {
        let event = Arc::new(completed(transaction, "5"));
        let handler = self.receiver.handler().handler();
        self.receiver.store().transact(&event.key(), handler, Work { event, step }).await
    }
}

/// Pays twice in one transaction, each time after a savepoint.
struct Work {
    event: Arc<Event>,
    step: Step,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// Fails after the first payment.
    FailAfterHandling,
    /// Undoes the second payment.
    RollBackSecond,
}

impl TransactionWork for Work {
    type Output = ();

    async fn run<T: Transaction>(&self, transaction: &mut T) -> Result<(), StoreError> {
        let key = self.event.key();
        let seen = transaction.load(&key).await?;
        assert_eq!(seen, None, "a transaction must see what is committed");
        let record = pending_record((*self.event).clone());
        let json = json::write(&record)?;
        let decision = record.head().expect("a pending decision");
        let mut expected = None;
        for round in 0..2 {
            transaction.savepoint().await?;
            let swapped = transaction.swap(expected, &record, &json).await?;
            let version = Version::after(expected);
            assert_eq!(swapped, SwapOutcome::Replaced(version), "a swap in a transaction");
            let seen = transaction.load(&key).await?.expect("a transaction sees its own swap");
            assert_eq!(seen.version, version, "a transaction must see its own swap");
            transaction.handle(&decision).await.expect("the handler succeeds");
            if round == 0 {
                transaction.release_savepoint().await?;
            } else {
                transaction.rollback_to_savepoint().await?;
                continue;
            }
            if self.step == Step::FailAfterHandling {
                return Err(StoreError::Overloaded);
            }
            expected = Some(version);
        }
        let seen = transaction.load(&key).await?.expect("the first swap was kept");
        assert_eq!(seen, stored(Version::FIRST, &record), "the first swap must be current again");
        let lost = transaction.swap(None, &record, &json).await?;
        assert_eq!(lost, SwapOutcome::Conflict(Some(seen)), "a lost swap in a transaction");
        Ok(())
    }
}
