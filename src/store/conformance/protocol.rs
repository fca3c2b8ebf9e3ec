//! The whole protocol of leases and fencing, by hand and with moments of our own.

use std::time::Duration;

use super::fixtures::{NOW, completed, decimal, load, unsettled};
use crate::clock::Timestamp;
use crate::decision::{Decision, DecisionKind};
use crate::event::{Event, RecordKey};
use crate::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use crate::store::DedupStore;

const LEASE: Duration = Duration::from_secs(30);
const TIMING: Timing = Timing::new().lease(LEASE).patience(Duration::ZERO);

/// A receiver whose every move is made by hand.
struct Worker<'a, S> {
    store: &'a S,
    steps: Steps,
}

impl<'a, S: DedupStore> Worker<'a, S> {
    fn receiving(store: &'a S, event: Event) -> Self {
        Self {
            store,
            steps: Steps::receive(event, TIMING),
        }
    }

    fn resuming(store: &'a S, key: RecordKey) -> Self {
        Self {
            store,
            steps: Steps::resume(key, TIMING),
        }
    }

    /// Loads and swaps until it is the handler's turn, or the end.
    async fn go(&mut self, now: Timestamp) -> Step {
        let mut step = self.steps.step();
        loop {
            let happened = match step {
                Step::Load(key) => Happened::Loaded(load(self.store, &key).await),
                Step::Swap { expected, record } => {
                    Happened::Swapped(super::fixtures::swap(self.store, expected, &record).await)
                }
                other => return other,
            };
            step = self.steps.advance(happened, now);
        }
    }

    /// As far as the handler.
    async fn decision(&mut self, now: Timestamp) -> Decision {
        match self.go(now).await {
            Step::Handle(decision) => decision,
            other => panic!("the decision is to be carried out now, not {other:?}"),
        }
    }

    /// The handler has ended: on to the end.
    async fn handled(&mut self, handled: Handled, now: Timestamp) -> Answer {
        self.steps.advance(Happened::Handled(handled), now);
        self.answer(now).await
    }

    async fn answer(&mut self, now: Timestamp) -> Answer {
        match self.go(now).await {
            Step::Answer(answer) => answer,
            other => panic!("it is time to answer, not {other:?}"),
        }
    }
}

/// While a decision is leased nobody else carries it out. When the lease has run out the next one does, with
/// the same id and amount.
pub async fn an_expired_lease_is_taken_over(store: &impl DedupStore) {
    let event = completed("leased", "500");
    let given = Worker::receiving(store, event.clone()).decision(NOW).await;
    // That worker's process died. Its decision is written down.
    assert_eq!(
        unsettled(store, None, 10).await,
        [event.key()],
        "a leased decision is open"
    );

    let before = Timestamp::from_millis(NOW.after(LEASE).as_millis() - 1);
    let early = Worker::receiving(store, event.clone()).answer(before).await;
    assert!(
        matches!(early, Answer::Busy { .. }),
        "leased until just now: {early:?}"
    );

    let after = NOW.after(LEASE);
    let mut second = Worker::receiving(store, event.clone());
    assert_eq!(
        second.decision(after).await,
        given,
        "the very same decision is repeated"
    );
    let answer = second.handled(Handled::Done, after).await;
    let receipt = Receipt::Settled(given.id().clone(), DecisionKind::Reward);
    assert_eq!(
        answer,
        Answer::Receipt(receipt),
        "the one who took over settles"
    );
    assert_eq!(
        Worker::receiving(store, event).answer(after).await,
        Answer::Receipt(Receipt::Duplicate)
    );
}

/// Who sleeps through his lease cannot settle any more: neither while his successor is at work nor after.
pub async fn a_sleeper_cannot_settle(store: &impl DedupStore) {
    let event = completed("slept", "500");
    let key = event.key();
    let late = NOW.after(LEASE * 2);
    let mut sleeper = Worker::receiving(store, event.clone());
    sleeper.decision(NOW).await;
    let mut other_sleeper = Worker::receiving(store, event.clone());
    let mut successor = Worker::receiving(store, event);
    other_sleeper.decision(NOW.after(LEASE)).await;
    successor.decision(late).await;

    let at_work = load(store, &key).await;
    let woken = sleeper.handled(Handled::Done, late).await;
    assert!(
        matches!(woken, Answer::Busy { .. }),
        "the successor is at work: {woken:?}"
    );
    assert_eq!(
        load(store, &key).await,
        at_work,
        "a sleeper changes nothing"
    );

    successor.handled(Handled::Done, late).await;
    let settled = load(store, &key).await;
    // This one even believes that it failed, and would free the decision to be repeated.
    other_sleeper.handled(Handled::Failed, late).await;
    assert_eq!(
        load(store, &key).await,
        settled,
        "a sleeper changes nothing afterwards either"
    );
    assert_eq!(
        settled.map(|stored| stored.record.settled()),
        Some(decimal("500")),
        "settled once"
    );
}

/// A decision whose handler failed stays open, is found among the unsettled ones, and is repeated with the
/// same id and amount.
pub async fn a_failed_decision_is_resumed_unchanged(store: &impl DedupStore) {
    let event = completed("failed", "0.5000");
    let mut first = Worker::receiving(store, event.clone());
    let given = first.decision(NOW).await;
    let answer = first.handled(Handled::Failed, NOW).await;
    assert_eq!(answer, Answer::HandlerFailed(given.id().clone()));

    let open = unsettled(store, None, 10).await;
    assert_eq!(open, [event.key()], "a failed decision is open");
    let mut resumed = Worker::resuming(store, event.key());
    assert_eq!(
        resumed.decision(NOW).await,
        given,
        "the very same decision is repeated"
    );
    let answer = resumed.handled(Handled::Done, NOW).await;
    assert_eq!(answer, Answer::Receipt(Receipt::NothingOpen));
    assert_eq!(
        unsettled(store, None, 10).await,
        [],
        "what was resumed is no longer open"
    );
    let again = Worker::resuming(store, event.key()).answer(NOW).await;
    assert_eq!(
        again,
        Answer::Receipt(Receipt::NothingOpen),
        "and is resumed once"
    );
}

/// The same message with another amount is reported as a conflict, once, and moves nothing.
pub async fn a_conflict_moves_nothing(store: &impl DedupStore) {
    let mut first = Worker::receiving(store, completed("contested", "500"));
    first.decision(NOW).await;
    first.handled(Handled::Done, NOW).await;

    let contradiction = completed("contested", "900");
    let mut second = Worker::receiving(store, contradiction.clone());
    let decision = second.decision(NOW).await;
    assert_eq!(decision.kind(), DecisionKind::Conflict);
    second.handled(Handled::Done, NOW).await;
    let stored = load(store, &contradiction.key())
        .await
        .expect("the record is not absent");
    assert_eq!(
        stored.record.settled(),
        decimal("500"),
        "a conflict moves nothing"
    );
    assert_eq!(stored.record.entries().len(), 2, "and is remembered");
    let again = Worker::receiving(store, contradiction).answer(NOW).await;
    assert_eq!(
        again,
        Answer::Receipt(Receipt::Duplicate),
        "and reported once"
    );
}
