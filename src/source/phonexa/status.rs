//! The status of a conversion.

use std::fmt;

use serde::{Serialize, Serializer};

/// The status of a conversion. An open list: a word that this version does not know is kept, and never paid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Not final. Nothing is paid.
    Pending,
    /// Final: the reward is due.
    Done,
    /// Rejected: nothing is due, and what was paid is taken back.
    Rejected,
    /// A word that this version does not know, as it was sent.
    Unknown(String),
}

impl Status {
    /// Reads the network's word, in any case.
    pub fn from_word(word: &str) -> Self {
        [Self::Pending, Self::Done, Self::Rejected]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(word))
            .unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// The network's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "Pending",
            Self::Done => "Done",
            Self::Rejected => "Rejected",
            Self::Unknown(word) => word,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
