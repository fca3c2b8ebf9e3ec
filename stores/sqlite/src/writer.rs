//! The thread that writes: what waits for it is committed together, with one sync to the disk.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use postback::StoreError;
use rusqlite::{Connection, ErrorCode};

use crate::error::{no_reply, unavailable};
use crate::sync::mpsc::Receiver;
use crate::sync::oneshot;
use crate::transaction::WriteConnection;

/// One caller's work in a batch.
pub(crate) trait Task: Send {
    /// Does the work inside the batch's transaction. Returns whether it succeeded; otherwise the transaction must be
    /// rolled back. It may be called again in another transaction.
    fn run(&mut self, db: &mut WriteConnection) -> bool;

    /// Sends the caller its result, or the error with which the transaction failed.
    fn reply(self: Box<Self>, error: Option<StoreError>);
}

/// A [`Task`] made of a closure.
pub(crate) struct Work<T, F> {
    run: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work<T, F> {
    pub(crate) fn new(run: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { run, result: None, reply }
    }
}

impl<T, F> Task for Work<T, F>
where
    T: Send,
    F: FnMut(&mut WriteConnection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &mut WriteConnection) -> bool {
        let result = (self.run)(db);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn reply(self: Box<Self>, error: Option<StoreError>) {
        let result = match (error, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            // Dropping the sender lets the caller know.
            (None, None) => return,
        };
        // The caller may have gone.
        let _ = self.reply.send(result);
    }
}

/// Why a transaction was rolled back.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("SQLite failed")]
    Sqlite(&'static str, #[source] rusqlite::Error),
    #[error("a task failed")]
    Task,
    #[error("a task panicked")]
    Panic,
    #[error("{0}")]
    Handler(String),
}

impl Failure {
    /// `None`: the task's own result says why.
    fn into_error(self) -> Option<StoreError> {
        match self {
            Self::Sqlite(operation, error) => Some(unavailable(operation, error)),
            Self::Task => None,
            Self::Panic => Some(no_reply("run a transaction")),
            Self::Handler(reason) => Some(StoreError::Unavailable {
                operation: "run a transaction",
                hint: "correct the handler",
                source: reason.into(),
            }),
        }
    }
}

/// Serves a queue on the connection that writes.
pub(crate) struct Writer {
    pub(crate) db: WriteConnection,
    pub(crate) queue: Receiver<Box<dyn Task>>,
}

/// How many tasks share a commit at most.
const LIMIT: usize = 256;

impl Writer {
    /// Serves the queue until it is closed and empty. Returns the connection.
    pub(crate) fn run(mut self) -> Connection {
        while let Ok(task) = self.queue.recv() {
            // A subscriber to the log may panic, too. Callers without a reply get an error, and the next are served.
            if catch_unwind(AssertUnwindSafe(|| self.serve(task))).is_err() {
                self.db.set_refusal(None);
                self.db.roll_back();
            }
        }
        self.db.into_connection()
    }

    /// Runs this task, and those that are queued meanwhile, in one transaction.
    fn serve(&mut self, first: Box<dyn Task>) {
        let mut batch = vec![first];
        if let Err(error) = self.db.begin() {
            // Whatever is queued would only wait for the same lock.
            batch.extend(self.queue.try_iter().take(LIMIT));
            log_failure("SQLite could not begin a transaction", &error, batch.len());
            let error = Arc::new(error);
            for task in batch {
                task.reply(Some(unavailable("begin a transaction", Arc::clone(&error))));
            }
            return;
        }
        if let Err(failure) = self.run_batch(&mut batch) {
            self.db.roll_back();
            log_failure("a transaction was rolled back: its tasks are run one by one", &failure, batch.len());
            for task in batch {
                self.serve_alone(task);
            }
            return;
        }
        for task in batch {
            task.reply(None);
        }
    }

    fn run_batch(&mut self, batch: &mut Vec<Box<dyn Task>>) -> Result<(), Failure> {
        let mut done = 0;
        while let Some(task) = batch.get_mut(done) {
            self.run_task(&mut **task)?;
            done += 1;
            if done < LIMIT {
                batch.extend(self.queue.try_recv());
            }
        }
        self.commit()
    }

    /// Runs a task in a transaction of its own, so that only the task that made its batch fail is affected.
    fn serve_alone(&mut self, mut task: Box<dyn Task>) {
        let mut result = self.run_alone(&mut *task);
        if let Err(Failure::Handler(reason)) = result {
            // Without the handler, its decision is stored as pending, as after any other failure.
            self.db.set_refusal(Some(reason));
            result = self.run_alone(&mut *task);
            self.db.set_refusal(None);
        }
        task.reply(result.err().and_then(Failure::into_error));
    }

    fn run_alone(&mut self, task: &mut dyn Task) -> Result<(), Failure> {
        self.db.begin().map_err(|error| Failure::Sqlite("begin a transaction", error))?;
        let result = self.run_task(task).and_then(|()| self.commit());
        if result.is_err() {
            self.db.roll_back();
        }
        result
    }

    fn run_task(&mut self, task: &mut dyn Task) -> Result<(), Failure> {
        let succeeded = catch_unwind(AssertUnwindSafe(|| task.run(&mut self.db)));
        if self.db.was_ended() {
            return Err(Failure::Handler("the transaction ended while the handler ran".to_owned()));
        }
        match succeeded {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Task),
            Err(_) => Err(Failure::Panic),
        }
    }

    fn commit(&self) -> Result<(), Failure> {
        self.db.commit().map_err(|error| {
            // A constraint that is checked at the end concerns what a handler wrote.
            if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) {
                Failure::Handler(format!("the handler's changes cannot be committed: {error}"))
            } else {
                Failure::Sqlite("commit a transaction", error)
            }
        })
    }
}

fn log_failure(message: &str, failure: &dyn Error, tasks: usize) {
    let source = failure.source().map(ToString::to_string);
    tracing::error!(target: "postback::store", error = %failure, error.source = source, tasks, "{message}");
}
