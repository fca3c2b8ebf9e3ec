//! Secrets, and rings of them for rotation.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::id::{AppName, IdError};

/// Stands for a secret in the URLs that are printed without one. It is public, so it protects nothing.
pub(crate) const EXAMPLE_SECRET: &str = "YOUR_SECRET";

/// A key shared with a network. It is never printed and wiped from memory when dropped.
///
/// ```
/// use postback::Secret;
///
/// let secret = Secret::new("JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?;
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// // A key read from a file often ends with a line feed. Every signature under it would be wrong.
/// assert!(Secret::new("JLOIAUNMHFli7\n").is_err());
/// # Ok::<(), postback::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the key exactly as the network's dashboard shows it.
    ///
    /// # Errors
    /// [`ConfigError::Secret`], if it is empty or `YOUR_SECRET` (anybody could sign), or has white space around it.
    pub fn new(key: impl Into<String>) -> Result<Self, ConfigError> {
        Self::at(1, Zeroizing::new(key.into()))
    }

    fn at(position: usize, key: Zeroizing<String>) -> Result<Self, ConfigError> {
        if key.is_empty() {
            Err(invalid(format!(
                "empty secret (number {position}): copy it from the network's dashboard, and check that the \
                 environment variable is set"
            )))
        } else if key.trim().len() != key.len() {
            Err(invalid(format!(
                "white space around secret number {position}: remove it (a file's trailing line feed counts)"
            )))
        } else if *key == EXAMPLE_SECRET {
            Err(invalid(format!(
                "secret number {position}: {EXAMPLE_SECRET:?} is only an example: copy the one of the network's \
                 dashboard, or choose a long random text where it is your own"
            )))
        } else {
            Ok(Self(key))
        }
    }

    /// Compares with what a caller presented. The time it takes depends neither on how much was right nor on the
    /// secret's length.
    ///
    /// ```
    /// use postback::Secret;
    ///
    /// let secret = Secret::new("a long random text")?;
    /// assert!(secret.matches(b"a long random text"));
    /// assert!(!secret.matches(b"a long random tex"));
    /// # Ok::<(), postback::ConfigError>(())
    /// ```
    pub fn matches(&self, presented: impl AsRef<[u8]>) -> bool {
        let hash = |text: &[u8]| <[u8; 32]>::from(Sha256::digest(text));
        hash(self.as_bytes()).ct_eq(&hash(presented.as_ref())).into()
    }

    /// The key's bytes, for keyed hashes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn invalid(problem: String) -> ConfigError {
    ConfigError::Secret { problem }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The operator's name for one secret of a ring, to see which key signed a callback. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Takes a name of letters, digits, `.`, `_` and `-`.
    ///
    /// # Errors
    /// [`IdError`], if it is empty, too long, or contains anything else.
    pub fn new(name: impl AsRef<str>) -> Result<Self, IdError> {
        // The rule for every name that an operator chooses.
        Ok(Self(AppName::new(name)?.as_str().into()))
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

/// The secrets that are valid now: one, or several while a secret is being replaced. Never empty.
///
/// It is made from a [`Secret`], or from a text with one secret or several separated by commas, as an environment
/// variable has it. Those are named `key-1`, `key-2` …
///
/// ```
/// use postback::{KeyRing, Secret};
/// use postback::verify::KeyId;
///
/// let ring = KeyRing::try_from("old-secret,new-secret")?;
/// assert_eq!(ring.ids().map(KeyId::as_str).collect::<Vec<_>>(), ["key-1", "key-2"]);
///
/// let ring = KeyRing::new(KeyId::new("spring")?, Secret::new("old-secret")?)
///     .with(KeyId::new("autumn")?, Secret::new("new-secret")?)?;
/// assert_eq!(ring.ids().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(KeyId, Secret)>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(id: KeyId, secret: Secret) -> Self {
        Self { keys: vec![(id, secret)] }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`ConfigError::Secret`], if the ring has a key of that name.
    pub fn with(mut self, id: KeyId, secret: Secret) -> Result<Self, ConfigError> {
        if self.ids().any(|known| *known == id) {
            return Err(invalid(format!("two keys named {:?}: give each its own name", id.as_str())));
        }
        self.keys.push((id, secret));
        Ok(self)
    }

    /// The keys' names.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|(id, _)| id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&KeyId, &Secret)> {
        self.keys.iter().map(|(id, secret)| (id, secret))
    }
}

impl TryFrom<&str> for KeyRing {
    type Error = ConfigError;
    fn try_from(list: &str) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        for (position, key) in (1..).zip(list.split(',')) {
            let secret = Secret::at(position, Zeroizing::new(key.to_owned()))?;
            keys.push((KeyId::numbered(position), secret));
        }
        Ok(Self { keys })
    }
}

impl TryFrom<String> for KeyRing {
    type Error = ConfigError;
    fn try_from(list: String) -> Result<Self, ConfigError> {
        Self::try_from(Zeroizing::new(list).as_str())
    }
}

impl TryFrom<&String> for KeyRing {
    type Error = ConfigError;
    fn try_from(list: &String) -> Result<Self, ConfigError> {
        Self::try_from(list.as_str())
    }
}

/// A ring of one key named `key-1`. Commas are part of the secret.
impl From<Secret> for KeyRing {
    fn from(secret: Secret) -> Self {
        Self::new(KeyId::numbered(1), secret)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.ids().map(KeyId::as_str).collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_secret_is_refused_with_advice() {
        let error = Secret::new("").unwrap_err().to_string();
        assert!(error.starts_with("empty secret (number 1): copy it from"), "{error}");
    }

    #[test]
    fn white_space_around_a_secret_is_refused() {
        for key in [" key", "key ", "key\n", "\tkey", "key\r\n", "\u{a0}key", "\n"] {
            let error = Secret::new(key).unwrap_err().to_string();
            assert!(error.starts_with("white space around secret number 1: remove it"), "{key:?}: {error}");
        }
        assert!(Secret::new("inner space is fine").is_ok());
    }

    #[test]
    fn ring_refuses_equal_names_and_gaps_in_a_list() {
        let key = || Secret::new("k").unwrap();
        let id = || KeyId::new("a").unwrap();
        let twice = KeyRing::new(id(), key()).with(id(), key()).unwrap_err().to_string();
        assert!(twice.starts_with("two keys named \"a\": give"), "{twice}");
        assert_eq!(KeyRing::try_from("s1,s2").unwrap().ids().count(), 2);
        assert_eq!(KeyRing::from(Secret::new("s1,s2").unwrap()).ids().count(), 1);
        for (list, at) in [("", 1), (",", 1), ("s1,", 2), ("s1, s2", 2), ("s1,,s2", 2)] {
            let error = KeyRing::try_from(list).unwrap_err().to_string();
            assert!(error.contains(&format!("number {at}")), "{list:?}: {error}");
        }
    }

    #[test]
    fn secret_matches_only_itself() {
        let secret = Secret::new("hunter2").unwrap();
        assert!(secret.matches("hunter2"));
        for presented in ["", "hunter", "hunter22", "Hunter2", "hunter3"] {
            assert!(!secret.matches(presented), "{presented:?}");
        }
    }

    #[test]
    fn debug_output_contains_no_secret() {
        let ring = KeyRing::try_from("hunter2,hunter3").unwrap();
        let shown = format!("{ring:?} {:?}", ring.keys);
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("key-2"));
    }
}
