//! What a server may lose, by its settings.

use std::collections::HashMap;
use std::fmt;

use redis::FromRedisValue;

use super::link::Link;

/// What the server's settings mean for the records, as found when the store was opened.
///
/// Only settings are looked at. Whether the disk keeps what it was told to, and what happens at a fail-over, they
/// do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    risks: Vec<DurabilityRisk>,
}

/// One way in which records could be lost. `Display` says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurabilityRisk {
    /// The settings could not be read (`CONFIG` is forbidden, as with many hosted servers): look them up.
    Unchecked,
    /// `maxmemory-policy` is `allkeys-…`: records are thrown away when the memory is full, and paid again.
    Eviction(String),
    /// `maxmemory-policy` is `volatile-…`: what has an expiry is thrown away when the memory is full. Records
    /// have none.
    VolatileEviction(String),
    /// Nothing is written to the disk: a restart forgets every record.
    NoPersistence,
    /// Only snapshots are written: a crash forgets what came after the last one.
    SnapshotsOnly,
    /// `appendfsync everysec`: a crash of the machine forgets the last second or two.
    LastSecond,
    /// `appendfsync no`: a crash of the machine forgets what the system had not written by itself.
    NeverFlushed,
    /// `no-appendfsync-on-rewrite yes`: while the file is rewritten nothing is flushed, whatever else is set.
    NotFlushedDuringRewrite,
}

impl Durability {
    /// Every risk that was found.
    pub fn risks(&self) -> &[DurabilityRisk] {
        &self.risks
    }

    /// Whether no risk was found: everything is flushed before it is answered, and nothing is evicted.
    pub fn is_safe(&self) -> bool {
        self.risks.is_empty()
    }

    /// Looks the settings up.
    pub(super) async fn of(link: &Link) -> Self {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(&[
            "maxmemory-policy",
            "appendonly",
            "appendfsync",
            "save",
            "no-appendfsync-on-rewrite",
        ]);
        let answer = link.ask(&command).await.ok();
        let settings = answer.and_then(|answer| HashMap::from_redis_value(answer).ok());
        Self::from_settings(&settings.unwrap_or_default())
    }

    fn from_settings(settings: &HashMap<String, String>) -> Self {
        let setting = |name| settings.get(name).map(String::as_str);
        let (Some(policy), Some(appendonly), Some(appendfsync)) = (
            setting("maxmemory-policy"),
            setting("appendonly"),
            setting("appendfsync"),
        ) else {
            let risks = vec![DurabilityRisk::Unchecked];
            return Self { risks };
        };
        let mut risks = Vec::new();
        if policy.starts_with("volatile") {
            risks.push(DurabilityRisk::VolatileEviction(policy.to_owned()));
        } else if policy != "noeviction" {
            risks.push(DurabilityRisk::Eviction(policy.to_owned()));
        }
        if appendonly != "yes" {
            risks.push(match setting("save") {
                None | Some("") => DurabilityRisk::NoPersistence,
                Some(_) => DurabilityRisk::SnapshotsOnly,
            });
        } else if appendfsync == "everysec" {
            risks.push(DurabilityRisk::LastSecond);
        } else if appendfsync != "always" {
            risks.push(DurabilityRisk::NeverFlushed);
        } else if setting("no-appendfsync-on-rewrite") == Some("yes") {
            risks.push(DurabilityRisk::NotFlushedDuringRewrite);
        }
        Self { risks }
    }

    /// Warns of every risk.
    pub(super) fn log(&self, place: &str) {
        for risk in &self.risks {
            tracing::warn!(target: "postback::store", place, %risk, "records in Redis may be lost");
        }
    }
}

impl fmt::Display for DurabilityRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchecked => f.write_str(
                "the server's settings could not be read: make sure of maxmemory-policy noeviction, appendonly yes \
                 and appendfsync always",
            ),
            Self::Eviction(policy) => write!(
                f,
                "maxmemory-policy {policy} throws records away when the memory is full, and they are paid again: \
                 set noeviction"
            ),
            Self::VolatileEviction(policy) => write!(
                f,
                "maxmemory-policy {policy} throws away whatever has an expiry: set noeviction, or never give a \
                 record one"
            ),
            Self::NoPersistence => f.write_str(
                "nothing is written to the disk, so that a restart forgets what was paid: set appendonly yes and \
                 appendfsync always",
            ),
            Self::SnapshotsOnly => f.write_str(
                "only snapshots are written to the disk, so that a crash forgets what was paid since the last one: \
                 set appendonly yes and appendfsync always",
            ),
            Self::LastSecond => f.write_str(
                "appendfsync everysec: a crash of the machine forgets what was paid in the last second or two: set \
                 appendfsync always",
            ),
            Self::NeverFlushed => f.write_str(
                "appendfsync no: a crash of the machine forgets what was paid last: set appendfsync always",
            ),
            Self::NotFlushedDuringRewrite => f.write_str(
                "no-appendfsync-on-rewrite yes: a crash of the machine during a rewrite forgets what was paid \
                 meanwhile: set it to no",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DurabilityRisk::{
        Eviction, LastSecond, NeverFlushed, NoPersistence, NotFlushedDuringRewrite, SnapshotsOnly,
        Unchecked, VolatileEviction,
    };
    use super::*;

    #[test]
    fn each_setting_that_may_lose_money_is_a_risk() {
        let cases = [
            ("noeviction", "yes", "always", "", "no", vec![]),
            ("noeviction", "yes", "always", "3600 1", "no", vec![]),
            ("noeviction", "no", "always", "", "no", vec![NoPersistence]),
            (
                "noeviction",
                "no",
                "always",
                "3600 1",
                "no",
                vec![SnapshotsOnly],
            ),
            ("noeviction", "yes", "everysec", "", "no", vec![LastSecond]),
            ("noeviction", "yes", "no", "", "no", vec![NeverFlushed]),
            (
                "noeviction",
                "yes",
                "always",
                "",
                "yes",
                vec![NotFlushedDuringRewrite],
            ),
            (
                "allkeys-lru",
                "yes",
                "always",
                "",
                "no",
                vec![Eviction("allkeys-lru".into())],
            ),
            (
                "volatile-ttl",
                "no",
                "everysec",
                "",
                "no",
                vec![VolatileEviction("volatile-ttl".into()), NoPersistence],
            ),
        ];
        for (policy, appendonly, appendfsync, save, rewrite, risks) in cases {
            let settings = [
                ("maxmemory-policy", policy),
                ("appendonly", appendonly),
                ("appendfsync", appendfsync),
                ("save", save),
                ("no-appendfsync-on-rewrite", rewrite),
            ];
            let settings = settings
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            assert_eq!(Durability::from_settings(&settings).risks(), risks);
        }
        let unchecked = Durability::from_settings(&HashMap::new());
        assert_eq!(unchecked.risks(), [Unchecked]);
        assert!(!unchecked.is_safe());
    }
}
