//! What the steps are told, and what they say.

use std::time::Duration;

use crate::decision::{Decision, DecisionId, DecisionKind};
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{Stored, Swapped, Version};

#[cfg(doc)]
use super::Steps;

/// How the protocol is run.
///
/// ```
/// use std::time::Duration;
/// use postback::steps::Timing;
///
/// let timing = Timing::new().lease(Duration::from_secs(60));
/// assert_eq!(timing.patience, Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long an intent is reserved for whoever is at work on it. Longer than any handler may take. 30 s
    /// unless set.
    pub lease: Duration,
    /// How long a callback waits for its twin in flight before it is told to come again. 2 s
    /// unless set.
    pub patience: Duration,
    /// How long it waits between two looks. 20 ms unless set.
    pub pause: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}

impl Timing {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            lease: Duration::from_secs(30),
            patience: Duration::from_secs(2),
            pause: Duration::from_millis(20),
        }
    }

    /// With another [`lease`](Self::lease).
    #[must_use]
    pub const fn lease(mut self, span: Duration) -> Self {
        self.lease = span;
        self
    }

    /// With another [`patience`](Self::patience).
    #[must_use]
    pub const fn patience(mut self, span: Duration) -> Self {
        self.patience = span;
        self
    }

    /// With another [`pause`](Self::pause).
    #[must_use]
    pub const fn pause(mut self, span: Duration) -> Self {
        self.pause = span;
        self
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Load the record and say [`Happened::Loaded`].
    Load(RecordKey),
    /// Replace the record if its version is still the expected one, and say [`Happened::Swapped`].
    Swap {
        /// The version to be replaced; `None`: there is none yet.
        expected: Option<Version>,
        /// What replaces it.
        record: Record,
    },
    /// Let the game carry the decision out, and say [`Happened::Handled`].
    Handle(Decision),
    /// Wait for so long and say [`Happened::Waited`].
    Wait(Duration),
    /// The end: answer.
    Answer(Answer),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// The record was loaded.
    Loaded(Option<Stored>),
    /// The swap ended.
    Swapped(Swapped),
    /// The handler ended.
    Handled(Handled),
    /// The wait is over.
    Waited,
    /// The caller has settled the decision in a transaction of its own, with the record that
    /// [`Steps::settlement`] gave it.
    SettledOutside,
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// The game has carried the decision out.
    Done,
    /// It failed; whether it took effect is unknown. It may be repeated at once.
    Failed,
    /// It was given up on and may still be at work. It may be repeated when the lease has run out.
    Hung,
    /// The game refuses for good, and why.
    Refused(String),
}

impl Handled {
    /// One fixed word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Hung => "hung",
            Self::Refused(_) => "refused",
        }
    }
}

/// The answer to a callback, or to a request to resume.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// All is well: the network need not call again.
    Receipt(Receipt),
    /// Somebody else is at work on the conversion: come again.
    Busy {
        /// When its lease runs out at the latest.
        retry_after: Duration,
    },
    /// The handler did not succeed. The decision stays written down and is repeated.
    HandlerFailed(DecisionId),
}

/// Why the network need not call again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receipt {
    /// The decision was carried out and settled.
    Settled(DecisionId, DecisionKind),
    /// The callback was known already.
    Duplicate,
    /// The game refused the decision for good; the conversion is closed.
    Refused(DecisionId),
    /// The conversion was closed before; the callback was kept.
    Closed,
    /// A callback of the network's tester, acknowledged.
    Test,
    /// There was nothing (more) to resume.
    NothingOpen,
}

impl Receipt {
    /// One fixed word, fit for a response's body.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Settled(..) => "settled",
            Self::Duplicate => "duplicate",
            Self::Refused(_) => "refused",
            Self::Closed => "closed",
            Self::Test => "test",
            Self::NothingOpen => "nothing open",
        }
    }
}
