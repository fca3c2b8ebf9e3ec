//! Under which record an event is remembered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{AppName, PlayerId, SourceName, TransactionId};

/// What stands in place of a player's id.
pub(crate) const LEFT_OUT: &str = "[player]";

/// Under which record an event is remembered.
///
/// Written `bitlabs/my-game/conversion/o233` or `bitlabs/my-game/player/player-7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordKey {
    /// The network.
    pub source: SourceName,
    /// The app of that network.
    pub app: AppName,
    /// The conversion or the player.
    pub subject: Subject,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One conversion, named by its original transaction.
    Conversion(TransactionId),
    /// One player's standing with the network: banned or not.
    Player(PlayerId),
}

impl RecordKey {
    /// The parts of its text, with what stands between them.
    fn parts(&self) -> [&str; 7] {
        let (word, id) = match &self.subject {
            Subject::Conversion(id) => ("conversion", id.as_str()),
            Subject::Player(id) => ("player", id.as_str()),
        };
        [
            self.source.as_str(),
            "/",
            self.app.as_str(),
            "/",
            word,
            "/",
            id,
        ]
    }

    /// Its text; what `to_string` makes in several allocations.
    pub(crate) fn to_text(&self) -> String {
        self.parts().concat()
    }

    /// Its text for a log: of a player's record, the player is left out (`bitlabs/my-game/player/[player]`).
    pub fn without_player(&self) -> String {
        let [source, a, app, b, word, c, id] = self.parts();
        let id = match self.subject {
            Subject::Conversion(_) => id,
            Subject::Player(_) => LEFT_OUT,
        };
        [source, a, app, b, word, c, id].concat()
    }

    /// Its text with a number behind it: a decision's name.
    pub(crate) fn numbered(&self, number: u32) -> String {
        let [source, a, app, b, word, c, id] = self.parts();
        [source, a, app, b, word, c, id, "#", &number.to_string()].concat()
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts()
            .into_iter()
            .try_for_each(|part| f.write_str(part))
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> Self {
        key.to_text()
    }
}

/// A text is not a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record key: expected source/app/conversion/ID or source/app/player/ID")]
pub struct RecordKeyError;

impl std::str::FromStr for RecordKey {
    type Err = RecordKeyError;
    fn from_str(text: &str) -> Result<Self, RecordKeyError> {
        let mut parts = text.splitn(4, '/');
        let mut next = || parts.next().ok_or(RecordKeyError);
        let source = SourceName::new(next()?).map_err(|_| RecordKeyError)?;
        let app = AppName::new(next()?).map_err(|_| RecordKeyError)?;
        let (word, id) = (next()?, next()?);
        let subject = match word {
            "conversion" => {
                Subject::Conversion(TransactionId::new(id).map_err(|_| RecordKeyError)?)
            }
            "player" => Subject::Player(PlayerId::new(id).map_err(|_| RecordKeyError)?),
            _ => return Err(RecordKeyError),
        };
        Ok(Self {
            source,
            app,
            subject,
        })
    }
}

impl TryFrom<String> for RecordKey {
    type Error = RecordKeyError;
    fn try_from(text: String) -> Result<Self, RecordKeyError> {
        text.parse()
    }
}
