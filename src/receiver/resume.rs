//! Repeats what is open.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::log::log_open_still;
use super::{ReceiveError, Receiver};
use crate::clock::Clock;
use crate::event::RecordKey;
use crate::handler::Handler;
use crate::observe::{self, Since};
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

impl Resumed {
    /// Every open decision has been looked at.
    pub(crate) fn measure(&self) {
        observe::left_open(self.settled, self.busy, self.failed);
    }
}

/// A receiver that can repeat what is open: every one that has its handler with it.
pub trait Resume: Send + Sync + 'static {
    /// Repeats every open decision that nobody is at work on. To be called when the program starts, and
    /// from time to time ([`spawn_resume`]). Safe in several processes at once.
    ///
    /// # Errors
    /// [`StoreError`], when the store does not answer. A record that cannot be read counts as failed.
    fn resume(&self) -> impl Future<Output = Result<Resumed, StoreError>> + Send;
}

impl<R: Resume> Resume for Arc<R> {
    fn resume(&self) -> impl Future<Output = Result<Resumed, StoreError>> + Send {
        (**self).resume()
    }
}

/// Repeats what is open now and then again after every `interval`, in a background task of the current tokio
/// runtime. The task ends with the runtime, or when the handle is told to abort.
///
/// A store that does not answer is logged and asked again at the next turn.
///
/// # Panics
/// Outside a tokio runtime, as [`tokio::spawn`] does.
#[cfg(feature = "tokio")]
pub fn spawn_resume<R: Resume>(receiver: R, interval: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match receiver.resume().await {
                Ok(Resumed {
                    settled: 0,
                    failed: 0,
                    ..
                }) => {}
                Ok(Resumed {
                    settled,
                    busy,
                    failed,
                }) => {
                    tracing::info!(target: "postback::resume", settled, busy, failed, "open decisions resumed");
                }
                Err(error) => {
                    tracing::warn!(target: "postback::resume", %error, "open decisions could not be resumed");
                }
            }
            tokio::time::sleep(interval).await;
        }
    })
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
            let since = Since::now();
            let listed = self.store().unsettled(after.as_ref(), PAGE);
            let keys = observe::stored("unsettled", listed.await, since)?;
            for key in &keys {
                match self.resume_one(key.clone(), handler).await {
                    Ok(Receipt::NothingOpen) => resumed.settled += 1,
                    Ok(_) => {}
                    Err(ReceiveError::Busy { .. }) => resumed.busy += 1,
                    Err(ReceiveError::Store(error)) if error.is_of_the_whole_store() => {
                        return Err(error);
                    }
                    Err(error) => {
                        log_open_still(key, &error);
                        resumed.failed += 1;
                    }
                }
            }
            if keys.len() < PAGE {
                resumed.measure();
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
        let timing = self.timing().patience(Duration::ZERO);
        let steps = Box::new(Steps::resume(key, timing));
        self.all_the_way(steps, handler).await
    }
}
