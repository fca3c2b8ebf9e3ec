//! Takes rows over, one and many.

use std::error::Error;

use super::together::together;
use super::{ImportError, Importer, Outcome, PastCallback, Summary, TOGETHER};
use crate::clock::Timestamp;
use crate::event::{AppName, SourceName};
use crate::guard::{Record, TakenOver, take_over};
use crate::store::{DedupStore, StoreError, Stored, Swapped};

impl<'s, S: DedupStore> Importer<'s, S> {
    /// For one app of one network, by the names that its endpoints are made with. `moment` is kept as the
    /// time of rows that bring none.
    pub fn new(store: &'s S, source: SourceName, app: AppName, moment: Timestamp) -> Self {
        Self {
            store,
            source,
            app,
            moment,
            together: TOGETHER,
        }
    }

    /// How many rows are on their way to the store at a time: 256 unless set, 1 at least. A store that groups its
    /// commits takes them in one. It must not be more than may wait for the store
    /// ([`StoreError::Overloaded`]).
    #[must_use]
    pub fn together(mut self, rows: usize) -> Self {
        self.together = rows.max(1);
        self
    }

    /// Takes one row over. When it returns Ok, the outcome is durable.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was taken over is unknown; import it again.
    pub async fn import(&self, past: &PastCallback) -> Result<Outcome, StoreError> {
        let mut current: Option<Stored> = None;
        loop {
            // Mostly there is nothing yet, and the first swap says so if there is.
            let (version, record) = current.map_or((None, None), |stored| {
                (Some(stored.version), Some(stored.record))
            });
            let past = past.in_the_guards_words(&self.source, &self.app, self.moment);
            let record = record.unwrap_or_else(|| Record::new(past.event.key()));
            let taken = match take_over(&record, past) {
                TakenOver::Taken(taken) => taken,
                TakenOver::Known { is_imported: true } => return Ok(Outcome::AlreadyImported),
                TakenOver::Known { is_imported: false } => return Ok(Outcome::AlreadyReceived),
                TakenOver::Open => return Ok(Outcome::Open),
                TakenOver::Contradicts(how) => return Ok(Outcome::Contradicts(how)),
            };
            match self.store.swap(version, &taken).await? {
                Swapped::Done(_) if taken.closed().is_some() => return Ok(Outcome::ImportedClosed),
                Swapped::Done(_) => return Ok(Outcome::Imported),
                Swapped::Lost(found) => current = found,
            }
        }
    }

    /// Takes rows over as the iterator yields them, many at a time, whatever their number.
    ///
    /// `each` is told of every row in order, counted from 1, once its outcome is durable: keep the number there
    /// to go on after an interruption. Dropping the future ends the import; what was done stays done.
    ///
    /// # Errors
    /// [`ImportError`]: a row could not be read, or the store failed.
    pub async fn import_all<E>(
        &self,
        past: impl IntoIterator<Item = Result<PastCallback, E>>,
        mut each: impl FnMut(u64, Outcome),
    ) -> Result<Summary, ImportError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut summary = Summary::default();
        let mut past = past.into_iter();
        let mut group = Vec::new();
        let mut done = 0_u64;
        loop {
            let mut unreadable = None;
            let mut is_last = false;
            while group.len() < self.together {
                match past.next() {
                    Some(Ok(row)) => group.push(row),
                    Some(Err(error)) => {
                        unreadable = Some(error.into());
                        break;
                    }
                    None => {
                        is_last = true;
                        break;
                    }
                }
            }
            for outcome in together(group.iter().map(|row| self.import(row))).await {
                // What came after a failure is left for the repetition to find.
                let outcome = outcome.map_err(|source| ImportError::Store { done, source })?;
                done = done.saturating_add(1);
                summary.count(outcome);
                each(done, outcome);
            }
            group.clear();
            if let Some(source) = unreadable {
                let row = done.saturating_add(1);
                return Err(ImportError::Row { row, source });
            }
            if is_last {
                return Ok(summary);
            }
        }
    }
}
