//! Callbacks of one network, and a network that repeats them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::store::KeptCallback;
use postback::{BanStatus, Effect, Event, EventKind, Receipt, Receive, ReceiveError, RecordKey, Verified};
use tokio::task::JoinSet;

use crate::{PATIENCE, eventually};

/// The player of all callbacks that are not made for another one.
pub const PLAYER: &str = "player-7";

/// A message about a conversion. It refers to another transaction if that has an original.
pub fn conversion(player: &str, transaction: &str, original: Option<&str>, effect: Effect) -> Verified<Event> {
    let original = original.map(|original| original.parse().unwrap());
    message(player, transaction, EventKind::Conversion { transaction: transaction.parse().unwrap(), original, effect })
}

fn message(player: &str, transaction: &str, kind: EventKind) -> Verified<Event> {
    let (network, app) = ("bitlabs".parse().unwrap(), "game".parse().unwrap());
    let mut event = Event::new(network, app, player.parse().unwrap(), kind);
    event.endpoint = "offers".into();
    event.query = format!("player={player}&tx={transaction}");
    Verified::assume_genuine(event)
}

/// An offer was completed.
pub fn completed(transaction: &str, amount: i64) -> Verified<Event> {
    completed_by(PLAYER, transaction, amount)
}

/// An offer was completed by this player.
pub fn completed_by(player: &str, transaction: &str, amount: i64) -> Verified<Event> {
    let effect = Effect::Completed { amount: amount.into(), milestone: None, reinstates: false };
    conversion(player, transaction, None, effect)
}

/// An offer was begun.
pub fn pending(transaction: &str) -> Verified<Event> {
    conversion(PLAYER, transaction, None, Effect::Pending { stage: "PENDING".into(), amount: None })
}

/// The network takes some of a reward back.
pub fn reversed(transaction: &str, amount: i64) -> Verified<Event> {
    reversed_by(PLAYER, transaction, amount)
}

fn reversed_by(player: &str, transaction: &str, amount: i64) -> Verified<Event> {
    let effect = Effect::Adjusted { by: (-amount).into(), same_transaction: true };
    conversion(player, transaction, None, effect)
}

/// The network bans the player.
pub fn banned() -> Verified<Event> {
    message(PLAYER, "", EventKind::Ban(BanStatus::Banned))
}

/// The key of a conversion's record.
pub fn key(transaction: &str) -> RecordKey {
    completed(transaction, 1).key()
}

/// Sends a callback as a network does: again and again, until it is answered 200.
///
/// # Panics
/// If it is not within [`PATIENCE`].
pub async fn insist(receiver: &impl Receive, callback: &Verified<Event>) -> Receipt {
    let started = Instant::now();
    loop {
        match receiver.receive(callback.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(started.elapsed() < PATIENCE, "never answered 200: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a callback was paid by this call.
pub fn is_settled(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(result, Ok(Receipt::Settled(_)))
}

/// A conversion under [`Load`]: a reward, and a reversal of a part of it.
pub type Pair = [Verified<Event>; 2];

/// Networks that insist on one conversion after the other, until they are stopped.
#[derive(Debug)]
pub struct Load {
    acknowledged: Arc<Mutex<Vec<Pair>>>,
    is_over: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Load {
    /// What a player gets for each conversion.
    pub const REWARD: i64 = 100;
    /// What is left of it in the end.
    pub const BALANCE: i64 = 70;

    /// Starts senders, each with a player of its own, which share the receivers.
    pub fn start<R: Receive>(senders: usize, receivers: &[R]) -> Self {
        let mut load = Self { acknowledged: Arc::default(), is_over: Arc::default(), senders: JoinSet::new() };
        for (sender, receiver) in (0..senders).zip(receivers.iter().cycle().cloned()) {
            let (acknowledged, is_over) = (Arc::clone(&load.acknowledged), Arc::clone(&load.is_over));
            load.senders.spawn(async move {
                let player = format!("player-{sender}");
                let mut number = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let name = format!("{sender}-{number}");
                    let pair = [
                        completed_by(&player, &name, Self::REWARD),
                        reversed_by(&player, &name, Self::REWARD - Self::BALANCE),
                    ];
                    for callback in &pair {
                        insist(&receiver, callback).await;
                    }
                    acknowledged.lock().unwrap().push(pair);
                    number += 1;
                }
            });
        }
        load
    }

    /// Waits until this many more conversions are acknowledged.
    pub async fn continues(&self, count: usize) {
        let acknowledged = || self.acknowledged.lock().unwrap().len();
        let until = acknowledged() + count;
        eventually("conversions are acknowledged", async || acknowledged() >= until).await;
    }

    /// Stops the senders. Returns all conversions; both callbacks of each were acknowledged.
    pub async fn stop(self) -> Vec<Pair> {
        self.is_over.store(true, Ordering::SeqCst);
        self.senders.join_all().await;
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

/// An unusable callback with this id, as a store keeps it.
pub fn kept(id: &str) -> KeptCallback {
    let callback =
        r#"{"network":"bitlabs","app":"game","endpoint":"offers","path":"/cb","problem":"","query":"player=player-7"}"#;
    serde_json::from_str(&format!(r#"{{"id":"{id}","received":1,"callback":{callback}}}"#)).unwrap()
}
