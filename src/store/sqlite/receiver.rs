//! Takes callbacks all the way inside the store's own transactions.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::Span;

use super::SqliteStore;
use super::answer::{Answer, Reply, ask};
use super::attempt::{Attempt, Foreseen, Progress};
use super::leash::Leashed;
use super::tell::Others;
use super::together::Joined;
use super::transaction::{InTransaction, SqliteHandler};
use super::writer::{Cause, GroupError, Operation, SharedCause};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::decision::Decision;
use crate::event::{Event, RecordKey};
use crate::handler::HandlerError;
use crate::observe::{self, Since};
use crate::receiver::log::{Origin, log_open_still};
use crate::receiver::{Receive, ReceiveError, Resume, Resumed};
use crate::steps::{Receipt, Steps, Timing};
use crate::store::{DedupStore, StoreError};

/// Takes callbacks all the way: remembered, carried out by the game and settled in one transaction.
///
/// Made by [`SqliteStore::receiver`]. Cheap to clone.
#[derive(Clone)]
pub struct SqliteReceiver {
    store: SqliteStore,
    desk: Desk,
}

/// What each delivery needs on the writer's thread.
#[derive(Clone)]
struct Desk {
    handler: Arc<dyn SqliteHandler>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    timing: Timing,
}

impl fmt::Debug for SqliteReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReceiver")
            .field("store", &self.store)
            .field("timing", &self.desk.timing)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// A receiver that settles in the store's own transactions: what the handler writes and the record are
    /// committed together, and many deliveries share one commit.
    pub fn receiver(&self, handler: impl SqliteHandler) -> SqliteReceiver {
        let now = Arc::new(|| SystemClock.now());
        let desk = Desk {
            handler: Arc::new(handler),
            now,
            timing: Timing::default(),
        };
        SqliteReceiver {
            store: self.clone(),
            desk,
        }
    }
}

impl SqliteReceiver {
    /// With a clock of your own.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.desk.now = Arc::new(move || clock.now());
        self
    }

    /// With a timing of your own. Only the lease matters here, and only to receivers of other kinds on the
    /// same store: nobody waits inside a transaction.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.desk.timing = timing;
        self
    }

    /// The store.
    pub fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Repeats every open decision that nobody is at work on. To be called when the program starts, and
    /// from time to time. Safe in several processes at once.
    ///
    /// # Errors
    /// [`StoreError`], when the store does not answer. A record that cannot be read counts as failed.
    pub async fn resume(&self) -> Result<Resumed, StoreError> {
        let mut resumed = Resumed::default();
        let mut after: Option<RecordKey> = None;
        let page = self.store.shared.batch;
        loop {
            let since = Since::now();
            let listed = self.store.unsettled(after.as_ref(), page);
            let keys = observe::stored("unsettled", listed.await, since)?;
            // All of a page are handed in before the first is waited for, so that they share commits.
            let answers: Vec<_> = keys
                .iter()
                .map(|key| (key, self.submit(Subject::Open(key.clone()))))
                .collect();
            for (key, answer) in answers {
                match wait(answer).await {
                    Ok(_) => resumed.settled += 1,
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
            if keys.len() < page {
                resumed.measure();
                return Ok(resumed);
            }
            after = keys.last().cloned();
        }
    }

    fn submit(&self, subject: Subject) -> Result<Delivered, StoreError> {
        let desk = self.desk.clone();
        let (steps, foreseen) = match subject {
            Subject::Callback(event) => {
                let steps = Steps::receive_in_transaction(event, desk.timing);
                // Should the clock panic, it does so on the writer again, where that is an error.
                let foresee = AssertUnwindSafe(|| Foreseen::of(&steps, (desk.now)()));
                let foreseen = catch_unwind(foresee).unwrap_or_default();
                (steps, foreseen)
            }
            Subject::Open(key) => (Steps::resume_in_transaction(key, desk.timing), None),
        };
        ask(&self.store.shared.writer, "take a callback", |reply| {
            Box::new(Receiving {
                steps,
                foreseen,
                desk,
                span: Span::current(),
                blamed: None,
                outcome: None,
                reply: Some(reply),
            })
        })
    }
}

impl Receive for SqliteReceiver {
    fn receive(
        &self,
        event: impl Into<Arc<Event>>,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        let event = event.into();
        async move {
            let origin = Origin::of(&event);
            let since = Since::now();
            let submitted = origin
                .span()
                .in_scope(|| self.submit(Subject::Callback(event)));
            let result = wait(submitted).await;
            observe::transaction(matches!(result, Err(ReceiveError::Store(_))), since);
            origin.tell(result.as_ref());
            result
        }
    }
}

impl Resume for SqliteReceiver {
    fn resume(&self) -> impl Future<Output = Result<Resumed, StoreError>> + Send {
        SqliteReceiver::resume(self)
    }
}

type Delivered = Answer<Result<Receipt, ReceiveError>>;

async fn wait(answer: Result<Delivered, StoreError>) -> Result<Receipt, ReceiveError> {
    answer?.await?
}

/// What a delivery is about.
enum Subject {
    Callback(Arc<Event>),
    Open(RecordKey),
}

/// One delivery, as an operation of the writer.
struct Receiving {
    steps: Steps,
    foreseen: Option<Foreseen>,
    desk: Desk,
    /// The caller's, for what the handler logs on the writer's thread.
    span: Span,
    /// Why its handler is not called again.
    blamed: Option<Cause>,
    outcome: Option<Result<Receipt, ReceiveError>>,
    reply: Option<Reply<Result<Receipt, ReceiveError>>>,
}

impl Receiving {
    fn handle(
        &self,
        transaction: &InTransaction<'_>,
        decision: &Decision,
    ) -> Result<(), HandlerError> {
        match &self.blamed {
            None => self.desk.handler.handle(transaction, decision),
            Some(cause) => Err(HandlerError::Failed(Box::new(SharedCause(Arc::clone(
                cause,
            ))))),
        }
    }
}

impl Operation for Receiving {
    fn run(&mut self, leashed: &Leashed) {
        let _entered = self.span.enter();
        let attempt = Attempt::new(leashed, &*self.desk.now);
        let outcome = attempt.run(&self.steps, self.foreseen.as_ref(), &|game, decision| {
            self.handle(game, decision)
        });
        self.outcome = Some(outcome);
    }

    fn can_run_again(&self) -> bool {
        true
    }

    fn join(&mut self, leashed: &Leashed) -> Joined {
        let Some(foreseen) = &self.foreseen else {
            return Joined::Untouched;
        };
        let _entered = self.span.enter();
        let attempt = Attempt::new(leashed, &*self.desk.now);
        let joined = attempt.join(&self.steps, foreseen, &|game, decision| {
            self.handle(game, decision)
        });
        match joined {
            Progress::Done(outcome) => {
                self.outcome = Some(outcome);
                Joined::Done
            }
            Progress::Untouched => Joined::Untouched,
            Progress::Undo => Joined::Undo,
        }
    }

    /// The handler wrote what cannot be committed. Once more without it, so that the decision is at least
    /// written down.
    fn blame(&mut self, cause: &Cause) -> bool {
        self.blamed.replace(Arc::clone(cause)).is_none()
    }

    fn answer(mut self: Box<Self>, group: Result<(), GroupError>, others: Option<Others>) {
        let answer = match (group, self.outcome.take()) {
            (Err(error), _) => Err(StoreError::from(error).into()),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
        };
        if let Some(reply) = self.reply.take() {
            reply.send(answer, others, self);
        }
    }
}
