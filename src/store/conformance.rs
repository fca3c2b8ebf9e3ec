//! One test suite for every store.
//!
//! Call it from a test of your store, inside a tokio runtime. Each function panics with the name of the promise that the
//! store breaks. Every case opens a store of its own, which must be empty.
//!
//! ```
//! use postback::MemoryStore;
//! use postback::store::conformance;
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
    reason = "a test suite fails by panicking"
)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use rust_decimal::Decimal;
use tokio::task::JoinSet;

use super::{
    DedupStore, KeptCallback, KeptId, MAX_KEPT, MAX_KEPT_AGE, Record, Retention, StoreError,
    Stored, SwapOutcome, Transaction, TransactionWork, TransactionalStore, Version, erase_player,
    prune,
};
use crate::clock::Timestamp;
use crate::decision::{Action, Decision};
use crate::event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
use crate::guard::{Applied, apply};
use crate::handler::HandlerError;
use crate::id::{PlayerId, RecordKey};
use crate::network::Verified;
use crate::protocol::{Receipt, Timing};
use crate::receiver::{InTransaction, ReceiveError, Receiver};

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
    repeated_callbacks_are_paid_once(&open().await).await;
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
        let (first, second) = if round % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        let pending = pending_record(completed(&name, "5"));
        let version = put(first, &pending).await;
        let stored = load(second, pending.key()).await;
        assert_eq!(
            stored.map(|stored| stored.record).as_ref(),
            Some(&pending),
            "a swap through one handle must be visible through the other at once"
        );
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
        assert_eq!(
            won, 1,
            "exactly one of two handles must win a swap: {swaps:?}"
        );
        assert!(
            pending_keys(second, 10).await.is_empty(),
            "a record that one handle settled must not be pending through the other"
        );
    }
}

async fn absent_record_is_none<S: DedupStore>(store: &S) {
    let key = completed("absent", "1").key();
    assert_eq!(
        load(store, &key).await,
        None,
        "a record that was never stored must be absent"
    );
    assert!(
        pending_keys(store, 10).await.is_empty(),
        "an empty store must list nothing"
    );
}

async fn every_swap_gives_a_new_version<S: DedupStore>(store: &S) {
    let pending = pending_record(completed("first", "500"));
    let mut versions = vec![put(store, &pending).await];
    for record in [
        pending.clone(),
        delivered(pending.clone()),
        delivered(pending),
    ] {
        let version = replace(store, versions[versions.len() - 1], &record).await;
        assert!(
            !versions.contains(&version),
            "a record must never have the same version twice"
        );
        versions.push(version);
        is_stored(store, version, &record).await;
    }
}

async fn lost_swap_returns_the_current_record<S: DedupStore>(store: &S) {
    let pending = pending_record(completed("stale", "500"));
    let done = delivered(pending.clone());
    assert_eq!(
        swap(store, Some(Version::FIRST), &pending).await,
        SwapOutcome::Conflict(None),
        "a swap that expects a version must fail if there is no record"
    );
    assert_eq!(
        load(store, pending.key()).await,
        None,
        "a lost swap must store nothing"
    );

    let first = put(store, &pending).await;
    let wrong = [
        None,
        Some(Version::after(Some(first))),
        Version::from_number(77),
    ];
    for expected in wrong {
        let current = stored(first, &pending);
        assert_eq!(
            swap(store, expected, &done).await,
            SwapOutcome::Conflict(Some(current)),
            "a lost swap must return the current record, expecting {expected:?}"
        );
        is_stored(store, first, &pending).await;
    }
    let second = replace(store, first, &done).await;
    assert_eq!(
        swap(store, Some(first), &pending).await,
        SwapOutcome::Conflict(Some(stored(second, &done))),
        "a version that was replaced must not be accepted again"
    );
    is_stored(store, second, &done).await;
}

async fn records_come_back_unchanged<S: DedupStore>(store: &S) {
    for event in every_kind() {
        let pending = pending_record(event);
        let version = put(store, &pending).await;
        is_stored(store, version, &pending).await;
        let mut failed = pending.clone();
        failed.fail_head("wallet: 'down' \"\u{0}\u{1f}\\ ⏳", NOW);
        let version = replace(store, version, &failed).await;
        is_stored(store, version, &failed).await;
    }
    let mut leased = pending_record(completed("leased", "5"));
    leased.take_lease(u64::MAX, Timestamp::from_millis(u64::MAX));
    let version = put(store, &leased).await;
    is_stored(store, version, &leased).await;

    let mut big = completed("big", "0.10");
    big.query = "long=%F0%9F%8E%AE+%00&".repeat(4096);
    let mut big = delivered(pending_record(big));
    for stage in 0..500 {
        let stage = Effect::Pending {
            stage: format!("STAGE {stage}").into(),
            amount: None,
        };
        big = delivered(with(&big, conversion("big", stage)));
    }
    big.decline_head("no such player: 'Ω'", NOW);
    let version = put(store, &big).await;
    is_stored(store, version, &big).await;
}

async fn keys_are_exact<S: DedupStore>(store: &S) {
    let mut records: Vec<Record> = ODD_IDS
        .iter()
        .map(|id| pending_record(completed(id, "5")))
        .collect();
    for id in ODD_IDS {
        let kind = EventKind::Ban(BanStatus::Banned);
        records.push(pending_record(Event {
            player: player(id),
            kind,
            ..completed("tx", "0")
        }));
    }
    let other_app = Event {
        app: "Game".parse().unwrap(),
        ..completed("tx", "5")
    };
    let other_network = Event {
        network: "conformance.2".parse().unwrap(),
        ..completed("tx", "5")
    };
    records.extend([other_app, other_network].map(pending_record));
    let mut versions = Vec::new();
    for record in &records {
        let key = record.key();
        assert_eq!(
            load(store, key).await,
            None,
            "similar keys must not be confused: {key}"
        );
        versions.push(put(store, record).await);
    }
    for (record, version) in records.iter().zip(versions) {
        is_stored(store, version, record).await;
    }
    let mut keys: Vec<RecordKey> = records.iter().map(|record| record.key().clone()).collect();
    keys.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    for limit in [1, 7, 1000] {
        assert_eq!(
            pending_keys(store, limit).await,
            keys,
            "keys must be listed in the order of their bytes, in pages of {limit}"
        );
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
        assert_eq!(
            pending_keys(store, limit).await,
            expected,
            "exactly the records with a pending decision must be listed, in pages of {limit}"
        );
    }
    let none = store
        .list_pending(expected.last(), 10)
        .await
        .expect("list pending");
    assert!(none.is_empty(), "nothing must be listed after the last key");
    let none = store.list_pending(None, 0).await.expect("list pending");
    assert!(none.is_empty(), "a page of zero must be empty");

    let settled = load(store, &completed("n0", "5").key()).await;
    let settled = settled.expect("a stored record must not be absent");
    let by = Effect::Adjusted {
        by: decimal("-5"),
        same_transaction: true,
    };
    let again = with(&settled.record, conversion("n0", by));
    replace(store, settled.version, &again).await;
    assert!(
        pending_keys(store, 1000).await.contains(again.key()),
        "a settled record with a new pending decision must be listed again"
    );
}

async fn one_of_many_swaps_wins<S: DedupStore>(store: &S) {
    let mut expected = None;
    for _ in 0..4 {
        let swaps: JoinSet<_> = (0..CALLERS)
            .map(|caller| {
                let event = Event {
                    query: format!("caller={caller}"),
                    ..completed("race", "5")
                };
                let (store, record) = (store.clone(), pending_record(event));
                async move { (swap(&store, expected, &record).await, record) }
            })
            .collect();
        let swaps = swaps.join_all().await;
        let winners: Vec<_> = swaps
            .iter()
            .filter(|(outcome, _)| is_replaced(outcome))
            .collect();
        assert_eq!(
            winners.len(),
            1,
            "exactly one of {CALLERS} swaps must win, at {expected:?}"
        );
        let (SwapOutcome::Replaced(version), winner) = winners[0] else {
            unreachable!("they were filtered");
        };
        let version = *version;
        let lost = SwapOutcome::Conflict(Some(stored(version, winner)));
        assert!(
            swaps
                .iter()
                .all(|(outcome, _)| is_replaced(outcome) || *outcome == lost),
            "the losers of a race must get the winner's record"
        );
        is_stored(store, version, winner).await;
        expected = Some(version);
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
        assert!(
            listed.is_sorted_by(|a, b| a < b),
            "every key must be listed once, in order"
        );
        listed.retain(|key| steady.contains(key));
        assert_eq!(
            listed, steady,
            "what is pending all the time must be in every listing"
        );
    }
    assert_eq!(
        pending_keys(store, 10).await,
        steady,
        "what is settled must not be listed"
    );
}

async fn dropped_operations_are_done_or_not<S: DedupStore>(store: &S) {
    for number in 0..20 {
        let record = pending_record(completed(&format!("dropped-{number}"), "5"));
        poll_once(swap(store, None, &record)).await;
        let found = match swap(store, None, &record).await {
            SwapOutcome::Replaced(version) => stored(version, &record),
            SwapOutcome::Conflict(Some(current)) => current,
            SwapOutcome::Conflict(None) => panic!("a lost swap must return the current record"),
        };
        assert_eq!(
            found.record, record,
            "a swap whose future was dropped must be done or not done, once"
        );
        is_stored(store, found.version, &record).await;
    }
}

async fn repeated_callbacks_are_paid_once<S: DedupStore>(store: &S) {
    let paid = Arc::new(Mutex::new(Vec::new()));
    let wallet = Arc::clone(&paid);
    let pay = move |decision: Decision| {
        let wallet = Arc::clone(&wallet);
        async move {
            wallet.lock().unwrap().push(decision.balance_change());
            tokio::task::yield_now().await;
            Ok(())
        }
    };
    let timing = Timing::default().busy_timeout(Duration::from_secs(60));
    let receiver = Receiver::new(store.clone(), pay)
        .timing(timing)
        .without_recovery();
    let calls: JoinSet<_> = (0..CALLERS)
        .map(|_| {
            let receiver = receiver.clone();
            async move { receiver.receive(genuine(completed("often", "500"))).await }
        })
        .collect();
    for result in calls.join_all().await {
        let receipt = result.expect("receive a callback");
        assert!(
            matches!(receipt, Receipt::Settled(_) | Receipt::Duplicate),
            "a repeated callback must be settled or a duplicate: {receipt:?}"
        );
    }
    assert_eq!(
        *paid.lock().unwrap(),
        [decimal("500")],
        "a repeated callback must be paid once"
    );
}

async fn unusable_callbacks_are_kept_once<S: DedupStore>(store: &S) {
    let list = async |after: Option<&KeptId>, limit| {
        store
            .list_unusable(after, limit)
            .await
            .expect("list unusable callbacks")
    };
    assert!(
        list(None, 10).await.is_empty(),
        "an empty store must list no unusable callbacks"
    );
    let mut expected: Vec<KeptCallback> = ODD_IDS
        .iter()
        .enumerate()
        .map(|(number, id)| unusable(id, number as u64))
        .collect();
    for kept in &expected {
        assert_eq!(
            keep(store, kept).await,
            0,
            "keeping few callbacks must remove none"
        );
        let repeated = KeptCallback::new(kept.callback.clone(), kept.received.after(HOUR));
        assert_eq!(
            keep(store, &repeated).await,
            0,
            "a repetition must remove nothing"
        );
    }
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    for limit in [1, 2, 7, expected.len(), 1000] {
        let mut listed: Vec<KeptCallback> = Vec::new();
        loop {
            let page = list(listed.last().map(|kept| &kept.id), limit).await;
            let is_last = page.len() < limit;
            listed.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(
            listed, expected,
            "unusable callbacks must come back once, as first kept, in the order of their ids, in pages of {limit}"
        );
    }
    let removed = expected.remove(0);
    let remove = async || {
        store
            .remove_unusable(&removed.id)
            .await
            .expect("remove a callback")
    };
    assert!(remove().await, "a kept callback must be removed");
    assert!(!remove().await, "a callback must not be removed twice");
    assert_eq!(
        list(None, 1000).await,
        expected,
        "the other callbacks must stay"
    );
}

async fn unusable_callbacks_are_bounded<S: DedupStore>(store: &S) {
    let old = unusable("old", 0);
    keep(store, &old).await;
    let boundary = u64::try_from(MAX_KEPT_AGE.as_millis()).unwrap();
    assert_eq!(
        keep(store, &unusable("boundary", boundary)).await,
        0,
        "a callback of exactly the maximum age must stay"
    );
    assert_eq!(
        keep(store, &unusable("later", boundary + 1)).await,
        1,
        "a callback older than the maximum age must be removed"
    );
    // Concurrently up to the bound, and one by one beyond it.
    let nth = move |number: usize| unusable(&format!("n{number}"), boundary + 2 + number as u64);
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
    // "boundary" and "later" are older than all of these.
    assert_eq!(
        removed,
        surplus + 2,
        "the store must report how many callbacks it removed"
    );
    let mut listed = 0;
    let mut oldest = u64::MAX;
    let mut after = None;
    loop {
        let page = store
            .list_unusable(after.as_ref(), 1000)
            .await
            .expect("list");
        listed += page.len();
        let received = page.iter().map(|kept| kept.received.as_millis());
        oldest = received.chain([oldest]).min().unwrap();
        match page.last() {
            Some(last) => after = Some(last.id.clone()),
            None => break,
        }
    }
    assert_eq!(
        listed, MAX_KEPT,
        "the number of unusable callbacks must be bounded"
    );
    let expected = nth(surplus).received.as_millis();
    assert_eq!(
        oldest, expected,
        "the oldest callbacks beyond the bound must be removed"
    );
}

/// Tests the promises of [`Retention`]. `open` opens an empty store.
///
/// # Panics
/// If the store breaks a promise.
pub async fn retention<S: Retention>(open: impl AsyncFn() -> S) {
    removal_compares_the_version(&open().await).await;
    unchanged_records_are_listed(&open().await).await;
    players_are_listed_exactly(&open().await).await;
    erased_player_is_not_paid_again(&open().await).await;
    long_listings_are_complete(&open().await).await;
}

async fn removal_compares_the_version<S: Retention>(store: &S) {
    let record = pending_record(completed("removed", "5"));
    let first = put(store, &record).await;
    let second = replace(store, first, &delivered(record.clone())).await;
    let remove = async |version| store.remove(record.key(), version).await.expect("remove");
    for wrong in [first, Version::after(Some(second))] {
        assert!(
            !remove(wrong).await,
            "another version than the stored one must not be removed"
        );
        assert!(
            load(store, record.key()).await.is_some(),
            "a lost removal must change nothing"
        );
    }
    assert!(remove(second).await, "the stored version must be removed");
    assert_eq!(
        load(store, record.key()).await,
        None,
        "a removed record must be absent"
    );
    assert!(!remove(second).await, "a record must not be removed twice");
    let version = put(store, &record).await;
    is_stored(store, version, &record).await;
    assert_eq!(
        pending_keys(store, 10).await,
        [record.key().clone()],
        "a record stored again after a removal must be listed"
    );
}

async fn unchanged_records_are_listed<S: Retention>(store: &S) {
    let late = NOW.after(HOUR);
    put(store, &delivered(pending_record(completed("old", "5")))).await;
    put(store, &pending_record(completed("open", "5"))).await;
    let Applied::Decided(mut new) = apply(
        &Record::new(completed("new", "5").key()),
        &Arc::new(completed("new", "5")),
        late,
    ) else {
        panic!("a new message must be decided");
    };
    new.settle_head(late);
    put(store, &new).await;
    let listed = store
        .list_unchanged_since(late, None, 10)
        .await
        .expect("list unchanged");
    let old = completed("old", "5").key();
    assert_eq!(
        listed,
        [old.clone()],
        "settled records that did not change since must be listed"
    );
    assert_eq!(
        prune(store, NOW).await.expect("prune").removed,
        0,
        "the moment is exclusive"
    );
    assert_eq!(
        prune(store, late).await.expect("prune").removed,
        1,
        "old records are pruned"
    );
    assert_eq!(
        load(store, &old).await,
        None,
        "a pruned record must be absent"
    );
    for kept in ["open", "new"] {
        let key = completed(kept, "5").key();
        assert!(
            load(store, &key).await.is_some(),
            "pruning must leave what is {kept}"
        );
    }
}

async fn players_are_listed_exactly<S: Retention>(store: &S) {
    for (number, id) in ODD_IDS.iter().enumerate() {
        let event = Event {
            player: player(id),
            ..completed(&format!("t{number}"), "5")
        };
        put(store, &delivered(pending_record(event))).await;
    }
    for (number, id) in ODD_IDS.iter().enumerate() {
        let listed = store
            .list_by_player(&player(id), None, 10)
            .await
            .expect("list by player");
        let expected = completed(&format!("t{number}"), "5").key();
        assert_eq!(
            listed,
            [expected],
            "exactly the records of {id:?} must be listed"
        );
    }
}

async fn erased_player_is_not_paid_again<S: Retention>(store: &S) {
    let event = completed("t1", "5");
    let settled = delivered(pending_record(event.clone()));
    put(store, &settled).await;
    put(store, &pending_record(completed("open", "5"))).await;
    let ban = Event {
        kind: EventKind::Ban(BanStatus::Banned),
        ..completed("none", "0")
    };
    put(store, &delivered(pending_record(ban.clone()))).await;
    let other = Event {
        player: player("somebody-else"),
        ..completed("other", "5")
    };
    put(store, &delivered(pending_record(other.clone()))).await;

    let erased = erase_player(store, &event.player)
        .await
        .expect("erase a player");
    let counts = (erased.redacted, erased.removed, erased.pending);
    assert_eq!(
        counts,
        (1, 1, 1),
        "one record redacted, one ban removed, one record pending"
    );
    assert_eq!(
        load(store, &ban.key()).await,
        None,
        "an erased player's ban must be removed"
    );
    let record = load(store, &event.key()).await.expect("a record").record;
    let json = super::json::write(&record).expect("write a record");
    assert!(
        !json.contains(event.player.as_str()) && !json.contains(&event.query),
        "an erased record must contain neither player nor query"
    );
    assert!(
        matches!(
            apply(&record, &Arc::new(event.clone()), NOW),
            Applied::Duplicate { .. }
        ),
        "an erased player's callback must still be a duplicate"
    );
    let found = store
        .list_by_player(&event.player, None, 10)
        .await
        .expect("list by player");
    assert_eq!(
        found,
        [completed("open", "5").key()],
        "an erased record must not be found again"
    );
    let kept = load(store, &other.key()).await.expect("a record").record;
    assert_eq!(
        kept.player(),
        Some(&other.player),
        "other players must not be touched"
    );
}

async fn long_listings_are_complete<S: Retention>(store: &S) {
    let writes: JoinSet<_> = (0..600)
        .map(|number| {
            let store = store.clone();
            let record = delivered(pending_record(completed(&format!("t{number}"), "5")));
            async move { put(&store, &record).await }
        })
        .collect();
    writes.join_all().await;
    let erased = erase_player(store, &completed("t0", "5").player)
        .await
        .expect("erase a player");
    assert_eq!(
        erased.redacted, 600,
        "every page of a player's records must be listed"
    );
    let pruned = prune(store, NOW.after(HOUR)).await.expect("prune");
    assert_eq!(
        pruned.removed, 600,
        "every page of old records must be listed"
    );
}

/// How the handler under test ends. A handler changes the balance first and then returns [`Script::end`].
#[derive(Debug, Clone, Default)]
pub struct Script {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    end: End,
    calls: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum End {
    #[default]
    Succeed,
    Fail,
    Decline,
    Panic,
}

impl Script {
    /// Returns what the suite wants the handler to return, or panics if it wants that.
    ///
    /// # Errors
    /// [`HandlerError`], if the suite wants the handler to fail or to decline.
    ///
    /// # Panics
    /// If the suite wants it to.
    pub fn end(&self) -> Result<(), HandlerError> {
        let end = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            state.end
        };
        match end {
            End::Succeed => Ok(()),
            End::Fail => Err(HandlerError::failed("failed on purpose")),
            End::Decline => Err(HandlerError::declined("declined on purpose")),
            End::Panic => panic!("panicked on purpose"),
        }
    }

    fn set(&self, end: End) {
        self.state.lock().unwrap().end = end;
    }

    fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }
}

/// Tests the promises of [`TransactionalStore`].
///
/// - `open` opens an empty store.
/// - `receiver` makes a receiver whose handler adds [`Decision::balance_change`] to the player's balance inside the
///   transaction, and then returns [`Script::end`].
/// - `balance` reads a player's balance outside any transaction: zero for an unknown player.
///
/// # Panics
/// If the store breaks a promise.
pub async fn transactional<S: TransactionalStore>(
    open: impl AsyncFn() -> S,
    receiver: impl Fn(&S, Script) -> Receiver<S, InTransaction<S>>,
    balance: impl AsyncFn(&S, &PlayerId) -> Decimal,
) {
    let start = async || {
        let (store, script) = (open().await, Script::default());
        let receiver = receiver(&store, script.clone()).without_recovery();
        Wallet {
            receiver,
            script,
            balance: &balance,
            player: player("player-7"),
        }
    };
    start().await.callback_pays_once().await;
    for end in [End::Fail, End::Panic] {
        start().await.failed_handler_leaves_no_trace(end).await;
    }
    start().await.declined_decision_leaves_no_trace().await;
    start()
        .await
        .accepted_callbacks_are_delivered_in_order()
        .await;
    start().await.concurrent_callbacks_pay_once_each().await;
    start().await.dropped_callbacks_pay_once().await;
    start().await.failed_work_rolls_back().await;
    start().await.savepoint_undoes_only_what_follows().await;
}

struct Wallet<'a, S: TransactionalStore, B> {
    receiver: Receiver<S, InTransaction<S>>,
    script: Script,
    balance: &'a B,
    player: PlayerId,
}

impl<S: TransactionalStore, B: AsyncFn(&S, &PlayerId) -> Decimal> Wallet<'_, S, B> {
    async fn receive(&self, event: Event) -> Result<Receipt, ReceiveError> {
        self.receiver.receive(genuine(event)).await
    }

    async fn has(&self, amount: &str, promise: &str) {
        let balance = (self.balance)(self.receiver.store(), &self.player).await;
        assert_eq!(balance, decimal(amount), "the player's balance: {promise}");
    }

    async fn record(&self, event: &Event) -> Record {
        let stored = load(self.receiver.store(), &event.key()).await;
        stored.expect("a received callback must be stored").record
    }

    async fn callback_pays_once(self) {
        let event = completed("t1", "500.25");
        let receipt = self
            .receive(event.clone())
            .await
            .expect("receive a callback");
        assert!(
            matches!(receipt, Receipt::Settled(_)),
            "settled by the first call: {receipt:?}"
        );
        let receipt = self
            .receive(event.clone())
            .await
            .expect("receive a callback");
        assert_eq!(
            receipt,
            Receipt::Duplicate,
            "a repetition must be a duplicate"
        );
        self.has("500.25", "a repeated callback must be paid once")
            .await;
        assert_eq!(
            self.script.calls(),
            1,
            "the handler must be called once per decision"
        );

        let by = Effect::Adjusted {
            by: decimal("-500.25"),
            same_transaction: true,
        };
        self.receive(conversion("t1", by))
            .await
            .expect("receive a reversal");
        self.has("0", "a reversal must take back what was paid")
            .await;
        let conflict = self
            .receive(completed("t1", "900"))
            .await
            .expect("receive a conflict");
        let Receipt::Settled(decision) = conflict else {
            panic!("a conflict must be delivered")
        };
        assert!(
            matches!(decision.action(), Action::Conflict { .. }),
            "another amount is a conflict"
        );
        self.has("0", "a conflict must move nothing").await;
        assert!(
            !self.record(&event).await.is_pending(),
            "everything was delivered"
        );
        assert_eq!(
            self.script.calls(),
            3,
            "the handler must be called once per decision"
        );
    }

    async fn failed_handler_leaves_no_trace(self, end: End) {
        let event = completed("t1", "500");
        self.script.set(end);
        let store = self.receiver.store();
        for _ in 0..2 {
            let error = self
                .receive(event.clone())
                .await
                .expect_err("the handler failed");
            assert!(
                matches!(error, ReceiveError::Handler { .. }),
                "the handler failed: {error:?}"
            );
            self.has("0", "what a failed handler did must be undone")
                .await;
            assert_eq!(
                pending_keys(store, 10).await,
                [event.key()],
                "a decision whose handler failed must be stored as pending"
            );
        }
        let attempts = self
            .record(&event)
            .await
            .retry()
            .map(|retry| retry.attempts);
        assert_eq!(attempts, Some(2), "failed attempts must be counted durably");
        self.script.set(End::Succeed);
        let receipt = self
            .receiver
            .deliver(event.key())
            .await
            .expect("deliver what is pending");
        assert_eq!(
            receipt,
            Receipt::NothingPending,
            "a retried decision must be delivered"
        );
        self.has("500", "a retried decision must be paid once")
            .await;
        assert!(
            pending_keys(store, 10).await.is_empty(),
            "a delivered decision is not pending"
        );
    }

    async fn declined_decision_leaves_no_trace(self) {
        let event = completed("t1", "500");
        self.script.set(End::Decline);
        let receipt = self
            .receive(event.clone())
            .await
            .expect("receive a callback");
        assert!(
            matches!(receipt, Receipt::Declined(_)),
            "declined for good: {receipt:?}"
        );
        self.script.set(End::Succeed);
        let receipt = self
            .receive(event.clone())
            .await
            .expect("receive a callback");
        assert_eq!(
            receipt,
            Receipt::Duplicate,
            "a declined callback must not be retried"
        );
        self.has("0", "what a declining handler did must be undone")
            .await;
        let record = self.record(&event).await;
        assert!(
            record.closed().is_some() && !record.is_pending(),
            "declined money closes"
        );
    }

    async fn accepted_callbacks_are_delivered_in_order(self) {
        let first = completed("t1", "500");
        let by = Effect::Adjusted {
            by: decimal("-200"),
            same_transaction: true,
        };
        for event in [first.clone(), conversion("t1", by)] {
            let receipt = self
                .receiver
                .accept(genuine(event))
                .await
                .expect("accept a callback");
            assert!(
                matches!(receipt, Receipt::Accepted(_)),
                "accepted for later: {receipt:?}"
            );
        }
        self.has(
            "0",
            "an accepted callback must not be paid before it is delivered",
        )
        .await;
        assert_eq!(
            self.script.calls(),
            0,
            "accepting must not call the handler"
        );
        self.script.set(End::Fail);
        self.receiver
            .deliver(first.key())
            .await
            .expect_err("the handler failed");
        assert_eq!(
            self.script.calls(),
            1,
            "nothing must be delivered past a failed decision"
        );
        self.script.set(End::Succeed);
        self.receiver
            .deliver(first.key())
            .await
            .expect("deliver what is pending");
        self.has("300", "every accepted callback must be delivered")
            .await;
    }

    async fn concurrent_callbacks_pay_once_each(self) {
        let calls: JoinSet<_> = (0..CALLERS * 2)
            .map(|caller| {
                let receiver = self.receiver.clone();
                let event = completed(&format!("t{}", caller % 8), "5");
                async move {
                    for _ in 0..100 {
                        match receiver.receive(genuine(event.clone())).await {
                            Ok(receipt) => return receipt,
                            // A store may give up under contention; the network retries.
                            Err(ReceiveError::Store(_) | ReceiveError::Busy { .. }) => {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                            Err(error) => panic!("receive concurrently: {error:?}"),
                        }
                    }
                    panic!("a callback must be received after some retries");
                }
            })
            .collect();
        for receipt in calls.join_all().await {
            assert!(
                matches!(receipt, Receipt::Settled(_) | Receipt::Duplicate),
                "a concurrent callback must be settled or a duplicate: {receipt:?}"
            );
        }
        self.has(
            "40",
            "concurrent callbacks of eight conversions must be paid once each",
        )
        .await;
    }

    async fn dropped_callbacks_pay_once(self) {
        for number in 0..20 {
            let event = completed(&format!("t{number}"), "5");
            poll_once(self.receive(event.clone())).await;
            self.receive(event)
                .await
                .expect("receive a callback after a dropped call");
        }
        self.has(
            "100",
            "a callback whose first call was dropped must be paid once",
        )
        .await;
        let store = self.receiver.store();
        assert!(
            pending_keys(store, 10).await.is_empty(),
            "all of them were delivered"
        );
    }

    async fn failed_work_rolls_back(self) {
        let result = self.transact("t1", Step::FailAfterHandling).await;
        assert!(
            matches!(result, Err(StoreError::Overloaded)),
            "an error of the work must be returned"
        );
        self.has("0", "failed work must be rolled back").await;
        let stored = load(self.receiver.store(), &completed("t1", "5").key()).await;
        assert_eq!(stored, None, "failed work must be rolled back");
        self.transact("t1", Step::RollBackSecond)
            .await
            .expect("the store works after a rollback");
    }

    async fn savepoint_undoes_only_what_follows(self) {
        self.transact("t1", Step::RollBackSecond)
            .await
            .expect("commit");
        self.has(
            "5",
            "a rolled back savepoint must undo the handler's work, and only that",
        )
        .await;
        let key = completed("t1", "5").key();
        let stored = load(self.receiver.store(), &key).await.expect("committed");
        assert_eq!(
            stored.version,
            Version::FIRST,
            "a rolled back savepoint must undo the swap after it, and only that"
        );
    }

    async fn transact(&self, transaction: &str, step: Step) -> Result<(), StoreError> {
        let event = Arc::new(completed(transaction, "5"));
        let handler = self.receiver.handler().handler();
        self.receiver
            .store()
            .transact(&event.key(), handler, Work { event, step })
            .await
    }
}

/// Pays twice in one transaction, each time after a savepoint.
struct Work {
    event: Arc<Event>,
    step: Step,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// Fails after the first payment.
    FailAfterHandling,
    /// Undoes the second payment.
    RollBackSecond,
}

impl TransactionWork for Work {
    type Output = ();

    async fn run<T: Transaction>(&self, transaction: &mut T) -> Result<(), StoreError> {
        let key = self.event.key();
        let seen = transaction.load(&key).await?;
        assert_eq!(seen, None, "a transaction must see what is committed");
        let record = pending_record((*self.event).clone());
        let decision = record.head().expect("a pending decision");
        let mut expected = None;
        for round in 0..2 {
            transaction.savepoint().await?;
            let swapped = transaction.swap(expected, &record).await?;
            let version = Version::after(expected);
            assert_eq!(
                swapped,
                SwapOutcome::Replaced(version),
                "a swap in a transaction"
            );
            let seen = transaction
                .load(&key)
                .await?
                .expect("a transaction sees its own swap");
            assert_eq!(seen.version, version, "a transaction must see its own swap");
            transaction
                .handle(&decision)
                .await
                .expect("the handler succeeds");
            if round == 0 {
                transaction.release_savepoint().await?;
            } else {
                transaction.rollback_to_savepoint().await?;
                continue;
            }
            if self.step == Step::FailAfterHandling {
                return Err(StoreError::Overloaded);
            }
            expected = Some(version);
        }
        let seen = transaction
            .load(&key)
            .await?
            .expect("the first swap was kept");
        assert_eq!(
            seen,
            stored(Version::FIRST, &record),
            "the first swap must be current again"
        );
        let lost = transaction.swap(None, &record).await?;
        assert_eq!(
            lost,
            SwapOutcome::Conflict(Some(seen)),
            "a lost swap in a transaction"
        );
        Ok(())
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// How many callers there are at a time.
const CALLERS: usize = 32;

/// Ids that a careless store confuses, truncates or interprets.
const ODD_IDS: [&str; 34] = [
    "tx",
    "TX",
    "Tx",
    "tx ",
    " tx",
    "t",
    "tx/1",
    "tx/1/",
    "tx//1",
    "tx%",
    "tx%25",
    "tx_",
    "t*",
    "t?",
    "[tx]",
    "{tx}",
    "{",
    "}",
    "tx'",
    "tx\"",
    "tx`;--",
    "tx\\",
    "tx:1",
    "tx#1",
    "tx\u{e9}",
    "txe\u{301}",
    "ß",
    "ss",
    "ſ",
    "1",
    "01",
    "1.0",
    "🎮",
    "\u{202e}tx",
];

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn player(id: &str) -> PlayerId {
    id.parse().unwrap()
}

fn conversion(transaction: &str, effect: Effect) -> Event {
    let kind = EventKind::Conversion {
        transaction: transaction.parse().unwrap(),
        original: None,
        effect,
    };
    let (network, app) = ("conformance".parse().unwrap(), "game".parse().unwrap());
    let mut event = Event::new(network, app, player("player-7"), kind);
    event.endpoint = "offers".into();
    event.query = "player=player-7&note=%C3%A9".into();
    event
}

fn completed(transaction: &str, amount: &str) -> Event {
    let amount = decimal(amount);
    conversion(
        transaction,
        Effect::Completed {
            amount,
            milestone: None,
            reinstates: false,
        },
    )
}

fn genuine(event: Event) -> Verified<Event> {
    Verified::assume_genuine(event)
}

/// The record with this message and its pending decision.
fn with(record: &Record, event: Event) -> Record {
    match apply(record, &Arc::new(event), NOW) {
        Applied::Decided(record) => record,
        other => panic!("a new message must be decided, not {other:?}"),
    }
}

fn pending_record(event: Event) -> Record {
    with(&Record::new(event.key()), event)
}

fn delivered(mut record: Record) -> Record {
    record.settle_head(NOW);
    record
}

fn stored(version: Version, record: &Record) -> Stored {
    Stored {
        version,
        record: record.clone(),
    }
}

fn is_replaced(outcome: &SwapOutcome) -> bool {
    matches!(outcome, SwapOutcome::Replaced(_))
}

async fn load<S: DedupStore>(store: &S, key: &RecordKey) -> Option<Stored> {
    store.load(key).await.expect("load a record")
}

async fn swap<S: DedupStore>(store: &S, expected: Option<Version>, record: &Record) -> SwapOutcome {
    store.swap(expected, record).await.expect("swap a record")
}

/// Stores a record for the first time. Returns its version.
async fn put<S: DedupStore>(store: &S, record: &Record) -> Version {
    match swap(store, None, record).await {
        SwapOutcome::Replaced(version) => version,
        lost @ SwapOutcome::Conflict(_) => {
            panic!("a new record must be stored: {}: {lost:?}", record.key())
        }
    }
}

/// Replaces a record. Returns its new version.
async fn replace<S: DedupStore>(store: &S, version: Version, record: &Record) -> Version {
    match swap(store, Some(version), record).await {
        SwapOutcome::Replaced(new) if new != version => new,
        other => panic!(
            "a swap that expects the stored version must replace the record: {}: {other:?}",
            record.key()
        ),
    }
}

async fn is_stored<S: DedupStore>(store: &S, version: Version, record: &Record) {
    let found = load(store, record.key())
        .await
        .expect("a stored record must not be absent");
    assert_eq!(
        found,
        stored(version, record),
        "a record must come back as it was stored"
    );
    // Decimals are equal whatever their scale; as text they are not.
    assert_eq!(
        super::json::write(&found.record).expect("write a record"),
        super::json::write(record).expect("write a record"),
        "every digit of an amount must come back"
    );
}

/// All pending keys, page by page.
async fn pending_keys<S: DedupStore>(store: &S, limit: usize) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = Vec::new();
    loop {
        let page = store
            .list_pending(keys.last(), limit)
            .await
            .expect("list pending records");
        assert!(
            page.len() <= limit,
            "a page must not be longer than its limit"
        );
        let is_last = page.len() < limit;
        keys.extend(page);
        if is_last {
            return keys;
        }
    }
}

fn unusable(id: &str, after_millis: u64) -> KeptCallback {
    let callback = UnusableCallback {
        network: "conformance".parse().unwrap(),
        app: "game".parse().unwrap(),
        endpoint: "offers".into(),
        problem: format!("missing parameter {id:?}"),
        query: format!("player={id}&name=100%25 '\"{{}}%"),
    };
    KeptCallback::new(callback, NOW.after(Duration::from_millis(after_millis)))
}

async fn keep<S: DedupStore>(store: &S, kept: &KeptCallback) -> usize {
    store
        .keep_unusable(kept)
        .await
        .expect("keep an unusable callback")
}

/// Polls a future once and drops it.
async fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

/// Messages of every kind, with texts and amounts at the edge of what is possible.
fn every_kind() -> Vec<Event> {
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
    let ignored = |status: &'static str, reason| Effect::Ignored {
        status: status.into(),
        reason,
    };
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
            same_transaction: true,
        },
        Effect::Adjusted {
            by: decimal("7.000"),
            same_transaction: false,
        },
        Effect::Revoked,
        ignored("LATER", IgnoreReason::UnknownState),
        ignored("", IgnoreReason::EmptyState),
        ignored("'\"\\\u{0}\u{1f}", IgnoreReason::Contradictory),
    ];
    for (at, effect) in effects.into_iter().enumerate() {
        events.push(conversion(&format!("effect-{at}"), effect));
    }
    let bans = [
        BanStatus::Banned,
        BanStatus::Active,
        BanStatus::Unknown("シャドウ".into()),
    ];
    for (at, status) in bans.into_iter().enumerate() {
        let banned = player(&format!("player-{at}"));
        events.push(Event {
            player: banned,
            kind: EventKind::Ban(status),
            ..completed("tx", "0")
        });
    }
    let mut full = completed("full", "500");
    full.usd = Some(decimal("-4.200"));
    full.purchase_usd = Some(decimal("9.990"));
    full.reason = Some("naïve — “quoted”\r\n\tand 👩‍👩‍👧".into());
    full.query = "long=%F0%9F%8E%AE+%00&".repeat(4096);
    events.push(full);
    events
}
