//! Where things are: the keys, and the shards that they are spread over.

use sha1::{Digest, Sha1};

use crate::event::RecordKey;

/// Into so many parts the records are divided. **Never to be changed**: a record is looked for in its shard only,
/// so that with another number it would be taken for absent and paid again.
pub(super) const SHARDS: u8 = 64;

/// The form of the layout that this version of the crate knows.
pub(super) const LAYOUT: u32 = 1;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 64;

/// Stands between the parts of an index's member. Sorts before all else, and occurs in no id.
pub(super) const SEPARATOR: char = '\0';

/// The keys of one store.
///
/// All keys of a shard carry the same hash tag, so that a cluster keeps them on one node and one script may
/// touch them.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    prefix: String,
}

/// One shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard(u8);

/// The sorted sets of a shard. Every member has score 0, so that they are in the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Keys of records with a decision left open.
    Open,
    /// The others: key, separator, when something last happened.
    Done,
    /// Player, separator, key.
    Players,
}

impl Layout {
    /// `None`, if the prefix cannot be used.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        let is_valid =
            !prefix.is_empty() && prefix.len() <= MAX_PREFIX && prefix.bytes().all(is_fit);
        is_valid.then(|| Self {
            prefix: prefix.to_owned(),
        })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Holds the form of the layout.
    pub(super) fn form(&self) -> String {
        format!("{}:layout", self.prefix)
    }

    pub(super) fn record(&self, shard: Shard, key: &str) -> String {
        format!("{}:record:{key}", self.tag(shard))
    }

    pub(super) fn index(&self, shard: Shard, index: Index) -> String {
        let name = match index {
            Index::Open => "open",
            Index::Done => "done",
            Index::Players => "players",
        };
        format!("{}:{name}", self.tag(shard))
    }

    /// Every key that a change of this record touches: the record, and its shard's indexes.
    pub(super) fn touched(&self, key: &RecordKey) -> [String; 4] {
        let key = key.to_string();
        let shard = Shard::of(&key);
        [
            self.record(shard, &key),
            self.index(shard, Index::Open),
            self.index(shard, Index::Done),
            self.index(shard, Index::Players),
        ]
    }

    /// Up to the closing brace is what a cluster hashes. The prefix is in it, so that several stores in one
    /// cluster are spread differently.
    fn tag(&self, shard: Shard) -> String {
        format!("{{{}:{:02x}}}", self.prefix, shard.0)
    }
}

impl Shard {
    /// Where a record's key belongs.
    pub(super) fn of(key: &str) -> Self {
        let digest = Sha1::digest(key.as_bytes());
        Self(digest.first().copied().unwrap_or_default() % SHARDS)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_in_its_shard_whatever_version_of_the_crate_looks_for_it() {
        let layout = Layout::new("postback").unwrap();
        let key = "bitlabs/game/conversion/o1".parse().unwrap();
        assert_eq!(
            layout.touched(&key),
            [
                "{postback:16}:record:bitlabs/game/conversion/o1",
                "{postback:16}:open",
                "{postback:16}:done",
                "{postback:16}:players"
            ]
        );
    }

    #[test]
    fn every_shard_is_used() {
        let mut used: Vec<u8> = (0..10_000)
            .map(|number| Shard::of(&format!("bitlabs/game/conversion/{number}")).0)
            .collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, (0..SHARDS).collect::<Vec<_>>());
    }

    #[test]
    fn a_prefix_cannot_break_out_of_the_hash_tag() {
        for prefix in ["", "a b", "a{b", "a}b", "ä", "a\0b", "a*", &"a".repeat(65)] {
            assert!(Layout::new(prefix).is_none(), "{prefix:?}");
        }
        for prefix in ["postback", "game:postback_2.x-y", &"a".repeat(64)] {
            assert!(Layout::new(prefix).is_some(), "{prefix:?}");
        }
    }
}
