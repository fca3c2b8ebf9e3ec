//! Under which record an event is remembered.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AppName, PlayerId, SourceName, TransactionId};

/// What stands in place of a player's id.
pub(crate) const LEFT_OUT: &str = "[player]";

/// Under which record an event is remembered.
///
/// Written `bitlabs/my-game/conversion/o233` or `bitlabs/my-game/player/player-7`. It is no more than that text, which
/// its copies share, and stands in the order of that text.
///
/// ```
/// use postback::event::{RecordKey, RecordKeyError, Subject};
///
/// # fn example() -> Result<(), RecordKeyError> {
/// let key: RecordKey = "bitlabs/my-game/conversion/o233".parse()?;
/// assert_eq!((key.source(), key.app()), ("bitlabs", "my-game"));
/// assert_eq!(key.subject(), Subject::Conversion("o233"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordKey(Arc<str>);

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject<'a> {
    /// One conversion, named by its original transaction.
    Conversion(&'a str),
    /// One player's standing with the network: banned or not.
    Player(&'a str),
}

impl<'a> Subject<'a> {
    /// Its word in a key, and the id.
    fn parts(self) -> [&'a str; 2] {
        match self {
            Self::Conversion(id) => [CONVERSION, id],
            Self::Player(id) => [PLAYER, id],
        }
    }
}

const CONVERSION: &str = "conversion";
const PLAYER: &str = "player";

impl RecordKey {
    /// The key of a conversion, named by its original transaction.
    pub fn of_conversion(source: &SourceName, app: &AppName, transaction: &TransactionId) -> Self {
        Self::of(source, app, Subject::Conversion(transaction.as_str()))
    }

    /// The key of a player's standing.
    pub fn of_player(source: &SourceName, app: &AppName, player: &PlayerId) -> Self {
        Self::of(source, app, Subject::Player(player.as_str()))
    }

    pub(super) fn of(source: &SourceName, app: &AppName, subject: Subject<'_>) -> Self {
        let [word, id] = subject.parts();
        let text = [source.as_str(), "/", app.as_str(), "/", word, "/", id].concat();
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network's name.
    pub fn source(&self) -> &str {
        self.part(0)
    }

    /// The operator's name for the app of that network.
    pub fn app(&self) -> &str {
        self.part(1)
    }

    /// The conversion or the player.
    pub fn subject(&self) -> Subject<'_> {
        match self.part(2) {
            PLAYER => Subject::Player(self.part(3)),
            _ => Subject::Conversion(self.part(3)),
        }
    }

    /// Names hold no slash, and an id is the last part: so the parts can be told from one another.
    fn part(&self, number: usize) -> &str {
        self.0.splitn(4, '/').nth(number).unwrap_or_default()
    }

    /// Its text for a log: of a player's record, the player is left out (`bitlabs/my-game/player/[player]`).
    pub fn without_player(&self) -> String {
        match self.subject() {
            Subject::Conversion(_) => self.as_str().to_owned(),
            Subject::Player(_) => {
                [self.source(), "/", self.app(), "/", PLAYER, "/", LEFT_OUT].concat()
            }
        }
    }

    /// Its text with a number behind it: a decision's name.
    pub(crate) fn numbered(&self, number: u32) -> String {
        [&*self.0, "#", &number.to_string()].concat()
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> Self {
        key.as_str().to_owned()
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
        SourceName::check(next()?).map_err(|_| RecordKeyError)?;
        AppName::check(next()?).map_err(|_| RecordKeyError)?;
        let (word, id) = (next()?, next()?);
        match word {
            CONVERSION => TransactionId::check(id),
            PLAYER => PlayerId::check(id),
            _ => return Err(RecordKeyError),
        }
        .map_err(|_| RecordKeyError)?;
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for RecordKey {
    type Error = RecordKeyError;
    fn try_from(text: String) -> Result<Self, RecordKeyError> {
        text.parse()
    }
}
