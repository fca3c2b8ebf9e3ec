//! Verify, type, remember, and hand over what is due.

use super::Rejection;
use crate::clock::SystemClock;
use crate::delivery::Progress;
use crate::handler::Handler;
use crate::receiver::Receiver;
use crate::source::Callback;
use crate::steps::Receipt;
use crate::store::DedupStore;

/// A genuine callback that has been through guard and store, with what is due.
///
/// Endpoint (`T::Source`) and receiver (`Receiver<S, SystemClock>`) are taken from the router's state
/// (axum) or the app data (actix-web). Settle it and return what that gives; a delivery that is dropped, by
/// a caller who hangs up for instance, stays open and is repeated.
#[derive(Debug)]
#[must_use = "a delivery that is not settled stays open and is repeated"]
pub struct Delivery<T, S> {
    /// The callback as the network's own type.
    pub callback: T,
    /// How far it has come: a decision for the game, or all done (a duplicate, say).
    pub progress: Progress<S, SystemClock>,
}

impl<T: Callback, S: DedupStore> Delivery<T, S> {
    pub(in crate::web) async fn begin(
        callback: T,
        receiver: &Receiver<S, SystemClock>,
    ) -> Result<Self, Rejection> {
        let progress = receiver.begin(callback.event()).await?;
        Ok(Self { callback, progress })
    }
}

impl<T, S: DedupStore> Delivery<T, S> {
    /// Lets the handler carry out what is due; returns the answer.
    ///
    /// # Errors
    /// [`Rejection`], to be returned as the response.
    pub async fn settle_with<H: Handler>(self, handler: &H) -> Result<Settled, Rejection> {
        Ok(Settled(match self.progress {
            Progress::Answered(receipt) => receipt,
            Progress::Deliver(delivery) => delivery.settle_with(handler).await?,
        }))
    }
}

/// All is well: a response with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled(pub Receipt);
