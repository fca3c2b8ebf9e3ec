//! The one writer: whatever waits is committed together, with one sync to the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::leash::Leashed;
use crate::store::StoreError;
use crate::sync::mpsc::Receiver;

/// An engine's error that several callers are told.
pub(super) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a group was not committed.
#[derive(Debug, Clone)]
pub(super) struct GroupError {
    pub(super) doing: &'static str,
    pub(super) cause: Cause,
}

impl GroupError {
    fn new(
        doing: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing,
            cause: Arc::from(cause.into()),
        }
    }
}

impl From<GroupError> for StoreError {
    fn from(error: GroupError) -> Self {
        Self::Unavailable {
            doing: error.doing,
            source: Box::new(SharedCause(error.cause)),
        }
    }
}

/// Says a shared error in one's own name.
#[derive(Debug)]
pub(super) struct SharedCause(pub(super) Cause);

impl std::fmt::Display for SharedCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// One operation of a group.
pub(super) trait Operation: Send {
    /// Does its work inside the group's transaction. Undoes by itself what must not stay.
    fn run(&mut self, leashed: &Leashed);

    /// Its work, run alone, made the transaction fail. Whether to run it once more, now without the game's code.
    fn blame(&mut self, cause: &Cause) -> bool;

    /// Tells the caller. `Ok`: the group is on the disk.
    fn answer(self: Box<Self>, group: Result<(), GroupError>);
}

/// How a group failed.
enum Failure {
    /// Nobody in it is to blame.
    Engine(GroupError),
    /// One of its operations ended the transaction or made its commit impossible.
    Spoilt(GroupError),
}

/// Serves the queue until it is closed and empty.
pub(super) fn serve(leashed: &Leashed, queue: &Receiver<Box<dyn Operation>>, limit: usize) {
    while let Ok(first) = queue.recv() {
        let next = |size| {
            if size < limit {
                queue.try_recv().ok()
            } else {
                None
            }
        };
        let mut group = vec![first];
        while let Some(operation) = next(group.len()) {
            group.push(operation);
        }
        // Whoever arrives while these are at work joins them. Should a subscriber to the log panic, whoever is not
        // answered yet finds his reply gone; the next are served.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let outcome = attempt(leashed, &mut group, next);
            end(leashed, group, outcome);
        }));
    }
}

/// One operation in a transaction of its own.
fn alone(leashed: &Leashed, operation: Box<dyn Operation>) {
    let mut group = vec![operation];
    let outcome = attempt(leashed, &mut group, |_| None);
    end(leashed, group, outcome);
}

fn end(leashed: &Leashed, mut group: Vec<Box<dyn Operation>>, outcome: Result<(), Failure>) {
    match outcome {
        Ok(()) => answer(group, &Ok(())),
        Err(Failure::Engine(error)) => {
            tracing::error!(target: "postback::store", doing = error.doing, error = %error.cause, operations = group.len(), "SQLite failed");
            answer(group, &Err(error));
        }
        // All of it is rolled back. One by one, only the guilty operation fails.
        Err(Failure::Spoilt(_)) if group.len() > 1 => {
            for operation in group {
                alone(leashed, operation);
            }
        }
        Err(Failure::Spoilt(error)) => {
            tracing::error!(target: "postback::store", error = %error.cause, "an operation made its transaction fail");
            let once_more = group
                .iter_mut()
                .any(|operation| operation.blame(&error.cause));
            let fate = if once_more {
                attempt(leashed, &mut group, |_| None)
            } else {
                Err(Failure::Spoilt(error))
            };
            answer(
                group,
                &fate.map_err(|(Failure::Engine(error) | Failure::Spoilt(error))| error),
            );
        }
    }
}

fn answer(group: Vec<Box<dyn Operation>>, fate: &Result<(), GroupError>) {
    for operation in group {
        // A caller who has gone leaves his value to be dropped here, and it may panic. The others are answered.
        if catch_unwind(AssertUnwindSafe(|| operation.answer(fate.clone()))).is_err() {
            tracing::error!(target: "postback::store", "what a caller left behind panicked when it was dropped");
        }
    }
}

/// One transaction. Leaves none open behind it. `next` says who else joins a group of this size.
fn attempt(
    leashed: &Leashed,
    group: &mut Vec<Box<dyn Operation>>,
    next: impl Fn(usize) -> Option<Box<dyn Operation>>,
) -> Result<(), Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| transact(leashed, group, next)));
    let result = result.unwrap_or_else(|_| {
        Err(Failure::Engine(GroupError::new(
            "carry an operation out",
            "the writer panicked; this is a bug",
        )))
    });
    if !leashed.connection().is_autocommit() {
        // Should even this fail, the next BEGIN does, too, and its callers are told.
        if let Err(error) = leashed.connection().execute_batch("ROLLBACK") {
            tracing::error!(target: "postback::store", %error, "SQLite could not roll back");
        }
    }
    result
}

fn transact(
    leashed: &Leashed,
    group: &mut Vec<Box<dyn Operation>>,
    next: impl Fn(usize) -> Option<Box<dyn Operation>>,
) -> Result<(), Failure> {
    let connection = leashed.connection();
    leashed
        .begin()
        .map_err(|error| Failure::Engine(GroupError::new("begin a transaction", error)))?;
    let mut at = 0;
    while let Some(operation) = group.get_mut(at) {
        operation.run(leashed);
        if connection.is_autocommit() {
            return Err(Failure::Spoilt(GroupError::new(
                "carry an operation out",
                "its transaction was ended",
            )));
        }
        at += 1;
        if at == group.len() {
            group.extend(next(at));
        }
    }
    leashed.commit().map_err(|error| {
        // A constraint that is checked at the end is somebody's in the group; all else is the disk's.
        let is_spoilt = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
        let error = GroupError::new("commit", error);
        if is_spoilt {
            Failure::Spoilt(error)
        } else {
            Failure::Engine(error)
        }
    })
}
