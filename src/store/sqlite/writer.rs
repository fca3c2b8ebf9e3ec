//! The one writer: whatever waits is committed together, with one sync to the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::leash::Leashed;
use super::queue::{Next, Waiting};
use super::tell::{Others, Teller};
use super::together::{Joined, Wariness, run_all};
use crate::store::StoreError;

/// An engine's error that several callers are told.
pub(super) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a group was not committed.
#[derive(Debug, Clone)]
pub(super) struct GroupError {
    pub(super) doing: &'static str,
    pub(super) cause: Cause,
}

impl GroupError {
    pub(super) fn new(
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

    /// Whether it can do its work once more, in another transaction, after this one was rolled back.
    fn can_run_again(&self) -> bool;

    /// Does its work without a savepoint if it may, and then leaves it to others to undo what must not stay.
    fn join(&mut self, _: &Leashed) -> Joined {
        Joined::Untouched
    }

    /// Its work, run alone, made the transaction fail. Whether to run it once more, now without the game's code.
    fn blame(&mut self, cause: &Cause) -> bool;

    /// Tells the caller, and gives him the others that he is to tell. `Ok`: the group is on the disk.
    fn answer(self: Box<Self>, group: Result<(), GroupError>, others: Option<Others>);
}

/// How a group failed.
pub(super) enum Failure {
    /// Nobody in it is to blame.
    Engine(GroupError),
    /// One of its operations ended the transaction or made its commit impossible.
    Spoilt(GroupError),
}

/// Serves the queue until it is closed and empty.
pub(super) fn serve(leashed: &Leashed, queue: &Waiting<Box<dyn Operation>>, limit: usize) {
    let mut writer = Writer {
        leashed,
        wariness: Wariness::default(),
        teller: Teller::default(),
    };
    loop {
        let group = match queue.next(limit, writer.teller.patience()) {
            Next::These(group) => group,
            Next::Nothing => {
                writer.teller.tell_rest();
                continue;
            }
            Next::End => break,
        };
        // Whoever arrives while these are at work joins them.
        let latecomers = |size: usize| queue.latecomers(limit.saturating_sub(size));
        // Should a subscriber to the log panic, whoever is not answered yet finds his reply gone; the next are served.
        let _ = catch_unwind(AssertUnwindSafe(|| writer.serve(group, latecomers)));
    }
    writer.teller.tell_rest();
}

struct Writer<'a> {
    leashed: &'a Leashed,
    wariness: Wariness,
    teller: Teller,
}

impl Writer<'_> {
    fn serve(
        &mut self,
        mut group: Vec<Box<dyn Operation>>,
        latecomers: impl Fn(usize) -> Vec<Box<dyn Operation>>,
    ) {
        match attempt(self.leashed, &mut group, latecomers, &mut self.wariness) {
            Ok(()) => self.teller.tell(group, &Ok(())),
            Err(Failure::Engine(error)) => {
                tracing::error!(target: "postback::store", doing = error.doing, error = %error.cause, operations = group.len(), "SQLite failed");
                self.teller.tell(group, &Err(error));
            }
            // All of it is rolled back. One by one, only the guilty operation fails.
            Err(Failure::Spoilt(error)) => match <[_; 1]>::try_from(group) {
                Ok([operation]) => self.alone(operation, error),
                Err(group) => {
                    for operation in group {
                        self.serve(vec![operation], nobody);
                    }
                }
            },
        }
    }

    /// One operation that made a transaction of its own fail.
    fn alone(&mut self, mut operation: Box<dyn Operation>, error: GroupError) {
        tracing::error!(target: "postback::store", error = %error.cause, "an operation made its transaction fail");
        let once_more = operation.blame(&error.cause);
        let mut group = vec![operation];
        let fate = if once_more {
            attempt(self.leashed, &mut group, nobody, &mut self.wariness)
        } else {
            Err(Failure::Spoilt(error))
        };
        let fate = fate.map_err(|(Failure::Engine(error) | Failure::Spoilt(error))| error);
        self.teller.tell(group, &fate);
    }
}

fn nobody(_: usize) -> Vec<Box<dyn Operation>> {
    Vec::new()
}

/// One transaction. Leaves none open behind it. `latecomers` join a group of this size.
fn attempt(
    leashed: &Leashed,
    group: &mut Vec<Box<dyn Operation>>,
    latecomers: impl Fn(usize) -> Vec<Box<dyn Operation>>,
    wariness: &mut Wariness,
) -> Result<(), Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        transact(leashed, group, latecomers, wariness)
    }));
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
    latecomers: impl Fn(usize) -> Vec<Box<dyn Operation>>,
    wariness: &mut Wariness,
) -> Result<(), Failure> {
    leashed
        .begin()
        .map_err(|error| Failure::Engine(GroupError::new("begin a transaction", error)))?;
    run_all(leashed, group, latecomers, wariness)?;
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
