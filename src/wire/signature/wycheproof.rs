//! Project Wycheproof's vectors for HMAC, against what a [`Verifier`](super::Verifier) verifies with.
//!
//! Their keys and messages are raw bytes, not secrets and URLs. So they enter behind the splitting of the
//! query, and from there take the verifier's own way: the hash is read by the scheme, the keyed state is
//! cloned, fed, and compared.

use std::path::Path;

use serde_json::Value;

use super::{Algorithm, Encoding, Keyed, SignatureScheme};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// What became of a file's vectors.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
    truncated_refused: usize,
}

fn is_right(algorithm: Algorithm, key: &[u8], message: &[u8], tag: &str) -> bool {
    let scheme = SignatureScheme::trailing("hash", algorithm, Encoding::Hex);
    let Ok(given) = scheme.decode(tag) else {
        return false;
    };
    let keyed = Keyed::new(algorithm, key).unwrap();
    bool::from(keyed.signs(message, &given))
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

/// `None` in the published package, which leaves the vectors out.
fn tally(file: &str, algorithm: Algorithm, bits: u64) -> Option<Tally> {
    if !Path::new(DATA).exists() {
        return None;
    }
    let text = std::fs::read_to_string(format!("{DATA}/wycheproof/{file}")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut tally = Tally::default();
    for group in vectors["testGroups"].as_array().unwrap() {
        let is_whole = group["tagSize"].as_u64().unwrap() == bits;
        for vector in group["tests"].as_array().unwrap() {
            let text = |name: &str| vector[name].as_str().unwrap();
            let (key, message, tag) = (bytes(text("key")), bytes(text("msg")), text("tag"));
            let right = is_right(algorithm, &key, &message, tag);
            assert_eq!(right, is_whole && text("result") == "valid", "{vector}");
            match (right, is_whole) {
                (true, _) => tally.accepted += 1,
                (false, true) => tally.refused += 1,
                (false, false) => tally.truncated_refused += 1,
            }
            if right {
                // Any shorter form of a right hash is refused, whole bytes or not.
                for len in 0..tag.len() {
                    assert!(!is_right(algorithm, &key, &message, tag.split_at(len).0));
                }
            }
        }
    }
    Some(tally)
}

#[test]
fn wycheproofs_hmac_sha1_vectors_pass_and_every_truncated_one_is_refused() {
    let expected = Tally {
        accepted: 33,
        refused: 54,
        truncated_refused: 83,
    };
    assert!(
        tally("hmac_sha1_test.json", Algorithm::HmacSha1, 160)
            .is_none_or(|tally| tally == expected)
    );
}

#[test]
fn wycheproofs_hmac_sha256_vectors_pass_and_every_truncated_one_is_refused() {
    let expected = Tally {
        accepted: 33,
        refused: 54,
        truncated_refused: 87,
    };
    assert!(
        tally("hmac_sha256_test.json", Algorithm::HmacSha256, 256)
            .is_none_or(|tally| tally == expected)
    );
}
