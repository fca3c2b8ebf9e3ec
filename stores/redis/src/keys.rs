//! The names of the keys in Redis.

use postback::RecordKey;
use postback::store::StoreError;

use crate::error;

/// The layout that this version reads and writes.
pub(crate) const LAYOUT: u32 = 1;

/// The longest prefix, in bytes.
const MAX_PREFIX_BYTES: usize = 64;

/// Separates the parts of an index's member. It sorts before everything else and occurs in no id.
pub(crate) const SEPARATOR: &str = "\0";

/// What follows the separator in order.
const AFTER_SEPARATOR: &str = "\x01";

/// The names of one store's keys. They share one hash tag, `{prefix}`, so that in a cluster they are in one slot and a
/// script may change them together.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
    record: String,
    layout: String,
    pending: String,
    settled: String,
    players: String,
    unusable: String,
    unusable_by_time: String,
}

impl Keys {
    /// `None`: the prefix is invalid. It must not end the hash tag.
    pub(crate) fn new(prefix: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        let is_valid = !prefix.is_empty() && prefix.len() <= MAX_PREFIX_BYTES && prefix.bytes().all(is_allowed);
        let name = |name: &str| format!("{{{prefix}}}:{name}");
        is_valid.then(|| Self {
            prefix: prefix.to_owned(),
            record: name("record:"),
            layout: name("layout"),
            pending: name("pending"),
            settled: name("settled"),
            players: name("players"),
            unusable: name("unusable"),
            unusable_by_time: name("unusable:by_time"),
        })
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The number of the layout.
    pub(crate) fn layout(&self) -> &str {
        &self.layout
    }

    /// Hash: one record, with the fields `version`, `record` (JSON), `pending`, `player` and `changed`.
    pub(crate) fn record(&self, key: &RecordKey) -> String {
        [&self.record, key.as_str()].concat()
    }

    /// Sorted set: the keys of the records with a pending decision.
    pub(crate) fn pending(&self) -> &str {
        &self.pending
    }

    /// Sorted set: the keys of the others, each with the time of its last change.
    pub(crate) fn settled(&self) -> &str {
        &self.settled
    }

    /// Sorted set: players, each with the key of a record.
    pub(crate) fn players(&self) -> &str {
        &self.players
    }

    /// Hash: unusable callbacks by their ids.
    pub(crate) fn unusable(&self) -> &str {
        &self.unusable
    }

    /// Sorted set: the ids of the unusable callbacks by the time they arrived.
    pub(crate) fn unusable_by_time(&self) -> &str {
        &self.unusable_by_time
    }
}

/// The bound of a range that begins after this member.
pub(crate) fn after(member: &[u8]) -> Vec<u8> {
    [b"(", member].concat()
}

/// The bound between the members with this first part and those that follow.
pub(crate) fn after_all_of(first: &str) -> Vec<u8> {
    after([first, AFTER_SEPARATOR].concat().as_bytes())
}

/// Checks the number of a layout that was found.
pub(crate) fn check_layout(found: &[u8], location: &str, prefix: &str) -> Result<(), StoreError> {
    let number = std::str::from_utf8(found).ok();
    match number.and_then(|number| number.parse().ok()) {
        Some(LAYOUT) => Ok(()),
        Some(number) if number > LAYOUT => Err(error::newer_layout(location, prefix, number, LAYOUT)),
        _ => Err(error::foreign_layout(location)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_cannot_end_the_hash_tag() {
        for prefix in ["", "a b", "a{b", "a}b", "ä", "a\0b", "a*", &"a".repeat(65)] {
            assert!(Keys::new(prefix).is_none(), "{prefix:?}");
        }
        for prefix in ["postback", "game:postback_2.x-y", &"a".repeat(64)] {
            assert!(Keys::new(prefix).is_some(), "{prefix:?}");
        }
    }

    #[test]
    fn names_of_keys_never_change() {
        let keys = Keys::new("postback").unwrap();
        let record = "bitlabs/game/conversion/o1".parse().unwrap();
        assert_eq!(keys.record(&record), "{postback}:record:bitlabs/game/conversion/o1");
        let names =
            [keys.layout(), keys.pending(), keys.settled(), keys.players(), keys.unusable(), keys.unusable_by_time()];
        let expected = [
            "{postback}:layout",
            "{postback}:pending",
            "{postback}:settled",
            "{postback}:players",
            "{postback}:unusable",
            "{postback}:unusable:by_time",
        ];
        assert_eq!(names, expected);
    }
}
