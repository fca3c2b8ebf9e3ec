//! Ties guard, store and handler together.
//!
//! A [`Receiver`] is the async shell around the [steps](crate::steps): it loads, swaps, waits and calls the
//! handler as they say. Nothing is decided here.

pub(crate) mod attempt;
pub(crate) mod log;
mod resume;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tokio")]
pub use resume::spawn_resume;
pub use resume::{Resume, Resumed};

use crate::clock::{Clock, SystemClock};
use crate::decision::{Decision, DecisionId};
use crate::delivery::{Delivery, Progress};
use crate::event::Event;
use crate::handler::Handler;
use crate::observe::{self, Since, stored};
use crate::source::Fault;
use crate::steps::{Answer, Happened, Receipt, Step, Steps, Timing};
use crate::store::{DedupStore, StoreError};
use log::Origin;
use tracing::Instrument;

/// Takes genuine callbacks all the way: remembered, carried out by the game, settled.
///
/// The web adapters ask for no more than this, so that every way of settling fits behind them.
pub trait Receive: Send + Sync + 'static {
    /// Takes one callback all the way. When it returns Ok, the network need not call again.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should call again. What had been written down by then is not lost
    /// even if it does not.
    fn receive(
        &self,
        event: impl Into<Arc<Event>>,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send;
}

impl<R: Receive> Receive for Arc<R> {
    fn receive(
        &self,
        event: impl Into<Arc<Event>>,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        (**self).receive(event)
    }
}

/// Why a genuine callback could not be taken all the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The store failed. Answer 503.
    #[error("the callback could not be remembered")]
    Store(#[from] StoreError),
    /// Another delivery of the same conversion is at work. Answer 503.
    #[error("another delivery of this conversion is at work")]
    Busy {
        /// When it is over at the latest.
        retry_after: Duration,
    },
    /// The game's handler did not carry the decision out. It is written down and will be repeated. Answer 500.
    #[error("the handler did not carry out decision {}, which stays open and is repeated", id.without_player())]
    Handler {
        /// The decision.
        id: DecisionId,
        /// What the handler said, or that it panicked or took too long.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReceiveError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Store(_) | Self::Busy { .. } => Fault::Store,
            Self::Handler { .. } => Fault::Handler,
        }
    }
}

/// Guard and store, ready to take callbacks. Cheap to clone; clones share the store.
///
/// The handler is passed in with each call, or once and for all by [`Receiver::with_handler`]. It is given up
/// on after five sixths of the lease, so that nobody repeats its decision while it may still be at work.
pub struct Receiver<S, C = SystemClock> {
    shared: Arc<Shared<S, C>>,
    timing: Timing,
}

struct Shared<S, C> {
    store: S,
    clock: C,
}

impl<S, C> Clone for Receiver<S, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            timing: self.timing,
        }
    }
}

impl<S, C> fmt::Debug for Receiver<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "tokio")]
impl<S: DedupStore> Receiver<S> {
    /// A receiver with the system's clock and the default [`Timing`].
    pub fn new(store: S) -> Self {
        Self::with_clock(store, SystemClock)
    }
}

impl<S: DedupStore, C: Clock> Receiver<S, C> {
    /// A receiver with a clock of your own and the default [`Timing`].
    pub fn with_clock(store: S, clock: C) -> Self {
        Self {
            shared: Arc::new(Shared { store, clock }),
            timing: Timing::new(),
        }
    }

    /// With a timing of your own.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.shared.store
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }

    /// The timing.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Binds a handler, for whoever wants just one thing that takes callbacks.
    pub fn with_handler<H: Handler + 'static>(self, handler: H) -> HandlingReceiver<S, H, C> {
        HandlingReceiver {
            receiver: self,
            handler: Arc::new(handler),
        }
    }

    /// Takes one callback all the way.
    ///
    /// Should an earlier decision of the same conversion be open still, the handler is given that one
    /// first, and then this callback's.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should call again.
    pub fn receive<'a, H: Handler, E: Into<Arc<Event>>>(
        &'a self,
        event: E,
        handler: &'a H,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send + use<'a, S, C, H, E> {
        let (origin, steps) = self.steps(event.into());
        async move {
            let work = self.all_the_way(steps, handler);
            let result = work.instrument(origin.span()).await;
            origin.tell(result.as_ref());
            result
        }
    }

    /// Takes one callback up to the decision and hands that over, for a caller who settles himself.
    ///
    /// # Errors
    /// [`ReceiveError::Store`] and [`ReceiveError::Busy`].
    pub fn begin(
        &self,
        event: Event,
    ) -> impl Future<Output = Result<Progress<S, C>, ReceiveError>> + Send + use<'_, S, C> {
        let (origin, steps) = self.steps(Arc::new(event));
        async move {
            let result = self.drive(steps, None).instrument(origin.span()).await;
            Origin::follow(Some(origin), result)
        }
    }

    // The futures from here on are parts of one another, and a server moves the whole about for each request. So what
    // is large is made before them and boxed.
    fn steps(&self, event: Arc<Event>) -> (Origin, Box<Steps>) {
        let origin = Origin::of(&event);
        (origin, Box::new(Steps::receive(event, self.timing)))
    }

    /// Lets the handler carry out whatever the steps say.
    async fn all_the_way<H: Handler>(
        &self,
        steps: Box<Steps>,
        handler: &H,
    ) -> Result<Receipt, ReceiveError> {
        match self.drive(steps, None).await? {
            Progress::Answered(receipt) => Ok(receipt),
            Progress::Deliver(delivery) => delivery.settle_boxed_with(handler).await,
        }
    }

    /// Drives the steps until the handler's turn or the answer.
    pub(crate) fn drive(
        &self,
        mut steps: Box<Steps>,
        happened: Option<Happened>,
    ) -> impl Future<Output = Result<Progress<S, C>, ReceiveError>> + Send + use<'_, S, C> {
        let Shared { store, clock } = &*self.shared;
        let mut step = match happened {
            Some(happened) => steps.advance(happened, clock.now()),
            None if S::CLAIMS_FIRST => steps.claim(clock.now()),
            None => steps.step(),
        };
        async move {
            loop {
                let since = Since::now();
                let happened = match step {
                    Step::Load(ref key) => {
                        Happened::Loaded(stored("load", store.load(key).await, since)?)
                    }
                    Step::Swap {
                        expected,
                        ref record,
                    } => {
                        let swapped = store.swap(expected, record).await;
                        Happened::Swapped(stored("swap", swapped, since)?)
                    }
                    Step::Wait(span) => {
                        clock.sleep(span).await;
                        Happened::Waited
                    }
                    Step::Handle(decision) => {
                        let delivery = Delivery::new(self.clone(), steps, decision);
                        return Ok(Progress::Deliver(Box::new(delivery)));
                    }
                    Step::Answer(Answer::Receipt(receipt)) => {
                        return Ok(Progress::Answered(receipt));
                    }
                    Step::Answer(Answer::Busy { retry_after }) => {
                        return Err(ReceiveError::Busy { retry_after });
                    }
                    Step::Answer(Answer::HandlerFailed(id)) => {
                        return Err(ReceiveError::Handler {
                            id,
                            source: "the handler failed".into(),
                        });
                    }
                };
                step = steps.advance(happened, clock.now());
            }
        }
    }

    /// Lets the handler carry one decision out, bounded in time, whatever it does.
    pub(crate) async fn attempt<H: Handler>(
        &self,
        handler: &H,
        decision: &Decision,
    ) -> attempt::Attempt {
        #[expect(clippy::arithmetic_side_effects, reason = "six is not zero")]
        let timeout = self.timing.lease.saturating_mul(5) / 6;
        let limit = pin!(self.shared.clock.sleep(timeout));
        let since = Since::now();
        let attempt = attempt::attempt(handler, decision, limit).await;
        observe::handler(attempt.handled.as_str(), since);
        attempt
    }
}

/// A receiver with its handler: what a web route needs.
pub struct HandlingReceiver<S, H, C = SystemClock> {
    receiver: Receiver<S, C>,
    handler: Arc<H>,
}

impl<S, H, C> Clone for HandlingReceiver<S, H, C> {
    fn clone(&self) -> Self {
        Self {
            receiver: self.receiver.clone(),
            handler: Arc::clone(&self.handler),
        }
    }
}

impl<S, H, C> fmt::Debug for HandlingReceiver<S, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlingReceiver")
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}

impl<S: DedupStore, H: Handler + 'static, C: Clock> HandlingReceiver<S, H, C> {
    /// Repeats every open decision that nobody is at work on: see [`Resume::resume`].
    ///
    /// # Errors
    /// [`StoreError`], when the store does not answer.
    pub async fn resume(&self) -> Result<Resumed, StoreError> {
        self.receiver.resume(&*self.handler).await
    }

    /// The receiver without the handler.
    pub fn receiver(&self) -> &Receiver<S, C> {
        &self.receiver
    }
}

impl<S: DedupStore, H: Handler + 'static, C: Clock> Resume for HandlingReceiver<S, H, C> {
    fn resume(&self) -> impl Future<Output = Result<Resumed, StoreError>> + Send {
        self.receiver.resume(&*self.handler)
    }
}

impl<S: DedupStore, H: Handler + 'static, C: Clock> Receive for HandlingReceiver<S, H, C> {
    fn receive(
        &self,
        event: impl Into<Arc<Event>>,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        self.receiver.receive(event, &*self.handler)
    }
}
