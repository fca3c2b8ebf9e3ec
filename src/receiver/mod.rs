//! Receives verified callbacks: stores them, and delivers their decisions to the game.

mod in_transaction;
mod recovery;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tracing::Instrument as _;

pub use in_transaction::InTransaction;
use recovery::Background;
pub use recovery::{Recovery, RecoverySummary};

use crate::clock::{Clock, SystemClock};
use crate::decision::{Decision, DecisionId};
use crate::error::Origin;
use crate::event::Event;
use crate::handler::{Handler, HandlerError};
use crate::id::RecordKey;
use crate::network::{Callback as _, Endpoint, Verified, check_kept_by};
use crate::protocol::{Command, HandlerResult, Input, Protocol, Receipt, Timing};
use crate::store::{DedupStore, KeptCallback, StoreError, Stored, all_unusable};
use crate::telemetry::{self, CallbackSpan, Timer};
use crate::verify::{Problem, Request, Unusable, VerifyError};

/// The longest time that a network is asked to wait before it retries.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Why a callback was not dealt with.
///
/// Unless it was [rejected](Self::Rejected), it is verified, and the network should retry; what was stored is not lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The request was not accepted as a callback. Only from [`Receiver::handle`].
    #[error(transparent)]
    Rejected(#[from] VerifyError),
    /// The store failed. Respond with 503.
    #[error("failed to store the callback")]
    Store(#[from] StoreError),
    /// Another process works on the conversion. Respond with 503.
    #[error("another process works on this conversion: retry later")]
    Busy {
        /// When the other one is done at the latest; at most five minutes.
        retry_after: Duration,
    },
    /// The handler did not carry out a decision. It is stored and will be retried. Respond with 500.
    #[error("handler failed for decision {}, which stays pending", id.redacted())]
    Handler {
        /// The decision.
        id: DecisionId,
        /// The handler's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReceiveError {
    /// Who is at fault.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Rejected(error) => error.origin(),
            Self::Store(_) | Self::Busy { .. } => Origin::Store,
            Self::Handler { .. } => Origin::Handler,
        }
    }

    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rejected(error) => error.as_str(),
            Self::Store(_) => "store_failed",
            Self::Busy { .. } => "busy",
            Self::Handler { .. } => "handler_failed",
        }
    }
}

/// Takes verified callbacks. Implemented by [`Receiver`]; web routes accept anything that implements it.
pub trait Receive: Clone + Send + Sync + 'static {
    /// Deals with a verified callback.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should retry.
    fn receive(
        &self,
        callback: impl Into<Verified<Event>> + Send,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send;

    /// Keeps a genuine callback that cannot be used. It can be replayed once the configuration is fixed.
    ///
    /// # Errors
    /// [`StoreError`]: whether it is kept is unknown.
    fn keep(&self, unusable: &Unusable) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Starts what runs in the background, such as recovery, unless it runs already or there is no tokio runtime. Routes
    /// call it when they are built.
    fn start(&self);
}

/// How decisions reach the game: through a [`Handler`], or [`InTransaction`] of the store. Implemented by this crate
/// only.
pub trait Deliver<S, C>: Send + Sync + Sized + 'static {
    /// Runs the protocol to its end.
    fn run(
        &self,
        receiver: &Receiver<S, Self, C>,
        protocol: Protocol,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send;
}

/// Receives verified callbacks, stores them, and delivers their decisions. Cheap to clone; clones share everything.
///
/// Recovery is on unless switched off ([`without_recovery`](Self::without_recovery)): a background task retries decisions
/// that were left pending by a crash or a failing handler. It starts with the first route or callback inside a tokio
/// runtime, and ends when the last clone is dropped.
///
/// ```
/// use postback::{Decision, HandlerError, MemoryStore, Receiver};
///
/// async fn pay(decision: Decision) -> Result<(), HandlerError> {
///     println!("{} {}", decision.player(), decision.balance_change());
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = Receiver::new(MemoryStore::new(), pay);
/// let summary = receiver.recover().await?;
/// assert_eq!(summary.delivered, 0);
/// # Ok(())
/// # }
/// ```
pub struct Receiver<S, H, C = SystemClock> {
    store: S,
    handler: Arc<H>,
    clock: Arc<C>,
    timing: Timing,
    recovery: Recovery,
    has_background: bool,
    defers: bool,
    background: Arc<Background>,
}

impl<S: Clone, H, C> Clone for Receiver<S, H, C> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            handler: Arc::clone(&self.handler),
            clock: Arc::clone(&self.clock),
            background: Arc::clone(&self.background),
            ..*self
        }
    }
}

impl<S, H, C> fmt::Debug for Receiver<S, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl<S: DedupStore, H: Handler> Receiver<S, H> {
    /// A receiver whose handler runs outside the store: every decision is stored before the handler is called.
    pub fn new(store: S, handler: H) -> Self {
        Self::of(store, Arc::new(handler), SystemClock)
    }
}

impl<S, H> Receiver<S, H> {
    fn of(store: S, handler: Arc<H>, clock: SystemClock) -> Self {
        Self {
            store,
            handler,
            clock: Arc::new(clock),
            timing: Timing::default(),
            recovery: Recovery::default(),
            has_background: true,
            defers: false,
            background: Arc::default(),
        }
    }
}

impl<S, H, C> Receiver<S, H, C> {
    /// With another clock.
    #[must_use]
    pub fn clock<D: Clock>(self, clock: D) -> Receiver<S, H, D> {
        Receiver {
            store: self.store,
            handler: self.handler,
            clock: Arc::new(clock),
            timing: self.timing,
            recovery: self.recovery,
            has_background: self.has_background,
            defers: self.defers,
            background: self.background,
        }
    }

    /// With another timing.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With another schedule for recovery, in the background and for [`recover`](Self::recover).
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Without a background task: call [`recover`](Self::recover) at startup and from time to time.
    #[must_use]
    pub fn without_recovery(mut self) -> Self {
        self.has_background = false;
        self
    }

    /// Makes [`receive`](Self::receive) return as soon as the callback is stored durably, as [`accept`](Self::accept)
    /// does. Its decision is delivered in the background.
    #[must_use]
    pub fn deferred(mut self) -> Self {
        self.defers = true;
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn handler(&self) -> &H {
        &self.handler
    }
}

impl<S: DedupStore, H: Deliver<S, C>, C: Clock> Receiver<S, H, C> {
    /// Stores a verified callback and delivers its decision before it returns. Decisions of the same conversion that are
    /// still pending are delivered first.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should retry.
    pub async fn receive(&self, callback: impl Into<Verified<Event>>) -> Result<Receipt, ReceiveError> {
        let event = Arc::new(callback.into().into_inner());
        let protocol = if self.defers { Protocol::accept } else { Protocol::receive };
        self.run_for(&event, protocol(Arc::clone(&event), self.timing)).await
    }

    /// Stores a verified callback durably. Its decision is delivered later, in the background.
    ///
    /// # Errors
    /// [`ReceiveError::Store`]: the network should retry.
    pub async fn accept(&self, callback: impl Into<Verified<Event>>) -> Result<Receipt, ReceiveError> {
        let event = Arc::new(callback.into().into_inner());
        self.run_for(&event, Protocol::accept(Arc::clone(&event), self.timing)).await
    }

    /// Delivers what is pending of one record.
    ///
    /// # Errors
    /// [`ReceiveError`]: something is still pending.
    pub async fn deliver(&self, key: RecordKey) -> Result<Receipt, ReceiveError> {
        self.handler.run(self, Protocol::deliver(key, self.timing)).await
    }

    /// As [`deliver`](Self::deliver), for a record that was just loaded: it is not loaded again. If it changed since, the
    /// change is seen.
    ///
    /// # Errors
    /// [`ReceiveError`]: something is still pending.
    pub async fn deliver_loaded(&self, stored: Stored) -> Result<Receipt, ReceiveError> {
        let mut protocol = Protocol::deliver(stored.record.key().clone(), self.timing);
        protocol.advance(Input::Loaded(Some(stored)), self.clock.now());
        self.handler.run(self, protocol).await
    }

    /// Verifies a request and deals with it: receives a callback, keeps one that cannot be used.
    ///
    /// # Errors
    /// [`ReceiveError`]: what to respond.
    pub async fn handle<E: Endpoint>(&self, endpoint: &E, request: &Request<'_>) -> Result<Receipt, ReceiveError> {
        endpoint.prepare(request).await;
        match endpoint.verify(request) {
            Ok(callback) => receive_or_keep(self, endpoint, &callback, callback.to_event()).await,
            Err(error) => {
                telemetry::record_rejected(endpoint, &error);
                if let VerifyError::Unusable(unusable) = &error {
                    self.keep(unusable).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Replays the kept callbacks of an endpoint under its present configuration. Those that are dealt with are removed.
    /// They are those of its network, app, name and path: the rest of its URL may have changed. Others stay kept. They are
    /// replayed in the order in which they came. A ban counts as the player's latest, even if another one came meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]. What was replayed by then stays so; it is safe to run it again.
    pub async fn replay<E: Endpoint>(&self, endpoint: &E) -> Result<ReplaySummary, StoreError> {
        let mut own = all_unusable(&self.store).await?;
        own.retain(|kept| check_kept_by(endpoint, &kept.callback).is_ok());
        // As they came: of a ban and its end, the later one counts.
        own.sort_by_key(|kept| kept.received);
        let mut summary = ReplaySummary::default();
        for kept in own {
            let Ok(callback) = endpoint.replay(&kept.callback) else {
                summary.unusable += 1;
                continue;
            };
            match self.receive(Verified::new(callback.to_event())).await {
                Ok(_) => {
                    self.store.remove_unusable(&kept.id).await?;
                    summary.replayed += 1;
                }
                Err(ReceiveError::Store(error)) if !error.is_about_one_record() => return Err(error),
                Err(_) => summary.failed += 1,
            }
        }
        Ok(summary)
    }

    async fn run_for(&self, event: &Event, protocol: Protocol) -> Result<Receipt, ReceiveError> {
        self.start();
        let span = CallbackSpan::new(event);
        let result = self.handler.run(self, protocol).instrument(span.span()).await;
        if let Ok(Receipt::Accepted(decision)) = &result {
            self.background.deliver_soon(decision.conversion().clone());
        }
        span.finish(result.as_ref().map_err(|error| (error.as_str(), error as &dyn std::error::Error)));
        result
    }
}

/// Receives a callback of an endpoint, and keeps it if its record cannot be read: the network stops retrying long before
/// a person has repaired the record. `event` is the callback's.
pub(crate) async fn receive_or_keep<E: Endpoint>(
    receiver: &impl Receive,
    endpoint: &E,
    callback: &Verified<E::Callback>,
    event: Event,
) -> Result<Receipt, ReceiveError> {
    let received = receiver.receive(Verified::new(event)).await;
    if let Err(ReceiveError::Store(StoreError::Unreadable { .. } | StoreError::Newer { .. })) = &received {
        let Event { network, app, endpoint: name, query, .. } = callback.to_event();
        let problem = Problem::UnreadableRecord;
        receiver.keep(&Unusable::new(&network, &app, name, endpoint.path(), problem, query)).await?;
    }
    received
}

/// The result of [`Receiver::replay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplaySummary {
    /// Dealt with and removed.
    pub replayed: usize,
    /// Still unusable under this configuration.
    pub unusable: usize,
    /// Could be used, but receiving failed: they stay kept.
    pub failed: usize,
}

impl<S: DedupStore, H: Deliver<S, C>, C: Clock> Receive for Receiver<S, H, C> {
    fn receive(
        &self,
        callback: impl Into<Verified<Event>> + Send,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        let callback = callback.into();
        async move { Receiver::receive(self, callback).await }
    }

    async fn keep(&self, unusable: &Unusable) -> Result<(), StoreError> {
        let kept = KeptCallback::new(unusable.callback.clone(), self.clock.now());
        let timer = Timer::start();
        let removed = telemetry::record_store("keep_unusable", self.store.keep_unusable(&kept).await, timer)?;
        telemetry::log_kept(unusable, removed);
        Ok(())
    }

    fn start(&self) {
        if self.has_background {
            recovery::start(self, self.recovery);
        }
    }
}

/// The driver for handlers outside the store.
impl<S: DedupStore, H: Handler, C: Clock> Deliver<S, C> for H {
    async fn run(&self, receiver: &Receiver<S, Self, C>, protocol: Protocol) -> Result<Receipt, ReceiveError> {
        let (store, clock) = (&receiver.store, &*receiver.clock);
        let mut protocol = Box::new(protocol);
        let mut failure = None;
        let mut command = protocol.command();
        loop {
            let timer = Timer::start();
            let input = match command {
                Command::Load(key) => Input::Loaded(telemetry::record_store("load", store.load(&key).await, timer)?),
                Command::Swap { expected, record } => {
                    let swapped = store.swap(expected, &record).await;
                    Input::Swapped(telemetry::record_store("swap", swapped, timer)?)
                }
                Command::Handle { decision, lease } => {
                    let result = match receiver.timing.handler_limit(&lease, clock.now()) {
                        None => Err(Failure::NotStarted),
                        Some(limit) => {
                            let work = async { self.handle(decision.clone()).await };
                            bounded(work, clock.sleep(limit)).await
                        }
                    };
                    let result = handler_result(&decision, result, timer, &mut failure);
                    Input::Handled(result)
                }
                Command::Wait(span) => {
                    clock.sleep(span).await;
                    Input::Waited
                }
                // Only inside transactions.
                Command::SwapAndHandle { .. } => Input::Handled(HandlerResult::NotStarted),
                ended => return outcome(ended, failure),
            };
            command = protocol.advance(input, clock.now());
        }
    }
}

/// What a protocol that has ended means for the caller.
fn outcome(command: Command, failure: Option<Failure>) -> Result<Receipt, ReceiveError> {
    match command {
        Command::Finish(receipt) => Ok(receipt),
        Command::HandlerFailed(id) => {
            let source = failure.unwrap_or(Failure::NotStarted).into_source();
            Err(ReceiveError::Handler { id, source })
        }
        Command::Busy { retry_after } => Err(ReceiveError::Busy { retry_after: retry_after.min(MAX_RETRY_AFTER) }),
        _ => Err(ReceiveError::Busy { retry_after: MAX_RETRY_AFTER }),
    }
}

/// Why a call of the handler did not succeed.
enum Failure {
    Handler(HandlerError),
    Panicked,
    TimedOut,
    NotStarted,
}

impl Failure {
    fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Handler(HandlerError::Failed(source)) => source,
            Self::Handler(HandlerError::Declined(reason)) => reason.into(),
            Self::Panicked => "the handler panicked".into(),
            Self::TimedOut => "the handler did not return within its lease".into(),
            Self::NotStarted => "too little time left on the lease to start the handler".into(),
        }
    }
}

/// Records how a call of the handler ended, and keeps its error for the caller.
fn handler_result(
    decision: &Decision,
    result: Result<(), Failure>,
    timer: Timer,
    failure: &mut Option<Failure>,
) -> HandlerResult {
    let handled = match result {
        Ok(()) => HandlerResult::Done,
        Err(Failure::Handler(HandlerError::Declined(reason))) => HandlerResult::Declined { reason },
        Err(error) => {
            let handled = match &error {
                Failure::Handler(error) => HandlerResult::Failed { error: error.to_string() },
                Failure::Panicked => HandlerResult::Failed { error: "panicked".into() },
                Failure::TimedOut => HandlerResult::TimedOut,
                Failure::NotStarted => HandlerResult::NotStarted,
            };
            *failure = Some(error);
            handled
        }
    };
    telemetry::record_handler(decision, &handled, timer);
    handled
}

/// Runs a handler until it returns, panics, or the time limit is over.
async fn bounded(
    work: impl Future<Output = Result<(), HandlerError>> + Send,
    limit: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    let (mut work, mut limit) = (pin!(work), pin!(limit));
    poll_fn(|context| {
        // After a panic the future is not polled again, so that nothing half-done is seen.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(result)) => return Poll::Ready(result.map_err(Failure::Handler)),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(Err(Failure::Panicked)),
        }
        limit.as_mut().poll(context).map(|()| Err(Failure::TimedOut))
    })
    .await
}
