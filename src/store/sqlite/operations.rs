//! What the writer is asked to do.

use super::answer::Reply;
use super::leash::{Leashed, Returned};
use super::tell::Others;
use super::transaction::InTransaction;
use super::writer::{Cause, GroupError, Operation};
use crate::store::StoreError;
use rusqlite::Connection;

/// Why the game's own work on the store's connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError<E> {
    /// The work said so. What it wrote was rolled back.
    #[error("the work failed")]
    Work(#[source] E),
    /// It panicked. What it wrote was rolled back.
    #[error("the work panicked")]
    Panicked,
    /// The store failed, or the work ended the transaction or made its commit impossible. Whether it took effect
    /// is unknown only when the disk failed during the commit.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// One statement of the store's own, on its own tables.
pub(super) struct Changing<T, F> {
    doing: &'static str,
    change: F,
    outcome: Option<rusqlite::Result<T>>,
    reply: Reply<Result<T, StoreError>>,
}

impl<T, F> Changing<T, F> {
    pub(super) fn new(doing: &'static str, change: F, reply: Reply<Result<T, StoreError>>) -> Self {
        Self {
            doing,
            change,
            outcome: None,
            reply,
        }
    }
}

impl<T, F> Operation for Changing<T, F>
where
    T: Send,
    F: Fn(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, leashed: &Leashed) {
        self.outcome = Some((self.change)(leashed.connection()));
    }

    fn can_run_again(&self) -> bool {
        true
    }

    fn blame(&mut self, _: &Cause) -> bool {
        false
    }

    fn answer(self: Box<Self>, group: Result<(), GroupError>, others: Option<Others>) {
        let answer = match (group, self.outcome) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(Ok(changed))) => Ok(changed),
            (Ok(()), Some(Err(error))) => Err(unavailable(self.doing, error)),
            (Ok(()), None) => return,
        };
        self.reply.send(answer, others, Box::new(()));
    }
}

/// The game's own work.
pub(super) struct Working<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<T, WorkError<E>>>,
    reply: Reply<Result<T, WorkError<E>>>,
}

impl<T, E, F> Working<T, E, F> {
    pub(super) fn new(work: F, reply: Reply<Result<T, WorkError<E>>>) -> Self {
        Self {
            work: Some(work),
            outcome: None,
            reply,
        }
    }
}

impl<T, E, F> Operation for Working<T, E, F>
where
    T: Send,
    E: Send,
    F: FnOnce(&InTransaction<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, leashed: &Leashed) {
        // It can only be called once. If its group has to be repeated, its caller is told.
        let result = match self.work.take() {
            Some(work) => marked(leashed, work),
            None => Err(StoreError::Unavailable {
                doing: "carry the work out",
                source: "the transaction that it shared was rolled back".into(),
            }
            .into()),
        };
        self.outcome = Some(result);
    }

    fn can_run_again(&self) -> bool {
        false
    }

    fn blame(&mut self, _: &Cause) -> bool {
        false
    }

    fn answer(self: Box<Self>, group: Result<(), GroupError>, others: Option<Others>) {
        let answer = match (group, self.outcome) {
            (Err(error), _) => Err(StoreError::from(error).into()),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
        };
        self.reply.send(answer, others, Box::new(()));
    }
}

fn marked<T, E>(
    leashed: &Leashed,
    work: impl FnOnce(&InTransaction<'_>) -> Result<T, E>,
) -> Result<T, WorkError<E>> {
    let failed = |error| WorkError::Store(unavailable("carry the work out", error));
    leashed.mark().map_err(failed)?;
    let failure = match leashed.lend(work) {
        Returned::With(Ok(value)) => {
            leashed.keep().map_err(failed)?;
            return Ok(value);
        }
        Returned::With(Err(error)) => WorkError::Work(error),
        Returned::Panicked => WorkError::Panicked,
        Returned::TransactionEnded => {
            return Err(StoreError::Unavailable {
                doing: "carry the work out",
                source: "it ended the transaction".into(),
            }
            .into());
        }
    };
    leashed.undo().map_err(failed)?;
    Err(failure)
}

/// The engine's error, with what was being done.
pub(super) fn unavailable(doing: &'static str, error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: Box::new(error),
    }
}
