//! The protocol between receiver, store and handler, as pure steps.
//!
//! [`Steps`] is told what happened and says what to do next. It does no I/O and reads no clock, so the
//! async receiver, the SQLite writer, the tests and a model checker drive the very same steps.
//!
//! The order is: write the decision down as an intent with a lease, let the handler carry it out, settle
//! the record, answer. Whoever finds an intent whose lease has run out repeats it first, with the same id
//! and amount. Every swap names the version that it replaces, so that somebody who slept through his
//! lease cannot settle any more.

mod words;

use std::sync::Arc;
use std::time::Duration;

pub use words::{Answer, Handled, Happened, Receipt, Step, Timing};

use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::event::{Event, RecordKey};
use crate::guard::{Considered, Record, consider};
use crate::store::{Stored, Swapped, Version};

/// One callback (or one request to resume) on its way through store and handler.
///
/// A plain value: a copy that is told of something else goes another way, which is how a model checker
/// tries them all.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    key: RecordKey,
    event: Option<Arc<Event>>,
    timing: Timing,
    mode: Mode,
    waited: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    IntentFirst,
    InTransaction,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Loading,
    Waiting(Duration),
    /// Writing the intent or its lease down.
    Intending {
        expected: Option<Version>,
        record: Record,
    },
    /// The handler is at work on the record's open decision.
    Handling {
        version: Option<Version>,
        record: Record,
        decision: Decision,
    },
    /// Writing down how the handler ended, then going on.
    Settling {
        expected: Option<Version>,
        record: Record,
        then: Then,
    },
    Answered(Answer),
}

#[derive(Debug, Clone, PartialEq)]
enum Then {
    /// The answer, if the swap is done; a look at the current record, if it is lost.
    Answer(Answer),
    /// The answer, whoever won.
    AnswerAnyway(Answer),
    /// The intent was an earlier callback's: on to this one.
    GoOn,
}

impl Steps {
    /// For a callback, writing the intent down before the handler is called.
    pub fn receive(event: impl Into<Arc<Event>>, timing: Timing) -> Self {
        Self::of(event.into(), timing, Mode::IntentFirst)
    }

    /// For a callback, inside a transaction of the store: load, handler and swap are committed together
    /// or not at all, so that no intent need be written first. Only a failure leaves one behind.
    pub fn receive_in_transaction(event: impl Into<Arc<Event>>, timing: Timing) -> Self {
        Self::of(event.into(), timing, Mode::InTransaction)
    }

    /// Repeats what is open of a record, if anything.
    pub fn resume(key: RecordKey, timing: Timing) -> Self {
        Self::new(key, None, timing, Mode::IntentFirst)
    }

    /// Repeats what is open of a record, inside a transaction of the store.
    pub fn resume_in_transaction(key: RecordKey, timing: Timing) -> Self {
        Self::new(key, None, timing, Mode::InTransaction)
    }

    fn of(event: Arc<Event>, timing: Timing, mode: Mode) -> Self {
        Self::new(event.key(), Some(event), timing, mode)
    }

    fn new(key: RecordKey, event: Option<Arc<Event>>, timing: Timing, mode: Mode) -> Self {
        let is_acknowledged_test = event
            .as_ref()
            .is_some_and(|event| event.test == crate::event::TestCallback::Acknowledged);
        let state = if is_acknowledged_test {
            State::Answered(Answer::Receipt(Receipt::Test))
        } else {
            State::Loading
        };
        Self {
            key,
            event,
            timing,
            mode,
            waited: Duration::ZERO,
            state,
        }
    }

    /// What to do now.
    pub fn step(&self) -> Step {
        match &self.state {
            State::Loading => Step::Load(self.key.clone()),
            State::Waiting(span) => Step::Wait(*span),
            State::Intending { expected, record }
            | State::Settling {
                expected, record, ..
            } => Step::Swap {
                expected: *expected,
                record: record.clone(),
            },
            State::Handling { decision, .. } => Step::Handle(decision.clone()),
            State::Answered(answer) => Step::Answer(answer.clone()),
        }
    }

    /// Begins with the claim in place of a look: the intent is written down as if nothing were known. Where
    /// something is, the swap is lost and brings it along, and all goes on as after a look.
    ///
    /// Spares a first delivery one request, in a store where a swap that is lost costs little more than a look
    /// ([`DedupStore::CLAIMS_FIRST`](crate::store::DedupStore::CLAIMS_FIRST)). Where there is nothing to claim
    /// (inside a transaction of the store, when resuming, when no look is due), the present step is said again.
    pub fn claim(&mut self, now: Timestamp) -> Step {
        // Nothing else that follows from an empty record may be believed unseen: a swap alone asks the store.
        if matches!(self.state, State::Loading)
            && let claim @ State::Intending { .. } = self.look(None, now)
        {
            self.state = claim;
        }
        self.step()
    }

    /// Takes in what happened and says what to do next. What does not belong to the present step is
    /// ignored, and the step said again.
    pub fn advance(&mut self, happened: Happened, now: Timestamp) -> Step {
        let state = std::mem::replace(&mut self.state, State::Loading);
        self.state = match (state, happened) {
            (State::Loading, Happened::Loaded(stored)) => self.look(stored, now),
            (State::Waiting(_), Happened::Waited) => State::Loading,
            (State::Intending { record, .. }, Happened::Swapped(Swapped::Done(version))) => {
                Self::handle(Some(version), record)
            }
            (State::Intending { .. }, Happened::Swapped(Swapped::Lost(current))) => {
                self.look(current, now)
            }
            (
                State::Handling {
                    version,
                    record,
                    decision,
                },
                Happened::Handled(handled),
            ) => self.handled(version, record, &decision, handled, now),
            (
                State::Handling {
                    record, decision, ..
                },
                Happened::SettledOutside,
            ) => match self.after(&record, &decision) {
                Then::Answer(answer) | Then::AnswerAnyway(answer) => State::Answered(answer),
                Then::GoOn => State::Loading,
            },
            (State::Settling { record, then, .. }, Happened::Swapped(swapped)) => {
                self.settled(record, then, swapped, now)
            }
            (state, _) => state,
        };
        self.step()
    }

    /// While the handler is at work: the swap that settles its decision, for a caller who commits it
    /// together with the wallet in one transaction.
    pub fn settlement(&self, now: Timestamp) -> Option<(Option<Version>, Record)> {
        let State::Handling {
            version, record, ..
        } = &self.state
        else {
            return None;
        };
        let mut record = record.clone();
        record.settle(now);
        Some((*version, record))
    }

    /// While the handler is at work: the receipt, if nothing is left to do once it has succeeded and its decision
    /// is settled.
    #[cfg(feature = "postgres")]
    pub(crate) fn receipt_when_settled(&self) -> Option<Receipt> {
        let State::Handling {
            record, decision, ..
        } = &self.state
        else {
            return None;
        };
        match self.after(record, decision) {
            Then::Answer(Answer::Receipt(receipt)) => Some(receipt),
            _ => None,
        }
    }

    fn look(&mut self, current: Option<Stored>, now: Timestamp) -> State {
        let (version, record) = match current {
            Some(Stored { version, record }) => (Some(version), record),
            None => (None, Record::new(self.key.clone())),
        };
        if let Some(intent) = record.open() {
            return match intent.busy_for(now) {
                Some(left) => self.wait(left),
                None => self.intend(version, record, now),
            };
        }
        let Some(event) = &self.event else {
            return State::Answered(Answer::Receipt(Receipt::NothingOpen));
        };
        match consider(&record, event, now) {
            Considered::Duplicate => State::Answered(Answer::Receipt(Receipt::Duplicate)),
            Considered::Closed(record) => {
                let then = Then::Answer(Answer::Receipt(Receipt::Closed));
                State::Settling {
                    expected: version,
                    record,
                    then,
                }
            }
            Considered::Decided(record) => self.intend(version, record, now),
        }
    }

    fn wait(&mut self, left: Duration) -> State {
        if self.mode == Mode::InTransaction || self.waited >= self.timing.patience {
            return State::Answered(Answer::Busy { retry_after: left });
        }
        let pause = self.timing.pause.min(left);
        self.waited = self
            .waited
            .saturating_add(pause.max(Duration::from_millis(1)));
        State::Waiting(pause)
    }

    fn intend(&self, expected: Option<Version>, mut record: Record, now: Timestamp) -> State {
        record.lease(now.after(self.timing.lease));
        match self.mode {
            Mode::IntentFirst => State::Intending { expected, record },
            Mode::InTransaction => Self::handle(expected, record),
        }
    }

    fn handle(version: Option<Version>, record: Record) -> State {
        match record.open_decision() {
            Some(decision) => State::Handling {
                version,
                record,
                decision,
            },
            None => State::Loading,
        }
    }

    fn handled(
        &self,
        version: Option<Version>,
        mut record: Record,
        decision: &Decision,
        handled: Handled,
        now: Timestamp,
    ) -> State {
        let failed = || Answer::HandlerFailed(decision.id().clone());
        let then = match handled {
            Handled::Done => {
                let then = self.after(&record, decision);
                record.settle(now);
                then
            }
            Handled::Failed => {
                record.release();
                Then::AnswerAnyway(failed())
            }
            // The intent and its lease are stored already, unless we are inside the store's transaction.
            Handled::Hung if self.mode == Mode::IntentFirst => return State::Answered(failed()),
            Handled::Hung => Then::AnswerAnyway(failed()),
            Handled::Refused(reason) => {
                record.close(reason, now);
                match self.after(&record, decision) {
                    Then::GoOn => Then::GoOn,
                    _ => Then::Answer(Answer::Receipt(Receipt::Refused(decision.id().clone()))),
                }
            }
        };
        State::Settling {
            expected: version,
            record,
            then,
        }
    }

    /// What comes after this decision has been carried out: the answer, or this callback's own turn.
    fn after(&self, record: &Record, decision: &Decision) -> Then {
        let own = match (&self.event, record.entries().last()) {
            // Nearly always the very same one, and comparing it would cost as much as hashing it.
            (Some(event), Some(last)) => {
                std::ptr::eq(&raw const **event, last.event()) || **event == *last.event()
            }
            _ => false,
        };
        if own {
            Then::Answer(Answer::Receipt(Receipt::Settled(
                decision.id().clone(),
                decision.kind(),
            )))
        } else {
            Then::GoOn
        }
    }

    fn settled(&mut self, record: Record, then: Then, swapped: Swapped, now: Timestamp) -> State {
        match (then, swapped) {
            (Then::AnswerAnyway(answer), _) | (Then::Answer(answer), Swapped::Done(_)) => {
                State::Answered(answer)
            }
            (Then::GoOn, Swapped::Done(version)) => {
                self.look(Some(Stored { version, record }), now)
            }
            // Somebody took over while the handler was at work: his record tells how things stand.
            (Then::Answer(_) | Then::GoOn, Swapped::Lost(current)) => self.look(current, now),
        }
    }
}
