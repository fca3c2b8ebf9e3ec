//! Takes over what an earlier receiver has paid, so that nothing of it is paid again.
//!
//! You have run a receiver of your own and kept a list of what it has paid. Import that list before the
//! network's callbacks come here (or soon after: what is already paid here is left alone and reported).
//! Afterwards a repetition of such a callback is a duplicate, and a reversal takes back exactly what was paid.
//! The game's handler is never called by an import.
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use postback::clock::{Clock, SystemClock};
//! use postback::import::{Importer, PastCallback};
//! use postback::store::MemoryStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = MemoryStore::new();
//! # let rows: Vec<Result<(String, String, i64), std::io::Error>> = vec![Ok(("o233".into(), "player-7".into(), 500))];
//! // The names that the endpoint is made with: of the network, and of the app.
//! let importer = Importer::new(&store, "bitlabs".parse()?, "my-game".parse()?, SystemClock.now());
//! // Any iterator: of the lines of a file, of a database's cursor. It is read as the import goes on.
//! let past = rows.into_iter().map(|row| {
//!     let (transaction, player, gems) = row?;
//!     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
//!         PastCallback::paid(transaction.parse()?, gems.into()).player(player.parse()?))
//! });
//! let summary = importer
//!     .import_all(past, |row, outcome| {
//!         if outcome.needs_a_look() {
//!             eprintln!("row {row}: {outcome}");
//!         }
//!     })
//!     .await?;
//! println!("{summary}");
//! # assert_eq!(summary.imported, 1);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! # }
//! ```
//!
//! The same from a CSV file, without a program: `postback import` (feature `cli`).
//!
//! # What to import
//!
//! | the earlier receiver | import | what comes later |
//! |---|---|---|
//! | paid 500 | [`PastCallback::paid`] | a repetition is a duplicate; a reversal takes back up to 500 |
//! | paid, and nobody knows how much | [`PastCallback::paid_unknown_amount`] | the conversion is closed: whatever comes is kept and reported (`closed`), and moves nothing |
//! | took back, by a message of the same transaction | [`PastCallback::taken_back`] | a repetition is a duplicate |
//! | took back, by a message with a transaction of its own | [`PastCallback::taken_back_by`] | a repetition is a duplicate |
//! | showed a pending reward | [`PastCallback::pending`] | a repetition is a duplicate; the completed callback pays |
//! | acknowledged and paid nothing | nothing | it is news |
//!
//! Rows of one conversion may stand in any order. A row without a player fits any player.
//!
//! # Again, and from the middle
//!
//! Each row is one compare-and-swap, so that an import may run beside a live receiver, twice at once, or again from the
//! start: what is known already changes nothing. What [`ImportError`] says is done, is durable; go on
//! after that row, or begin anew.

mod each;
mod past;
mod together;

use std::fmt;

pub use past::PastCallback;

use crate::clock::Timestamp;
use crate::event::{AppName, SourceName};
pub use crate::guard::Contradiction;
use crate::store::StoreError;

/// How many rows are on their way to the store at a time, unless set: a store that groups its commits takes
/// them in one.
const TOGETHER: usize = 256;

/// Takes past callbacks of one app over into a store.
#[derive(Debug)]
pub struct Importer<'s, S> {
    store: &'s S,
    source: SourceName,
    app: AppName,
    moment: Timestamp,
    together: usize,
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It is remembered, as dealt with.
    Imported,
    /// It is remembered, and the conversion is closed, since nobody knows how much was paid.
    ImportedClosed,
    /// It had been imported before. Nothing changed.
    AlreadyImported,
    /// The receiver behind this store has dealt with the same callback itself. Nothing changed. If the earlier
    /// one did, too, the game was told twice: for a paid row, the player has been paid twice.
    AlreadyReceived,
    /// A decision of this conversion is open here. Nothing changed: resume what is open, then import again.
    Open,
    /// It contradicts what is known. Nothing changed.
    Contradicts(Contradiction),
}

impl Outcome {
    /// One fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::ImportedClosed => "imported_closed",
            Self::AlreadyImported => "already_imported",
            Self::AlreadyReceived => "already_received",
            Self::Open => "open",
            Self::Contradicts(Contradiction::Conflict(_)) => "contradicts",
            Self::Contradicts(Contradiction::Refused) => "contradicts_refused",
            Self::Contradicts(Contradiction::Moved) => "contradicts_moved",
        }
    }

    /// Whether the row is not settled by this: a person should look at it.
    pub fn needs_a_look(self) -> bool {
        matches!(
            self,
            Self::AlreadyReceived | Self::Open | Self::Contradicts(_)
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imported => "imported",
            Self::ImportedClosed => "imported without its amount: the conversion is closed",
            Self::AlreadyImported => "imported before",
            Self::AlreadyReceived => {
                "dealt with by this receiver itself: if the earlier one paid, too, it was paid twice"
            }
            Self::Open => "a decision is open: resume, then import again",
            Self::Contradicts(Contradiction::Conflict(_)) => {
                "contradicts another message of this conversion (player or amount)"
            }
            Self::Contradicts(Contradiction::Refused) => "the game has refused this conversion",
            Self::Contradicts(Contradiction::Moved) => {
                "does not fit what was moved here: look at the player's balance"
            }
        })
    }
}

/// How many rows came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// [`Outcome::Open`].
    pub open: u64,
    /// [`Outcome::Contradicts`].
    pub contradicting: u64,
}

impl Summary {
    /// How many rows in all.
    pub fn rows(&self) -> u64 {
        [
            self.imported,
            self.imported_closed,
            self.already_imported,
            self.already_received,
            self.open,
            self.contradicting,
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
            Outcome::Open => &mut self.open,
            Outcome::Contradicts(_) => &mut self.contradicting,
        };
        *rows = rows.saturating_add(1);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} imported, {} imported as closed, {} imported before, {} dealt with here, {} open, {} contradicting",
            self.imported,
            self.imported_closed,
            self.already_imported,
            self.already_received,
            self.open,
            self.contradicting
        )
    }
}

/// Why an import ended early. What was done is durable; import the rest, or all of it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A row could not be read. The caller's fault.
    #[error("row {row} cannot be read; every row before it is imported")]
    Row {
        /// Which one, counted from 1.
        row: u64,
        /// What the iterator said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error("the store failed after row {done}; import from there, or all of it again")]
    Store {
        /// The rows up to this one are imported; of those after it, some may be.
        done: u64,
        /// What the store said.
        #[source]
        source: StoreError,
    },
}
