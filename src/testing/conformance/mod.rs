//! One test suite for every store.
//!
//! Call it from a test of your store, inside a tokio runtime. Each function panics with the name of the promise that the
//! store breaks. Every case opens a store of its own, which must be empty.
//!
//! ```
//! use postback::MemoryStore;
//! use postback::testing::conformance;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::plain(async || MemoryStore::new()).await;
//! conformance::retention(async || MemoryStore::new()).await;
//! conformance::transactional(
//!     async || MemoryStore::new(),
//!     |store, script| {
//!         store.receiver(move |tx, decision| {
//!             tx.add(decision.player(), decision.balance_change());
//!             script.end()
//!         })
//!     },
//!     async |store, player| store.balance(player).await,
//! )
//! .await;
//! # }
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::arithmetic_side_effects,
    reason = "a test suite fails by panicking"
)]

mod fixtures;
mod retention;
mod transactional;

pub use retention::retention;
pub use transactional::{Script, transactional};

use tokio::task::JoinSet;

use self::fixtures::{
    CALLERS, HOUR, NOW, ODD_IDS, adjusted, completed, conversion, delivered, every_kind, is_replaced, is_stored, keep,
    list_unusable, load, pending_keys, pending_record, player, poll_once, put, replace, stored, swap, unusable, with,
};
use crate::clock::Timestamp;
use crate::event::{BanStatus, Effect, Event, EventKind};
use crate::id::RecordKey;
use crate::store::{DedupStore, KeptCallback, MAX_KEPT, Record, SwapOutcome, Version};

/// Tests the promises of [`DedupStore`]. `open` opens an empty store.
///
/// # Panics
/// If the store breaks a promise.
pub async fn plain<S: DedupStore>(open: impl AsyncFn() -> S) {
    absent_record_is_none(&open().await).await;
    every_swap_gives_a_new_version(&open().await).await;
    lost_swap_returns_the_current_record(&open().await).await;
    records_come_back_unchanged(&open().await).await;
    keys_are_exact(&open().await).await;
    pending_records_are_listed_in_order(&open().await).await;
    one_of_many_swaps_wins(&open().await).await;
    listing_is_complete_during_writes(&open().await).await;
    dropped_operations_are_done_or_not(&open().await).await;
    unusable_callbacks_are_kept_once(&open().await).await;
    unusable_callbacks_are_bounded(&open().await).await;
}

/// Tests that two handles of one store (two connections, two processes) see each other's changes at once. The store
/// must be empty.
///
/// # Panics
/// If they do not.
pub async fn shared<S: DedupStore>(one: &S, other: &S) {
    for round in 0..20 {
        let name = format!("shared-{round}");
        let handles = [(one, other), (other, one)];
        let (first, second) = handles[round % 2];
        let pending = pending_record(completed(&name, "5"));
        let version = put(first, &pending).await;
        is_stored(second, version, &pending).await;
        let done = delivered(pending);
        let swaps: JoinSet<_> = [first.clone(), second.clone()]
            .into_iter()
            .map(|store| {
                let done = done.clone();
                async move { swap(&store, Some(version), &done).await }
            })
            .collect();
        let swaps = swaps.join_all().await;
        let won = swaps.iter().filter(|outcome| is_replaced(outcome)).count();
        assert_eq!(won, 1, "exactly one of two handles must win: {swaps:?}");
        let listed = pending_keys(second, 10).await;
        assert!(listed.is_empty(), "a settled record must not be pending");
    }
}

async fn absent_record_is_none<S: DedupStore>(store: &S) {
    let absent = load(store, &completed("absent", "1").key()).await;
    assert_eq!(absent, None, "a record that was never stored must be absent");
    let listed = pending_keys(store, 10).await;
    assert!(listed.is_empty(), "an empty store must list nothing");
}

async fn every_swap_gives_a_new_version<S: DedupStore>(store: &S) {
    let pending = pending_record(completed("first", "500"));
    let done = delivered(pending.clone());
    let mut versions = vec![put(store, &pending).await];
    for record in [&pending, &done, &done] {
        let version = replace(store, versions[versions.len() - 1], record).await;
        let is_new = !versions.contains(&version);
        assert!(is_new, "a record must never have the same version twice");
        versions.push(version);
        is_stored(store, version, record).await;
    }
}

async fn lost_swap_returns_the_current_record<S: DedupStore>(store: &S) {
    let pending = pending_record(completed("stale", "500"));
    let done = delivered(pending.clone());
    let lost = swap(store, Some(Version::FIRST), &pending).await;
    let absent = SwapOutcome::Conflict(None);
    assert_eq!(lost, absent, "a lost swap must not create a record");
    let found = load(store, pending.key()).await;
    assert_eq!(found, None, "a lost swap must store nothing");

    let first = put(store, &pending).await;
    let (next, other) = (Version::after(Some(first)), Version::from_number(77));
    for expected in [None, Some(next), other] {
        let lost = swap(store, expected, &done).await;
        let current = SwapOutcome::Conflict(Some(stored(first, &pending)));
        assert_eq!(lost, current, "a lost swap must return the current record");
        is_stored(store, first, &pending).await;
    }
    let second = replace(store, first, &done).await;
    let lost = swap(store, Some(first), &pending).await;
    let current = SwapOutcome::Conflict(Some(stored(second, &done)));
    assert_eq!(lost, current, "a replaced version must not be accepted");
    is_stored(store, second, &done).await;
}

async fn records_come_back_unchanged<S: DedupStore>(store: &S) {
    for event in every_kind() {
        let mut record = pending_record(event);
        let version = put(store, &record).await;
        is_stored(store, version, &record).await;
        record.fail_head("wallet: 'down' \"\u{0}\u{1f}\\ ⏳", NOW);
        let version = replace(store, version, &record).await;
        is_stored(store, version, &record).await;
    }
    let mut leased = pending_record(completed("leased", "5"));
    leased.take_lease(u64::MAX, Timestamp::from_millis(u64::MAX));
    let version = put(store, &leased).await;
    is_stored(store, version, &leased).await;

    let mut big = completed("big", "0.10");
    big.query = "long=%F0%9F%8E%AE+%00&".repeat(4096);
    let mut big = delivered(pending_record(big));
    for stage in 0..500 {
        let stage = format!("STAGE {stage}").into();
        let amount = None;
        let event = conversion("big", Effect::Pending { stage, amount });
        big = delivered(with(&big, event));
    }
    big.decline_head("no such player: 'Ω'", NOW);
    let version = put(store, &big).await;
    is_stored(store, version, &big).await;
}

async fn keys_are_exact<S: DedupStore>(store: &S) {
    let of_transaction = |id: &str| completed(id, "5");
    let of_player =
        |id: &str| Event { player: player(id), kind: EventKind::Ban(BanStatus::Banned), ..completed("tx", "0") };
    let mut events: Vec<Event> = ODD_IDS.iter().map(|id| of_transaction(id)).collect();
    events.extend(ODD_IDS.iter().map(|id| of_player(id)));
    let mut other = completed("tx", "5");
    other.app = "Game".parse().unwrap();
    events.push(other.clone());
    other.network = "conformance.2".parse().unwrap();
    events.push(other);

    let records: Vec<Record> = events.into_iter().map(pending_record).collect();
    let mut versions = Vec::new();
    for record in &records {
        let found = load(store, record.key()).await;
        assert_eq!(found, None, "similar keys must not be confused");
        versions.push(put(store, record).await);
    }
    for (record, version) in records.iter().zip(versions) {
        is_stored(store, version, record).await;
    }
    let mut keys: Vec<&RecordKey> = records.iter().map(Record::key).collect();
    keys.sort_by_key(|key| key.as_str().as_bytes());
    for limit in [1, 7, 1000] {
        let listed = pending_keys(store, limit).await;
        let is_sorted = listed.iter().eq(keys.iter().copied());
        assert!(is_sorted, "keys must be listed in the order of their bytes");
    }
}

async fn pending_records_are_listed_in_order<S: DedupStore>(store: &S) {
    let mut expected = Vec::new();
    for number in (0..30).rev() {
        let record = pending_record(completed(&format!("n{number}"), "5"));
        let version = put(store, &record).await;
        if number % 3 == 0 {
            replace(store, version, &delivered(record)).await;
        } else if number % 7 == 0 {
            let mut declined = record;
            declined.decline_head("declined", NOW);
            replace(store, version, &declined).await;
        } else {
            expected.push(record.key().clone());
        }
    }
    expected.sort();
    for limit in [1, 2, 7, expected.len(), 1000] {
        let listed = pending_keys(store, limit).await;
        assert_eq!(listed, expected, "exactly the records with a pending decision must be listed, in pages of {limit}");
    }
    let none = store.list_pending(expected.last(), 10).await.unwrap();
    assert!(none.is_empty(), "nothing must be listed after the last key");
    let none = store.list_pending(None, 0).await.unwrap();
    assert!(none.is_empty(), "a page of zero must be empty");

    let settled = load(store, &completed("n0", "5").key()).await.unwrap();
    let again = with(&settled.record, adjusted("n0", "-5"));
    replace(store, settled.version, &again).await;
    let is_listed = pending_keys(store, 1000).await.contains(again.key());
    assert!(is_listed, "a record must be listed when it is pending again");
}

async fn one_of_many_swaps_wins<S: DedupStore>(store: &S) {
    let mut expected = None;
    for _ in 0..4 {
        let swaps: JoinSet<_> = (0..CALLERS)
            .map(|caller| {
                let mut event = completed("race", "5");
                event.query = format!("caller={caller}");
                let (store, record) = (store.clone(), pending_record(event));
                async move { (swap(&store, expected, &record).await, record) }
            })
            .collect();
        let swaps = swaps.join_all().await;
        let mut winners = swaps.iter().filter(|(outcome, _)| is_replaced(outcome));
        let (Some((SwapOutcome::Replaced(version), winner)), None) = (winners.next(), winners.next()) else {
            panic!("exactly one of {CALLERS} swaps must win, at {expected:?}");
        };
        let lost = SwapOutcome::Conflict(Some(stored(*version, winner)));
        let mut outcomes = swaps.iter().map(|(outcome, _)| outcome);
        let are_known = outcomes.all(|outcome| is_replaced(outcome) || *outcome == lost);
        assert!(are_known, "the losers must get the winner's record");
        is_stored(store, *version, winner).await;
        expected = Some(*version);
    }
}

async fn listing_is_complete_during_writes<S: DedupStore>(store: &S) {
    let mut steady = Vec::new();
    for number in 0..CALLERS {
        let record = pending_record(completed(&format!("{number:02}-steady"), "5"));
        put(store, &record).await;
        steady.push(record.key().clone());
    }
    let mut work = JoinSet::new();
    for number in 0..CALLERS {
        let writer = store.clone();
        work.spawn(async move {
            for round in 0..4 {
                let name = format!("{number:02}-passing-{round}");
                let passing = pending_record(completed(&name, "5"));
                let version = put(&writer, &passing).await;
                replace(&writer, version, &delivered(passing)).await;
            }
            None
        });
        let reader = store.clone();
        work.spawn(async move { Some(pending_keys(&reader, 1 + number % 7).await) });
    }
    for mut listed in work.join_all().await.into_iter().flatten() {
        let is_sorted = listed.is_sorted_by(|a, b| a < b);
        assert!(is_sorted, "every key must be listed once, in order");
        listed.retain(|key| steady.contains(key));
        assert_eq!(listed, steady, "what stays pending must always be listed");
    }
    let listed = pending_keys(store, 10).await;
    assert_eq!(listed, steady, "what is settled must not be listed");
}

async fn dropped_operations_are_done_or_not<S: DedupStore>(store: &S) {
    for number in 0..20 {
        let record = pending_record(completed(&format!("dropped-{number}"), "5"));
        poll_once(swap(store, None, &record)).await;
        let version = match swap(store, None, &record).await {
            SwapOutcome::Replaced(version) => version,
            SwapOutcome::Conflict(Some(current)) => current.version,
            SwapOutcome::Conflict(None) => panic!("a lost swap must return the current record"),
        };
        is_stored(store, version, &record).await;
    }
}

async fn unusable_callbacks_are_kept_once<S: DedupStore>(store: &S) {
    let listed = list_unusable(store, 10).await;
    assert!(listed.is_empty(), "an empty store must list no callbacks");
    let ids = ODD_IDS.iter().zip(0..);
    let mut expected: Vec<KeptCallback> = ids.map(|(id, after)| unusable(id, after)).collect();
    for kept in &expected {
        let repeated = KeptCallback::new(kept.callback.clone(), kept.received.after(HOUR));
        let removed = keep(store, kept).await + keep(store, &repeated).await;
        assert_eq!(removed, 0, "keeping few callbacks must remove none");
    }
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    for limit in [1, 2, 7, expected.len(), 1000] {
        let listed = list_unusable(store, limit).await;
        assert_eq!(
            listed, expected,
            "unusable callbacks must come back once, as first kept, in the order of their ids"
        );
    }
    let first = expected.remove(0);
    let remove = async || store.remove_unusable(&first.id).await.unwrap();
    assert!(remove().await, "a kept callback must be removed");
    assert!(!remove().await, "a callback must not be removed twice");
    let listed = list_unusable(store, 1000).await;
    assert_eq!(listed, expected, "the other callbacks must stay");
}

async fn unusable_callbacks_are_bounded<S: DedupStore>(store: &S) {
    // One that a process with a wrong clock received, in 1970 or in ten years, neither is lost nor removes others.
    let ten_years = 10 * 365 * 24 * 3_600_000;
    let mut old = unusable("1970", 0);
    old.received = Timestamp::default();
    for kept in [old, unusable("now", 0), unusable("ahead", ten_years)] {
        let removed = keep(store, &kept).await;
        assert_eq!(removed, 0, "no callback must be removed because of its age");
    }
    let removed = store.remove_unusable(&unusable("ahead", 0).id).await.unwrap();
    assert!(removed, "a kept callback must be removed");

    // Concurrently up to the bound, and one by one beyond it.
    let nth = move |number: usize| unusable(&format!("n{number}"), 1 + number as u64);
    let mut removed = 0;
    for start in (0..MAX_KEPT).step_by(100) {
        let keeping: JoinSet<_> = (start..(start + 100).min(MAX_KEPT))
            .map(|number| {
                let store = store.clone();
                async move { keep(&store, &nth(number)).await }
            })
            .collect();
        removed += keeping.join_all().await.into_iter().sum::<usize>();
    }
    let surplus = 20;
    for number in MAX_KEPT..MAX_KEPT + surplus {
        removed += keep(store, &nth(number)).await;
    }
    // "1970" and "now" are older than all of these.
    assert_eq!(removed, surplus + 2, "the number of removed callbacks");
    let listed = list_unusable(store, 1000).await;
    assert_eq!(listed.len(), MAX_KEPT, "the number of callbacks must be bounded");
    let oldest = listed.iter().map(|kept| kept.received).min();
    let expected = Some(nth(surplus).received);
    assert_eq!(oldest, expected, "the oldest callbacks must be removed first");
}
