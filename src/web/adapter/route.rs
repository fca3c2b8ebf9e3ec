//! The whole way of a callback, for a route in one call.

use std::future::Future;
use std::sync::Arc;

use super::carried::Carried;
use crate::event::Event;
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

    /// Takes what the endpoint opened all the way, and says what to answer. It is so taken even if the caller
    /// hangs up meanwhile.
    pub(in crate::web) fn answer(
        &self,
        opened: Result<E::Callback, OpenError>,
    ) -> impl Future<Output = Reply> + use<E, R> {
        let refused = self.refused;
        // Out of the future, which a server moves about for each request.
        let work = opened.map(|callback| self.receive(Arc::new(callback.event())));
        async move {
            let received = match work {
                // Only a store panics here, for a handler's panic is caught: the sender comes again.
                Ok(work) => work.await.unwrap_or(Err(StoreError::Closed.into())),
                Err(error) => return refused(&error.into()),
            };
            match received {
                Ok(receipt) => Reply::from(&receipt),
                Err(error) => refused(&error.into()),
            }
        }
    }

    fn receive(
        &self,
        event: Arc<Event>,
    ) -> Carried<impl Future<Output = Result<Receipt, ReceiveError>> + Send + use<E, R>> {
        let receiver = Arc::clone(&self.receiver);
        Carried::new(async move { receiver.receive(event).await })
    }
}
