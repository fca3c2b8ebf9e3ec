//! Callbacks, a wallet, and stores to receive them with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::store::Record;
use postback::store::StoreError;
use postback::testing::guard::{Applied, apply};
use postback::{Decimal, Decision, DedupStore, Event, Handler, HandlerError, Receiver, Timestamp, Timing, Verified};
use postback_redis::{RedisOptions, RedisStore};
pub(crate) use postback_test_servers::chain;
pub(crate) use postback_test_servers::events::{PLAYER, completed, completed_by, insist, pending, reversed};
use postback_test_servers::{PATIENCE, Redis};

/// The record of a callback whose decision is pending.
pub(crate) fn pending_record(callback: Verified<Event>) -> Record {
    let at = Timestamp::from_millis(1_700_000_000_123);
    match apply(&Record::new(callback.key()), &Arc::new(callback.into_inner()), at) {
        Applied::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

/// A wallet that nothing is lost from. Idempotent on the decision's id.
#[derive(Clone, Default)]
pub(crate) struct Wallet {
    paid: Arc<Mutex<HashMap<String, Decision>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Wallet {
    pub(crate) fn pay(&self, decision: &Decision) {
        let id = decision.id().to_string();
        self.calls.lock().unwrap().push(id.clone());
        let mut paid = self.paid.lock().unwrap();
        let known = paid.entry(id).or_insert_with(|| decision.clone());
        let content = |decision: &Decision| (decision.action().as_str(), decision.balance_change());
        assert_eq!(content(known), content(decision), "an id must never be used for another decision");
    }

    pub(crate) fn balance(&self) -> Decimal {
        let paid = self.paid.lock().unwrap();
        paid.values().map(Decision::balance_change).sum()
    }

    pub(crate) fn balance_of(&self, player: &str) -> Decimal {
        let paid = self.paid.lock().unwrap();
        let own = paid.values().filter(|paid| *paid.player() == player);
        own.map(Decision::balance_change).sum()
    }

    /// The ids of all calls, including repeated ones.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// A short lease, so that what a crash left behind is taken over soon.
pub(crate) fn timing() -> Timing {
    Timing::default().lease(Duration::from_millis(1500)).busy_timeout(Duration::ZERO)
}

pub(crate) fn receiver<S: DedupStore>(store: S, wallet: &Wallet) -> Receiver<S, impl Handler + use<S>> {
    let wallet = wallet.clone();
    let pay = move |decision: Decision| {
        wallet.pay(&decision);
        async { Ok::<(), HandlerError>(()) }
    };
    Receiver::new(store, pay).timing(timing()).without_recovery()
}

/// The first success.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server that loses nothing it has acknowledged.
pub(crate) fn start_durable() -> Option<Redis> {
    Redis::start(Redis::DURABLE)
}

/// A server with these arguments, a receiver whose store is on it, and the wallet. `None`: Redis is not installed.
pub(crate) async fn start_game(
    arguments: &[&str],
) -> Option<(Redis, Receiver<RedisStore, impl Handler + use<>>, Wallet)> {
    let server = Redis::start(arguments)?;
    let wallet = Wallet::default();
    let receiver = receiver(open(&server, "s").await, &wallet);
    Some((server, receiver, wallet))
}

/// A store with this prefix.
pub(crate) async fn open(server: &Redis, prefix: &str) -> RedisStore {
    let options = RedisOptions::new().prefix(prefix);
    options.connect(server.url()).await.unwrap()
}

pub(crate) fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}
