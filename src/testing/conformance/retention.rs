//! What removing records and erasing players promise.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixtures::{
    HOUR, NOW, ODD_IDS, completed, delivered, is_stored, keep, load, pending_keys, pending_record, player, put,
    replace, unusable,
};
use crate::event::{BanStatus, Event, EventKind};
use crate::guard::{Applied, apply};
use crate::store::{Retention, Version, erase_player, json, prune};

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
    let remove = async |version| store.remove(record.key(), version).await.unwrap();
    for wrong in [first, Version::after(Some(second))] {
        let removed = remove(wrong).await;
        assert!(!removed, "another version than the stored one must not be removed");
        let found = load(store, record.key()).await;
        assert!(found.is_some(), "a lost removal must change nothing");
    }
    assert!(remove(second).await, "the stored version must be removed");
    assert!(!remove(second).await, "a record must not be removed twice");
    let found = load(store, record.key()).await;
    assert_eq!(found, None, "a removed record must be absent");
    let version = put(store, &record).await;
    is_stored(store, version, &record).await;
    let listed = pending_keys(store, 10).await;
    assert_eq!(listed, [record.key().clone()], "a record stored again must be listed");
}

async fn unchanged_records_are_listed<S: Retention>(store: &S) {
    let late = NOW.after(HOUR);
    let old = delivered(pending_record(completed("old", "5")));
    let open = pending_record(completed("open", "5"));
    let mut new = pending_record(completed("new", "5"));
    new.settle_head(late);
    for record in [&old, &open, &new] {
        put(store, record).await;
    }
    for after in [0, 3_600_000] {
        keep(store, &unusable(&format!("kept-{after}"), after)).await;
    }
    let listed = store.list_unchanged_since(late, None, 10).await.unwrap();
    assert_eq!(listed, [old.key().clone()], "settled records that did not change since must be listed");
    let pruned = prune(store, NOW).await.unwrap();
    assert_eq!((pruned.removed, pruned.unusable), (0, 0), "what is from the moment itself must stay");
    let pruned = prune(store, late).await.unwrap();
    assert_eq!(pruned.removed, 1, "an old record must be pruned");
    assert_eq!(pruned.unusable, 1, "an old unusable callback must be removed, and no other");
    let found = load(store, old.key()).await;
    assert_eq!(found, None, "a pruned record must be absent");
    for kept in [open, new] {
        let found = load(store, kept.key()).await;
        assert!(found.is_some(), "pruning must leave what is pending or new");
    }
}

async fn players_are_listed_exactly<S: Retention>(store: &S) {
    let of = |number: usize, id: &str| Event { player: player(id), ..completed(&format!("t{number}"), "5") };
    for (number, id) in ODD_IDS.iter().enumerate() {
        put(store, &delivered(pending_record(of(number, id)))).await;
    }
    for (number, id) in ODD_IDS.iter().enumerate() {
        let listed = store.list_by_player(&player(id), None, 10).await.unwrap();
        let expected = [of(number, id).key()];
        assert_eq!(listed, expected, "exactly the records of {id:?} must be listed");
    }
}

async fn erased_player_is_not_paid_again<S: Retention>(store: &S) {
    let event = completed("t1", "5");
    let open = pending_record(completed("open", "5"));
    let ban = Event { kind: EventKind::Ban(BanStatus::Banned), ..event.clone() };
    let other = Event { player: player("somebody-else"), ..completed("other", "5") };
    put(store, &open).await;
    for settled in [&event, &ban, &other] {
        put(store, &delivered(pending_record(settled.clone()))).await;
    }
    for id in [event.player.as_str(), "somebody-else"] {
        keep(store, &unusable(id, 0)).await;
    }
    let erased = erase_player(store, &event.player).await.unwrap();
    let counts = (erased.redacted, erased.removed, erased.pending, erased.kept);
    assert_eq!(counts, (1, 1, 1, 1), "records redacted, bans removed, what is pending, and callbacks kept");
    let found = load(store, &ban.key()).await;
    assert_eq!(found, None, "an erased player's ban must be removed");

    let record = load(store, &event.key()).await.unwrap().record;
    let json = json::write(&record).unwrap();
    let is_clean = !json.contains(event.player.as_str()) && !json.contains(&event.query);
    assert!(is_clean, "an erased record must not contain player or query");
    let applied = apply(&record, &Arc::new(event.clone()), NOW);
    let is_known = matches!(applied, Applied::Duplicate { .. });
    assert!(is_known, "an erased player's callback must still be a duplicate");
    let found = store.list_by_player(&event.player, None, 10).await.unwrap();
    assert_eq!(found, [open.key().clone()], "an erased record must not be listed");
    let kept = load(store, &other.key()).await.unwrap().record;
    let is_kept = kept.player() == Some(&other.player);
    assert!(is_kept, "other players must not be touched");
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
    let player = completed("t0", "5").player;
    let erased = erase_player(store, &player).await.unwrap();
    assert_eq!(erased.redacted, 600, "all records of a player must be listed");
    let pruned = prune(store, NOW.after(HOUR)).await.unwrap();
    assert_eq!(pruned.removed, 600, "all old records must be listed");
}
