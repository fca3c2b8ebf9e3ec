//! The crash storm: two receivers on one server, any of the three killed at any moment, senders that repeat until
//! they are answered 200. In the end every player has what the model says: nothing lost, nothing paid twice.
//!
//! 15 seconds, or `POSTBACK_STORM_SECONDS`; the same storm again with `POSTBACK_STORM_SEED`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "redis", feature = "axum"))]

mod conversions;
mod receivers;
#[path = "../redis_server/mod.rs"]
mod redis_server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conversions::{Chance, Conversion};
use postback::store::DedupStore;
use postback::store::redis::RedisStore;
use receivers::{Receiver, get};
use rust_decimal::Decimal;

const SENDERS: u64 = 16;
/// Also the shortest time for which a killed receiver's decision is reserved.
const LEASE: Duration = Duration::from_millis(1500);

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[derive(Default)]
struct Count {
    sent: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

/// Sends one callback, now to this receiver and now to that, until it is answered 200.
async fn deliver(ports: [u16; 2], target: &str, mut chance: Chance, count: &Count) {
    let start = Instant::now();
    loop {
        let port = ports[chance.below(2)];
        count.sent.fetch_add(1, Ordering::Relaxed);
        match get(port, target).await {
            Ok((200, _)) => return,
            Ok((500 | 503, _)) => count.refused.fetch_add(1, Ordering::Relaxed),
            Ok((status, body)) => panic!("{status} {body} to a genuine callback"),
            Err(_) => count.unanswered.fetch_add(1, Ordering::Relaxed),
        };
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "a callback is not answered 200 for a minute"
        );
        tokio::time::sleep(Duration::from_millis(30 + chance.below(60) as u64)).await;
    }
}

/// One sender: conversion after conversion, until told to stop. Each is sent to its end.
async fn send(
    sender: u64,
    seed: u64,
    ports: [u16; 2],
    stop: Arc<AtomicBool>,
    count: Arc<Count>,
) -> Vec<Conversion> {
    let mut chance = Chance::new(seed ^ (sender + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let conversion = Conversion::draw(&format!("{sender}-{}", sent.len()), &mut chance);
        // A part at once and a part in turn, in any order and with repeats.
        let mut at_once = tokio::task::JoinSet::new();
        for target in conversion.deliveries(&mut chance) {
            let (count, chance_of_its_own) = (Arc::clone(&count), chance.split());
            let delivery = async move { deliver(ports, &target, chance_of_its_own, &count).await };
            if chance.below(2) == 0 {
                at_once.spawn(delivery);
            } else {
                delivery.await;
            }
        }
        while let Some(delivered) = at_once.join_next().await {
            delivered.unwrap();
        }
        sent.push(conversion);
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_paid_twice() {
    let Some(mut server) = redis_server::start() else {
        return;
    };
    let seconds = from_environment("POSTBACK_STORM_SECONDS", 15);
    let now = std::time::SystemTime::now();
    let seed = from_environment(
        "POSTBACK_STORM_SEED",
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
    );
    println!("POSTBACK_STORM_SEED={seed}");
    let program = receivers::build();
    let mut receivers =
        [0; 2].map(|_| Receiver::start(&program, &server.url(), redis_server::free_port()));
    let ports = [receivers[0].port(), receivers[1].port()];
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(Count::default()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            tokio::spawn(send(
                sender,
                seed,
                ports,
                Arc::clone(&stop),
                Arc::clone(&count),
            ))
        })
        .collect();

    let mut chance = Chance::new(seed);
    let (start, mut kills, mut server_kills) = (Instant::now(), 0, 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(400) as u64)).await;
        if chance.below(8) == 0 {
            server_kills += 1;
            tokio::task::block_in_place(|| server.restart());
        } else {
            kills += 1;
            receivers[chance.below(2)].kill();
            tokio::time::sleep(Duration::from_millis(chance.below(200) as u64)).await;
        }
        for receiver in &mut receivers {
            receiver.keep_alive();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut conversions = Vec::new();
    for sender in senders {
        loop {
            // One that was started while the server was down has ended.
            for receiver in &mut receivers {
                receiver.keep_alive();
            }
            if sender.is_finished() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        conversions.extend(sender.await.unwrap());
    }

    let store = RedisStore::connect(server.url()).await.unwrap();
    let open = store.unsettled(None, 100_000).await.unwrap();
    let mut owed: BTreeMap<&str, Decimal> = BTreeMap::new();
    for conversion in &conversions {
        *owed.entry(&conversion.player).or_default() += conversion.due();
    }
    let mut wrong = Vec::new();
    for (player, owed) in &owed {
        let (status, body) = get(ports[0], &format!("/players/{player}")).await.unwrap();
        assert_eq!(status, 200);
        let statement: serde_json::Value = serde_json::from_str(&body).unwrap();
        let balance: Decimal = statement["balance"].as_str().unwrap().parse().unwrap();
        let changes = statement["history"].as_array().unwrap().iter();
        let sum: Decimal = changes
            .map(|line| line["change"].as_str().unwrap().parse::<Decimal>().unwrap())
            .sum();
        if balance != *owed || sum != *owed {
            wrong.push(format!(
                "{player}: owed {owed}, has {balance}, history {sum}"
            ));
        }
    }
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!(
        "{} conversions, {} requests ({} answered 500 or 503, {} not at all), {kills} kills of a receiver, \
         {server_kills} of the server, {} players",
        conversions.len(),
        load(&count.sent),
        load(&count.refused),
        load(&count.unanswered),
        owed.len()
    );
    assert_eq!(wrong, [""; 0], "every balance is the model's");
    assert_eq!(open, [], "nothing is left open");
    assert!(kills > 0 && !conversions.is_empty());
}
