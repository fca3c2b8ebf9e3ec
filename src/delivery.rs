//! One decision on its way to the game.

use std::fmt;
use std::future::Future;

use tracing::{Instrument, Span};

use crate::clock::{Clock, SystemClock};
use crate::decision::Decision;
use crate::guard::Record;
use crate::handler::Handler;
use crate::receiver::log::{Origin, log_failed, log_refused};
use crate::receiver::{ReceiveError, Receiver};
use crate::steps::{Handled, Happened, Receipt, Steps};
use crate::store::{DedupStore, Version};

/// How far a callback has come.
#[derive(Debug)]
#[must_use = "a delivery that is not settled stays open and is repeated"]
pub enum Progress<S, C = SystemClock> {
    /// It is the game's turn.
    Deliver(Box<Delivery<S, C>>),
    /// All is done: answer 200.
    Answered(Receipt),
}

/// One decision, written down and leased, for the game to carry out.
///
/// End it with [`done`](Self::done), [`failed`](Self::failed) or [`refused`](Self::refused), or let
/// [`settle_with`](Self::settle_with) do all of it. One that is dropped stays open: it is repeated, with
/// the same id, when its lease has run out.
///
/// It need not be the decision about the callback that has just arrived: an earlier one that was left
/// open comes first. Ending it yields the next [`Progress`].
#[must_use = "a delivery that is not settled stays open and is repeated"]
pub struct Delivery<S, C = SystemClock> {
    receiver: Receiver<S, C>,
    steps: Box<Steps>,
    decision: Decision,
    /// The callback that it began with; `None`, where something open is repeated without one.
    origin: Option<Origin>,
}

impl<S, C> fmt::Debug for Delivery<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("decision", &self.decision.id())
            .finish_non_exhaustive()
    }
}

/// What settles a delivery: a compare-and-swap, to be done in the transaction that pays.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The version to be replaced.
    pub expected: Option<Version>,
    /// What replaces it.
    pub record: Record,
}

impl<S, C> Delivery<S, C> {
    pub(crate) fn new(receiver: Receiver<S, C>, steps: Box<Steps>, decision: Decision) -> Self {
        Self {
            receiver,
            steps,
            decision,
            origin: None,
        }
    }

    pub(crate) fn follow(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn span(&self) -> Span {
        self.origin.as_ref().map_or_else(Span::none, Origin::span)
    }

    /// What the game is to do.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

impl<S: DedupStore, C: Clock> Delivery<S, C> {
    /// The game has carried it out.
    ///
    /// # Errors
    /// [`ReceiveError::Store`]: it could not be settled and will be repeated.
    pub fn done(self) -> impl Future<Output = Result<Progress<S, C>, ReceiveError>> + Send {
        self.go_on(Some(Handled::Done))
    }

    /// The game failed; whether it took effect is unknown. It stays open and may be repeated at once.
    pub async fn failed(
        self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ReceiveError {
        self.end_with_error(Handled::Failed, error.into()).await
    }

    /// The game refuses for good: the conversion is closed, and nothing of it moves again.
    ///
    /// # Errors
    /// [`ReceiveError::Store`]: the refusal could not be written down; the decision will be repeated.
    pub async fn refused(self, reason: impl Into<String>) -> Result<Progress<S, C>, ReceiveError> {
        let reason = reason.into();
        log_refused(self.decision.id());
        self.go_on(Some(Handled::Refused(reason))).await
    }

    /// What settles it, for a caller who pays and settles in one transaction of the store's database.
    /// After that has been committed, call [`settled_outside`](Self::settled_outside).
    pub fn settlement(&self) -> Option<Settlement> {
        let (expected, record) = self.steps.settlement(self.receiver.clock().now())?;
        Some(Settlement { expected, record })
    }

    /// The [`settlement`](Self::settlement) has been committed by the caller.
    ///
    /// # Errors
    /// [`ReceiveError`] of what comes next, where the callback that has arrived still waits for its turn.
    pub async fn settled_outside(self) -> Result<Progress<S, C>, ReceiveError> {
        self.go_on(None).await
    }

    /// Lets a handler carry out this decision and whatever comes after it.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should call again.
    pub fn settle_with<H: Handler>(
        self,
        handler: &H,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        Box::new(self).settle_boxed_with(handler)
    }

    pub(crate) async fn settle_boxed_with<H: Handler>(
        mut self: Box<Self>,
        handler: &H,
    ) -> Result<Receipt, ReceiveError> {
        loop {
            let attempt = self.receiver.attempt(handler, &self.decision);
            let attempt = attempt.instrument(self.span()).await;
            let progress = match (attempt.handled, attempt.error) {
                (Handled::Done, _) => self.done().await?,
                // What seldom happens takes no room in the future: it is boxed when it does.
                (Handled::Refused(reason), _) => Box::pin(self.refused(reason)).await?,
                (failed, error) => {
                    let error = error.unwrap_or_else(|| "the handler failed".into());
                    return Err(Box::pin(self.end_with_error(failed, error)).await);
                }
            };
            self = match progress {
                Progress::Deliver(next) => next,
                Progress::Answered(receipt) => return Ok(receipt),
            };
        }
    }

    /// `None`: it has been settled by the caller.
    fn go_on(
        self,
        handled: Option<Handled>,
    ) -> impl Future<Output = Result<Progress<S, C>, ReceiveError>> + Send {
        let span = self.span();
        // The decision is let go first: the future is part of larger ones.
        let Self {
            receiver,
            steps,
            origin,
            ..
        } = self;
        async move {
            let happened = handled.map_or(Happened::SettledOutside, Happened::Handled);
            let going_on = receiver.drive(steps, Some(happened));
            Origin::follow(origin, going_on.instrument(span).await)
        }
    }

    async fn end_with_error(
        mut self,
        handled: Handled,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> ReceiveError {
        let id = self.decision.id().clone();
        log_failed(&id, &*source);
        // What the handler said is told, not what the steps make of it.
        let origin = self.origin.take();
        // Should the lease not be given back, it runs out by itself.
        if let Err(ReceiveError::Store(error)) = self.go_on(Some(handled)).await {
            let id = id.without_player();
            tracing::warn!(target: "postback::decision", %id, %error, "the lease of a failed decision could not be given back");
        }
        let error = ReceiveError::Handler { id, source };
        if let Some(origin) = origin {
            origin.tell(Err(&error));
        }
        error
    }
}
