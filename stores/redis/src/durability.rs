//! How a server may lose records, by its settings.

use std::collections::HashMap;
use std::fmt;

use redis::{FromRedisValue, cmd};

use crate::connection::Connection;

const SETTINGS: [&str; 5] = ["maxmemory-policy", "appendonly", "appendfsync", "save", "no-appendfsync-on-rewrite"];

/// One way in which a server may lose records, and with them what was paid. `Display` says what to do.
///
/// Settings say nothing about a disk that does not keep what it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurabilityRisk {
    /// `CONFIG` is not permitted, as with many hosted servers: whether the server keeps records is unknown.
    SettingsUnknown,
    /// `INFO` is not permitted: whether a failover may lose records is unknown.
    ReplicationUnknown,
    /// `maxmemory-policy` is not `noeviction`.
    Eviction {
        /// The policy.
        policy: String,
    },
    /// Nothing is written to disk.
    NoPersistence,
    /// Only snapshots are written to disk.
    SnapshotsOnly,
    /// `appendfsync everysec`.
    FlushedEverySecond,
    /// `appendfsync no`.
    NotFlushed,
    /// `no-appendfsync-on-rewrite yes`.
    NotFlushedDuringRewrite,
    /// Replicas follow asynchronously, and a failover promotes one.
    AsynchronousReplication,
    /// The server is a replica: it takes no changes.
    Replica,
}

impl fmt::Display for DurabilityRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Eviction { policy } if policy.starts_with("volatile") => {
                return write!(
                    f,
                    "maxmemory-policy {policy}: keys with an expiry are removed when the memory is full, and records must \
                     never have one: set noeviction"
                );
            }
            Self::Eviction { policy } => {
                return write!(
                    f,
                    "maxmemory-policy {policy}: records are removed when the memory is full, and paid again: set noeviction"
                );
            }
            Self::SettingsUnknown => {
                "unknown settings, because CONFIG is not permitted: make sure of maxmemory-policy noeviction, appendonly \
                 yes and appendfsync always"
            }
            Self::ReplicationUnknown => {
                "unknown replication, because INFO is not permitted: a failover loses what was not replicated"
            }
            Self::NoPersistence => {
                "no persistence: a restart loses every record: set appendonly yes and appendfsync always"
            }
            Self::SnapshotsOnly => {
                "snapshots only: a crash loses every change since the last one: set appendonly yes and appendfsync always"
            }
            Self::FlushedEverySecond => {
                "appendfsync everysec: a crash of Redis or of its machine loses up to two seconds of changes: set \
                 appendfsync always"
            }
            Self::NotFlushed => {
                "appendfsync no: a crash of the machine loses the latest changes: set appendfsync always"
            }
            Self::NotFlushedDuringRewrite => {
                "no-appendfsync-on-rewrite yes: a crash of the machine during a rewrite loses changes: set it to no"
            }
            Self::AsynchronousReplication => {
                "asynchronous replication: a failover loses what was not replicated: set min-replicas-to-write 1 to \
                 bound that, or use Postgres or SQLite"
            }
            Self::Replica => "read-only replica: connect to the primary to receive callbacks",
        };
        f.write_str(text)
    }
}

/// Reads the server's settings; in a cluster, those of one node.
pub(crate) async fn find_risks(connection: &Connection) -> Vec<DurabilityRisk> {
    let settings = connection.query(cmd("CONFIG").arg("GET").arg(&SETTINGS)).await;
    let settings = settings.ok().and_then(|reply| HashMap::from_redis_value(reply).ok());
    let info = connection.query(&cmd("INFO")).await;
    let info = info.ok().and_then(|reply| String::from_redis_value(reply).ok());
    let mut risks = in_settings(&settings.unwrap_or_default());
    risks.extend(in_replication(info.as_deref()));
    risks
}

fn in_settings(settings: &HashMap<String, String>) -> Vec<DurabilityRisk> {
    let [policy, appendonly, appendfsync, save, no_flush_on_rewrite] =
        SETTINGS.map(|name| settings.get(name).map(String::as_str));
    let (Some(policy), Some(appendonly), Some(appendfsync)) = (policy, appendonly, appendfsync) else {
        return vec![DurabilityRisk::SettingsUnknown];
    };
    let eviction = (policy != "noeviction").then(|| DurabilityRisk::Eviction { policy: policy.to_owned() });
    let persistence = match (appendonly, appendfsync) {
        ("yes", "always") => (no_flush_on_rewrite == Some("yes")).then_some(DurabilityRisk::NotFlushedDuringRewrite),
        ("yes", "everysec") => Some(DurabilityRisk::FlushedEverySecond),
        ("yes", _) => Some(DurabilityRisk::NotFlushed),
        _ if save.is_none_or(str::is_empty) => Some(DurabilityRisk::NoPersistence),
        _ => Some(DurabilityRisk::SnapshotsOnly),
    };
    eviction.into_iter().chain(persistence).collect()
}

fn in_replication(info: Option<&str>) -> Option<DurabilityRisk> {
    let field = |name: &str| {
        let mut fields = info?.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(found, value)| (found == name).then_some(value.trim()))
    };
    let is_cluster = field("cluster_enabled") == Some("1");
    match (field("role"), field("connected_slaves")) {
        (Some("master"), Some("0")) if !is_cluster => None,
        (Some("master"), Some(_)) => Some(DurabilityRisk::AsynchronousReplication),
        // A cluster's connection asks any node.
        (Some(_), _) if is_cluster => Some(DurabilityRisk::AsynchronousReplication),
        (Some(_), _) => Some(DurabilityRisk::Replica),
        (None, _) => Some(DurabilityRisk::ReplicationUnknown),
    }
}
