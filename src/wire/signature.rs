//! The keyed hash at the end of a URL.
//!
//! The message is the URL up to the signature's parameter: the configured prefix, a `?`, and the
//! query as it was received, byte for byte. Nothing of it comes from the request but the query.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::encoding::{self, Encoding};
use super::secret::{KeyId, KeyRing};
use crate::source::OpenError;

/// The keyed hash that a network signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA1: 20 bytes.
    HmacSha1,
    /// HMAC-SHA256: 32 bytes.
    HmacSha256,
}

/// How a network signs a URL: a parameter of a fixed name at the very end, holding a keyed hash of
/// everything before it.
///
/// ```
/// use postback::wire::{Algorithm, Encoding, SignatureScheme};
///
/// let bitlabs = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
/// assert_eq!(bitlabs.parameter(), "hash");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureScheme {
    /// The parameter's name, `=`.
    marker: Box<str>,
    algorithm: Algorithm,
    encoding: Encoding,
}

impl SignatureScheme {
    /// The signature is the value of the last parameter, which has this name (as it stands in the URL).
    pub fn trailing(parameter: &str, algorithm: Algorithm, encoding: Encoding) -> Self {
        Self {
            marker: format!("{parameter}=").into(),
            algorithm,
            encoding,
        }
    }

    /// The parameter's name.
    pub fn parameter(&self) -> &str {
        self.marker.strip_suffix('=').unwrap_or_default()
    }

    /// Splits a query into what is signed and the signature's text.
    fn split<'q>(&self, query: &'q str) -> Result<(&'q str, &'q str), OpenError> {
        // The last parameter or none: what followed it would be verified by nobody.
        let last = query.rsplit_once('&');
        let (signed, text) = last
            .and_then(|(signed, last)| Some((signed, last.strip_prefix(&*self.marker)?)))
            .ok_or(OpenError::SignatureMissing)?;
        if text.is_empty() {
            Err(OpenError::SignatureEmpty)
        } else {
            Ok((signed, text))
        }
    }

    fn decode(&self, text: &str) -> Result<Digest, OpenError> {
        let mut sha1 = [0; 20];
        let mut sha256 = [0; 32];
        let bytes = match self.algorithm {
            Algorithm::HmacSha1 => sha1.as_mut_slice(),
            Algorithm::HmacSha256 => &mut sha256,
        };
        encoding::decode(self.encoding, text.as_bytes(), bytes)
            .ok_or(OpenError::SignatureMalformed)?;
        Ok(Digest::of(bytes))
    }
}

/// A hash on the stack: its bytes as four words, the shorter one's padded with zeros. The algorithm gives the length.
struct Digest([u64; 4]);

impl Digest {
    fn of(hash: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(hash) {
            *place = *byte;
        }
        let mut words = [0; 4];
        for (place, word) in words.iter_mut().zip(bytes.as_chunks().0) {
            *place = u64::from_ne_bytes(*word);
        }
        Self(words)
    }

    /// In constant time. A word at a time: `subtle` puts a barrier behind every value that it compares.
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// A hash that has already taken in the key and the signed prefix.
#[derive(Clone)]
enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl Keyed {
    fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        // HMAC takes keys of any length, so neither constructor ever fails.
        Some(match algorithm {
            Algorithm::HmacSha1 => Self::Sha1(Hmac::new_from_slice(key).ok()?),
            Algorithm::HmacSha256 => Self::Sha256(Hmac::new_from_slice(key).ok()?),
        })
    }

    fn with_prefix(algorithm: Algorithm, key: &[u8], prefix: &str) -> Option<Self> {
        let mut keyed = Self::new(algorithm, key)?;
        keyed.update(prefix.as_bytes());
        keyed.update(b"?");
        Some(keyed)
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
        }
    }

    fn signs(&self, message: &[u8], given: &Digest) -> Choice {
        let mut keyed = self.clone();
        keyed.update(message);
        let own = match keyed {
            Self::Sha1(mac) => Digest::of(&mac.finalize().into_bytes()),
            Self::Sha256(mac) => Digest::of(&mac.finalize().into_bytes()),
        };
        own.ct_eq(given)
    }
}

/// Verifies URLs under the keys of one ring and one signed prefix.
///
/// Keyed once, when it is made; a verification clones the keyed state and allocates nothing.
#[derive(Clone)]
pub struct Verifier {
    scheme: SignatureScheme,
    first_id: KeyId,
    other_ids: Vec<KeyId>,
    /// Every key with every form of the prefix; the number is the key's place in the ring.
    states: Vec<(u32, Keyed)>,
}

/// A query whose signature is right.
#[derive(Clone)]
pub struct Signed<'q> {
    query: &'q str,
    key: KeyId,
}

impl<'q> Signed<'q> {
    /// The signed part of the query, as received, without the signature.
    pub fn query(&self) -> &'q str {
        self.query
    }

    /// The key that it was signed with.
    pub fn key(&self) -> &KeyId {
        &self.key
    }
}

impl fmt::Debug for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("key", &self.key.as_str())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for URLs that begin with one of the prefixes (scheme, host, path) under one of the keys.
    pub fn new<'p>(
        scheme: SignatureScheme,
        keys: &KeyRing,
        prefixes: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        let prefixes: Vec<&str> = prefixes.into_iter().collect();
        let mut states = Vec::new();
        for (number, (_, secret)) in (0_u32..).zip(keys.iter()) {
            for prefix in &prefixes {
                states.extend(
                    Keyed::with_prefix(scheme.algorithm, secret.bytes(), prefix)
                        .map(|state| (number, state)),
                );
            }
        }
        Self {
            scheme,
            first_id: keys.first_id().clone(),
            other_ids: keys.ids().skip(1).cloned().collect(),
            states,
        }
    }

    /// How the URLs are signed.
    pub fn scheme(&self) -> &SignatureScheme {
        &self.scheme
    }

    /// Verifies a raw query string, signature and all.
    ///
    /// # Errors
    /// [`OpenError::SignatureMissing`], [`OpenError::SignatureEmpty`],
    /// [`OpenError::SignatureMalformed`] or [`OpenError::SignatureWrong`].
    pub fn verify<'q>(&self, query: &'q str) -> Result<Signed<'q>, OpenError> {
        let (query, number) = self.find(query)?;
        let key = self.key(number).clone();
        Ok(Signed { query, key })
    }

    /// The signed part of a query, and the number of the key that it was signed with.
    pub(crate) fn find<'q>(&self, query: &'q str) -> Result<(&'q str, KeyNumber), OpenError> {
        let (query, text) = self.scheme.split(query)?;
        let given = self.scheme.decode(text)?;
        let mut matched = Choice::from(0);
        let mut number = 0_u32;
        // No early exit: the time does not tell which key came how close.
        for (key, state) in &self.states {
            let right = state.signs(query.as_bytes(), &given);
            number.conditional_assign(key, right);
            matched |= right;
        }
        if bool::from(matched) {
            Ok((query, KeyNumber(number)))
        } else {
            Err(OpenError::SignatureWrong)
        }
    }

    /// The name of a key that was found.
    pub(crate) fn key(&self, KeyNumber(number): KeyNumber) -> &KeyId {
        let other = number
            .checked_sub(1)
            .and_then(|at| self.other_ids.get(at as usize));
        other.unwrap_or(&self.first_id)
    }
}

/// Which key of its verifier's ring signed a query. Cheaper to keep than its name.
#[derive(Clone, Copy)]
pub(crate) struct KeyNumber(u32);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .field("first_key", &self.first_id)
            .field("other_keys", &self.other_ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Secret;

    const KEY: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
    const RIGHT: &str = "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";

    fn verifier(keys: &KeyRing) -> Verifier {
        let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
        Verifier::new(scheme, keys, ["https://publisher.com/complete"])
    }

    fn refusal(query: &str) -> OpenError {
        verifier(&Secret::new(KEY).unwrap().into())
            .verify(query)
            .unwrap_err()
    }

    #[test]
    fn the_first_published_vector_is_genuine() {
        let verifier = verifier(&Secret::new(KEY).unwrap().into());
        let signed = verifier.verify(RIGHT).unwrap();
        assert_eq!(
            signed.query(),
            "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500"
        );
        assert_eq!(signed.key().as_str(), "key-1");
    }

    #[test]
    fn the_key_that_matched_is_named_wherever_it_stands_in_the_ring() {
        for (ring, id) in [
            ("other,KEY,third", "key-2"),
            ("KEY,other", "key-1"),
            ("a,b,KEY", "key-3"),
        ] {
            let ring = KeyRing::from_list(ring.replace("KEY", KEY)).unwrap();
            let verifier = verifier(&ring);
            assert_eq!(verifier.verify(RIGHT).unwrap().key().as_str(), id);
        }
    }

    #[test]
    fn absent_empty_malformed_and_wrong_signatures_are_four_errors() {
        let (_, hash) = RIGHT.split_at(RIGHT.len() - 40);
        let cases = [
            (String::new(), OpenError::SignatureMissing),
            ("uid=1".into(), OpenError::SignatureMissing),
            (format!("hash={hash}"), OpenError::SignatureMissing),
            (format!("{RIGHT}&x=1"), OpenError::SignatureMissing),
            (format!("{RIGHT}&"), OpenError::SignatureMissing),
            (RIGHT.replace("&hash", "&HASH"), OpenError::SignatureMissing),
            (
                RIGHT.replace("&hash", "&h%61sh"),
                OpenError::SignatureMissing,
            ),
            ("uid=1&hash=".into(), OpenError::SignatureEmpty),
            (
                RIGHT.split_at(RIGHT.len() - 1).0.into(),
                OpenError::SignatureMalformed,
            ),
            (format!("{RIGHT}0"), OpenError::SignatureMalformed),
            (format!("{RIGHT}{hash}"), OpenError::SignatureMalformed),
            (format!("{RIGHT}#"), OpenError::SignatureMalformed),
            (
                format!("u=1&hash={}", "g".repeat(40)),
                OpenError::SignatureMalformed,
            ),
            (
                format!("u=1&hash={}", "é".repeat(20)),
                OpenError::SignatureMalformed,
            ),
            (
                format!("u=1&hash={}", hash.to_uppercase()),
                OpenError::SignatureMalformed,
            ),
            (format!("u=1&hash={hash}"), OpenError::SignatureWrong),
            (RIGHT.replace("500", "501"), OpenError::SignatureWrong),
            (format!("{}&hash={hash}", &RIGHT), OpenError::SignatureWrong),
        ];
        for (query, error) in cases {
            assert_eq!(refusal(&query), error, "{query}");
        }
    }

    #[test]
    fn hmac_sha256_is_offered_under_another_parameter_name() {
        // printf '%s' 'https://net.example/cb?a=1' | openssl dgst -sha256 -hmac key
        let hash = "51b4339482f79eb2878e7441c8d49fa44f1f66898cf5bd4c1e01dcfdbc29c9a1";
        let scheme = SignatureScheme::trailing("sig", Algorithm::HmacSha256, Encoding::Hex);
        let ring = Secret::new("key").unwrap().into();
        let verifier = Verifier::new(scheme, &ring, ["https://net.example/cb"]);
        assert!(verifier.verify(&format!("a=1&sig={hash}")).is_ok());
        assert_eq!(
            verifier.verify(&format!("a=2&sig={hash}")).unwrap_err(),
            OpenError::SignatureWrong
        );
    }
}
