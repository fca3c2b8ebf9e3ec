//! A Redis Cluster of three primaries and three replicas, whose primary is killed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use postback::{DedupStore as _, Event, Handler, Receipt, Receiver};
use postback_redis::{RedisOptions, RedisStore, redis};
use postback_test_servers::{Redis, RedisCluster, send_signal, wait_until};

use crate::fixture::{Wallet, completed, completed_by, conversion, deliver, receiver, reversed};

/// Any key of the store: they are all in one slot.
const KEY: &str = "{postback}:layout";

async fn connect(cluster: &RedisCluster) -> RedisStore {
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    RedisOptions::new().with_connection(connection).await.unwrap()
}

fn primary(cluster: &RedisCluster) -> &Redis {
    cluster.primary_of(KEY).expect("a primary for the store")
}

/// Kills the store's primary, and waits until a replica has replaced it.
fn fail_over(cluster: &RedisCluster) {
    let killed = primary(cluster);
    killed.kill();
    wait_until("a replica is promoted", || {
        cluster.primary_of(KEY).is_some_and(|primary| {
            primary.port() != killed.port() && primary.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        })
    });
}

/// Sends one conversion after the other, each until it is answered 200. Returns them.
async fn send<H: Handler>(
    sender: usize,
    receiver: Receiver<RedisStore, H>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> Vec<[Event; 2]> {
    let mut sent = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let name = format!("{sender}-{}", sent.len());
        let by = postback::Effect::Adjusted { by: (-30).into(), same_transaction: true };
        let player = format!("p{sender}");
        let callbacks = [completed_by(&player, &name, 100), conversion(&player, &name, by)];
        for callback in &callbacks {
            deliver(&receiver, callback).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
        sent.push(callbacks);
    }
    sent
}

const SENDERS: usize = 16;

/// Two receivers, one primary killed under load. A conversion is lost only if it was acknowledged right before the kill
/// and not replicated; once the networks repeat their callbacks, every balance is exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_killed_under_load_pays_each_once() {
    let Some(cluster) = RedisCluster::start(Redis::DURABLE) else {
        return;
    };
    let wallet = Wallet::default();
    let stores = [connect(&cluster).await, connect(&cluster).await];
    let receivers = stores.map(|store| receiver(store, &wallet));
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let receiver = receivers[sender % 2].clone();
            tokio::spawn(send(sender, receiver, Arc::clone(&stop), Arc::clone(&count)))
        })
        .collect();
    let wait_for = async |wanted: u64| {
        while count.load(Ordering::SeqCst) < wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    wait_for(200).await;
    tokio::task::block_in_place(|| fail_over(&cluster));
    let at_failover = count.load(Ordering::SeqCst);
    wait_for(at_failover + 200).await;
    stop.store(true, Ordering::SeqCst);
    let mut conversions = Vec::new();
    for sender in senders {
        conversions.push(sender.await.unwrap());
    }
    let receiver = &receivers[0];
    let mut lost = 0;
    for [first, second] in conversions.iter().flatten() {
        let record = receiver.store().load(&first.key()).await.unwrap();
        let is_complete = record.is_some_and(|stored| stored.record.entries().len() == 2);
        lost += usize::from(!is_complete);
        for callback in [first, second] {
            deliver(receiver, callback).await;
        }
    }
    let total: usize = conversions.iter().map(Vec::len).sum();
    println!("{total} conversions, {lost} of them lost in part by the failover");
    for (sender, conversions) in conversions.iter().enumerate() {
        let owed = 70 * i64::try_from(conversions.len()).unwrap();
        let balance = wallet.balance_of(&format!("p{sender}"));
        assert_eq!(balance, owed.into(), "player {sender}");
    }
    assert_eq!(receiver.store().list_pending(None, 10).await.unwrap(), []);
}

/// What was acknowledged and not replicated is lost, whatever `appendfsync` says. Repeated, it gets the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_loses_what_was_not_replicated() {
    let Some(cluster) = RedisCluster::start(Redis::DURABLE) else {
        return;
    };
    let wallet = Wallet::default();
    let store = connect(&cluster).await;
    let receiver = receiver(store.clone(), &wallet);
    let (kept, lost) = (completed("kept", 100), completed("lost", 100));
    deliver(&receiver, &kept).await;

    let killed = primary(&cluster);
    let own = killed.ask(&["CLUSTER", "MYID"]);
    let follows = |node: &&Redis| node.ask(&["CLUSTER", "NODES"]).contains(&format!("myself,slave {own}"));
    let replica = cluster.nodes().iter().find(follows).unwrap();
    wait_until("the replica has what is kept", || {
        let offset = |node: &Redis, name: &str| {
            let info = node.ask(&["INFO", "replication"]);
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split(':').nth(1)?.trim().parse::<u64>().ok())
        };
        offset(killed, "master_repl_offset") == offset(replica, "slave_repl_offset")
    });
    // The replica hangs, and its connection is cut, so that nothing more reaches it.
    send_signal("STOP", replica.process_id().unwrap());
    killed.ask(&["CLIENT", "KILL", "TYPE", "replica"]);
    deliver(&receiver, &lost).await;
    killed.kill();
    send_signal("CONT", replica.process_id().unwrap());
    tokio::task::block_in_place(|| {
        wait_until("the replica is promoted", || {
            cluster.primary_of(KEY).is_some_and(|primary| {
                primary.port() == replica.port() && primary.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            })
        });
    });

    assert_eq!(deliver(&receiver, &kept).await, Receipt::Duplicate);
    assert_eq!(store.load(&lost.key()).await.unwrap(), None, "it is lost");
    assert_eq!(wallet.balance(), 200.into(), "and it was paid");
    deliver(&receiver, &lost).await;
    assert_eq!(wallet.calls().len(), 3, "it is decided again");
    assert_eq!(wallet.balance(), 200.into(), "and it is paid once");
    deliver(&receiver, &reversed("lost", 100)).await;
    assert_eq!(wallet.balance(), 100.into());
}
