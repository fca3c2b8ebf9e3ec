//! What can go wrong with a store.

use crate::event::RecordKey;

/// What went wrong with a store. At run time each of these is answered 503: the network comes again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store could not be opened.
    #[error("cannot open the store {place}: {hint}")]
    Open {
        /// The file or server, without credentials.
        place: String,
        /// What is wrong and what to do.
        hint: &'static str,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store does not answer, or answers with an error.
    #[error("the store failed to {doing}")]
    Unavailable {
        /// What it was asked to do.
        doing: &'static str,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More is waiting for the store than it may.
    #[error("too many operations are waiting for the store")]
    Overloaded,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A record cannot be read. It is never taken for absent: nothing of this conversion moves until
    /// somebody has looked at it.
    #[error("the record {} cannot be read: restore it from a backup or repair it by hand", key.without_player())]
    Unreadable {
        /// Its key.
        key: RecordKey,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store, or a record in it, was written by a later version of this crate.
    #[error(
        "{what} has form {found}, this version of postback knows up to {known}: upgrade postback"
    )]
    Newer {
        /// What was written.
        what: String,
        /// Its form.
        found: u32,
        /// The latest form known here.
        known: u32,
    },
}

impl StoreError {
    /// Whether it is not about one record, so that trying the next one is of no use.
    pub(crate) fn is_of_the_whole_store(&self) -> bool {
        !matches!(self, Self::Unreadable { .. } | Self::Newer { .. })
    }
}
