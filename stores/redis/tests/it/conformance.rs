//! The conformance suite: on a single server, over a connection of the user's, and in a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};

use postback::testing::conformance;
use postback_redis::{RedisOptions, RedisStore, redis};
use postback_test_servers::RedisCluster;
use redis::aio::ConnectionLike;

use crate::fixture::{open, start_durable};

async fn conforms(open: impl AsyncFn(&str) -> RedisStore) {
    let count = AtomicUsize::new(0);
    let prefix = || format!("store-{}", count.fetch_add(1, Ordering::Relaxed));
    conformance::plain(async || open(&prefix()).await).await;
    conformance::retention(async || open(&prefix()).await).await;
    let shared = prefix();
    conformance::shared(&open(&shared).await, &open(&shared).await).await;
}

/// Opens stores over a connection of the user's.
async fn over(connection: impl ConnectionLike + Clone + Send + Sync + 'static, prefix: &str) -> RedisStore {
    RedisOptions::new().prefix(prefix).with_connection(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_conforms_on_one_server() {
    let Some(server) = start_durable() else { return };
    conforms(async |prefix| open(&server, prefix).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_over_the_users_connection_agree() {
    // Everything else about such stores is tested in a cluster.
    let Some(server) = start_durable() else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    conformance::shared(&over(connection.clone(), "s").await, &over(connection, "s").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_conforms_in_a_cluster() {
    let Some(cluster) = RedisCluster::start(&[]) else { return };
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    conforms(async |prefix| over(connection.clone(), prefix).await).await;
}
