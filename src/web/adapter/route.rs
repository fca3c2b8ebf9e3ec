//! The whole way of a callback, for a route in one call.

use std::sync::Arc;

use tracing::Instrument;

use crate::receiver::{Receive, ReceiveError};
use crate::source::{Callback, OpenError, Source};
use crate::steps::Receipt;
use crate::store::StoreError;
use crate::web::{Refusal, Reply};

/// What a route is made of.
pub(in crate::web) struct Route<E, R> {
    endpoint: E,
    receiver: Arc<R>,
    refused: fn(&Refusal) -> Reply,
}

impl<E: Source, R: Receive> Route<E, R> {
    pub(in crate::web) fn new(
        endpoint: E,
        receiver: R,
        refused: fn(&Refusal) -> Reply,
    ) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            receiver: Arc::new(receiver),
            refused,
        })
    }

    pub(in crate::web) fn endpoint(&self) -> &E {
        &self.endpoint
    }

    /// Takes what the endpoint opened all the way, and says what to answer.
    ///
    /// The work is a task of its own: a framework drops what it was doing for a caller who hangs up, and
    /// a decision must not be left half carried out.
    pub(in crate::web) async fn answer(&self, opened: Result<E::Callback, OpenError>) -> Reply {
        match self.receive(opened).await {
            Ok(receipt) => Reply::from(&receipt),
            Err(refusal) => (self.refused)(&refusal),
        }
    }

    async fn receive(&self, opened: Result<E::Callback, OpenError>) -> Result<Receipt, Refusal> {
        let event = opened?.event();
        let receiver = Arc::clone(&self.receiver);
        let work = async move { receiver.receive(event).await };
        // Within the request's span, where the application has one.
        let work = tokio::spawn(work.in_current_span());
        // Not joined only when the runtime shuts down or a store panics: the sender comes again.
        let receipt = work
            .await
            .unwrap_or(Err(ReceiveError::Store(StoreError::Closed)))?;
        Ok(receipt)
    }
}
