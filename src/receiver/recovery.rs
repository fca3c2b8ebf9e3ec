//! Retries decisions that were left pending.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::{Deliver, ReceiveError, Receiver};
use crate::clock::Clock;
use crate::id::RecordKey;
use crate::protocol::Receipt;
use crate::store::{DedupStore, StoreError};
use crate::telemetry;

/// When and how pending decisions are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// How often the store is asked for pending decisions. 15 s by default.
    pub interval: Duration,
    /// How many records are worked on at a time: by recovery, and apart from that for callbacks that were just accepted.
    /// 16 by default.
    pub concurrency: usize,
    /// The wait after a decision's first failed attempt; it doubles with every further one. 1 s by default.
    pub min_backoff: Duration,
    /// The longest wait between two attempts. 10 min by default.
    pub max_backoff: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            concurrency: 16,
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(600),
        }
    }
}

impl Recovery {
    /// With another [`interval`](Self::interval).
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// With another [`concurrency`](Self::concurrency); at least 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// With other bounds on the wait between two attempts.
    #[must_use]
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        (self.min_backoff, self.max_backoff) = (min, max.max(min));
        self
    }

    /// How long to wait after this many failed attempts.
    pub fn backoff_after(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(30);
        self.min_backoff.saturating_mul(1 << doublings).min(self.max_backoff)
    }
}

/// The result of one pass over all pending decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecoverySummary {
    /// Records whose pending decisions were all delivered.
    pub delivered: usize,
    /// Records that another process works on.
    pub busy: usize,
    /// Records that failed recently and wait for their next attempt.
    pub waiting: usize,
    /// Records that failed again; the log says why.
    pub failed: usize,
}

impl RecoverySummary {
    /// How many records still have pending decisions.
    pub fn pending(&self) -> usize {
        self.busy.saturating_add(self.waiting).saturating_add(self.failed)
    }
}

/// The number of keys listed at a time.
const PAGE: usize = 256;

enum Recovered {
    Delivered,
    Busy,
    Waiting,
    Failed,
}

impl<S: DedupStore, H: Deliver<S, C>, C: Clock> Receiver<S, H, C> {
    /// Delivers every pending decision that is due, several records at a time. Safe in several processes at once.
    ///
    /// A handler that does not return delays nothing but its own record, as long as fewer of them than
    /// [`concurrency`](Recovery::concurrency) do not return. One that failed is retried with increasing waits.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer: some records may not have been looked at. A record that cannot be
    /// read counts as failed.
    pub async fn recover(&self) -> Result<RecoverySummary, StoreError> {
        let recovery = self.recovery;
        let mut pass = Pass::default();
        let mut running = JoinSet::new();
        let mut after: Option<RecordKey> = None;
        while pass.failure.is_none() {
            let keys = match self.store.list_pending(after.as_ref(), PAGE).await {
                Ok(keys) => keys,
                Err(error) => {
                    pass.failure = Some(error);
                    break;
                }
            };
            for key in &keys {
                if running.len() >= recovery.concurrency
                    && let Some(ended) = running.join_next().await
                {
                    pass.count(ended);
                }
                let (receiver, key) = (self.clone(), key.clone());
                running.spawn(async move { receiver.recover_one(key, recovery).await });
            }
            if keys.len() < PAGE {
                break;
            }
            after = keys.last().cloned();
        }
        // Handlers that run are not interrupted, whatever happened to the others.
        while let Some(ended) = running.join_next().await {
            pass.count(ended);
        }
        let summary = pass.summary;
        telemetry::record_recovery(summary.delivered, summary.busy, summary.waiting, summary.failed);
        // A pass that failed does not know how many are pending.
        if let Some(failure) = pass.failure {
            return Err(failure);
        }
        telemetry::record_pending(summary.pending());
        Ok(summary)
    }

    async fn recover_one(&self, key: RecordKey, recovery: Recovery) -> Result<Recovered, StoreError> {
        let stored = match self.store.load(&key).await {
            Ok(Some(stored)) => {
                let left = stored.record.retry().map_or(Duration::ZERO, |retry| {
                    let wait = recovery.backoff_after(retry.attempts);
                    self.clock.now().until(retry.failed_at.after(wait))
                });
                // A longer wait was written by a clock that was ahead.
                if !left.is_zero() && left <= recovery.max_backoff {
                    return Ok(Recovered::Waiting);
                }
                stored
            }
            Ok(None) => return Ok(Recovered::Delivered),
            Err(error) if error.is_about_one_record() => {
                telemetry::log_unreadable(&key, &error);
                return Ok(Recovered::Failed);
            }
            Err(error) => return Err(error),
        };
        match self.deliver_loaded(stored).await {
            Ok(Receipt::NothingPending) => Ok(Recovered::Delivered),
            Ok(_) | Err(ReceiveError::Handler { .. } | ReceiveError::Rejected(_)) => Ok(Recovered::Failed),
            Err(ReceiveError::Busy { .. }) => Ok(Recovered::Busy),
            Err(ReceiveError::Store(error)) if error.is_about_one_record() => {
                telemetry::log_unreadable(&key, &error);
                Ok(Recovered::Failed)
            }
            Err(ReceiveError::Store(error)) => Err(error),
        }
    }
}

#[derive(Default)]
struct Pass {
    summary: RecoverySummary,
    failure: Option<StoreError>,
}

impl Pass {
    fn count(&mut self, ended: Result<Result<Recovered, StoreError>, JoinError>) {
        let counter = match ended {
            Ok(Ok(Recovered::Delivered)) => &mut self.summary.delivered,
            Ok(Ok(Recovered::Busy)) => &mut self.summary.busy,
            Ok(Ok(Recovered::Waiting)) => &mut self.summary.waiting,
            // After an error or a panic of the store's code, the record is still pending.
            Ok(Ok(Recovered::Failed)) | Err(_) => &mut self.summary.failed,
            Ok(Err(error)) => {
                self.failure.get_or_insert(error);
                &mut self.summary.failed
            }
        };
        *counter = counter.saturating_add(1);
    }
}

/// What connects the receiver's clones with the background task, which ends when the last clone is dropped.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// The task's input. Closed if the runtime that the task ran in has ended.
    accepted: Mutex<Option<mpsc::Sender<RecordKey>>>,
}

/// How many accepted callbacks wait for the background task. Recovery finds those beyond.
const MAX_WAITING: usize = 1024;

impl Background {
    /// Has a callback delivered soon.
    pub(super) fn deliver_soon(&self, key: RecordKey) {
        if let Some(accepted) = &*self.accepted() {
            let _ = accepted.try_send(key);
        }
    }

    fn accepted(&self) -> MutexGuard<'_, Option<mpsc::Sender<RecordKey>>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the background task unless it runs already or there is no tokio runtime.
pub(super) fn start<S: DedupStore, H: Deliver<S, C>, C: Clock>(receiver: &Receiver<S, H, C>, recovery: Recovery) {
    let mut running = receiver.background.accepted();
    if running.as_ref().is_some_and(|accepted| !accepted.is_closed()) {
        return;
    }
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let (sender, accepted) = mpsc::channel(MAX_WAITING);
    *running = Some(sender);
    // A clone that does not keep the task alive.
    let receiver = Receiver { background: Arc::default(), ..receiver.clone() };
    runtime.spawn(run(receiver, recovery, accepted));
}

/// Delivers accepted callbacks at once, and everything that is pending in intervals. Neither waits for the other.
async fn run<S: DedupStore, H: Deliver<S, C>, C: Clock>(
    receiver: Receiver<S, H, C>,
    recovery: Recovery,
    mut accepted: mpsc::Receiver<RecordKey>,
) {
    let mut deliveries = JoinSet::new();
    let mut pass = JoinSet::new();
    let mut timer = interval(recovery.interval.max(Duration::from_millis(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            key = accepted.recv(), if deliveries.len() < recovery.concurrency.max(1) => {
                // `None`: the last receiver was dropped.
                let Some(key) = key else { return };
                let receiver = receiver.clone();
                deliveries.spawn(async move { receiver.recover_one(key, recovery).await });
            }
            // What was not delivered is pending: recovery finds it and reports it.
            Some(_) = deliveries.join_next() => {}
            _ = timer.tick(), if pass.is_empty() => {
                let receiver = receiver.clone();
                pass.spawn(async move { receiver.recover().await });
            }
            Some(ended) = pass.join_next() => {
                match ended {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => telemetry::log_recovery_failed(&error),
                    Err(error) => telemetry::log_recovery_failed(&StoreError::Unavailable {
                        operation: "list pending records",
                        hint: "its code panicked",
                        source: Box::new(error),
                    }),
                }
                timer.reset();
            }
        }
    }
}
