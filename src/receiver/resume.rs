//! Repeats what is open.

use super::{ReceiveError, Receiver};
use crate::clock::Clock;
use crate::delivery::Progress;
use crate::event::RecordKey;
use crate::handler::Handler;
use crate::steps::{Receipt, Steps};
use crate::store::{DedupStore, StoreError};

/// How many keys are asked for at a time.
const PAGE: usize = 256;

/// What became of the open decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Resumed {
    /// So many were carried out, or refused for good.
    pub settled: usize,
    /// So many are being worked on by somebody else.
    pub busy: usize,
    /// So many failed again and stay open; the log says why.
    pub failed: usize,
}

impl<S: DedupStore, C: Clock> Receiver<S, C> {
    /// Repeats every open decision that nobody is at work on. To be called when the program starts, and
    /// from time to time. Safe in several processes at once.
    ///
    /// # Errors
    /// [`StoreError`], when the store does not answer. A record that cannot be read counts as failed.
    pub async fn resume<H: Handler>(&self, handler: &H) -> Result<Resumed, StoreError> {
        let mut resumed = Resumed::default();
        let mut after: Option<RecordKey> = None;
        loop {
            let keys = self.store().unsettled(after.as_ref(), PAGE).await?;
            for key in &keys {
                match self.resume_one(key.clone(), handler).await {
                    Ok(Receipt::NothingOpen) => resumed.settled += 1,
                    Ok(_) => {}
                    Err(ReceiveError::Busy { .. }) => resumed.busy += 1,
                    Err(ReceiveError::Store(
                        error @ (StoreError::Unreadable { .. } | StoreError::Newer { .. }),
                    )) => {
                        tracing::error!(%key, %error, "open decision cannot be resumed");
                        resumed.failed += 1;
                    }
                    Err(ReceiveError::Store(error)) => return Err(error),
                    Err(error @ ReceiveError::Handler { .. }) => {
                        tracing::warn!(%key, %error, "open decision failed again");
                        resumed.failed += 1;
                    }
                }
            }
            if keys.len() < PAGE {
                return Ok(resumed);
            }
            after = keys.last().cloned();
        }
    }

    async fn resume_one<H: Handler>(
        &self,
        key: RecordKey,
        handler: &H,
    ) -> Result<Receipt, ReceiveError> {
        let timing = crate::steps::Timing {
            patience: std::time::Duration::ZERO,
            ..self.timing()
        };
        match self.drive(Steps::resume(key, timing), None).await? {
            Progress::Answered(receipt) => Ok(receipt),
            Progress::Deliver(delivery) => delivery.settle_with(handler).await,
        }
    }
}
