//! Secrets, and rings of them for rotation.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::event::{AppName, IdError};

/// A key shared with a network.
///
/// Never shown, not comparable, wiped from memory when dropped.
///
/// ```
/// use postback::wire::{Secret, SecretError};
///
/// let secret = Secret::new("JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?;
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// // A key read from a file often ends in a line feed; every hash under it would be wrong.
/// assert_eq!(Secret::new("JLOIAUNMHFli7\n").unwrap_err(), SecretError::WhiteSpace);
/// # Ok::<(), SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the key over exactly as the network's dashboard shows it.
    ///
    /// # Errors
    /// [`SecretError`], when it is empty (anyone could sign) or has white space around it.
    pub fn new(key: impl Into<String>) -> Result<Self, SecretError> {
        let key = Zeroizing::new(key.into());
        if key.is_empty() {
            Err(SecretError::Empty)
        } else if key.trim().len() != key.len() {
            Err(SecretError::WhiteSpace)
        } else {
            Ok(Self(key))
        }
    }

    /// Whether this is the secret that a caller presented. The time that it takes tells neither how much of it was
    /// right nor how long it is.
    ///
    /// ```
    /// use postback::wire::Secret;
    ///
    /// let secret = Secret::new("a long random text")?;
    /// assert!(secret.is_presented_by(b"a long random text"));
    /// assert!(!secret.is_presented_by(b"a long random tex"));
    /// # Ok::<(), postback::wire::SecretError>(())
    /// ```
    pub fn is_presented_by(&self, given: impl AsRef<[u8]>) -> bool {
        let hash = |text: &[u8]| <[u8; 32]>::from(Sha256::digest(text));
        hash(self.bytes()).ct_eq(&hash(given.as_ref())).into()
    }

    /// The key's bytes, for the keyed hashes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Why a text is refused as a secret. The configuration's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It is empty: with an empty key anyone can sign.
    #[error(
        "the secret is empty: copy it from the network's dashboard (is the environment variable set?)"
    )]
    Empty,
    /// White space stands before or behind it, for example a line feed from a file.
    #[error(
        "the secret begins or ends with white space: remove it (a file's trailing line feed counts)"
    )]
    WhiteSpace,
}

/// The operator's name for one secret, shown wherever it is said which key signed a callback.
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// A name of letters, digits, `.`, `_` and `-`.
    ///
    /// # Errors
    /// [`IdError`], when it is empty, too long, or holds anything else.
    pub fn new(name: impl Into<String>) -> Result<Self, IdError> {
        // The same rule as for every other name that an operator chooses.
        let name = AppName::new(name.into())?;
        Ok(Self(name.as_str().into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn numbered(position: usize) -> Self {
        Self(format!("key-{position}").into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The secrets that are valid at the moment: one, or several while a secret is being changed.
///
/// Never empty.
///
/// ```
/// use postback::wire::{KeyId, KeyRing, Secret};
///
/// let ring = KeyRing::new(KeyId::new("spring")?, Secret::new("old secret")?)
///     .with(KeyId::new("autumn")?, Secret::new("new secret")?)?;
/// assert_eq!(ring.ids().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    first: (KeyId, Secret),
    others: Vec<(KeyId, Secret)>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(id: KeyId, secret: Secret) -> Self {
        Self {
            first: (id, secret),
            others: Vec::new(),
        }
    }

    /// With one more key.
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateId`], when the ring has a key of that name.
    pub fn with(mut self, id: KeyId, secret: Secret) -> Result<Self, KeyRingError> {
        if self.ids().any(|known| *known == id) {
            return Err(KeyRingError::DuplicateId { id });
        }
        self.others.push((id, secret));
        Ok(self)
    }

    /// A ring from a comma-separated list, as it stands in an environment variable: `secret` or
    /// `old,new`. The keys are named `key-1`, `key-2` and so on.
    ///
    /// # Errors
    /// [`KeyRingError::Secret`], when a secret in the list is refused; it says which.
    pub fn from_list(list: impl Into<String>) -> Result<Self, KeyRingError> {
        let list = Zeroizing::new(list.into());
        let mut ring: Option<Self> = None;
        for (index, key) in list.split(',').enumerate() {
            let position = index + 1;
            let secret =
                Secret::new(key).map_err(|source| KeyRingError::Secret { position, source })?;
            let id = KeyId::numbered(position);
            ring = Some(match ring {
                None => Self::new(id, secret),
                Some(ring) => ring.with(id, secret)?,
            });
        }
        ring.ok_or(KeyRingError::Secret {
            position: 1,
            source: SecretError::Empty,
        })
    }

    pub(crate) fn first_id(&self) -> &KeyId {
        &self.first.0
    }

    /// The keys' names.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.iter().map(|(id, _)| id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(KeyId, Secret)> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// A ring of one key, named `key-1`.
impl From<Secret> for KeyRing {
    fn from(secret: Secret) -> Self {
        Self::new(KeyId::numbered(1), secret)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing")
            .field(&self.ids().map(KeyId::as_str).collect::<Vec<_>>())
            .finish()
    }
}

/// Why a ring of keys cannot be made. The configuration's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Two keys have the same name.
    #[error("two keys are called {id:?}: give each a name of its own", id = id.as_str())]
    DuplicateId {
        /// The name.
        id: KeyId,
    },
    /// A secret in the list is refused.
    #[error("secret number {position} in the list is refused")]
    Secret {
        /// Which one, counted from 1.
        position: usize,
        /// Why.
        #[source]
        source: SecretError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_is_refused_and_the_error_says_where_to_find_it() {
        let error = Secret::new("").unwrap_err();
        assert_eq!(error, SecretError::Empty);
        assert!(error.to_string().contains("copy it from"));
    }

    #[test]
    fn white_space_around_a_secret_is_refused() {
        for key in [
            " key",
            "key ",
            "key\n",
            "\tkey",
            "key\r\n",
            "\u{a0}key",
            "\n",
        ] {
            assert_eq!(
                Secret::new(key).unwrap_err(),
                SecretError::WhiteSpace,
                "{key:?}"
            );
        }
        assert!(Secret::new("inner space is fine").is_ok());
    }

    #[test]
    fn a_ring_refuses_two_keys_of_one_name_and_empty_places_in_a_list() {
        let key = || Secret::new("k").unwrap();
        let id = || KeyId::new("a").unwrap();
        assert!(matches!(
            KeyRing::new(id(), key()).with(id(), key()),
            Err(KeyRingError::DuplicateId { .. })
        ));
        assert_eq!(KeyRing::from_list("s1,s2").unwrap().ids().count(), 2);
        for (list, at) in [("", 1), (",", 1), ("s1,", 2), ("s1, s2", 2), ("s1,,s2", 2)] {
            let error = KeyRing::from_list(list).unwrap_err();
            assert!(
                matches!(error, KeyRingError::Secret { position, .. } if position == at),
                "{list:?}"
            );
        }
    }

    #[test]
    fn a_secret_is_presented_only_by_all_of_it() {
        let secret = Secret::new("hunter2").unwrap();
        assert!(secret.is_presented_by("hunter2"));
        for given in ["", "hunter", "hunter22", "Hunter2", "hunter3"] {
            assert!(!secret.is_presented_by(given), "{given:?}");
        }
    }

    #[test]
    fn a_keys_name_is_shown_as_it_was_chosen() {
        assert_eq!(KeyId::new("spring").unwrap().to_string(), "spring");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let ring = KeyRing::from_list("hunter2,hunter3").unwrap();
        let shown = format!("{ring:?} {:?}", ring.first.1);
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("key-2"));
    }
}
