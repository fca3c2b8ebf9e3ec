//! What removing and forgetting promise.

use super::fixtures::{NOW, completed, load};
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::event::{BanStatus, Event, EventKind, RecordKey};
use crate::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use crate::store::{DedupStore, Retention, Version, forget, prune};

/// Takes an event all the way, with a handler that ends so; says the answer and the decisions it saw.
async fn receive(
    store: &impl DedupStore,
    event: Event,
    handled: Handled,
    now: Timestamp,
) -> (Answer, Vec<Decision>) {
    let mut steps = Steps::receive(event, Timing::default());
    let mut seen = Vec::new();
    loop {
        let happened = match steps.step() {
            Step::Load(key) => Happened::Loaded(store.load(&key).await.expect("loads")),
            Step::Swap { expected, record } => {
                Happened::Swapped(store.swap(expected, &record).await.expect("swaps"))
            }
            Step::Handle(decision) => {
                seen.push(decision);
                Happened::Handled(handled.clone())
            }
            Step::Wait(_) => Happened::Waited,
            Step::Answer(answer) => return (answer, seen),
        };
        steps.advance(happened, now);
    }
}

async fn settled(store: &impl DedupStore, event: Event, now: Timestamp) {
    let (answer, _) = receive(store, event, Handled::Done, now).await;
    assert!(
        matches!(answer, Answer::Receipt(_)),
        "the event is taken: {answer:?}"
    );
}

fn key(transaction: &str) -> RecordKey {
    completed(transaction, "1").key()
}

/// Runs every case for a store that can remove records, each on a store of its own, empty one.
///
/// # Panics
/// When the store breaks a promise of [`Retention`].
pub async fn retention<S: Retention>(open: impl AsyncFn() -> S) {
    a_record_is_removed_only_in_the_expected_version(&open().await).await;
    pruning_takes_what_is_old_and_leaves_what_is_open(&open().await).await;
    a_forgotten_player_is_still_not_paid_twice(&open().await).await;
    forgetting_removes_bans_and_leaves_open_decisions(&open().await).await;
    long_listings_are_paged_completely(&open().await).await;
}

/// Removing compares the version, and what is removed is absent.
///
/// # Panics
/// When the store breaks the promise.
pub async fn a_record_is_removed_only_in_the_expected_version(store: &impl Retention) {
    settled(store, completed("kept", "5"), NOW).await;
    let version = load(store, &key("kept")).await.expect("a record").version;
    let removed = store
        .remove(&key("kept"), version.next())
        .await
        .expect("removes");
    assert!(!removed, "a version that is not stored removes nothing");
    let removed = store
        .remove(&key("kept"), Version::FIRST)
        .await
        .expect("removes");
    assert_eq!(
        removed,
        version == Version::FIRST,
        "a stale version removes nothing"
    );
    assert!(load(store, &key("kept")).await.is_some());
    assert!(store.remove(&key("kept"), version).await.expect("removes"));
    assert!(
        load(store, &key("kept")).await.is_none(),
        "what was removed is absent"
    );
    assert!(
        !store.remove(&key("kept"), version).await.expect("removes"),
        "nothing is removed twice"
    );
}

/// Pruning removes what has not changed since, and never an open decision.
///
/// # Panics
/// When the store breaks the promise.
pub async fn pruning_takes_what_is_old_and_leaves_what_is_open(store: &impl Retention) {
    let later = Timestamp::from_millis(NOW.as_millis() + 60_000);
    settled(store, completed("old", "5"), NOW).await;
    settled(store, completed("new", "5"), later).await;
    receive(store, completed("open", "5"), Handled::Failed, NOW).await;
    let pruned = prune(store, NOW).await.expect("prunes");
    assert_eq!(
        (pruned.removed, pruned.left),
        (0, 0),
        "what changed at that very moment stays"
    );
    let pruned = prune(store, later).await.expect("prunes");
    assert_eq!((pruned.removed, pruned.left), (1, 0));
    assert!(load(store, &key("old")).await.is_none());
    assert!(load(store, &key("new")).await.is_some());
    assert!(
        load(store, &key("open")).await.is_some(),
        "an open decision is never pruned"
    );
}

/// Forgetting strips the player and the raw callbacks, and still knows what was paid.
///
/// # Panics
/// When the store breaks the promise.
pub async fn a_forgotten_player_is_still_not_paid_twice(store: &impl Retention) {
    let event = completed("t1", "5");
    settled(store, event.clone(), NOW).await;
    let forgotten = forget(store, &event.player).await.expect("forgets");
    assert_eq!(
        (forgotten.stripped, forgotten.removed, forgotten.left_open),
        (1, 0, 0)
    );
    let stored = load(store, &event.key()).await.expect("a record");
    let json = serde_json::to_string(&stored.record).expect("json");
    assert!(
        !json.contains(event.player.as_str()),
        "the player's id is gone: {json}"
    );
    assert!(
        !json.contains(&event.signed),
        "what was signed is gone: {json}"
    );
    let (answer, seen) = receive(store, event.clone(), Handled::Done, NOW).await;
    assert_eq!(answer, Answer::Receipt(Receipt::Duplicate));
    assert!(seen.is_empty(), "a repetition does not pay");
    let again = forget(store, &event.player).await.expect("forgets");
    assert_eq!(again.stripped, 0, "he is not found any more");
}

/// A ban is about nobody else and goes; an open decision needs its player.
///
/// # Panics
/// When the store breaks the promise.
pub async fn forgetting_removes_bans_and_leaves_open_decisions(store: &impl Retention) {
    let ban = Event {
        kind: EventKind::Ban(BanStatus::Banned),
        ..completed("none", "0")
    };
    settled(store, ban.clone(), NOW).await;
    receive(store, completed("open", "5"), Handled::Failed, NOW).await;
    let other = Event {
        player: "somebody-else".parse().expect("an id"),
        ..completed("other", "5")
    };
    settled(store, other.clone(), NOW).await;
    let forgotten = forget(store, &ban.player).await.expect("forgets");
    assert_eq!(
        (forgotten.stripped, forgotten.removed, forgotten.left_open),
        (0, 1, 1)
    );
    assert!(load(store, &ban.key()).await.is_none());
    let kept = load(store, &other.key()).await.expect("a record");
    assert_eq!(
        kept.record.player(),
        Some(&other.player),
        "nobody else is touched"
    );
}

/// More records than fit a page.
///
/// # Panics
/// When the store breaks the promise.
pub async fn long_listings_are_paged_completely(store: &impl Retention) {
    for number in 0..600 {
        settled(store, completed(&format!("t{number}"), "5"), NOW).await;
    }
    let forgotten = forget(store, &completed("t0", "5").player)
        .await
        .expect("forgets");
    assert_eq!(forgotten.stripped, 600);
    let later = Timestamp::from_millis(NOW.as_millis() + 1);
    assert_eq!(prune(store, later).await.expect("prunes").removed, 600);
}
