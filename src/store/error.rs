//! What can go wrong with a store.

use crate::id::RecordKey;

/// An error of a store. At run time, each of these is answered 503, so that the network retries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store could not be opened.
    #[error("cannot open store {location}: {hint}")]
    Open {
        /// The file or server, without credentials.
        location: String,
        /// What is wrong and what to do.
        hint: String,
        /// The database's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store does not answer, or answers with an error.
    #[error("store failed to {operation}: {hint}")]
    Unavailable {
        /// What it was asked to do: `load a record`.
        operation: &'static str,
        /// What to do about it.
        hint: &'static str,
        /// The database's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store's queue is full, or it did not answer in time.
    #[error("store is overloaded: retry later")]
    Overloaded,
    /// Another transaction holds the record's lock.
    #[error("another transaction works on this record: retry later")]
    Locked,
    /// The store was closed.
    #[error("store is closed")]
    Closed,
    /// A record cannot be read. Nothing of this conversion moves until somebody repairs it.
    #[error("unreadable record {}: restore it from a backup or repair it by hand", key.redacted())]
    Unreadable {
        /// Its key.
        key: RecordKey,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store, or a record in it, was written by a later version.
    #[error("{what} has format {found}, this version of postback reads up to {known}: upgrade postback")]
    Newer {
        /// What was written.
        what: String,
        /// Its format.
        found: u32,
        /// The latest format that this version reads.
        known: u32,
    },
}

impl StoreError {
    /// Whether it concerns a single record, so that others can still be worked on.
    pub fn is_about_one_record(&self) -> bool {
        matches!(self, Self::Locked | Self::Unreadable { .. } | Self::Newer { .. })
    }

    /// One fixed word, for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Unavailable { .. } => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Locked => "locked",
            Self::Closed => "closed",
            Self::Unreadable { .. } => "unreadable",
            Self::Newer { .. } => "newer",
        }
    }
}
