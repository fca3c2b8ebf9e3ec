//! Callbacks and records to try a store with.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::clock::Timestamp;
use crate::event::{
    AppName, BanStatus, Effect, Event, EventKind, NotedWhy, PlayerId, Purchase, RecordKey,
    SourceName, TestCallback, TransactionId,
};
use crate::guard::{Considered, Record, consider};
use crate::store::{DedupStore, Swapped, Version};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// A callback of this kind about player-7.
pub(super) fn event(kind: EventKind) -> Event {
    Event {
        source: SourceName::new("conformance").expect("a name"),
        app: AppName::new("game").expect("a name"),
        endpoint: "offers".into(),
        player: PlayerId::new("player-7").expect("an id"),
        kind,
        usd: None,
        purchase: None,
        reason: None,
        test: TestCallback::No,
        signed: "player=player-7&note=%C3%A9".to_owned(),
    }
}

pub(super) fn conversion(transaction: &str, effect: Effect) -> Event {
    let transaction = TransactionId::new(transaction).expect("an id");
    event(EventKind::Conversion {
        transaction,
        original: None,
        effect,
    })
}

pub(super) fn completed(transaction: &str, amount: &str) -> Event {
    conversion(
        transaction,
        Effect::Completed {
            amount: decimal(amount),
            milestone: None,
            reinstates: false,
        },
    )
}

/// The record with this callback taken up and its decision open.
pub(super) fn taken_up(record: &Record, event: Event) -> Record {
    match consider(record, &Arc::new(event), NOW) {
        Considered::Decided(record) => record,
        other => panic!("the suite expected a decision, got {other:?}"),
    }
}

/// A record with an open decision.
pub(super) fn open_record(event: Event) -> Record {
    taken_up(&Record::new(event.key()), event)
}

/// The record with its open decision settled.
pub(super) fn settled(mut record: Record) -> Record {
    record.settle(NOW);
    record
}

pub(super) async fn load(store: &impl DedupStore, key: &RecordKey) -> Option<crate::store::Stored> {
    store
        .load(key)
        .await
        .expect("a store in working order loads")
}

pub(super) async fn swap(
    store: &impl DedupStore,
    expected: Option<Version>,
    record: &Record,
) -> Swapped {
    store
        .swap(expected, record)
        .await
        .expect("a store in working order swaps")
}

/// Stores a record for the first time.
pub(super) async fn put(store: &impl DedupStore, record: &Record) {
    let swapped = swap(store, None, record).await;
    assert_eq!(
        swapped,
        Swapped::Done(Version::FIRST),
        "storing {} for the first time",
        record.key()
    );
}

pub(super) async fn unsettled(
    store: &impl DedupStore,
    after: Option<&RecordKey>,
    limit: usize,
) -> Vec<RecordKey> {
    store
        .unsettled(after, limit)
        .await
        .expect("a store in working order lists")
}

/// Callbacks of every kind, with texts and amounts at the edge of what they may be.
pub(super) fn every_kind() -> Vec<Event> {
    let amounts = [
        "0",
        "0.00",
        "1.50",
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
    ];
    let mut events: Vec<Event> = amounts
        .iter()
        .enumerate()
        .map(|(at, amount)| completed(&format!("amount-{at}"), amount))
        .collect();
    let effects = [
        Effect::Pending {
            stage: "PENDING".into(),
            amount: None,
        },
        Effect::Pending {
            stage: "ПРОВЕРКА ⏳".into(),
            amount: Some(decimal("12.3400")),
        },
        Effect::Completed {
            amount: decimal("7"),
            milestone: Some("SCREENOUT".into()),
            reinstates: true,
        },
        Effect::Adjusted {
            by: decimal("-7.0"),
            is_state_change: true,
        },
        Effect::Adjusted {
            by: decimal("7.000"),
            is_state_change: false,
        },
        Effect::Revoked,
        Effect::Noted {
            word: "LATER".into(),
            why: NotedWhy::UnknownState,
        },
        Effect::Noted {
            word: "".into(),
            why: NotedWhy::UnpaidByChoice,
        },
        Effect::Noted {
            word: "'\"\\\u{0}\u{1f}".into(),
            why: NotedWhy::Contradictory,
        },
    ];
    events.extend(
        effects
            .into_iter()
            .enumerate()
            .map(|(at, effect)| conversion(&format!("effect-{at}"), effect)),
    );
    for (at, status) in [
        BanStatus::Banned,
        BanStatus::Active,
        BanStatus::Unknown("シャドウ".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut ban = event(EventKind::Ban(status));
        ban.player = PlayerId::new(format!("player-{at}")).expect("an id");
        events.push(ban);
    }
    let mut full = completed("full", "500");
    full.usd = Some(decimal("-4.200"));
    full.purchase = Some(Purchase::new(decimal("9.990")));
    full.reason = Some("naïve — “quoted”\r\n\tand 👩‍👩‍👧".to_owned());
    full.test = TestCallback::Delivered;
    full.signed = "long=%F0%9F%8E%AE+%00&".repeat(4096);
    events.push(full);
    events
}
