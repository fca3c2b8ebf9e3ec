//! One callback on its way through the steps, inside a transaction.

use super::leash::{Leashed, Returned};
use super::operations::unavailable;
use super::rows::{self, Row, RowSwapped};
use super::transaction::InTransaction;
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::event::RecordKey;
use crate::handler::HandlerError;
use crate::observe::{self, Since};
use crate::receiver::ReceiveError;
use crate::receiver::log::{log_failed, log_refused};
use crate::steps::{Answer, Handled, Happened, Receipt, Step, Steps};
use crate::store::{StoreError, Stored, Swapped, Version};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What comes of a callback if nothing is remembered of its conversion yet and the handler carries its decision
/// out, as nearly always. Worked out by the caller's thread, so that the writer has only SQL to do.
pub(super) struct Foreseen {
    key: RecordKey,
    looked: Steps,
    decision: Decision,
    row: Row,
    receipt: Receipt,
}

impl Foreseen {
    /// `None`, where it is not as simple as that.
    pub(super) fn of(steps: &Steps, now: Timestamp) -> Option<Self> {
        let mut looked = steps.clone();
        let Step::Handle(decision) = looked.advance(Happened::Loaded(None), now) else {
            return None;
        };
        let mut steps = looked.clone();
        let Step::Swap { expected, record } = steps.advance(Happened::Handled(Handled::Done), now)
        else {
            return None;
        };
        let row = Row::new(expected, &record).ok()?;
        let done = Swapped::Done(Version::following(expected));
        match steps.advance(Happened::Swapped(done), now) {
            Step::Answer(Answer::Receipt(receipt)) => Some(Self {
                key: record.key().clone(),
                looked,
                decision,
                row,
                receipt,
            }),
            _ => None,
        }
    }
}

/// How far a delivery came without a savepoint.
pub(super) enum Progress {
    Done(Result<Receipt, ReceiveError>),
    /// Nothing is written yet, and there is more to do than was foreseen.
    Untouched,
    /// The handler failed, refused or panicked, or the engine failed.
    Undo,
}

/// Drives the steps to their end on the writer's connection.
pub(super) struct Attempt<'a> {
    leashed: &'a Leashed,
    now: &'a dyn Fn() -> Timestamp,
    /// The handler's work is done and not yet settled: only with the swap may it stay.
    is_marked: bool,
    /// What the handler said last.
    said: Option<Source>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(leashed: &'a Leashed, now: &'a dyn Fn() -> Timestamp) -> Self {
        Self {
            leashed,
            now,
            is_marked: false,
            said: None,
        }
    }

    pub(super) fn run(
        mut self,
        steps: &Steps,
        foreseen: Option<&Foreseen>,
        handler: &dyn Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError>,
    ) -> Result<Receipt, ReceiveError> {
        let result = self.drive(steps, foreseen, handler);
        if self.is_marked && !self.leashed.connection().is_autocommit() {
            self.undo()?;
        }
        result
    }

    /// The same without a savepoint, as far as that goes.
    pub(super) fn join(
        mut self,
        steps: &Steps,
        foreseen: &Foreseen,
        handler: &dyn Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError>,
    ) -> Progress {
        match foreseen.row.swap(self.leashed.connection()) {
            Err(_) => Progress::Undo,
            Ok(RowSwapped::Done) => {
                let since = Since::now();
                let returned = self
                    .leashed
                    .lend(|transaction| handler(transaction, &foreseen.decision));
                if !matches!(returned, Returned::With(Ok(()))) {
                    return Progress::Undo;
                }
                observe::handler(word(&returned), since);
                Progress::Done(Ok(foreseen.receipt.clone()))
            }
            Ok(RowSwapped::Lost(found)) => {
                let Ok(found) = found.map(|found| found.parse(&foreseen.key)).transpose() else {
                    return Progress::Untouched;
                };
                let now = (self.now)();
                match steps.clone().advance(Happened::Loaded(found), now) {
                    Step::Answer(answer) => Progress::Done(self.answer(answer)),
                    _ => Progress::Untouched,
                }
            }
        }
    }

    fn drive(
        &mut self,
        steps: &Steps,
        foreseen: Option<&Foreseen>,
        handler: &dyn Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError>,
    ) -> Result<Receipt, ReceiveError> {
        let (mut steps, mut step) = match foreseen {
            None => (steps.clone(), steps.step()),
            Some(foreseen) => {
                let (mut steps, happened) = match self.claim(&foreseen.row)? {
                    RowSwapped::Done => match self.carry_out(&foreseen.decision, handler)? {
                        Handled::Done => {
                            self.keep()?;
                            return Ok(foreseen.receipt.clone());
                        }
                        ended => (foreseen.looked.clone(), Happened::Handled(ended)),
                    },
                    RowSwapped::Lost(found) => {
                        let found = found.map(|found| found.parse(&foreseen.key)).transpose()?;
                        (steps.clone(), Happened::Loaded(found))
                    }
                };
                let step = steps.advance(happened, (self.now)());
                (steps, step)
            }
        };
        loop {
            let happened = match step {
                Step::Load(key) => Happened::Loaded(self.find(key.as_str(), &key)?),
                Step::Handle(decision) => Happened::Handled(self.handle(&decision, handler)?),
                Step::Swap { expected, record } => {
                    self.swap(&Row::new(expected, &record)?)?;
                    Happened::Swapped(Swapped::Done(Version::following(expected)))
                }
                // Nobody waits inside a transaction.
                Step::Wait(span) => return Err(ReceiveError::Busy { retry_after: span }),
                Step::Answer(answer) => return self.answer(answer),
            };
            step = steps.advance(happened, (self.now)());
        }
    }

    fn find(&self, text: &str, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let found = rows::find(self.leashed.connection(), text)
            .map_err(|error| unavailable("load a record", error))?;
        found.map(|found| found.parse(key)).transpose()
    }

    /// Writes the settled row at once, behind a savepoint: the statement looks by itself whether anything is remembered.
    /// Should the handler not carry the decision out, the row is undone along with what he wrote.
    fn claim(&mut self, row: &Row) -> Result<RowSwapped, StoreError> {
        self.mark()?;
        let swapped = row
            .swap(self.leashed.connection())
            .map_err(|error| unavailable("swap a record", error))?;
        if let RowSwapped::Lost(_) = swapped {
            self.keep()?;
        }
        Ok(swapped)
    }

    fn handle(
        &mut self,
        decision: &Decision,
        handler: &dyn Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError>,
    ) -> Result<Handled, StoreError> {
        self.mark()?;
        self.carry_out(decision, handler)
    }

    /// Behind a savepoint, to which everything is undone unless the decision is carried out.
    fn carry_out(
        &mut self,
        decision: &Decision,
        handler: &dyn Fn(&InTransaction<'_>, &Decision) -> Result<(), HandlerError>,
    ) -> Result<Handled, StoreError> {
        let since = Since::now();
        let returned = self
            .leashed
            .lend(|transaction| handler(transaction, decision));
        observe::handler(word(&returned), since);
        let outcome = match returned {
            // Stays marked until the record is settled.
            Returned::With(Ok(())) => return Ok(Handled::Done),
            Returned::With(Err(HandlerError::Refused(reason))) => {
                log_refused(decision.id());
                Handled::Refused(reason)
            }
            Returned::With(Err(HandlerError::Failed(source))) => self.failed(decision, source),
            Returned::Panicked => self.failed(decision, "the handler panicked".into()),
            Returned::TransactionEnded => {
                return Err(StoreError::Unavailable {
                    doing: "carry a decision out",
                    source: "the handler ended the transaction".into(),
                });
            }
        };
        self.undo()?;
        Ok(outcome)
    }

    fn failed(&mut self, decision: &Decision, source: Source) -> Handled {
        log_failed(decision.id(), &*source);
        self.said = Some(source);
        Handled::Failed
    }

    fn swap(&mut self, row: &Row) -> Result<(), StoreError> {
        let swapped = row
            .swap(self.leashed.connection())
            .map_err(|error| unavailable("swap a record", error))?;
        match swapped {
            RowSwapped::Done => self.keep(),
            // Nobody else can write meanwhile, so this is not to happen; the handler's work must not stay then.
            RowSwapped::Lost(_) => Err(StoreError::Unavailable {
                doing: "swap a record",
                source: "the record changed within its own transaction".into(),
            }),
        }
    }

    fn mark(&mut self) -> Result<(), StoreError> {
        self.leashed
            .mark()
            .map_err(|error| unavailable("set a savepoint", error))?;
        self.is_marked = true;
        Ok(())
    }

    fn keep(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.is_marked) {
            self.leashed
                .keep()
                .map_err(|error| unavailable("release a savepoint", error))?;
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.is_marked = false;
        self.leashed
            .undo()
            .map_err(|error| unavailable("roll back to a savepoint", error))
    }

    fn answer(&mut self, answer: Answer) -> Result<Receipt, ReceiveError> {
        match answer {
            Answer::Receipt(receipt) => Ok(receipt),
            Answer::Busy { retry_after } => Err(ReceiveError::Busy { retry_after }),
            Answer::HandlerFailed(id) => Err(ReceiveError::Handler {
                id,
                source: self
                    .said
                    .take()
                    .unwrap_or_else(|| "the handler failed".into()),
            }),
        }
    }
}

/// How a call of the handler ended, in the words of [`Handled`].
fn word(returned: &Returned<Result<(), HandlerError>>) -> &'static str {
    match returned {
        Returned::With(Ok(())) => "done",
        Returned::With(Err(HandlerError::Refused(_))) => "refused",
        _ => "failed",
    }
}
