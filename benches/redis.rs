//! How fast the Redis store is, each time beside bare commands of the same client that do the same work.
//! Starts a server of its own, which flushes every write before it answers:
//! `cargo bench --bench redis --features redis,testing`.
//!
//! Figures and what they mean: docs/performance-stores.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

mod measured;
#[path = "../tests/redis_server/mod.rs"]
mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use measured::callers::{Round, call};
use measured::figures::Figures;
use measured::offers::{Kept, Offers, settled, this_run};
use measured::words;
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::{Receive, Receiver};
use postback::steps::Receipt;
use postback::store::redis::RedisStore;
use postback::store::redis::redis::aio::MultiplexedConnection;
use postback::store::redis::redis::{self, AsyncConnectionConfig, Value};
use postback::store::{DedupStore, Swapped};

/// The record with its two indexes, as the store keeps it, if it is not there yet.
const RECORD: &str = "#!lua
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'status', 'settled', 'settled', ARGV[4], 'updated', ARGV[5],
    'source', 'bitlabs', 'app', 'game', 'record', ARGV[6], 'player', ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1] .. '\\0' .. ARGV[5])
redis.call('ZADD', KEYS[3], 0, ARGV[3] .. '\\0' .. ARGV[1])
return 1
";

/// A payment, noted under its id.
const PAY: &str = "#!lua
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then redis.call('HINCRBY', KEYS[2], 'gems', ARGV[1]) end
return 1
";

/// Both at once, where nothing stands in between.
const RECORD_AND_PAY: &str = "#!lua
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'status', 'settled', 'settled', ARGV[4], 'updated', ARGV[5],
    'source', 'bitlabs', 'app', 'game', 'record', ARGV[6], 'player', ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1] .. '\\0' .. ARGV[5])
redis.call('ZADD', KEYS[3], 0, ARGV[3] .. '\\0' .. ARGV[1])
redis.call('SET', KEYS[4], ARGV[4], 'NX')
redis.call('HINCRBY', KEYS[5], 'gems', ARGV[4])
return 1
";

const CALLERS: usize = 64;

/// So many offers are known, of which duplicates come in.
const KNOWN: usize = 2_000;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Bare {
    connection: MultiplexedConnection,
    record: Arc<str>,
    pay: Arc<str>,
    both: Arc<str>,
}

impl Bare {
    async fn new(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        // As patient as the store.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await.unwrap();
        let digest = async |script: &str| -> Arc<str> {
            let mut connection = connection.clone();
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script);
            let digest: String = load.query_async(&mut connection).await.unwrap();
            digest.into()
        };
        Self {
            record: digest(RECORD).await,
            pay: digest(PAY).await,
            both: digest(RECORD_AND_PAY).await,
            connection,
        }
    }

    async fn run(&self, digest: &str, keys: &[String], arguments: &[&str]) {
        let mut command = redis::cmd("EVALSHA");
        command.arg(digest).arg(keys.len()).arg(keys).arg(arguments);
        let _: Value = command
            .query_async(&mut self.connection.clone())
            .await
            .unwrap();
    }

    /// One write of the record.
    async fn write(&self, kept: &Kept, version: &str) {
        let arguments = [
            &kept.key,
            version,
            &kept.player,
            &kept.settled,
            "1760000000000",
            &kept.record,
        ];
        self.run(&self.record, &places(kept)[..3], &arguments).await;
    }

    async fn both(&self, kept: &Kept) {
        let arguments = [
            &kept.key,
            "1",
            &kept.player,
            &kept.settled,
            "1760000000000",
            &kept.record,
        ];
        self.run(&self.both, &places(kept), &arguments).await;
    }

    /// All that is kept of a record.
    async fn look(&self, kept: &Kept) -> Value {
        let mut look = redis::cmd("HGETALL");
        look.arg(&places(kept)[0]);
        look.query_async(&mut self.connection.clone())
            .await
            .unwrap()
    }

    /// What stands at least between a callback and its answer, where the wallet is not the store's: the intent, which
    /// fails where something is known, the payment, the settled record.
    async fn three(&self, kept: &Kept) {
        let places = places(kept);
        self.write(kept, "1").await;
        self.run(&self.pay, &places[3..], &[&kept.settled]).await;
        let mut settle = redis::cmd("HSET");
        settle
            .arg(&places[0])
            .arg(&["version", "2", "record", &kept.record]);
        let _: Value = settle
            .query_async(&mut self.connection.clone())
            .await
            .unwrap();
    }

    /// The same after a look.
    async fn four(&self, kept: &Kept) {
        self.look(kept).await;
        self.three(kept).await;
    }
}

fn places(kept: &Kept) -> [String; 5] {
    // As many shards as the store has.
    let shard = kept.key.as_bytes()[kept.key.len() - 1] % 64;
    let shard = format!("{{bare:{shard:02x}}}");
    [
        format!("{shard}:record:{}", kept.key),
        format!("{shard}:done"),
        format!("{shard}:players"),
        format!("{shard}:paid:{}", kept.decision),
        format!("{shard}:wallet:{}", kept.player),
    ]
}

async fn receive(store: &RedisStore, bare: &Bare, offers: &Offers, most: usize) -> Round {
    let wallet = bare.clone();
    let receiver = Receiver::new(store.clone()).with_handler(move |decision: &Decision| {
        let keys = [
            format!("{{wallet}}:paid:{}", decision.id()),
            format!("{{wallet}}:{}", decision.player()),
        ];
        let (wallet, amount) = (wallet.clone(), decision.balance_change().to_string());
        async move {
            wallet.run(&wallet.pay, &keys, &[&amount]).await;
            Ok::<(), HandlerError>(())
        }
    });
    let work = move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    };
    call(offers.events(most), CALLERS, words::span(), work).await
}

/// Of offers that are all known already, by the store and as bare looks.
async fn duplicates(store: &RedisStore, bare: &Bare, offers: &Offers, most: usize) -> [Round; 2] {
    let hour = Duration::from_secs(3600);
    let done = |_: &Decision| async { Ok::<(), HandlerError>(()) };
    let receiver = Receiver::new(store.clone()).with_handler(done);
    let known = offers.events(KNOWN);
    let again = known.iter().cycle().take(most).cloned().collect();
    let deliver = receiver.clone();
    call(known, CALLERS, hour, move |event| {
        let receiver = deliver.clone();
        async move { drop(receiver.receive(event).await.unwrap()) }
    })
    .await;
    let duplicates = call(again, CALLERS, words::span(), move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert_eq!(receipt, Receipt::Duplicate);
        }
    });
    let duplicates = duplicates.await;

    let known: Vec<Kept> = (0..KNOWN).map(|_| offers.kept()).collect();
    let again = known.iter().cycle().take(most).cloned().collect();
    let writer = bare.clone();
    call(known, CALLERS, hour, move |kept| {
        let bare = writer.clone();
        async move { bare.write(&kept, "1").await }
    })
    .await;
    let reader = bare.clone();
    let looks = call(again, CALLERS, words::span(), move |kept| {
        let bare = reader.clone();
        async move {
            let found = bare.look(&kept).await;
            assert!(matches!(found, Value::Array(fields) if !fields.is_empty()));
        }
    });
    [duplicates, looks.await]
}

async fn measure(url: &str) {
    let offers = Offers::new(words::order(), this_run());
    let most = usize::try_from(60 * words::span().as_millis()).unwrap();
    let store = RedisStore::connect(url).await.unwrap();
    assert!(store.durability().is_safe());
    let bare = Bare::new(url).await;
    let mut figures = Figures::default();
    for round in 1..=words::rounds() {
        eprintln!("round {round}");
        let swaps = store.clone();
        let records = (0..most).map(|_| settled(offers.event()).0).collect();
        let swapped = call(records, CALLERS, words::span(), move |record| {
            let store = swaps.clone();
            async move {
                let swapped = store.swap(None, &record).await.unwrap();
                assert!(matches!(swapped, Swapped::Done(_)));
            }
        });
        figures.add("store: one swap", swapped.await);

        let kept = || (0..most).map(|_| offers.kept()).collect::<Vec<_>>();
        let writer = bare.clone();
        let written = call(kept(), CALLERS, words::span(), move |kept| {
            let bare = writer.clone();
            async move { bare.write(&kept, "1").await }
        });
        figures.add("bare: one script, record", written.await);

        figures.add(
            "store: receive",
            receive(&store, &bare, &offers, most).await,
        );

        let writer = bare.clone();
        let written = call(kept(), CALLERS, words::span(), move |kept| {
            let bare = writer.clone();
            async move { bare.four(&kept).await }
        });
        figures.add("bare: four commands, with a look", written.await);

        let writer = bare.clone();
        let written = call(kept(), CALLERS, words::span(), move |kept| {
            let bare = writer.clone();
            async move { bare.three(&kept).await }
        });
        figures.add("bare: three commands, intent first", written.await);

        let writer = bare.clone();
        let written = call(kept(), CALLERS, words::span(), move |kept| {
            let bare = writer.clone();
            async move { bare.both(&kept).await }
        });
        figures.add("bare: one script, record and wallet", written.await);

        let [received, looked] = duplicates(&store, &bare, &offers, most).await;
        figures.add("store: duplicates", received);
        figures.add("bare: one look", looked);
    }
    figures.print();
    println!();
    for (name, than) in [
        ("store: one swap", "bare: one script, record"),
        ("store: receive", "bare: four commands, with a look"),
        ("store: receive", "bare: three commands, intent first"),
        ("store: receive", "bare: one script, record and wallet"),
        ("store: duplicates", "store: receive"),
        ("store: duplicates", "bare: one look"),
    ] {
        figures.ratio(name, than);
        figures.wait_ratio(name, than);
    }
}

fn main() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&server.url()));
}
