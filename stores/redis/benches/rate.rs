//! How fast the store is, next to bare commands of the same client that do the same work, in the same run:
//! `cargo bench -p postback-redis`. Starts a server of its own that flushes every change before it replies.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement fails by panicking"
)]

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::store::json;
use postback::store::{Record, SwapOutcome};
use postback::testing::guard::{Applied, apply};
use postback::{
    Decision, DedupStore as _, Effect, Event, EventKind, HandlerError, Receipt, Receiver, Timestamp, Verified,
};
use postback_redis::{RedisStore, redis};
use postback_test_servers::Redis;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Script, Value};

const CALLERS: usize = 64;
/// Many short rounds, in turns, so that what else runs on the machine slows both sides alike.
const ROUNDS: usize = 40;
const SPAN: Duration = Duration::from_millis(400);

/// More than are done in a round. Prepared before it, because callbacks are parsed and decided elsewhere.
const ITEMS: usize = 20_000;

/// Stores a record and its place in two indexes, unless it is there.
const RECORD: &str = "#!lua
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'record', ARGV[2], 'pending', '1', 'player', ARGV[3], 'changed', ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[5])
redis.call('ZADD', KEYS[3], 0, ARGV[3] .. '\\0' .. ARGV[5])
return 1
";

/// Pays once for each id.
const PAY: &str = "#!lua
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then redis.call('HINCRBY', KEYS[2], 'gems', ARGV[1]) end
return 1
";

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A new conversion.
fn event() -> Event {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let kind = EventKind::Conversion {
        transaction: format!("transaction-{number:016}").parse().unwrap(),
        original: None,
        effect: Effect::Completed { amount: 500.into(), milestone: None, reinstates: false },
    };
    let player = format!("player-{}", number % 10_000);
    let mut event = Event::new("bitlabs".parse().unwrap(), "game".parse().unwrap(), player.parse().unwrap(), kind);
    event.endpoint = "offers".into();
    event.query = format!(
        "player={player}&tx=transaction-{number:016}&gems=500&usd=0.5&state=COMPLETED&offer=123456&name=A+game+to+play"
    );
    event
}

fn record(event: Event) -> Record {
    let now = Timestamp::from_millis(1_760_000_000_000);
    match apply(&Record::new(event.key()), &Arc::new(event), now) {
        Applied::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

/// The bare client.
#[derive(Clone)]
struct Bare {
    connection: MultiplexedConnection,
    record: Arc<str>,
    pay: Arc<str>,
    json: Arc<str>,
}

impl Bare {
    async fn new(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(3)));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.unwrap();
        for script in [RECORD, PAY] {
            Script::new(script).load_async(&mut connection).await.unwrap();
        }
        Self {
            connection,
            record: Script::new(RECORD).get_hash().into(),
            pay: Script::new(PAY).get_hash().into(),
            json: json::write(&record(event())).unwrap().into(),
        }
    }

    async fn run(&self, hash: &str, keys: &[&str], arguments: &[&str]) {
        let mut command = redis::cmd("EVALSHA");
        command.arg(hash).arg(keys.len()).arg(keys).arg(arguments);
        let mut connection = self.connection.clone();
        let reply = command.query_async::<Value>(&mut connection);
        reply.await.unwrap();
    }

    async fn write(&self, number: u64) {
        let key = format!("bitlabs/game/conversion/bare-{number:016}");
        let place = format!("{{bare}}:record:{key}");
        let player = format!("player-{}", number % 10_000);
        let keys = [&*place, "{bare}:pending", "{bare}:players"];
        let arguments = ["1", &*self.json, &player, "1760000000000", &key];
        self.run(&self.record, &keys, &arguments).await;
    }

    async fn pay(&self, id: &str, player: &str, amount: &str) {
        let keys = [&*format!("{{wallet}}:paid:{id}"), &*format!("{{wallet}}:{player}")];
        self.run(&self.pay, &keys, &[amount]).await;
    }

    /// What is between a callback and its response at least: a look, the record, the payment, the settled record.
    async fn four(&self, number: u64) {
        let place = format!("{{bare}}:record:bitlabs/game/conversion/bare-{number:016}");
        let mut connection = self.connection.clone();
        let mut look = redis::cmd("HGETALL");
        let reply = look.arg(&place).query_async::<Value>(&mut connection);
        reply.await.unwrap();
        self.write(number).await;
        let id = format!("bitlabs/game/conversion/bare-{number:016}#1-0a1b2c3d");
        self.pay(&id, &format!("player-{}", number % 10_000), "500").await;
        let mut settle = redis::cmd("HSET");
        settle.arg(&place).arg(&["version", "2", "record", &self.json]);
        let reply = settle.query_async::<Value>(&mut connection);
        reply.await.unwrap();
    }
}

/// How often the work is done in a second by all callers together.
async fn rate<T: Send + 'static, F: Future<Output = ()> + Send>(
    item: impl Fn() -> T,
    work: impl Fn(T) -> F + Clone + Send + 'static,
) -> f64 {
    let items: Vec<T> = (0..ITEMS).map(|_| item()).collect();
    let items = Arc::new(Mutex::new(items));
    let started = Instant::now();
    let callers: tokio::task::JoinSet<u64> = (0..CALLERS)
        .map(|_| {
            let (items, work) = (Arc::clone(&items), work.clone());
            async move {
                let mut done = 0;
                while started.elapsed() < SPAN {
                    let item = items.lock().unwrap().pop().expect("enough items");
                    work(item).await;
                    done += 1;
                }
                done
            }
        })
        .collect();
    let done: u64 = callers.join_all().await.iter().sum();
    done as f64 / started.elapsed().as_secs_f64()
}

fn report(name: &str, baseline: &str, pairs: &[(f64, f64)], target: f64) {
    let mean = |side: fn(&(f64, f64)) -> f64| pairs.iter().map(side).sum::<f64>() / ROUNDS as f64;
    let (store, bare) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let ratio = store / bare;
    println!("{name:>12} {store:>9.0}/s {baseline:>16} {bare:>9.0}/s  ratio {ratio:.2} (target {target})");
}

#[tokio::main]
async fn main() {
    let Some(server) = Redis::start(Redis::DURABLE) else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let bare = Bare::new(&server.url()).await;
    let wallet = bare.clone();
    let receiver = Receiver::new(store.clone(), move |decision: Decision| {
        let wallet = wallet.clone();
        async move {
            let amount = decision.balance_change().to_string();
            let (id, player) = (decision.id().as_str(), decision.player().as_str());
            wallet.pay(id, player, &amount).await;
            Ok::<(), HandlerError>(())
        }
    })
    .without_recovery();

    let (mut swaps, mut callbacks) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let own = store.clone();
        let swap = rate(
            move || record(event()),
            move |record| {
                let store = own.clone();
                async move {
                    let swapped = store.swap(None, &record).await.unwrap();
                    assert!(matches!(swapped, SwapOutcome::Replaced(_)));
                }
            },
        );
        let swap = swap.await;
        let own = bare.clone();
        let number = || NUMBER.fetch_add(1, Ordering::Relaxed);
        let script = rate(number, move |number| {
            let bare = own.clone();
            async move { bare.write(number).await }
        });
        swaps.push((swap, script.await));
        let own = receiver.clone();
        let receive = rate(event, move |event| {
            let receiver = own.clone();
            async move {
                let result = receiver.receive(Verified::assume_genuine(event)).await;
                assert!(matches!(result.unwrap(), Receipt::Settled(_)));
            }
        });
        let receive = receive.await;
        let own = bare.clone();
        let four = rate(number, move |number| {
            let bare = own.clone();
            async move { bare.four(number).await }
        });
        callbacks.push((receive, four.await));
    }
    println!("{CALLERS} callers, appendfsync always, means of {ROUNDS} rounds of {SPAN:?}");
    report("one swap", "its script", &swaps, 0.8);
    report("receive", "four commands", &callbacks, 0.7);
}
