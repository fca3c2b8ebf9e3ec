//! One callback on its way through the steps, inside a transaction.

use std::pin::pin;
use std::time::Instant;

use sqlx::PgConnection;

use super::handler::PostgresHandler;
use super::keep::{Kept, keep};
use super::line::Next;
use super::receiver::Desk;
use super::rows::{self, Row, RowSwapped};
use super::session::{Begun, Session};
use super::{PostgresStore, failure};
use crate::clock::Clock;
use crate::decision::Decision;
use crate::guard::Record;
use crate::observe::{self, Since};
use crate::receiver::ReceiveError;
use crate::receiver::attempt::bounded;
use crate::receiver::log::{log_failed, log_refused};
use crate::steps::{Answer, Handled, Happened, Receipt, Step, Steps};
use crate::store::{StoreError, Swapped, Version};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What follows can be undone by itself. The transaction begins with one.
pub(super) const MARK: &str = "SAVEPOINT postback_decision";
const UNDO: &str = "ROLLBACK TO SAVEPOINT postback_decision; RELEASE SAVEPOINT postback_decision";
/// How the steps ended.
pub(super) enum Ended {
    /// Commit, then answer so.
    Commit(Result<Receipt, ReceiveError>),
    /// It is committed, and the next transaction begun: of whoever is next, or an empty one.
    Committed(Receipt, Begun, Option<Next<Session>>),
    /// Roll back; nothing was to be written.
    RollBack(ReceiveError),
    /// The connection is in no state to be used any more. Answer so.
    Abandon(Result<Receipt, ReceiveError>),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable { .. } | StoreError::Newer { .. } => {
                Self::RollBack(error.into())
            }
            error => Self::Abandon(Err(error.into())),
        }
    }
}

/// Drives the steps to their end.
pub(super) struct Attempt<'a, H, C> {
    pub(super) store: &'a PostgresStore,
    pub(super) desk: &'a Desk<H, C>,
    /// What the handler said last.
    pub(super) said: Option<Source>,
    /// The savepoint is set.
    pub(super) is_marked: bool,
    /// When the connection left the pool.
    pub(super) since: Instant,
}

impl<H: PostgresHandler, C: Clock> Attempt<'_, H, C> {
    pub(super) async fn run(mut self, transaction: &mut PgConnection, steps: Steps) -> Ended {
        self.drive(transaction, steps)
            .await
            .unwrap_or_else(|ended| ended)
    }

    async fn drive(
        &mut self,
        transaction: &mut PgConnection,
        mut steps: Steps,
    ) -> Result<Ended, Ended> {
        let mut step = self.begin(transaction, &mut steps).await?;
        loop {
            let happened = match step {
                Step::Load(key) => {
                    let text = key.to_string();
                    let find = rows::find(&self.store.sql().find_locked, transaction, &text);
                    let found = self.store.bounded("load a record", find).await?;
                    Happened::Loaded(found.map(|found| found.parse(&key)).transpose()?)
                }
                Step::Handle(decision) => self.handle(transaction, &steps, &decision).await?,
                Step::Swap { expected, record } => {
                    Happened::Swapped(self.swap(transaction, expected, &record).await?)
                }
                // Nobody waits inside a transaction.
                Step::Wait(span) => {
                    return Err(Ended::RollBack(ReceiveError::Busy { retry_after: span }));
                }
                Step::Answer(answer) => return Ok(self.answer(answer)),
            };
            step = steps.advance(happened, self.desk.clock.now());
        }
    }

    /// Most callbacks are their conversion's first: taken for that, in one question to the server instead of two.
    /// Whoever's conversion is known goes on as usual, unless there is nothing to do.
    async fn begin(
        &mut self,
        transaction: &mut PgConnection,
        steps: &mut Steps,
    ) -> Result<Step, Ended> {
        let mut first = steps.clone();
        let now = self.desk.clock.now();
        let Step::Handle(decision) = first.advance(Happened::Loaded(None), now) else {
            return Ok(steps.step());
        };
        let Some((None, settled)) = first.settlement(now) else {
            return Ok(steps.step());
        };
        match self.swap(transaction, None, &settled).await? {
            Swapped::Done(_) => {
                let happened = self.carry_out(transaction, &first, &decision).await?;
                *steps = first;
                Ok(steps.advance(happened, self.desk.clock.now()))
            }
            Swapped::Lost(current) => {
                let mut known = steps.clone();
                match known.advance(Happened::Loaded(current), now) {
                    answer @ Step::Answer(_) => Ok(answer),
                    _ => Ok(steps.step()),
                }
            }
        }
    }

    /// Settles the decision, then lets the game carry it out, in this order: whatever a handler does to the
    /// transaction, it does to both.
    async fn handle(
        &mut self,
        transaction: &mut PgConnection,
        steps: &Steps,
        decision: &Decision,
    ) -> Result<Happened, Ended> {
        if !self.is_marked {
            let mark = sqlx::raw_sql(MARK).execute(&mut *transaction);
            self.store.bounded("set a savepoint", mark).await?;
            self.is_marked = true;
        }
        if let Some((expected, settled)) = steps.settlement(self.desk.clock.now())
            && let Swapped::Lost(_) = self.swap(transaction, expected, &settled).await?
        {
            // Somebody without the lock, say a receiver of another kind: before the handler has done anything.
            let retry_after = self.desk.timing.pause;
            return Err(Ended::RollBack(ReceiveError::Busy { retry_after }));
        }
        self.carry_out(transaction, steps, decision).await
    }

    /// Lets the game carry out what is settled; undoes both unless it does.
    async fn carry_out(
        &mut self,
        transaction: &mut PgConnection,
        steps: &Steps,
        decision: &Decision,
    ) -> Result<Happened, Ended> {
        let store = self.store;
        let limit = self.desk.clock.sleep(self.desk.handler_timeout());
        let work = async { self.desk.handler.handle(transaction, decision).await };
        let since = Since::now();
        let attempt = bounded(pin!(work), pin!(limit)).await;
        observe::handler(attempt.handled.as_str(), since);
        self.is_marked = false;
        let handled = match attempt.handled {
            Handled::Done => {
                let receipt = steps.receipt_when_settled();
                let next = receipt.as_ref().and_then(|_| store.next(self.since));
                let opening = next.as_ref().map(Next::opening);
                match keep(store, transaction, receipt, opening).await {
                    Kept::Open => return Ok(Happened::SettledOutside),
                    Kept::Committed(receipt, begun) => {
                        return Err(Ended::Committed(receipt, begun, next));
                    }
                    Kept::Cut(receipt) => return Err(Ended::Abandon(Ok(receipt))),
                    Kept::Not(error) => self.not_kept(decision, error)?,
                    Kept::Unknown(error) => return Err(error.into()),
                }
            }
            Handled::Refused(reason) => {
                log_refused(decision.id());
                Handled::Refused(reason)
            }
            // Even if it hung: it is at work no longer, and what it wrote is undone.
            Handled::Failed | Handled::Hung => {
                let error = attempt.error.unwrap_or_else(|| "the handler failed".into());
                self.failed(decision, error)
            }
        };
        self.undo(transaction, decision).await?;
        Ok(Happened::Handled(handled))
    }

    /// What the handler wrote never happened.
    async fn undo(
        &mut self,
        transaction: &mut PgConnection,
        decision: &Decision,
    ) -> Result<(), Ended> {
        let store = self.store;
        let doing = "undo what a handler wrote";
        let undo = sqlx::raw_sql(UNDO).execute(&mut *transaction);
        let mut undone = store.bounded(doing, undo).await;
        if undone.is_err() {
            // Of a statement that the handler no longer waited for, the error comes first.
            let undo = sqlx::raw_sql(UNDO).execute(&mut *transaction);
            undone = store.bounded(doing, undo).await;
        }
        match undone {
            Ok(_) => Ok(()),
            // The transaction is gone with all that was in it, so nothing can be written down either.
            Err(error) => Err(match (self.said.take(), has_ended(&error)) {
                (Some(said), true) => meddled(decision, said),
                _ => error.into(),
            }),
        }
    }

    /// What the handler wrote cannot stay.
    fn not_kept(&mut self, decision: &Decision, error: sqlx::Error) -> Result<Handled, Ended> {
        match failure::code(&error).as_deref() {
            // No transaction any more, or not this one.
            Some("25P01" | "3B001") => Err(meddled(decision, "ended the transaction".into())),
            // One of its statements failed, which it did not mind; or a constraint that was deferred.
            Some(code) if !code.starts_with("57") => Ok(self.failed(decision, error.into())),
            _ => Err(self.store.failed("release a savepoint", error).into()),
        }
    }

    fn failed(&mut self, decision: &Decision, source: Source) -> Handled {
        log_failed(decision.id(), &*source);
        self.said = Some(source);
        Handled::Failed
    }

    async fn swap(
        &self,
        transaction: &mut PgConnection,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        let row = Row::new(expected, record)?;
        let swap = row.swap(self.store.sql(), transaction);
        Ok(match self.store.bounded("swap a record", swap).await? {
            RowSwapped::Done => Swapped::Done(Version::following(expected)),
            RowSwapped::Lost(found) => {
                Swapped::Lost(found.map(|found| found.parse(record.key())).transpose()?)
            }
        })
    }

    fn answer(&mut self, answer: Answer) -> Ended {
        match answer {
            Answer::Receipt(receipt) => Ended::Commit(Ok(receipt)),
            Answer::Busy { retry_after } => Ended::RollBack(ReceiveError::Busy { retry_after }),
            Answer::HandlerFailed(id) => {
                let said = self.said.take();
                let source = said.unwrap_or_else(|| "the handler failed".into());
                Ended::Commit(Err(ReceiveError::Handler { id, source }))
            }
        }
    }
}

/// The handler laid hands on the transaction. Nothing of it may be committed, so no intent is left either; the
/// callback is repeated by the network.
fn meddled(decision: &Decision, source: Source) -> Ended {
    tracing::error!(target: "postback::decision", id = %decision.id().without_player(), error = %source, "the handler laid hands on the store's transaction");
    let id = decision.id().clone();
    Ended::Abandon(Err(ReceiveError::Handler { id, source }))
}

fn has_ended(error: &StoreError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    let code = source.and_then(failure::code);
    matches!(code.as_deref(), Some("25P01" | "3B001"))
}
