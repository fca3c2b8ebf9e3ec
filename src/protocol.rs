//! The protocol between receiver, store and handler, as a pure state machine.
//!
//! [`Protocol`] takes an [`Input`] and returns the next [`Command`]. It does no I/O and reads no clock, so the receiver,
//! the driver for handlers inside a transaction, and the model checker drive the same code.
//!
//! The order is: load the record, append the message with its decision, lease the first pending decision, let the handler
//! carry it out, advance the cursor, and go on until the message's own decision was delivered. While a handler runs,
//! others may append to the record. So settling loads the record again if it changed, and advances the cursor
//! only if lease and cursor are still the ones it leased.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::decision::{Decision, DecisionId};
use crate::event::Event;
use crate::guard::{Applied, Lease, Record, Stored, SwapOutcome, Version, apply};
use crate::id::RecordKey;

/// How long things may take.
///
/// ```
/// use std::time::Duration;
/// use postback::Timing;
///
/// let timing = Timing::default().lease(Duration::from_secs(60));
/// assert_eq!(timing.busy_timeout, Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timing {
    /// How long a decision is reserved for the handler that works on it. A handler gets the time that is left of it,
    /// less a tenth. 30 s by default.
    pub lease: Duration,
    /// The longest lease that is believed. One that ends later was written by a clock that is ahead, and counts as
    /// expired. 10 min by default; keep it above the lease of every process that shares the store.
    pub max_lease: Duration,
    /// How long a callback waits while another process works on its conversion, before it is answered 503. 2 s by
    /// default.
    pub busy_timeout: Duration,
    /// How often it looks meanwhile. 20 ms by default.
    pub poll_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            max_lease: Duration::from_secs(600),
            busy_timeout: Duration::from_secs(2),
            poll_interval: Duration::from_millis(20),
        }
    }
}

impl Timing {
    /// With another [`lease`](Self::lease).
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self.max_lease = self.max_lease.max(lease);
        self
    }

    /// With another [`max_lease`](Self::max_lease).
    #[must_use]
    pub fn max_lease(mut self, max_lease: Duration) -> Self {
        self.max_lease = max_lease.max(self.lease);
        self
    }

    /// With another [`busy_timeout`](Self::busy_timeout).
    #[must_use]
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// With another [`poll_interval`](Self::poll_interval).
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// How long a handler may run if it starts now: nine tenths of what is left of its lease. `None` if less than half
    /// of the lease is left: then it must not start.
    pub fn handler_limit(&self, lease: &Lease, now: Timestamp) -> Option<Duration> {
        // A clock that was set back makes the lease look longer than it is.
        let left = now.until(lease.until()).min(self.lease);
        (left.saturating_mul(2) >= self.lease && !left.is_zero())
            .then(|| left.saturating_mul(9).checked_div(10).unwrap_or_default())
    }
}

/// How a callback was dealt with. All of these are answered 200.
#[derive(Debug, Clone, PartialEq, Hash)]
#[non_exhaustive]
pub enum Receipt {
    /// Its decision was delivered to the handler.
    Settled(Decision),
    /// It is stored durably, and its decision will be delivered later.
    Accepted(Decision),
    /// It was known already.
    Duplicate,
    /// The handler declined its decision for good.
    Declined(DecisionId),
    /// The conversion is closed. The callback is kept, and nothing moves.
    Closed,
    /// It is a test that could pay. Nothing was stored.
    Test,
    /// No decision of the record is pending (any more). The result of a delivery without a callback.
    NothingPending,
}

impl Receipt {
    /// One fixed word, which is also the body of the response.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Settled(_) => "settled",
            Self::Accepted(_) => "accepted",
            Self::Duplicate => "duplicate",
            Self::Declined(_) => "declined",
            Self::Closed => "closed",
            Self::Test => "test",
            Self::NothingPending => "nothing pending",
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Load the record; answer with [`Input::Loaded`].
    Load(RecordKey),
    /// Compare and swap; answer with [`Input::Swapped`].
    Swap {
        /// The version to replace.
        expected: Option<Version>,
        /// The new record.
        record: Record,
    },
    /// Let the handler carry out a decision under this lease; answer with [`Input::Handled`].
    Handle {
        /// The decision.
        decision: Decision,
        /// The lease, which bounds the handler's time.
        lease: Lease,
    },
    /// In a transaction of the store: swap, then let the handler carry out the decision, and undo both unless it
    /// succeeds; answer with [`Input::Handled`], or [`Input::Swapped`] if the swap finds another version.
    SwapAndHandle {
        /// The version to replace.
        expected: Option<Version>,
        /// The record with the decision settled.
        record: Record,
        /// The decision.
        decision: Decision,
    },
    /// Wait; answer with [`Input::Waited`].
    Wait(Duration),
    /// The callback was dealt with.
    Finish(Receipt),
    /// Another process works on the conversion: the network should retry.
    Busy {
        /// When at the latest the other one must be done.
        retry_after: Duration,
    },
    /// The handler failed. The decision stays pending and is retried.
    HandlerFailed(DecisionId),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// The record was loaded.
    Loaded(Option<Stored>),
    /// The swap ended.
    Swapped(SwapOutcome),
    /// The handler returned.
    Handled(HandlerResult),
    /// The wait is over.
    Waited,
}

/// How a call of the handler ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerResult {
    /// It carried the decision out.
    Done,
    /// It failed. Whether it took effect is unknown.
    Failed {
        /// The handler's error.
        error: String,
    },
    /// It did not return in time and may still be running: its lease is left to expire.
    TimedOut,
    /// There was too little time left on the lease to start it.
    NotStarted,
    /// It declined the decision for good.
    Declined {
        /// The handler's reason.
        reason: String,
    },
}

impl HandlerResult {
    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed_out",
            Self::NotStarted => "not_started",
            Self::Declined { .. } => "declined",
        }
    }
}

/// One callback, or one request to deliver what is pending, on its way through store and handler.
///
/// A plain value: clones can be advanced independently, which is how a model checker tries every order.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Protocol {
    key: RecordKey,
    event: Option<Arc<Event>>,
    mode: Mode,
    timing: Timing,
    waited: Duration,
    busy_since: Option<Timestamp>,
    /// Another process took the lease over while the handler ran.
    is_overtaken: bool,
    own: Own,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    /// Append only.
    Accept,
    /// Deliver under a lease: the wallet is elsewhere.
    Lease,
    /// Deliver inside a transaction of the store.
    Transaction,
}

/// The entry of the callback that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Own {
    /// Not known yet.
    Unknown,
    /// It was in the record before.
    Found(u32),
    /// It was appended by this call, which is not stored yet.
    Appended(u32),
    /// It was appended by this call, and that is stored.
    Stored(u32),
    /// There is no callback: deliver everything that is pending.
    All,
}

#[derive(Debug, Clone, PartialEq, Hash)]
enum State {
    Loading,
    Waiting(Duration),
    /// Storing the record without anything to deliver.
    Appending {
        expected: Option<Version>,
        record: Record,
    },
    /// Storing the record with a lease on its first pending decision.
    Leasing {
        expected: Option<Version>,
        record: Record,
        lease: Lease,
    },
    /// The handler works on the first pending decision.
    Handling {
        version: Version,
        record: Record,
        lease: Lease,
        decision: Decision,
    },
    /// The same inside a transaction. `record` is the record before the decision was settled.
    HandlingInTransaction {
        expected: Option<Version>,
        record: Record,
        settled: Record,
        decision: Decision,
    },
    /// Storing how the handler ended.
    Settling {
        expected: Option<Version>,
        record: Record,
        end: End,
    },
    Ended(Command),
}

/// How the handler ended, to be applied again if the record changed meanwhile.
#[derive(Debug, Clone, PartialEq, Hash)]
struct End {
    result: HandlerResult,
    decision: Decision,
    /// `None` inside a transaction, where nobody else can change the record.
    held: Option<(Lease, u32)>,
}

impl Protocol {
    /// Receives a callback: stores it and delivers up to its own decision, under leases.
    pub fn receive(event: Arc<Event>, timing: Timing) -> Self {
        Self::new(event.key(), Some(event), Mode::Lease, timing)
    }

    /// Accepts a callback: stores it durably, and leaves the delivery to [`deliver`](Self::deliver).
    pub fn accept(event: Arc<Event>, timing: Timing) -> Self {
        Self::new(event.key(), Some(event), Mode::Accept, timing)
    }

    /// Delivers everything that is pending of a record, under leases. Does not wait for others.
    pub fn deliver(key: RecordKey, timing: Timing) -> Self {
        Self::new(key, None, Mode::Lease, timing.busy_timeout(Duration::ZERO))
    }

    /// The same from the beginning, inside a transaction of the store: record and handler's work commit together.
    #[must_use]
    pub fn in_transaction(self) -> Self {
        Self::new(self.key, self.event, Mode::Transaction, self.timing.busy_timeout(Duration::ZERO))
    }

    /// Whether there is nothing to deliver.
    pub(crate) fn only_accepts(&self) -> bool {
        self.mode == Mode::Accept
    }

    fn new(key: RecordKey, event: Option<Arc<Event>>, mode: Mode, timing: Timing) -> Self {
        let own = if event.is_some() { Own::Unknown } else { Own::All };
        Self {
            key,
            event,
            mode,
            timing,
            waited: Duration::ZERO,
            busy_since: None,
            is_overtaken: false,
            own,
            state: State::Loading,
        }
    }

    /// The record's key.
    pub fn key(&self) -> &RecordKey {
        &self.key
    }

    /// What to do now.
    pub fn command(&self) -> Command {
        match &self.state {
            State::Loading => Command::Load(self.key.clone()),
            State::Waiting(span) => Command::Wait(*span),
            State::Appending { expected, record }
            | State::Leasing { expected, record, .. }
            | State::Settling { expected, record, .. } => Command::Swap { expected: *expected, record: record.clone() },
            State::Handling { decision, lease, .. } => Command::Handle { decision: decision.clone(), lease: *lease },
            State::HandlingInTransaction { expected, settled, decision, .. } => {
                Command::SwapAndHandle { expected: *expected, record: settled.clone(), decision: decision.clone() }
            }
            State::Ended(command) => command.clone(),
        }
    }

    /// Takes an input and returns the next command. An input that does not fit the present command is ignored.
    pub fn advance(&mut self, input: Input, now: Timestamp) -> Command {
        let state = std::mem::replace(&mut self.state, State::Loading);
        self.state = match (state, input) {
            (State::Loading, Input::Loaded(stored)) => self.on_loaded(stored, now),
            (State::Waiting(_), Input::Waited) => State::Loading,
            (
                State::Appending { .. } | State::Leasing { .. } | State::HandlingInTransaction { .. },
                Input::Swapped(SwapOutcome::Conflict(current)),
            ) => {
                self.forget_append();
                self.on_loaded(current, now)
            }
            (State::Appending { record, .. }, Input::Swapped(SwapOutcome::Replaced(version))) => {
                self.keep_append();
                self.after_append(version, record, now)
            }
            (State::Leasing { record, lease, .. }, Input::Swapped(SwapOutcome::Replaced(version))) => {
                self.keep_append();
                match record.head() {
                    Some(decision) => State::Handling { version, record, lease, decision },
                    None => State::Loading,
                }
            }
            (State::Handling { version, record, lease, decision }, Input::Handled(result)) => {
                let held = Some((lease, record.cursor()));
                Self::settle(Some(version), record, End { result, decision, held }, now)
            }
            (State::HandlingInTransaction { expected, settled, .. }, Input::Handled(HandlerResult::Done)) => {
                self.keep_append();
                self.go_on(Version::after(expected), settled, now)
            }
            (State::HandlingInTransaction { expected, record, decision, .. }, Input::Handled(result)) => {
                Self::settle(expected, record, End { result, decision, held: None }, now)
            }
            (State::Settling { record, end, .. }, Input::Swapped(outcome)) => {
                self.on_settled(record, end, outcome, now)
            }
            (state, _) => state,
        };
        self.command()
    }

    /// What was appended is stored. From now on it must not be applied again: a later message may have taken its place.
    fn keep_append(&mut self) {
        if let Own::Appended(number) = self.own {
            self.own = Own::Stored(number);
        }
    }

    /// What was appended was not stored.
    fn forget_append(&mut self) {
        if matches!(self.own, Own::Appended(_)) {
            self.own = Own::Unknown;
        }
    }

    /// Whether the record still contains the callback. A store without synchronous replicas may lose what it stored, and
    /// others may have taken the number since. Then the callback is applied again.
    fn is_own_kept(&self, record: &Record) -> bool {
        let (Own::Found(number) | Own::Stored(number), Some(event)) = (self.own, &self.event) else {
            return true;
        };
        match record.entry(number) {
            Some(entry) => entry.event().kind == event.kind,
            // Old bans are removed from a record.
            None => record.last_number() >= number,
        }
    }

    fn on_loaded(&mut self, current: Option<Stored>, now: Timestamp) -> State {
        let (version, record) = match current {
            Some(Stored { version, record }) => (Some(version), record),
            None => (None, Record::new(self.key.clone())),
        };
        if !self.is_own_kept(&record) {
            self.own = Own::Unknown;
        }
        let Some(event) = self.event.clone().filter(|_| self.own == Own::Unknown) else {
            return self.next_delivery(version, record, now);
        };
        match apply(&record, &event, now) {
            Applied::Test => State::Ended(Command::Finish(Receipt::Test)),
            Applied::Duplicate { number } => {
                self.own = Own::Found(number);
                if self.mode == Mode::Accept {
                    return State::Ended(Command::Finish(Receipt::Duplicate));
                }
                self.next_delivery(version, record, now)
            }
            Applied::Kept(record) => {
                self.own = Own::Appended(record.last_number());
                State::Appending { expected: version, record }
            }
            Applied::Decided(record) => {
                self.own = Own::Appended(record.last_number());
                if self.mode == Mode::Accept || self.busy_for(&record, now).is_some() {
                    // Stored first, so that the callback is safe whatever happens to the decisions before it.
                    return State::Appending { expected: version, record };
                }
                self.next_delivery(version, record, now)
            }
        }
    }

    fn after_append(&mut self, version: Version, record: Record, now: Timestamp) -> State {
        if self.mode != Mode::Accept {
            return self.next_delivery(Some(version), record, now);
        }
        let own = if let Own::Stored(number) = self.own { record.entry(number) } else { None };
        let receipt = match own.and_then(|entry| entry.decision(record.key())) {
            Some(decision) => Receipt::Accepted(decision),
            None => Receipt::Closed,
        };
        State::Ended(Command::Finish(receipt))
    }

    /// Goes on with the first pending decision, unless the own one is done.
    fn next_delivery(&mut self, version: Option<Version>, record: Record, now: Timestamp) -> State {
        if let Some(receipt) = self.receipt(&record) {
            return State::Ended(Command::Finish(receipt));
        }
        // Two processes whose clocks differ by more than the longest lease must not take it from each other forever.
        let overtaken = self.is_overtaken && record.lease().is_some();
        let overtaken = overtaken.then_some(self.timing.lease);
        if let Some(left) = self.busy_for(&record, now).or(overtaken) {
            return self.wait(left, now);
        }
        let Some(decision) = record.head() else {
            return State::Ended(Command::Finish(Receipt::NothingPending));
        };
        match self.mode {
            Mode::Transaction => {
                let mut settled = record.clone();
                settled.settle_head(now);
                State::HandlingInTransaction { expected: version, record, settled, decision }
            }
            Mode::Accept | Mode::Lease => {
                let mut leased = record;
                // A version is replaced once, so the number after it is unique.
                let lease = leased.take_lease(Version::after(version).number(), now.after(self.timing.lease));
                State::Leasing { expected: version, record: leased, lease }
            }
        }
    }

    /// The result, if the own decision was delivered, declined or skipped.
    fn receipt(&self, record: &Record) -> Option<Receipt> {
        let (number, is_own) = match self.own {
            Own::Found(number) => (number, false),
            Own::Appended(number) | Own::Stored(number) => (number, true),
            Own::Unknown => return None,
            Own::All => return (!record.is_pending()).then_some(Receipt::NothingPending),
        };
        if record.cursor() < number {
            return None;
        }
        if !is_own {
            return Some(Receipt::Duplicate);
        }
        let Some(entry) = record.entry(number) else {
            return Some(Receipt::Duplicate);
        };
        Some(match entry.decision(record.key()) {
            Some(decision) if entry.delivered().is_some() => Receipt::Settled(decision),
            Some(decision) if entry.declined().is_some() => Receipt::Declined(decision.id().clone()),
            _ => Receipt::Closed,
        })
    }

    /// How long somebody else's lease lasts. `None`: there is none, it expired, or it is not believed.
    fn busy_for(&self, record: &Record, now: Timestamp) -> Option<Duration> {
        let until = record.lease()?.until();
        let left = now.until(until);
        let max_lease = self.timing.max_lease.max(self.timing.lease);
        (!left.is_zero() && left <= max_lease).then_some(left)
    }

    fn wait(&mut self, left: Duration, now: Timestamp) -> State {
        // Both count: a slow store takes time between the pauses, and a clock may stand still.
        let since = *self.busy_since.get_or_insert(now);
        if self.waited.max(since.until(now)) >= self.timing.busy_timeout {
            return State::Ended(Command::Busy { retry_after: left });
        }
        let pause = self.timing.poll_interval.min(left).max(Duration::from_millis(1));
        self.waited = self.waited.saturating_add(pause);
        State::Waiting(pause)
    }

    fn settle(version: Option<Version>, mut record: Record, end: End, now: Timestamp) -> State {
        match &end.result {
            HandlerResult::Done => record.settle_head(now),
            HandlerResult::Declined { reason } => record.decline_head(reason, now),
            HandlerResult::Failed { error } => record.fail_head(error, now),
            HandlerResult::TimedOut => record.time_out_head(now),
            // No attempt was made. The lease expires.
            HandlerResult::NotStarted if end.held.is_some() => {
                return State::Ended(Command::HandlerFailed(end.decision.id().clone()));
            }
            HandlerResult::NotStarted => record.fail_head("not started", now),
        }
        State::Settling { expected: version, record, end }
    }

    fn on_settled(&mut self, record: Record, end: End, outcome: SwapOutcome, now: Timestamp) -> State {
        match outcome {
            SwapOutcome::Replaced(version) => {
                self.keep_append();
                match end.result {
                    HandlerResult::Done | HandlerResult::Declined { .. } => self.go_on(version, record, now),
                    _ => State::Ended(Command::HandlerFailed(end.decision.id().clone())),
                }
            }
            SwapOutcome::Conflict(Some(Stored { version, record }))
                if end.held.is_some_and(|(lease, cursor)| record.holds(lease, cursor)) =>
            {
                // Somebody appended meanwhile. The lease is still ours, so the result counts.
                Self::settle(Some(version), record, end, now)
            }
            // Somebody else took over after the lease expired: the record says how things stand.
            SwapOutcome::Conflict(current) => match end.result {
                HandlerResult::Done | HandlerResult::Declined { .. } => {
                    self.is_overtaken = true;
                    self.forget_append();
                    self.on_loaded(current, now)
                }
                _ => State::Ended(Command::HandlerFailed(end.decision.id().clone())),
            },
        }
    }

    /// The decision at the cursor is done: finish, or go on to the next one.
    fn go_on(&mut self, version: Version, record: Record, now: Timestamp) -> State {
        if let Own::Found(number) = self.own
            && record.cursor() >= number
            && let Some(entry) = record.entry(number)
            && let Some(decision) = entry.decision(record.key())
            && entry.delivered().is_some()
        {
            // Known before, but it was this call that got it delivered.
            return State::Ended(Command::Finish(Receipt::Settled(decision)));
        }
        self.next_delivery(Some(version), record, now)
    }
}
