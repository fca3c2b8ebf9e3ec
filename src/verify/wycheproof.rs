//! Project Wycheproof's test vectors for HMAC. Their keys and messages are raw bytes, not secrets and URLs, so the
//! test enters below the splitting of the query.

use std::path::Path;

use serde_json::Value;

use super::{Encoding, HashFunction, HashValue, PreparedMac};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// How many vectors of a file were accepted and rejected.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    rejected: usize,
    truncated_rejected: usize,
}

fn is_right(function: HashFunction, key: &[u8], message: &[u8], tag: &str) -> bool {
    HashValue::decode(function, Encoding::Hex, tag.as_bytes())
        .is_some_and(|given| PreparedMac::new(function, key).finish_with(message).matches(&given))
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

/// `None` in the published package, which leaves the vectors out.
fn tally(file: &str, function: HashFunction) -> Option<Tally> {
    if !Path::new(DATA).exists() {
        return None;
    }
    let text = std::fs::read_to_string(format!("{DATA}/wycheproof/{file}")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut tally = Tally::default();
    for group in vectors["testGroups"].as_array().unwrap() {
        let is_whole = group["tagSize"].as_u64().unwrap() == (function.value_bytes() as u64).saturating_mul(8);
        for vector in group["tests"].as_array().unwrap() {
            let text = |name: &str| vector[name].as_str().unwrap();
            let (key, message, tag) = (bytes(text("key")), bytes(text("msg")), text("tag"));
            let right = is_right(function, &key, &message, tag);
            assert_eq!(right, is_whole && text("result") == "valid", "{vector}");
            match (right, is_whole) {
                (true, _) => tally.accepted += 1,
                (false, true) => tally.rejected += 1,
                (false, false) => tally.truncated_rejected += 1,
            }
            if right {
                // Any prefix of a right value is rejected, whole bytes or not.
                for len in 0..tag.len() {
                    assert!(!is_right(function, &key, &message, tag.split_at(len).0));
                }
            }
        }
    }
    Some(tally)
}

#[test]
fn hmac_vectors_pass_and_truncated_ones_are_rejected() {
    for (file, function, truncated_rejected) in
        [("hmac_sha1_test.json", HashFunction::Sha1, 83), ("hmac_sha256_test.json", HashFunction::Sha256, 87)]
    {
        let expected = Tally { accepted: 33, rejected: 54, truncated_rejected };
        assert!(tally(file, function).is_none_or(|tally| tally == expected), "{file}");
    }
}
