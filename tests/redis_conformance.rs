//! The Redis store keeps every promise, on a server alone and in a cluster.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis_server;

use std::sync::atomic::{AtomicUsize, Ordering};

use postback::store::conformance;
use postback::store::redis::redis::cluster::ClusterClient;
use postback::store::redis::{RedisOptions, RedisStore};
use redis_server::Server;

async fn keeps_every_promise(open: impl AsyncFn(String) -> RedisStore) {
    let count = AtomicUsize::new(0);
    let prefix = || format!("store-{}", count.fetch_add(1, Ordering::Relaxed));
    conformance::all(async || open(prefix()).await).await;
    conformance::retention(async || open(prefix()).await).await;
    let place = prefix();
    let (one, other) = (open(place.clone()).await, open(place).await);
    conformance::shared(&one, &other).await;
}

async fn of_its_own(server: &Server) {
    let url = server.url();
    keeps_every_promise(async |prefix| {
        let options = RedisOptions::new().prefix(prefix);
        options.connect(&*url).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_alone() {
    let Some(server) = redis_server::start() else {
        return;
    };
    of_its_own(&server).await;
}

/// In a cluster no script may touch keys of two slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster() {
    let Some(server) = redis_server::start_cluster() else {
        return;
    };
    of_its_own(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_clusters_connection() {
    let Some(server) = redis_server::start_cluster() else {
        return;
    };
    let client = ClusterClient::new([server.url()]).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    keeps_every_promise(async |prefix| {
        let options = RedisOptions::new().prefix(prefix);
        options.with_connection(connection.clone()).await.unwrap()
    })
    .await;
}
