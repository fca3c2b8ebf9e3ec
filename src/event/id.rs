//! Identifiers that must not be mixed up.
//!
//! They are cheap to clone: a callback's way through guard and store copies its key a dozen times.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text cannot be an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`MAX_ID_BYTES`].
    #[error("it is longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// It holds a control character (NUL, a line feed …).
    #[error("it holds a control character")]
    ControlCharacter,
    /// A name chosen by the operator holds something other than `a-z A-Z 0-9 . _ -`.
    #[error("it may only hold letters, digits, '.', '_' and '-'")]
    NotAName,
}

/// The longest identifier that is accepted, in bytes. The networks' own are far shorter.
pub const MAX_ID_BYTES: usize = 256;

fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        Err(IdError::Empty)
    } else if text.len() > MAX_ID_BYTES {
        Err(IdError::TooLong)
    } else if holds_control(text) {
        Err(IdError::ControlCharacter)
    } else {
        Ok(())
    }
}

fn holds_control(text: &str) -> bool {
    if text.is_ascii() {
        // Nearly always, and many times faster.
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

fn check_name(text: &str) -> Result<(), IdError> {
    check_id(text)?;
    if text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        Ok(())
    } else {
        Err(IdError::NotAName)
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text over as it is.
            ///
            /// # Errors
            /// [`IdError`], when the text cannot serve as an identifier.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                Self::check(text)?;
                Ok(Self(text.into()))
            }

            /// Whether the text can serve as one.
            pub(super) fn check(text: &str) -> Result<(), IdError> {
                $check(text)
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

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
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
    /// The player as the game knows him: the user id that the game gave to the network.
    PlayerId, check_id
}
identifier! {
    /// A transaction id as the network gave it, unique within one app.
    TransactionId, check_id
}
identifier! {
    /// A network's name, such as `bitlabs`. Part of every key, so that two networks' transactions never meet.
    SourceName, check_name
}
identifier! {
    /// The operator's name for one app of a network. Each app has its own secrets and its own name space of transactions.
    AppName, check_name
}

impl PlayerId {
    /// Stands for a player whom nobody knows (any more).
    pub(crate) fn placeholder(text: &'static str) -> Self {
        Self(text.into())
    }
}
