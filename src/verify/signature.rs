//! The keyed hash at the end of a URL.
//!
//! The message is the URL up to the signature's parameter: the configured prefix (scheme, host, port, path), a `?`,
//! and the query byte for byte as received. Nothing but the query comes from the request.

use std::fmt;

use memchr::memrchr;

use super::encoding::Encoding;
use super::error::NotGenuine;
use super::hash::{HashFunction, HashValue, PreparedMac};
use super::secret::{KeyId, KeyRing};

/// Verifies URLs whose last parameter is an HMAC of everything before it, under every key of a ring.
///
/// Keys and prefixes are prepared once. A verification allocates nothing.
///
/// ```
/// use postback::KeyRing;
/// use postback::verify::{Encoding, HashFunction, UrlVerifier};
///
/// let keys = KeyRing::try_from("JLOIAUNMHFli7ZJOQVEzm98rzqnm9")?;
/// let prefixes = ["https://publisher.com/complete"];
/// let verifier = UrlVerifier::new("hash", HashFunction::Sha1, Encoding::Hex, &keys, prefixes);
/// let query = "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";
/// let (signed, key) = verifier.verify(query)?;
/// assert_eq!(signed, "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500");
/// assert_eq!(key.as_str(), "key-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UrlVerifier {
    parameter: Box<str>,
    function: HashFunction,
    encoding: Encoding,
    /// Every key with every form of the prefix.
    macs: Vec<(KeyId, PreparedMac)>,
}

impl UrlVerifier {
    /// A verifier for URLs that begin with one of the prefixes and end with `&parameter=…`.
    pub fn new<'p>(
        parameter: &str,
        function: HashFunction,
        encoding: Encoding,
        keys: &KeyRing,
        prefixes: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        let mut macs = Vec::new();
        for prefix in prefixes {
            for (id, secret) in keys.iter() {
                let mut mac = PreparedMac::new(function, secret.as_bytes());
                mac.update(prefix.as_bytes());
                mac.update(b"?");
                macs.push((id.clone(), mac));
            }
        }
        Self { parameter: parameter.into(), function, encoding, macs }
    }

    /// The signature's parameter.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// Verifies a raw query including its signature. Returns the signed part and the key that signed it.
    ///
    /// # Errors
    /// [`NotGenuine`], if the signature is missing, malformed or wrong.
    pub fn verify<'q>(&self, query: &'q str) -> Result<(&'q str, &KeyId), NotGenuine> {
        let (signed, signature) = self.split(query).ok_or(NotGenuine::SignatureMissing)?;
        let given = HashValue::decode(self.function, self.encoding, signature.as_bytes())
            .ok_or(NotGenuine::SignatureMalformed)?;
        let mut found = None;
        // All keys are tried, so that the time does not depend on which one matches.
        for (key, mac) in &self.macs {
            if mac.finish_with(signed.as_bytes()).matches(&given) {
                found = Some(key);
            }
        }
        let key = found.ok_or(NotGenuine::SignatureWrong)?;
        Ok((signed, key))
    }

    /// Splits off the signature, which must be the last parameter: what followed it would not be signed.
    fn split<'q>(&self, query: &'q str) -> Option<(&'q str, &'q str)> {
        let (signed, last) = query.split_at_checked(memrchr(b'&', query.as_bytes())?)?;
        let signature = last.strip_prefix('&')?.strip_prefix(&*self.parameter)?.strip_prefix('=')?;
        (!signature.is_empty()).then_some((signed, signature))
    }
}

impl fmt::Debug for UrlVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlVerifier")
            .field("parameter", &self.parameter)
            .field("function", &self.function)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Secret;

    const KEY: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
    const RIGHT: &str =
        "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";

    fn verifier(keys: &KeyRing) -> UrlVerifier {
        UrlVerifier::new("hash", HashFunction::Sha1, Encoding::Hex, keys, ["https://publisher.com/complete"])
    }

    fn rejection(query: &str) -> NotGenuine {
        verifier(&Secret::new(KEY).unwrap().into()).verify(query).unwrap_err()
    }

    #[test]
    fn every_key_of_the_ring_is_tried_and_the_signer_named() {
        for (list, id) in [("KEY", "key-1"), ("other,KEY,third", "key-2"), ("KEY,other", "key-1"), ("a,b,KEY", "key-3")]
        {
            let ring = KeyRing::try_from(list.replace("KEY", KEY)).unwrap();
            assert_eq!(verifier(&ring).verify(RIGHT).unwrap().1.as_str(), id);
        }
    }

    #[test]
    fn missing_malformed_and_wrong_signatures_differ() {
        let (bare, hash) = RIGHT.split_at(RIGHT.len() - 40);
        let missing = [
            String::new(),
            "uid=1".into(),
            format!("hash={hash}"),
            format!("{RIGHT}&x=1"),
            format!("{RIGHT}&"),
            RIGHT.replace("&hash", "&HASH"),
            RIGHT.replace("&hash", "&h%61sh"),
            bare.into(),
        ];
        for query in missing {
            assert_eq!(rejection(&query), NotGenuine::SignatureMissing, "{query}");
        }
        let malformed = [
            RIGHT.split_at(RIGHT.len() - 1).0.into(),
            format!("{RIGHT}0"),
            format!("{RIGHT}{hash}"),
            format!("{RIGHT}#"),
            format!("u=1&hash={}", "g".repeat(40)),
            format!("u=1&hash={}", "é".repeat(20)),
            format!("u=1&hash={}", hash.to_uppercase()),
        ];
        for query in malformed {
            assert_eq!(rejection(&query), NotGenuine::SignatureMalformed, "{query}");
        }
        let wrong = [format!("u=1&hash={hash}"), RIGHT.replace("500", "501"), format!("{RIGHT}&hash={hash}")];
        for query in wrong {
            assert_eq!(rejection(&query), NotGenuine::SignatureWrong, "{query}");
        }
    }
}
