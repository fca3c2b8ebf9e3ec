//! A server that is down, killed, slow, full, somebody else's replica: errors that are answered 503, never a reward
//! without its record, and all is well again afterwards, without a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "redis")]

mod ledger;
mod redis_server;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::{Wallet, completed, decimal};
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::Event;
use postback::guard::{Considered, Record, consider};
use postback::handler::HandlerError;
use postback::receiver::{HandlingReceiver, Receive, ReceiveError, Receiver};
use postback::steps::{Receipt, Timing};
use postback::store::redis::{RedisOptions, RedisStore};
use postback::store::{DedupStore, StoreError, Swapped, Version};
use postback::web::{Refusal, Reply};
use redis_server::proxy::Proxy;

type Purse = Arc<Mutex<Wallet>>;

const SHORT: Timing = Timing::new()
    .lease(Duration::from_millis(600))
    .patience(Duration::ZERO);

fn paying(
    store: RedisStore,
) -> (
    HandlingReceiver<RedisStore, impl postback::handler::Handler + use<>>,
    Purse,
) {
    let purse = Purse::default();
    let wallet = Arc::clone(&purse);
    let handler = move |decision: &Decision| {
        wallet.lock().unwrap().carry_out(decision);
        async { Ok::<(), HandlerError>(()) }
    };
    let receiver = Receiver::new(store)
        .with_timing(SHORT)
        .with_handler(handler);
    (receiver, purse)
}

/// The callback is answered 503 with `Retry-After`.
async fn is_unavailable(receiver: &impl Receive, event: Event) -> ReceiveError {
    let error = receiver
        .receive(event)
        .await
        .expect_err("the server is out of order");
    let is_store_error = matches!(error, ReceiveError::Store(StoreError::Unavailable { .. }));
    assert!(is_store_error, "{error:?}");
    let refusal = Refusal::Receive(error);
    let reply = Reply::from(&refusal);
    assert_eq!((reply.status, reply.retry_after.is_some()), (503, true));
    let Refusal::Receive(error) = refusal else {
        unreachable!("made so above")
    };
    error
}

/// Delivers as a network does: again and again, until it is answered 200.
async fn delivered(receiver: &impl Receive, event: &Event) -> Receipt {
    let start = Instant::now();
    loop {
        match receiver.receive(event.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A store whose answers can be made to get lost.
async fn through(proxy: &Proxy) -> RedisStore {
    let options = RedisOptions::new().response_timeout(Duration::from_millis(300));
    options.connect(proxy.url()).await.unwrap()
}

/// What the store says once it has a connection again.
async fn eventually<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn open_record(transaction: &str) -> Record {
    let event = Arc::new(completed(transaction, "500"));
    match consider(&Record::new(event.key()), &event, Timestamp::from_millis(1)) {
        Considered::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

fn balance(purse: &Purse) -> rust_decimal::Decimal {
    purse.lock().unwrap().balance
}

fn cause(error: &ReceiveError) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_an_error_and_over_when_it_is_back() {
    let Some(mut server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    receiver.receive(completed("o1", "500")).await.unwrap();
    for round in 0..3 {
        server.kill();
        let event = completed(&format!("n{round}"), "1");
        let start = Instant::now();
        for _ in 0..5 {
            is_unavailable(&receiver, event.clone()).await;
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "a server that is down is told of soon"
        );
        assert_eq!(
            balance(&purse),
            decimal("500") + rust_decimal::Decimal::from(round)
        );
        receiver.resume().await.unwrap_err();
        server.restart();
        delivered(&receiver, &event).await;
        let known = delivered(&receiver, &completed("o1", "500")).await;
        assert_eq!(known, Receipt::Duplicate, "what was settled is still there");
    }
    assert_eq!(balance(&purse), decimal("503"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_way_pays_each_once() {
    let Some(mut server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    let receiver = Arc::new(receiver);
    let is_over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..16)
        .map(|sender| {
            let receiver = Arc::clone(&receiver);
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let mut sent = 0;
                loop {
                    // Each sends once more when it is over, through a connection to the server as it is then.
                    let is_last = is_over.load(Ordering::Relaxed);
                    delivered(&*receiver, &completed(&format!("{sender}-{sent}"), "1")).await;
                    sent += 1;
                    if is_last {
                        break sent;
                    }
                }
            })
        })
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        tokio::task::block_in_place(|| server.restart());
    }
    is_over.store(true, Ordering::Relaxed);
    let mut sent = 0_u32;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    assert_eq!(balance(&purse), sent.into());
    let open = receiver.receiver().store().unsettled(None, 1000).await;
    assert_eq!(open.unwrap(), [], "nothing is left open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_reset_is_made_anew() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    for number in 0..10 {
        delivered(&receiver, &completed(&format!("o{number}"), "1")).await;
        let _: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    assert_eq!(balance(&purse), decimal("10"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up_on_in_time() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    receiver.receive(completed("o1", "500")).await.unwrap();
    let _: () = server.ask(&["CLIENT", "PAUSE", "2500", "ALL"]);
    let start = Instant::now();
    let error = is_unavailable(&receiver, completed("o2", "1")).await;
    assert!(
        cause(&error).contains("no answer within"),
        "{}",
        cause(&error)
    );
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(400) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert_eq!(balance(&purse), decimal("500"), "nothing is paid");
    delivered(&receiver, &completed("o2", "1")).await;
    assert_eq!(balance(&purse), decimal("501"));
}

/// The change takes place, and its answer does not arrive: that is an error, and the next look finds the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_whose_answer_is_lost_is_an_error_and_never_done() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let store = through(&proxy).await;
    // So that the server knows the script: else what is lost is the answer that it does not.
    store.swap(None, &open_record("first")).await.unwrap();
    for (name, lose) in [
        ("swallowed", Proxy::swallow_answers as fn(&Proxy)),
        ("reset", Proxy::reset_at_answers),
    ] {
        let record = open_record(name);
        lose(&proxy);
        let swapped = store.swap(None, &record).await;
        let is_unavailable = matches!(swapped, Err(StoreError::Unavailable { .. }));
        assert!(is_unavailable, "{name}: {swapped:?}");
        proxy.pass_answers();
        let stored = eventually(async || store.load(record.key()).await).await;
        let stored = stored.expect("it was stored");
        assert_eq!(stored.version, Version::FIRST);
        let again = store.swap(None, &record).await.unwrap();
        assert_eq!(again, Swapped::Lost(Some(stored)), "sent again, it loses");
    }
}

/// The reward is paid and settled, and nobody hears of it: 503, and the next delivery is a duplicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_whose_answer_is_lost_is_not_paid_again() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let losing = proxy.clone();
    let purse = Purse::default();
    let wallet = Arc::clone(&purse);
    let handler = move |decision: &Decision| {
        wallet.lock().unwrap().carry_out(decision);
        losing.swallow_answers();
        async { Ok::<(), HandlerError>(()) }
    };
    let receiver = Receiver::new(through(&proxy).await)
        .with_timing(SHORT)
        .with_handler(handler);
    is_unavailable(&receiver, completed("o1", "500")).await;
    proxy.pass_answers();
    let receipt = delivered(&receiver, &completed("o1", "500")).await;
    assert_eq!(receipt, Receipt::Duplicate);
    let wallet = purse.lock().unwrap();
    assert_eq!((wallet.balance, wallet.log.len()), (decimal("500"), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_became_a_replica_is_an_error_until_it_is_primary_again() {
    let (Some(primary), Some(server)) = (redis_server::start(), redis_server::start()) else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    let port = primary.port().to_string();
    let _: () = server.ask(&["REPLICAOF", "127.0.0.1", &port]);
    let error = is_unavailable(&receiver, completed("o1", "500")).await;
    assert!(
        cause(&error).contains("read only replica"),
        "{}",
        cause(&error)
    );
    assert_eq!(balance(&purse), decimal("0"));
    let opened = RedisStore::connect(server.url()).await;
    let said = opened.unwrap_err().to_string();
    assert!(
        said.contains("read-only replica: connect to the primary"),
        "{said}"
    );
    let _: () = server.ask(&["REPLICAOF", "NO", "ONE"]);
    delivered(&receiver, &completed("o1", "500")).await;
    assert_eq!(balance(&purse), decimal("500"));
}

/// Nothing can be claimed; what is known is answered all the same.
async fn refuses_writes(setting: &str, value: &str, code: &str) {
    let Some(server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    receiver.receive(completed("o1", "500")).await.unwrap();
    let before: String = server.ask::<[String; 2]>(&["CONFIG", "GET", setting])[1].clone();
    let _: () = server.ask(&["CONFIG", "SET", setting, value]);
    for (event, what) in [
        (completed("o2", "1"), "an offer that is not known"),
        (ledger::reconciled("o1", "200"), "news of one that is"),
    ] {
        let error = is_unavailable(&receiver, event).await;
        assert!(cause(&error).contains(code), "{what}: {}", cause(&error));
    }
    let known = receiver.receive(completed("o1", "500")).await.unwrap();
    assert_eq!(known, Receipt::Duplicate, "reading goes on");
    assert_eq!(balance(&purse), decimal("500"));
    let _: () = server.ask(&["CONFIG", "SET", setting, &before]);
    receiver.receive(completed("o2", "1")).await.unwrap();
    assert_eq!(balance(&purse), decimal("501"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_memory_is_an_error_and_over_when_there_is_room() {
    refuses_writes("maxmemory", "1", "OOM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_replicas_are_an_error_and_over_when_there_are_enough() {
    refuses_writes("min-replicas-to-write", "1", "NOREPLICAS").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_the_server_forgets_are_sent_again() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let (receiver, purse) = paying(server.store("s").await);
    for number in 0..20 {
        receiver
            .receive(completed(&format!("o{number}"), "1"))
            .await
            .unwrap();
        let _: () = server.ask(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(balance(&purse), decimal("20"));
}
