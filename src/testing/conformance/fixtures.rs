//! Messages and records to try a store with.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::clock::Timestamp;
use crate::event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
use crate::guard::{Applied, apply};
use crate::id::{PlayerId, RecordKey};
use crate::network::Verified;
use crate::store::{DedupStore, KeptCallback, Record, Stored, SwapOutcome, Version, json};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// How many callers there are at a time.
pub(super) const CALLERS: usize = 32;

/// Ids that a careless store confuses, truncates or interprets.
#[rustfmt::skip]
pub(super) const ODD_IDS: [&str; 34] = [
    "tx", "TX", "Tx", "tx ", " tx", "t", "tx/1", "tx/1/", "tx//1", "tx%", "tx%25", "tx_", "t*", "t?", "[tx]", "{tx}",
    "{", "}", "tx'", "tx\"", "tx`;--", "tx\\", "tx:1", "tx#1", "tx\u{e9}", "txe\u{301}", "ß", "ss", "ſ", "1", "01",
    "1.0", "🎮", "\u{202e}tx",
];

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn player(id: &str) -> PlayerId {
    id.parse().unwrap()
}

pub(super) fn conversion(transaction: &str, effect: Effect) -> Event {
    let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original: None, effect };
    let (network, app) = ("conformance".parse().unwrap(), "game".parse().unwrap());
    let mut event = Event::new(network, app, player("player-7"), kind);
    event.endpoint = "offers".into();
    event.query = "player=player-7&note=%C3%A9".into();
    event
}

pub(super) fn completed(transaction: &str, amount: &str) -> Event {
    let amount = decimal(amount);
    conversion(transaction, Effect::Completed { amount, milestone: None, reinstates: false })
}

/// A state change of the same transaction.
pub(super) fn adjusted(transaction: &str, by: &str) -> Event {
    conversion(transaction, Effect::Adjusted { by: decimal(by), same_transaction: true })
}

pub(super) fn genuine(event: Event) -> Verified<Event> {
    Verified::assume_genuine(event)
}

/// The record with this message and its pending decision.
pub(super) fn with(record: &Record, event: Event) -> Record {
    match apply(record, &Arc::new(event), NOW) {
        Applied::Decided(record) => record,
        other => panic!("a new message must be decided, not {other:?}"),
    }
}

pub(super) fn pending_record(event: Event) -> Record {
    with(&Record::new(event.key()), event)
}

pub(super) fn delivered(mut record: Record) -> Record {
    record.settle_head(NOW);
    record
}

pub(super) fn stored(version: Version, record: &Record) -> Stored {
    Stored { version, record: record.clone() }
}

pub(super) fn is_replaced(outcome: &SwapOutcome) -> bool {
    matches!(outcome, SwapOutcome::Replaced(_))
}

pub(super) async fn load<S: DedupStore>(store: &S, key: &RecordKey) -> Option<Stored> {
    store.load(key).await.expect("load a record")
}

pub(super) async fn swap<S: DedupStore>(store: &S, expected: Option<Version>, record: &Record) -> SwapOutcome {
    store.swap(expected, record).await.expect("swap a record")
}

/// Stores a record for the first time. Returns its version.
pub(super) async fn put<S: DedupStore>(store: &S, record: &Record) -> Version {
    match swap(store, None, record).await {
        SwapOutcome::Replaced(version) => version,
        lost @ SwapOutcome::Conflict(_) => {
            panic!("a new record must be stored: {}: {lost:?}", record.key())
        }
    }
}

/// Replaces a record. Returns its new version.
pub(super) async fn replace<S: DedupStore>(store: &S, version: Version, record: &Record) -> Version {
    match swap(store, Some(version), record).await {
        SwapOutcome::Replaced(new) if new != version => new,
        other => panic!("a swap that expects the stored version must replace the record: {}: {other:?}", record.key()),
    }
}

pub(super) async fn is_stored<S: DedupStore>(store: &S, version: Version, record: &Record) {
    let found = load(store, record.key()).await.expect("a stored record must not be absent");
    assert_eq!(found, stored(version, record), "a record must come back as it was stored");
    // Decimals are equal whatever their scale; as text they are not.
    assert_eq!(
        json::write(&found.record).expect("write a record"),
        json::write(record).expect("write a record"),
        "every digit of an amount must come back"
    );
}

/// All pending keys, page by page.
pub(super) async fn pending_keys<S: DedupStore>(store: &S, limit: usize) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = Vec::new();
    loop {
        let page = store.list_pending(keys.last(), limit).await.expect("list pending records");
        assert!(page.len() <= limit, "a page must not be longer than its limit");
        let is_last = page.len() < limit;
        keys.extend(page);
        if is_last {
            return keys;
        }
    }
}

/// All unusable callbacks, page by page.
pub(super) async fn list_unusable<S: DedupStore>(store: &S, limit: usize) -> Vec<KeptCallback> {
    let mut listed: Vec<KeptCallback> = Vec::new();
    loop {
        let after = listed.last().map(|kept| &kept.id);
        let page = store.list_unusable(after, limit).await.expect("list unusable callbacks");
        assert!(page.len() <= limit, "a page must not be longer than its limit");
        let is_last = page.len() < limit;
        listed.extend(page);
        if is_last {
            return listed;
        }
    }
}

pub(super) fn unusable(id: &str, after_millis: u64) -> KeptCallback {
    let callback = UnusableCallback {
        network: "conformance".parse().unwrap(),
        app: "game".parse().unwrap(),
        endpoint: "offers".into(),
        path: "/callbacks/offers".into(),
        problem: format!("missing parameter {id:?}"),
        query: format!("player={id}&name=100%25 '\"{{}}%"),
    };
    KeptCallback::new(callback, NOW.after(Duration::from_millis(after_millis)))
}

pub(super) async fn keep<S: DedupStore>(store: &S, kept: &KeptCallback) -> usize {
    store.keep_unusable(kept).await.expect("keep an unusable callback")
}

/// Polls a future once and drops it.
pub(super) async fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

/// Messages of every kind, with texts and amounts at the edge of what is possible.
pub(super) fn every_kind() -> Vec<Event> {
    let amounts = ["0", "0.00", "1.50", "79228162514264337593543950335", "0.0000000000000000000000000001"];
    let mut events: Vec<Event> =
        amounts.iter().enumerate().map(|(at, amount)| completed(&format!("amount-{at}"), amount)).collect();
    let ignored = |status: &'static str, reason| Effect::Ignored { status: status.into(), reason };
    let effects = [
        Effect::Pending { stage: "PENDING".into(), amount: None },
        Effect::Pending { stage: "ПРОВЕРКА ⏳".into(), amount: Some(decimal("12.3400")) },
        Effect::Completed { amount: decimal("7"), milestone: Some("SCREENOUT".into()), reinstates: true },
        Effect::Adjusted { by: decimal("-7.0"), same_transaction: true },
        Effect::Adjusted { by: decimal("7.000"), same_transaction: false },
        Effect::Revoked,
        ignored("LATER", IgnoreReason::UnknownState),
        ignored("", IgnoreReason::EmptyState),
        ignored("'\"\\\u{0}\u{1f}", IgnoreReason::Contradictory),
    ];
    for (at, effect) in effects.into_iter().enumerate() {
        events.push(conversion(&format!("effect-{at}"), effect));
    }
    let bans = [BanStatus::Banned, BanStatus::Active, BanStatus::Unknown("シャドウ".into())];
    for (at, status) in bans.into_iter().enumerate() {
        let banned = player(&format!("player-{at}"));
        events.push(Event { player: banned, kind: EventKind::Ban(status), ..completed("tx", "0") });
    }
    let mut full = completed("full", "500");
    full.usd = Some(decimal("-4.200"));
    full.purchase_usd = Some(decimal("9.990"));
    full.reason = Some("naïve — “quoted”\r\n\tand 👩‍👩‍👧".into());
    full.query = "long=%F0%9F%8E%AE+%00&".repeat(4096);
    events.push(full);
    events
}
