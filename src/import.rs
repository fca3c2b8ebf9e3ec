//! Imports what an earlier receiver dealt with, so that it is neither paid nor taken back again.
//!
//! ```
//! use postback::import::{Importer, PastCallback};
//! use postback::{Clock as _, MemoryStore, SystemClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! // Any iterator: over the lines of a file, or the rows of a query.
//! let list = [("o233", "player-7", 500), ("o234", "player-8", 120)];
//! let rows = list.map(|(transaction, player, gems)| {
//!     Ok::<_, postback::IdError>(
//!         PastCallback::paid(transaction.parse()?, gems.into()).player(player.parse()?),
//!     )
//! });
//! // The names that the endpoints are built with: the network's and the app's.
//! let importer = Importer::new(&store, "bitlabs".parse()?, "my-game".parse()?, SystemClock.now());
//! let summary = importer
//!     .import_all(rows, |row, outcome| {
//!         if outcome.needs_attention() {
//!             eprintln!("row {row}: {outcome}");
//!         }
//!     })
//!     .await?;
//! assert_eq!(summary.imported, 2);
//! # Ok(())
//! # }
//! ```
//!
//! | the earlier receiver | import | what happens later |
//! |---|---|---|
//! | paid 500 | [`PastCallback::paid`] | a repetition is a duplicate; a reversal takes back up to 500 |
//! | paid, amount unknown | [`PastCallback::paid_unknown_amount`] | the conversion is closed: callbacks are kept, and nothing moves |
//! | took back, by a message of the same transaction, or nobody knows by which | [`PastCallback::taken_back`] | a repetition is a duplicate |
//! | took back, by a message with a transaction of its own | [`PastCallback::taken_back_by`] | a repetition is a duplicate |
//! | showed a pending reward | [`PastCallback::pending`] | a repetition is a duplicate; the completed callback pays |
//! | acknowledged without paying | nothing | it is new |
//!
//! Rows may come in any order, while the receiver runs, and more than once: what is known changes nothing. The handler is
//! never called. If a callback arrived before the row that explains it (a reversal before the payment was imported, so
//! there was nothing to take back), the difference becomes a pending decision at the end of the import
//! ([`Importer::finish`]), and recovery delivers it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rust_decimal::Decimal;
use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::event::{Effect, Event, EventKind, IgnoreReason};
use crate::guard::{self, Record, Stored, SwapOutcome, Version};
pub use crate::guard::{Exposure, Outcome};
use crate::id::{AppName, NetworkName, PlayerId, RecordKey, TransactionId};
use crate::store::{DedupStore, StoreError};

/// A callback that an earlier receiver dealt with.
///
/// Transactions and amounts are those of the callback: the amount in the app's currency, before any bonus of the game.
/// For a described network, take the transaction from
/// [`Description::stored_transaction`](crate::network::Description::stored_transaction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCallback {
    transaction: TransactionId,
    original: Option<TransactionId>,
    effect: Effect,
    player: Option<PlayerId>,
    at: Option<Timestamp>,
}

impl PastCallback {
    /// This amount was paid. Zero: the callback was acknowledged and is worth nothing; one with an amount pays.
    pub fn paid(transaction: TransactionId, amount: Decimal) -> Self {
        Self::new(transaction, Effect::Completed { amount, milestone: None, reinstates: false })
    }

    /// Something was paid, and the amount is unknown. The conversion is closed: nothing of it moves any more.
    pub fn paid_unknown_amount(transaction: TransactionId) -> Self {
        Self::new(
            transaction,
            Effect::Ignored { status: "paid, amount unknown".into(), reason: IgnoreReason::PaidElsewhere },
        )
    }

    /// This amount (a positive number) was taken back, by a message of the same transaction or by an unknown one.
    ///
    /// The first callback that takes back the same amount of the same conversion counts as this one. Where reversals take
    /// back everything, a repetition takes back what the earlier receiver left.
    pub fn taken_back(transaction: TransactionId, amount: Decimal) -> Self {
        Self::new(transaction, Effect::Adjusted { by: taken(amount), same_transaction: true })
    }

    /// This amount (a positive number) of `original` was taken back, by a message with a transaction of its own.
    pub fn taken_back_by(transaction: TransactionId, original: TransactionId, amount: Decimal) -> Self {
        Self {
            original: Some(original),
            ..Self::new(transaction, Effect::Adjusted { by: taken(amount), same_transaction: false })
        }
    }

    /// A pending reward was shown, with the network's word for the stage (`PENDING`) and the amount as stated. It has no
    /// influence on what is paid: leave the row out if in doubt.
    pub fn pending(transaction: TransactionId, stage: impl Into<String>, amount: Option<Decimal>) -> Self {
        let stage = stage.into().into();
        Self::new(transaction, Effect::Pending { stage, amount })
    }

    fn new(transaction: TransactionId, effect: Effect) -> Self {
        Self { transaction, original: None, effect, player: None, at: None }
    }

    /// The player. Without one, callbacks that name any player match the row.
    #[must_use]
    pub fn player(mut self, player: PlayerId) -> Self {
        self.player = Some(player);
        self
    }

    /// When the earlier receiver dealt with it: records are pruned by this. Default: the importer's moment.
    #[must_use]
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.at = Some(moment);
        self
    }

    /// Which of `BitLabs`' milestones was [`paid`](Self::paid), where one transaction can pay several. Default: whichever
    /// the network repeats.
    #[must_use]
    pub fn milestone(self, milestone: Milestone) -> Self {
        self.goal(milestone.as_str())
    }

    /// Which goal was [`paid`](Self::paid), exactly as callbacks of the network name it, where one transaction can pay
    /// several. Default: whichever the network repeats. Where goals are transactions, the goal is part of the row's
    /// transaction instead: [`Description::stored_transaction`](crate::network::Description::stored_transaction).
    #[must_use]
    pub fn goal(mut self, id: impl Into<String>) -> Self {
        if let Effect::Completed { milestone, .. } = &mut self.effect {
            *milestone = Some(id.into().into());
        }
        self
    }

    fn event(&self, network: &NetworkName, app: &AppName) -> Event {
        let player = self.player.clone();
        let player = player.unwrap_or_else(|| PlayerId::placeholder("(unknown)"));
        let kind = EventKind::Conversion {
            transaction: self.transaction.clone(),
            original: self.original.clone(),
            effect: self.effect.clone(),
        };
        let mut event = Event::new(network.clone(), app.clone(), player, kind);
        event.endpoint = "import".into();
        event
    }
}

/// The change of the balance by a reversal. Zero has no sign.
fn taken(amount: Decimal) -> Decimal {
    if amount.is_zero() { Decimal::ZERO } else { -amount.abs() }
}

/// What a transaction of `BitLabs` can pay for.
///
/// ```
/// use postback::import::Milestone;
///
/// assert_eq!("Completed".parse::<Milestone>()?, Milestone::Complete);
/// assert!("paid".parse::<Milestone>().is_err());
/// # Ok::<(), postback::import::ImportError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Milestone {
    /// `COMPLETE`, also `COMPLETED`.
    Complete,
    /// `SCREENOUT`.
    Screenout,
    /// `START_BONUS`.
    StartBonus,
}

impl Milestone {
    /// The network's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Screenout => "SCREENOUT",
            Self::StartBonus => "START_BONUS",
        }
    }
}

/// Accepts any case.
impl FromStr for Milestone {
    type Err = ImportError;

    fn from_str(word: &str) -> Result<Self, ImportError> {
        let known = [
            ("COMPLETE", Self::Complete),
            ("COMPLETED", Self::Complete),
            ("SCREENOUT", Self::Screenout),
            ("START_BONUS", Self::StartBonus),
        ];
        let mut matching = known.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(word));
        let found = matching.next().map(|(_, milestone)| milestone);
        found.ok_or(ImportError::UnknownMilestone)
    }
}

/// How many rows are imported at a time unless set. A store that groups its commits takes them in one.
const CONCURRENCY: usize = 256;

/// Imports past callbacks of one network's app into a store. Clones belong to the same import.
#[derive(Debug, Clone)]
pub struct Importer<S> {
    store: S,
    network: NetworkName,
    app: AppName,
    moment: Timestamp,
    concurrency: usize,
    /// Records with a difference to settle at the end.
    uncorrected: Arc<Mutex<BTreeSet<RecordKey>>>,
    /// What a dry run would have written.
    overlay: Option<Arc<Mutex<BTreeMap<RecordKey, Stored>>>>,
}

impl<S: DedupStore> Importer<S> {
    /// An importer for one app of a network, by the names that its endpoints are built with. `moment` is the time of the
    /// import, and of rows that have none.
    pub fn new(store: &S, network: NetworkName, app: AppName, moment: Timestamp) -> Self {
        Self {
            store: store.clone(),
            network,
            app,
            moment,
            concurrency: CONCURRENCY,
            uncorrected: Arc::default(),
            overlay: None,
        }
    }

    /// Makes it write nothing: outcomes, corrections and [`exposures`](Self::exposures) are those that a real import would
    /// have now. Holds the changed records in memory, about one kilobyte each.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.overlay = Some(Arc::default());
        self
    }

    /// How many rows are imported at a time: 256 unless set, at least 1. Must not exceed the store's queue.
    #[must_use]
    pub fn concurrency(mut self, rows: usize) -> Self {
        self.concurrency = rows.max(1);
        self
    }

    /// Imports one row. Call [`finish`](Self::finish) after the last one.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was imported is unknown. Import it again.
    pub async fn import(&self, past: &PastCallback) -> Result<Outcome, StoreError> {
        let event = past.event(&self.network, &self.app);
        let key = event.key();
        let mut current = self.load(&key).await?;
        loop {
            let (version, record) = match current {
                Some(Stored { version, record }) => (Some(version), record),
                None => (None, Record::new(key.clone())),
            };
            let at = past.at.unwrap_or(self.moment);
            let knows_player = past.player.is_some();
            let (outcome, changed) = guard::import(&record, event.clone(), knows_player, at);
            if let Some(changed) = &changed
                && let SwapOutcome::Conflict(found) = self.swap(version, changed).await?
            {
                current = found;
                continue;
            }
            if guard::needs_correction(&changed.unwrap_or(record)) {
                lock(&self.uncorrected).insert(key);
            }
            return Ok(outcome);
        }
    }

    /// Ends an import: where a callback arrived before the row that explains it, appends the decision that settles the
    /// difference. Recovery delivers it. Returns the decisions.
    ///
    /// If a program ends without it, the same import run again makes up for it.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn finish(&self) -> Result<Vec<Decision>, StoreError> {
        let mut corrections = Vec::new();
        loop {
            let Some(key) = lock(&self.uncorrected).first().cloned() else {
                return Ok(corrections);
            };
            let mut current = self.load(&key).await?;
            while let Some(Stored { version, record }) = current {
                let Some(corrected) = guard::correct(&record, self.moment) else {
                    break;
                };
                match self.swap(Some(version), &corrected).await? {
                    SwapOutcome::Conflict(found) => current = found,
                    SwapOutcome::Replaced(_) => {
                        corrections.extend(corrected.pending().last());
                        break;
                    }
                }
            }
            lock(&self.uncorrected).remove(&key);
        }
    }

    /// Imports rows as the iterator yields them, several at a time, and [finishes](Self::finish).
    ///
    /// `each` gets the number of every row, from 1 and in order, with its outcome, once that is durable. Dropping the
    /// future ends the import; what was done stays done.
    ///
    /// # Errors
    /// [`ImportError`]: a row could not be read, or the store failed.
    pub async fn import_all<E>(
        &self,
        rows: impl IntoIterator<Item = Result<PastCallback, E>>,
        mut each: impl FnMut(u64, Outcome),
    ) -> Result<Summary, ImportError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut summary = Summary::default();
        let mut rows = rows.into_iter();
        let mut unreadable = None;
        let mut running = VecDeque::new();
        loop {
            while running.len() < self.concurrency && unreadable.is_none() {
                match rows.next() {
                    None => break,
                    Some(Err(error)) => unreadable = Some(error.into()),
                    Some(Ok(past)) => {
                        let importer = self.clone();
                        running.push_back(tokio::spawn(async move { importer.import(&past).await }));
                    }
                }
            }
            let done = summary.rows();
            let failed = |source| ImportError::Store { done, source };
            let Some(first) = running.pop_front() else {
                if let Some(source) = unreadable {
                    let row = done.saturating_add(1);
                    return Err(ImportError::Row { row, source });
                }
                summary.corrections = self.finish().await.map_err(failed)?;
                return Ok(summary);
            };
            let outcome = joined(first).await.map_err(failed)?;
            summary.count(outcome);
            each(summary.rows(), outcome);
        }
    }

    /// What the network can still cause in the conversions that a [dry run](Self::dry_run) would have changed. Empty
    /// otherwise.
    pub fn exposures(&self) -> Vec<(RecordKey, Exposure)> {
        let Some(overlay) = &self.overlay else {
            return Vec::new();
        };
        let overlay = lock(overlay);
        let of_one = |(key, stored): (&RecordKey, &Stored)| {
            let found = guard::exposures(&stored.record).into_iter();
            found.map(|exposure| (key.clone(), exposure)).collect::<Vec<_>>()
        };
        overlay.iter().flat_map(of_one).collect()
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        if let Some(overlay) = &self.overlay {
            let known = lock(overlay).get(key).cloned();
            if known.is_some() {
                return Ok(known);
            }
        }
        self.store.load(key).await
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let Some(overlay) = &self.overlay else {
            return self.store.swap(expected, record).await;
        };
        let mut overlay = lock(overlay);
        if let Some(known) = overlay.get(record.key())
            && Some(known.version) != expected
        {
            return Ok(SwapOutcome::Conflict(Some(known.clone())));
        }
        let version = Version::after(expected);
        let record = record.clone();
        overlay.insert(record.key().clone(), Stored { version, record });
        Ok(SwapOutcome::Replaced(version))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn joined(task: JoinHandle<Result<Outcome, StoreError>>) -> Result<Outcome, StoreError> {
    task.await.unwrap_or_else(|error| {
        Err(StoreError::Unavailable { operation: "import a row", hint: "its task ended early", source: error.into() })
    })
}

/// How many rows had which [`Outcome`].
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// [`Outcome::Imported`].
    pub imported: u64,
    /// [`Outcome::ImportedClosed`].
    pub imported_closed: u64,
    /// [`Outcome::AlreadyImported`].
    pub already_imported: u64,
    /// [`Outcome::AlreadyReceived`].
    pub already_received: u64,
    /// [`Outcome::Pending`].
    pub pending: u64,
    /// [`Outcome::Closed`].
    pub closed: u64,
    /// [`Outcome::Conflict`].
    pub conflicts: u64,
    /// The decisions of [`Importer::finish`].
    pub corrections: Vec<Decision>,
}

impl Summary {
    /// The number of rows.
    pub fn rows(&self) -> u64 {
        [
            self.imported,
            self.imported_closed,
            self.already_imported,
            self.already_received,
            self.pending,
            self.closed,
            self.conflicts,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    fn count(&mut self, outcome: Outcome) {
        let rows = match outcome {
            Outcome::Imported => &mut self.imported,
            Outcome::ImportedClosed => &mut self.imported_closed,
            Outcome::AlreadyImported => &mut self.already_imported,
            Outcome::AlreadyReceived => &mut self.already_received,
            Outcome::Pending => &mut self.pending,
            Outcome::Closed => &mut self.closed,
            Outcome::Conflict(_) => &mut self.conflicts,
        };
        *rows = rows.saturating_add(1);
    }
}

/// Why an import ended early, or a row could not be built. What was imported is durable: import all rows again, or those
/// that are left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The milestone is not one of the network's.
    #[error("unknown milestone: use COMPLETE, SCREENOUT or START_BONUS")]
    UnknownMilestone,
    /// A row could not be read.
    #[error("unreadable row {row}: the rows before it are imported")]
    Row {
        /// Its number, from 1.
        row: u64,
        /// The iterator's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error("store failed after row {done}: import again")]
    Store {
        /// The rows up to this one are imported; of those after it, some may be.
        done: u64,
        /// The store's error.
        #[source]
        source: StoreError,
    },
}
