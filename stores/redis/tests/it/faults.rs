//! A server that is down, killed, slow, full or a replica, and replies that get lost: the callback is answered 503, and
//! everything works again afterwards without a restart.

use std::time::Duration;

use postback::store::{StoreError, SwapOutcome};
use postback::{
    Decision, DedupStore as _, Event, HandlerError, Origin, Receipt, Receive, ReceiveError, Receiver, Verified,
};
use postback_redis::{RedisOptions, RedisStore};
use postback_test_servers::{Redis, send_signal};

use crate::fixture::{
    Wallet, chain, completed, eventually, insist, is_unavailable, open, pending_record, receiver, reversed,
    start_durable, start_game, timing,
};
use crate::proxy::{Proxy, Replies};

/// A store whose replies can be made to get lost.
async fn open_through(proxy: &Proxy) -> RedisStore {
    let options = RedisOptions::new().response_timeout(Duration::from_millis(500));
    options.connect(proxy.url()).await.unwrap()
}

/// The callback is answered 503, for this reason.
async fn assert_unavailable(receiver: &impl Receive, callback: Verified<Event>, reason: &str) {
    let error = receiver.receive(callback).await.unwrap_err();
    let is_store_error = matches!(error, ReceiveError::Store(StoreError::Unavailable { .. }));
    assert!(is_store_error, "{error:?}");
    assert_eq!(error.origin(), Origin::Store);
    assert!(chain(&error).contains(reason), "{}", chain(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_server_is_an_error_until_it_is_back() {
    let Some((server, receiver, wallet)) = start_game(Redis::DURABLE).await else { return };
    insist(&receiver, &completed("o1", 500)).await;
    for round in 0..3 {
        server.kill();
        let event = completed(&format!("n{round}"), 1);
        for _ in 0..3 {
            let error = receiver.receive(event.clone()).await.unwrap_err();
            assert_eq!(error.origin(), Origin::Store, "{error:?}");
        }
        receiver.recover().await.unwrap_err();
        assert_eq!(wallet.balance(), (500 + round).into());
        tokio::task::block_in_place(|| server.restart());
        insist(&receiver, &event).await;
        let known = insist(&receiver, &completed("o1", 500)).await;
        assert_eq!(known, Receipt::Duplicate);
    }
    assert_eq!(wallet.balance(), 503.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connection_and_forgotten_scripts_are_replaced() {
    let connections: &[&str] = &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    for lost in [connections, &["SCRIPT", "FLUSH"]] {
        let Some((server, receiver, wallet)) = start_game(Redis::DURABLE).await else { return };
        for number in 0..10 {
            insist(&receiver, &completed(&format!("o{number}"), 1)).await;
            server.ask(lost);
        }
        assert_eq!((wallet.balance(), wallet.calls().len()), (10.into(), 10), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_server_is_an_error_in_time() {
    let Some(server) = start_durable() else { return };
    let wallet = Wallet::default();
    let options = RedisOptions::new().response_timeout(Duration::from_millis(200));
    let receiver = receiver(options.connect(server.url()).await.unwrap(), &wallet);
    let process = server.process_id().unwrap();
    send_signal("STOP", process);
    assert_unavailable(&receiver, completed("o1", 1), "no reply within 200ms").await;
    assert_eq!(wallet.balance(), 0.into());
    send_signal("CONT", process);
    insist(&receiver, &completed("o1", 1)).await;
    assert_eq!(wallet.balance(), 1.into());
}

/// The change is made and its reply does not arrive: an error, and never sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swap_with_a_lost_reply_is_not_sent_again() {
    let Some(server) = start_durable() else { return };
    let proxy = Proxy::start(server.port());
    let store = open_through(&proxy).await;
    // The server knows the script afterwards, so that the reply that gets lost is not "unknown script".
    let first = pending_record(completed("first", 5));
    store.swap(None, &first).await.unwrap();
    for (name, replies) in [("swallowed", Replies::Swallow), ("reset", Replies::Reset)] {
        let record = pending_record(completed(name, 5));
        server.ask(&["CONFIG", "RESETSTAT"]);
        proxy.set(replies);
        let swapped = store.swap(None, &record).await;
        assert!(is_unavailable(&swapped), "{name}: {swapped:?}");
        proxy.set(Replies::Pass);
        let stored = eventually(async || store.load(record.key()).await).await;
        let calls = server.ask(&["INFO", "commandstats"]);
        let calls = calls.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
        assert!(calls.unwrap().contains("calls=1,"), "{name}: {calls:?}");
        assert!(stored.is_some(), "{name}: it was stored");
        let again = store.swap(None, &record).await.unwrap();
        assert_eq!(again, SwapOutcome::Conflict(stored), "{name}");
    }
}

/// The reward is paid and settled, and nobody hears of it: 503, and the next delivery is a duplicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settlement_with_a_lost_reply_is_not_paid_again() {
    let Some(server) = start_durable() else { return };
    let proxy = Proxy::start(server.port());
    let wallet = Wallet::default();
    let (losing, paying) = (proxy.clone(), wallet.clone());
    let pay = move |decision: Decision| {
        paying.pay(&decision);
        losing.set(Replies::Swallow);
        async { Ok::<(), HandlerError>(()) }
    };
    let receiver = Receiver::new(open_through(&proxy).await, pay).timing(timing()).without_recovery();
    assert_unavailable(&receiver, completed("o1", 500), "no reply").await;
    proxy.set(Replies::Pass);
    let receipt = insist(&receiver, &completed("o1", 500)).await;
    assert_eq!(receipt, Receipt::Duplicate);
    assert_eq!((wallet.balance(), wallet.calls().len()), (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_primary_is_an_error_until_it_is_promoted() {
    let (Some(primary), Some(server)) = (start_durable(), start_durable()) else { return };
    let wallet = Wallet::default();
    let receiver = receiver(open(&server, "s").await, &wallet);
    let port = primary.port().to_string();
    server.ask(&["REPLICAOF", "127.0.0.1", &port]);
    assert_unavailable(&receiver, completed("o1", 500), "connect to the primary").await;
    assert_eq!(wallet.balance(), 0.into());
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    insist(&receiver, &completed("o1", 500)).await;
    assert_eq!(wallet.balance(), 500.into());
}

/// Nothing new is taken, and what is known is still answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_memory_and_missing_replicas_refuse_changes() {
    for (setting, reason) in
        [("maxmemory", "out of memory: raise maxmemory"), ("min-replicas-to-write", "too few replicas")]
    {
        let Some((server, receiver, wallet)) = start_game(Redis::DURABLE).await else { return };
        insist(&receiver, &completed("o1", 500)).await;
        server.ask(&["CONFIG", "SET", setting, "1"]);
        for event in [completed("o2", 1), reversed("o1", 200)] {
            assert_unavailable(&receiver, event, reason).await;
        }
        let known = receiver.receive(completed("o1", 500)).await;
        assert_eq!(known.unwrap(), Receipt::Duplicate);
        assert_eq!(wallet.balance(), 500.into());
        server.ask(&["CONFIG", "SET", setting, "0"]);
        insist(&receiver, &completed("o2", 1)).await;
        assert_eq!(wallet.balance(), 501.into());
    }
}
