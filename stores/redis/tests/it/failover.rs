//! A Redis Cluster of three primaries and three replicas, whose primary is killed under load.

use std::collections::BTreeMap;

use postback::store::Entry;
use postback::{DedupStore as _, Receipt};
use postback_redis::{RedisOptions, RedisStore, redis};
use postback_test_servers::events::Load;
use postback_test_servers::{Redis, RedisCluster, send_signal, wait_until};

use crate::fixture::{Wallet, completed, insist, receiver, reversed};

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

/// Kills the store's primary, and waits until a replica has replaced it. `meanwhile` runs in between.
fn fail_over(cluster: &RedisCluster, meanwhile: impl FnOnce()) {
    let killed = primary(cluster);
    killed.kill();
    meanwhile();
    wait_until("a replica is promoted", || {
        cluster.primary_of(KEY).is_some_and(|primary| {
            primary.port() != killed.port() && primary.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        })
    });
}

/// Two receivers, one primary killed under load. A conversion is lost only if it was acknowledged right before the kill
/// and not replicated; once the networks repeat their callbacks, every balance is exact. Except where a reward was lost
/// and its reversal is stored: what is left of the repeated reward is another decision, and the lost reversal may have
/// been carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_killed_under_load_pays_each_once() {
    let Some(cluster) = RedisCluster::start(Redis::DURABLE) else { return };
    let wallet = Wallet::default();
    let stores = [connect(&cluster).await, connect(&cluster).await];
    let receivers = stores.map(|store| receiver(store, &wallet));
    let load = Load::start(16, &receivers);
    load.continues(100).await;
    tokio::task::block_in_place(|| fail_over(&cluster, || ()));
    load.continues(100).await;
    let conversions = load.stop().await;
    let receiver = &receivers[0];
    let mut lost = 0;
    let mut owed = BTreeMap::new();
    for pair in &conversions {
        let record = receiver.store().load(&pair[0].key()).await.unwrap();
        let kept: Vec<_> = record.iter().flat_map(|stored| stored.record.entries()).map(Entry::event).collect();
        lost += usize::from(kept.len() < 2);
        let is_paid_again = kept.len() == 1 && kept[0].kind == pair[1].kind;
        let (least, most) = owed.entry(pair[0].player.as_str()).or_insert((0, 0));
        *least += Load::BALANCE + if is_paid_again { Load::BALANCE } else { 0 };
        *most += Load::BALANCE + if is_paid_again { Load::REWARD } else { 0 };
        for callback in pair {
            insist(receiver, callback).await;
        }
    }
    println!("{} conversions, {lost} of them lost in part by the failover", conversions.len());
    for (player, (least, most)) in owed {
        let balance = wallet.balance_of(player);
        assert!(balance >= least.into() && balance <= most.into(), "{player}: {balance}, not {least} to {most}");
    }
    assert_eq!(receiver.store().list_pending(None, 10).await.unwrap(), []);
}

/// What was acknowledged and not replicated is lost, whatever `appendfsync` says. Repeated, it gets the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_loses_what_was_not_replicated() {
    let Some(cluster) = RedisCluster::start(Redis::DURABLE) else { return };
    let wallet = Wallet::default();
    let store = connect(&cluster).await;
    let receiver = receiver(store.clone(), &wallet);
    let (kept, lost) = (completed("kept", 100), completed("lost", 100));
    insist(&receiver, &kept).await;

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
    insist(&receiver, &lost).await;
    tokio::task::block_in_place(|| fail_over(&cluster, || send_signal("CONT", replica.process_id().unwrap())));

    assert_eq!(insist(&receiver, &kept).await, Receipt::Duplicate);
    assert_eq!(store.load(&lost.key()).await.unwrap(), None, "it is lost");
    assert_eq!(wallet.balance(), 200.into(), "and it was paid");
    insist(&receiver, &lost).await;
    assert_eq!(wallet.calls().len(), 3, "it is decided again");
    assert_eq!(wallet.balance(), 200.into(), "and it is paid once");
    insist(&receiver, &reversed("lost", 100)).await;
    assert_eq!(wallet.balance(), 100.into());
}
