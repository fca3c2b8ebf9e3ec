//! Two receiver processes on one server, each of the three killed again and again: see [`postback_test_servers::storm`].

use std::collections::BTreeMap;
use std::sync::Arc;

use postback::{Decision, DedupStore as _, HandlerError, Receiver};
use postback_redis::{RedisStore, redis};
use postback_test_servers::{Redis, storm};
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use crate::fixture::timing;

/// Pays once for each id, in one script.
const PAY: &str = "#!lua
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and known ~= ARGV[3] then return redis.error_reply('ERR the id belongs to another decision') end
if known then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3])
return 1";

/// Not a test by itself: the process that the storm starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_process() {
    let Some(url) = storm::location() else { return };
    let client = redis::Client::open(&*url).unwrap();
    let Ok(store) = RedisStore::connect(&*url).await else { return };
    let wallet = Arc::new(Mutex::new(None));
    let pay = move |decision: Decision| {
        let (client, wallet) = (client.clone(), Arc::clone(&wallet));
        async move { pay(&client, &wallet, &decision).await }
    };
    let receiver = Receiver::new(store, pay).timing(timing());
    storm::serve(move |_, callback| {
        let receiver = receiver.clone();
        async move { receiver.receive(callback).await.is_ok() }
    })
    .await;
}

async fn pay(
    client: &redis::Client,
    wallet: &Mutex<Option<MultiplexedConnection>>,
    decision: &Decision,
) -> Result<(), HandlerError> {
    let mut slot = wallet.lock().await;
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => client.get_multiplexed_async_connection().await?,
    };
    let mut command = redis::cmd("EVAL");
    command.arg(PAY).arg(2).arg("wallet:paid").arg("wallet:balances");
    command.arg(decision.id().as_str()).arg(decision.player().as_str());
    command.arg(decision.balance_change().to_string());
    let _: i64 = command.query_async(&mut connection).await?;
    *slot = Some(connection);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_and_server_lose_nothing() {
    let Some(server) = Redis::start(Redis::DURABLE) else { return };
    let restart = || {
        server.kill();
        server.restart();
    };
    let mut owed = BTreeMap::new();
    for conversion in storm::run("storm::storm_process", &server.url(), Some(&restart)).await {
        *owed.entry(conversion.player).or_insert(0) += conversion.owed;
    }
    for (player, owed) in &owed {
        let balance: i64 = server.ask(&["HGET", "wallet:balances", player]).parse().unwrap_or_default();
        assert_eq!(balance, *owed, "{player}");
    }
    let store = RedisStore::connect(server.url()).await.unwrap();
    assert_eq!(store.list_pending(None, 10).await.unwrap(), []);
}
