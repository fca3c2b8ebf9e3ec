//! Retries decisions that were left pending.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

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
    /// How many records are worked on at a time. 16 by default.
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
        self.min_backoff
            .saturating_mul(1 << doublings)
            .min(self.max_backoff)
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
        self.busy
            .saturating_add(self.waiting)
            .saturating_add(self.failed)
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
    /// A handler that does not return delays nothing but its own record, and one that failed is retried with increasing
    /// waits.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer. A record that cannot be read counts as failed.
    pub async fn recover(&self) -> Result<RecoverySummary, StoreError> {
        let recovery = self.recovery.unwrap_or_default();
        let mut summary = RecoverySummary::default();
        let mut running = JoinSet::new();
        let mut after: Option<RecordKey> = None;
        loop {
            let keys = self.store.list_pending(after.as_ref(), PAGE).await?;
            for key in &keys {
                if running.len() >= recovery.concurrency {
                    count(&mut summary, running.join_next().await)?;
                }
                let (receiver, key) = (self.clone(), key.clone());
                running.spawn(async move { receiver.recover_one(key, recovery).await });
            }
            if keys.len() < PAGE {
                break;
            }
            after = keys.last().cloned();
        }
        while let Some(ended) = running.join_next().await {
            count(&mut summary, Some(ended))?;
        }
        telemetry::record_recovery(
            summary.delivered,
            summary.busy,
            summary.waiting,
            summary.failed,
        );
        Ok(summary)
    }

    async fn recover_one(
        &self,
        key: RecordKey,
        recovery: Recovery,
    ) -> Result<Recovered, StoreError> {
        match self.store.load(&key).await {
            Ok(Some(stored)) => {
                let due = stored.record.retry().map(|retry| {
                    retry
                        .failed_at
                        .after(recovery.backoff_after(retry.attempts))
                });
                if due.is_some_and(|due| self.clock.now() < due) {
                    return Ok(Recovered::Waiting);
                }
            }
            Ok(None) => return Ok(Recovered::Delivered),
            Err(error) if error.is_about_one_record() => {
                telemetry::log_unreadable(&key, &error);
                return Ok(Recovered::Failed);
            }
            Err(error) => return Err(error),
        }
        match self.deliver(key.clone()).await {
            Ok(Receipt::NothingPending) => Ok(Recovered::Delivered),
            Ok(_) | Err(ReceiveError::Handler { .. }) => Ok(Recovered::Failed),
            Err(ReceiveError::Busy { .. }) => Ok(Recovered::Busy),
            Err(ReceiveError::Store(error)) if error.is_about_one_record() => {
                telemetry::log_unreadable(&key, &error);
                Ok(Recovered::Failed)
            }
            Err(ReceiveError::Store(error)) => Err(error),
        }
    }
}

fn count(
    summary: &mut RecoverySummary,
    ended: Option<Result<Result<Recovered, StoreError>, tokio::task::JoinError>>,
) -> Result<(), StoreError> {
    let counter = match ended {
        None => return Ok(()),
        Some(Ok(Ok(Recovered::Delivered))) => &mut summary.delivered,
        Some(Ok(Ok(Recovered::Busy))) => &mut summary.busy,
        Some(Ok(Ok(Recovered::Waiting))) => &mut summary.waiting,
        // A store's code panicked: that record is still pending.
        Some(Ok(Ok(Recovered::Failed)) | Err(_)) => &mut summary.failed,
        Some(Ok(Err(error))) => return Err(error),
    };
    *counter = counter.saturating_add(1);
    Ok(())
}

/// Starts the background task unless it runs already or there is no tokio runtime.
pub(super) fn start<S: DedupStore, H: Deliver<S, C>, C: Clock>(
    receiver: &Receiver<S, H, C>,
    recovery: Recovery,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    if !receiver.background.start() {
        return;
    }
    let mut alive = receiver.background.alive.subscribe();
    let wake = Arc::clone(&receiver.background.wake);
    // A clone that does not keep the task alive.
    let receiver = Receiver {
        background: Arc::default(),
        ..receiver.clone()
    };
    runtime.spawn(async move {
        loop {
            if let Err(error) = receiver.recover().await {
                telemetry::log_recovery_failed(&error);
            }
            tokio::select! {
                () = tokio::time::sleep(recovery.interval) => {}
                () = wake.notified() => {}
                // The last receiver was dropped.
                _ = alive.changed() => return,
            }
        }
    });
}
