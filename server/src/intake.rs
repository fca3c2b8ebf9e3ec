//! What takes verified callbacks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use postback::store::StoreError;
use postback::verify::Unusable;
use postback::{Event, Receipt, Receive, ReceiveError, Verified};

use crate::delivery::{Delivery, ServerReceiver};
use crate::feed::{EndpointCounts, Feed, Item};

/// Takes verified callbacks from the routes: stores them, responds, and has them delivered.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) receiver: ServerReceiver,
    pub(crate) delivery: Delivery,
    pub(crate) feed: Arc<Feed>,
    /// The numbers of the endpoint that it takes callbacks of.
    pub(crate) counts: Option<Arc<EndpointCounts>>,
}

impl Receive for Intake {
    fn receive(
        &self,
        callback: impl Into<Verified<Event>> + Send,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        let callback: Verified<Event> = callback.into();
        let Self { receiver, delivery, feed, counts } = self.clone();
        async move {
            let known = (*callback).clone();
            let receipt = receiver.accept(callback).await?;
            if let Receipt::Accepted(decision) = &receipt {
                delivery.accepted(decision.conversion().clone());
            }
            if let Some(counts) = counts {
                counts.count_genuine();
            }
            feed.push_taken(&known, &receipt);
            Ok(receipt)
        }
    }

    async fn keep(&self, unusable: &Unusable) -> Result<(), StoreError> {
        self.receiver.keep(unusable).await?;
        let callback = &unusable.callback;
        if let Some(counts) = &self.counts {
            counts.unusable.fetch_add(1, Ordering::Relaxed);
        }
        self.feed.push(Item {
            network: callback.network.to_string(),
            app: callback.app.to_string(),
            endpoint: callback.endpoint.to_string(),
            outcome: "unusable",
            reason: Some(unusable.problem.to_string()),
            ..Item::default()
        });
        Ok(())
    }

    /// The server has its own delivery.
    fn start(&self) {}
}
