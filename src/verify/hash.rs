//! Hashes and keyed hashes (HMAC), for every way in which networks authenticate.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::encoding::Encoding;

/// A hash function that networks use, keyed (HMAC) or over a text that contains the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashFunction {
    /// MD5: 16 bytes. Only because networks use it.
    Md5,
    /// SHA-1: 20 bytes.
    Sha1,
    /// SHA-256: 32 bytes.
    Sha256,
}

impl HashFunction {
    /// The length of its values in bytes.
    pub const fn value_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The hash value of a message.
    pub(crate) fn digest(self, message: &[u8]) -> HashValue {
        match self {
            Self::Md5 => HashValue::new(&Md5::digest(message)),
            Self::Sha1 => HashValue::new(&Sha1::digest(message)),
            Self::Sha256 => HashValue::new(&Sha256::digest(message)),
        }
    }
}

/// A hash value, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct HashValue {
    /// Padded with zeros.
    bytes: [u8; 32],
    len: usize,
}

impl HashValue {
    fn new(value: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(value) {
            *place = *byte;
        }
        Self { bytes, len: value.len() }
    }

    /// Reads a value of a hash function as a network writes it. `None` if it cannot be one. Allocates nothing.
    pub(crate) fn decode(function: HashFunction, encoding: Encoding, text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let len = function.value_bytes();
        encoding.decode(text, bytes.get_mut(..len)?)?;
        Some(Self { bytes, len })
    }

    /// The value.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.len == other.len && bool::from(self.words().ct_eq(&other.words()))
    }

    /// `subtle` puts a barrier after every compared item: four words take a quarter of the time of 32 bytes.
    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(self.bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }
}

/// An HMAC with its key, and possibly the beginning of the message, already taken in.
#[derive(Clone)]
pub(crate) enum PreparedMac {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl PreparedMac {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(crate) fn new(function: HashFunction, key: &[u8]) -> Self {
        const ANY_LENGTH: &str = "HMAC takes keys of any length";
        match function {
            HashFunction::Md5 => Self::Md5(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            HashFunction::Sha1 => Self::Sha1(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            HashFunction::Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
        }
    }

    /// Takes in the next part of the message.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(mac) => mac.update(bytes),
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
        }
    }

    /// The value once `rest` is taken in, too. Leaves this state as it is.
    pub(crate) fn finish_with(&self, rest: &[u8]) -> HashValue {
        match self {
            Self::Md5(mac) => HashValue::new(&mac.clone().chain_update(rest).finalize().into_bytes()),
            Self::Sha1(mac) => HashValue::new(&mac.clone().chain_update(rest).finalize().into_bytes()),
            Self::Sha256(mac) => HashValue::new(&mac.clone().chain_update(rest).finalize().into_bytes()),
        }
    }
}

impl fmt::Debug for PreparedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMac").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_computed_and_compared() {
        // printf '%s' 'https://net.example/cb?a=1' | openssl dgst -sha256 -hmac key, and so on.
        let message = b"https://net.example/cb?a=1";
        for (function, keyed, plain) in [
            (HashFunction::Md5, "87af6c3bb13ce9ce3b3867103e331ae2", "9375d8f14f21c13ff2b22871c970fec5"),
            (
                HashFunction::Sha1,
                "51881eeb7180368fcb743460576a119dd2412ea1",
                "0c65f1e7d440dc7ed926a6a40e033cf32305b3c3",
            ),
            (
                HashFunction::Sha256,
                "51b4339482f79eb2878e7441c8d49fa44f1f66898cf5bd4c1e01dcfdbc29c9a1",
                "ed4f3c67631ffaf9e942d82cc9174f36b39cb8fe0dfbc0305a1550b549df62f4",
            ),
        ] {
            let read = |text: &str| HashValue::decode(function, Encoding::Hex, text.as_bytes()).unwrap();
            let mut mac = PreparedMac::new(function, b"key");
            assert_eq!(format!("{mac:?}"), "PreparedMac { .. }");
            mac.update(b"https://net.example");
            assert!(mac.finish_with(b"/cb?a=1").matches(&read(keyed)), "{function:?}");
            assert!(!mac.finish_with(b"/cb?a=2").matches(&read(keyed)), "{function:?}");
            assert!(function.digest(message).matches(&read(plain)), "{function:?}");
            assert_eq!(function.digest(message).as_bytes().len(), function.value_bytes());
        }
    }

    #[test]
    fn values_of_different_lengths_never_match() {
        let short = HashFunction::Md5.digest(b"");
        let mut long = short;
        long.len = 20;
        assert!(!short.matches(&long));
    }
}
