//! Identifiers: players, transactions, networks, apps, and the keys of records.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest identifier that is accepted, in bytes. The networks' own are far shorter.
pub const MAX_ID_BYTES: usize = 256;

/// What stands in a log in place of a player's id.
pub(crate) const REDACTED_PLAYER: &str = "[player]";

/// Why a text cannot be an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("empty identifier")]
    Empty,
    /// The text is longer than [`MAX_ID_BYTES`].
    #[error("identifier longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// The text contains a control character (NUL, a line feed …).
    #[error("control character in identifier")]
    ControlCharacter,
    /// A name chosen by the operator contains something other than `a-z A-Z 0-9 . _ -`.
    #[error("invalid character in name: use letters, digits, '.', '_' and '-'")]
    InvalidName,
    /// A record key does not have the form `network/app/conversion/ID` or `network/app/player/ID`.
    #[error("invalid record key: expected network/app/conversion/ID or network/app/player/ID")]
    InvalidKey,
}

fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        Err(IdError::Empty)
    } else if text.len() > MAX_ID_BYTES {
        Err(IdError::TooLong)
    } else if contains_control(text) {
        Err(IdError::ControlCharacter)
    } else {
        Ok(())
    }
}

fn contains_control(text: &str) -> bool {
    if text.is_ascii() {
        // The usual case, and many times faster than decoding characters.
        text.bytes().fold(false, |found, byte| found | byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

fn check_name(text: &str) -> Result<(), IdError> {
    check_id(text)?;
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.bytes().all(is_valid) { Ok(()) } else { Err(IdError::InvalidName) }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text and takes it as it is.
            ///
            /// # Errors
            /// [`IdError`], if the text cannot be an identifier.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

identifier! {
    /// A player: the user id that the game passed to the network.
    PlayerId, check_id
}
identifier! {
    /// A transaction id as the network sent it, unique within one app.
    TransactionId, check_id
}
identifier! {
    /// A network's name, such as `bitlabs`. It is part of every key, so transactions of two networks never collide.
    NetworkName, check_name
}
identifier! {
    /// The operator's name for one app of a network. Each app has its own secrets and its own transactions.
    AppName, check_name
}

impl PlayerId {
    /// Stands for a player who is unknown or was erased.
    pub(crate) fn placeholder(text: &'static str) -> Self {
        Self(text.into())
    }
}

/// The key of a record: `bitlabs/my-game/conversion/o233` or `bitlabs/my-game/player/player-7`.
///
/// Keys are ordered by their text.
///
/// ```
/// use postback::RecordKey;
///
/// let key: RecordKey = "bitlabs/my-game/conversion/o233".parse()?;
/// assert_eq!((key.network(), key.app(), key.id()), ("bitlabs", "my-game", "o233"));
/// assert!(!key.is_player());
/// # Ok::<(), postback::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordKey(Arc<str>);

const CONVERSION: &str = "conversion";
const PLAYER: &str = "player";

impl RecordKey {
    /// The key of a conversion, named by its original transaction.
    pub fn conversion(network: &NetworkName, app: &AppName, transaction: &TransactionId) -> Self {
        Self::of(network, app, CONVERSION, transaction.as_str())
    }

    /// The key of a player's ban status.
    pub fn player(network: &NetworkName, app: &AppName, player: &PlayerId) -> Self {
        Self::of(network, app, PLAYER, player.as_str())
    }

    fn of(network: &NetworkName, app: &AppName, kind: &str, id: &str) -> Self {
        let text = [network.as_str(), "/", app.as_str(), "/", kind, "/", id].concat();
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        self.part(0)
    }

    /// The app's name.
    pub fn app(&self) -> &str {
        self.part(1)
    }

    /// Whether it is a player's record, and not a conversion's.
    pub fn is_player(&self) -> bool {
        self.part(2) == PLAYER
    }

    /// The conversion's original transaction, or the player.
    pub fn id(&self) -> &str {
        self.part(3)
    }

    /// Names contain no slash and the id is the last part, so splitting is unambiguous.
    fn part(&self, number: usize) -> &str {
        self.0.splitn(4, '/').nth(number).unwrap_or_default()
    }

    /// The text for a log: `bitlabs/my-game/player/[player]` for a player's record.
    pub fn redacted(&self) -> String {
        if self.is_player() {
            [self.network(), "/", self.app(), "/", PLAYER, "/", REDACTED_PLAYER].concat()
        } else {
            self.as_str().to_owned()
        }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for RecordKey {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut parts = text.splitn(4, '/');
        let mut next = || parts.next().ok_or(IdError::InvalidKey);
        check_name(next()?).map_err(|_| IdError::InvalidKey)?;
        check_name(next()?).map_err(|_| IdError::InvalidKey)?;
        if !matches!(next()?, CONVERSION | PLAYER) {
            return Err(IdError::InvalidKey);
        }
        check_id(next()?).map_err(|_| IdError::InvalidKey)?;
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for RecordKey {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}
