//! The Redis store: for backends of several processes whose players' balances are in Redis, or anywhere else.
//!
//! ```no_run
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::receiver::Receiver;
//! use postback::store::redis::RedisStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
//! if !store.durability().is_safe() {
//!     // What it may lose was logged. Whether to go on is yours to say.
//!     for risk in store.durability().risks() {
//!         eprintln!("{risk}");
//!     }
//! }
//! let receiver = Receiver::new(store).with_handler(|decision: &Decision| {
//!     let decision = decision.clone();
//!     // Idempotent on the id: see examples/redis_receiver.rs for a wallet that is.
//!     async move {
//!         println!("{}: {}", decision.id(), decision.balance_change());
//!         Ok::<(), HandlerError>(())
//!     }
//! });
//! # let _ = receiver;
//! # Ok(())
//! # }
//! ```
//!
//! Needs Redis 7.0 or later, or Valkey. Works in a tokio runtime with I/O and time enabled.
//!
//! # What to set on the server
//!
//! | setting | why |
//! |---|---|
//! | `maxmemory-policy noeviction` | a record that is thrown away is a reward paid twice. With `noeviction` a full memory is an error: callbacks are answered 503 and come again |
//! | `appendonly yes`, `appendfsync always` | what was answered is on the disk. With `everysec` a crash of the machine (not of the server alone) forgets up to two seconds; without `appendonly` any restart forgets more |
//! | `no-appendfsync-on-rewrite no` | else nothing is flushed while the file is rewritten |
//! | `min-replicas-to-write 1` | with fail-over: a primary that was cut off from its replicas refuses writes instead of taking some that the fail-over throws away. It narrows the gap and does not close it |
//!
//! They are looked at when the store is opened; what is amiss is logged as a warning, and said by
//! [`RedisStore::durability`].
//!
//! **Fail-over loses what had not been replicated**, for Redis replicates after it has answered. `WAIT` (which this
//! store does not use) lets one know that a replica has received a write, and does not keep a fail-over from choosing
//! another replica. What a lost record means: its callback, if it is repeated, is decided about anew, with an id that
//! may have been given before — ids are numbered within the record. A wallet outside this Redis, idempotent on the
//! id, then does not pay a repeated reward twice, but may also take a new decision for one that it knows. Where a
//! fail-over must not lose anything, use Postgres with synchronous replication, or SQLite.
//!
//! # Exactly once
//!
//! A decision is written down before the handler is called and settled afterwards; a crash in between repeats it with
//! the same id. So the wallet must be idempotent on [`Decision::id`](crate::decision::Decision::id): apply it and note
//! its id in one step. Redis can do that in one script; `examples/redis_receiver.rs` shows how.
//!
//! Every change of a record is one script, which compares the version and writes record and indexes, or nothing. An
//! operation is sent once. Where its answer does not come (timeout, reset), the result is an error, whether or not it
//! took effect; the next delivery loads the record and sees. A broken connection is made anew by the next operation.
//!
//! # What is where
//!
//! ```text
//! postback:layout                                       the form of all this: 1
//! {postback:16}:record:bitlabs/game/conversion/o1       hash: version, status, player, source, app, settled, updated, record (JSON)
//! {postback:16}:open                                    sorted set: records with a decision left open
//! {postback:16}:done                                    sorted set: the others, with when they changed last
//! {postback:16}:players                                 sorted set: player and record
//! ```
//!
//! `{postback:00}` to `{postback:3f}` are 64 shards; a record's is told by a hash of its key. All keys of a shard have
//! one hash tag, so that the store works in a cluster, too
//! ([`with_connection`](RedisOptions::with_connection)). Nothing has an expiry, and nothing may be given one.
//!
//! ```sh
//! redis-cli HGETALL '{postback:16}:record:bitlabs/game/conversion/o1'
//! redis-cli --scan --pattern '{postback:*}:record:bitlabs/game/conversion/o1'   # where the shard is not known
//! ```

mod durability;
mod layout;
mod link;
mod listing;
mod open;
mod options;
mod records;
mod retention;
mod scripts;

use std::fmt;
use std::sync::Arc;

/// The driver, for connections of your own, and for switching its features on.
pub use ::redis;
use ::redis::IntoConnectionInfo;
pub use durability::{Durability, DurabilityRisk};
use layout::Layout;
use link::Link;
use listing::Wanted;
pub use options::RedisOptions;
use scripts::Scripts;

use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{DedupStore, StoreError, Stored, Swapped, Version};

/// Records in Redis or Valkey. Cheap to clone; clones share one connection, over which their operations are
/// pipelined.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    place: String,
    layout: Layout,
    link: Link,
    scripts: Scripts,
    durability: Durability,
}

/// Neither user name nor password are shown.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("place", &self.shared.place)
            .field("prefix", &self.shared.layout.prefix())
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects with the default [`RedisOptions`], and warns if the server may lose records
    /// ([`durability`](Self::durability)).
    ///
    /// The server: a URL (`redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+unix:///path?db=0`), or
    /// what else the driver makes a connection from.
    ///
    /// # Errors
    /// [`StoreError::Open`], naming the server without credentials, the cause, and what to do;
    /// [`StoreError::Newer`], when a later version of this crate has been at work there.
    pub async fn connect(server: impl IntoConnectionInfo) -> Result<Self, StoreError> {
        RedisOptions::new().connect(server).await
    }

    /// Whether the server's settings let it lose records, as found when the store was opened.
    pub fn durability(&self) -> &Durability {
        &self.shared.durability
    }
}

impl DedupStore for RedisStore {
    /// The script compares before it writes anything.
    const CLAIMS_FIRST: bool = true;

    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.shared.load(key).await
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        self.shared.swap(expected, record).await
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.shared
            .list("list what is open", Wanted::Open, after, limit)
            .await
    }
}
