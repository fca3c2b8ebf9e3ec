//! One caller at a time.

use super::fixtures::{
    completed, every_kind, load, open_record, put, settled, swap, taken_up, unsettled,
};
use crate::event::{Effect, RecordKey};
use crate::store::{DedupStore, Stored, Swapped, Version};

/// A record that was never stored is absent, and an empty store has nothing open.
pub async fn absent_is_none(store: &impl DedupStore) {
    assert_eq!(
        load(store, &completed("absent", "1").key()).await,
        None,
        "a record that was never stored"
    );
    assert_eq!(
        unsettled(store, None, 10).await,
        [],
        "what is open in an empty store"
    );
}

/// A record has version 1 when it is first stored, and one more at every swap.
pub async fn the_first_swap_makes_version_one(store: &impl DedupStore) {
    let open = open_record(completed("first", "500"));
    put(store, &open).await;
    let stored = load(store, open.key()).await;
    assert_eq!(
        stored,
        Some(Stored {
            version: Version::FIRST,
            record: open.clone()
        }),
        "as first stored"
    );

    let mut version = Version::FIRST;
    let mut record = open;
    for round in 0..3 {
        record = if round == 0 { settled(record) } else { record };
        let swapped = swap(store, Some(version), &record).await;
        version = version.next();
        assert_eq!(
            swapped,
            Swapped::Done(version),
            "every swap makes the next version"
        );
        assert_eq!(
            load(store, record.key()).await,
            Some(Stored {
                version,
                record: record.clone()
            })
        );
    }
}

/// Whoever expects another version than the stored one changes nothing and is told what is stored.
pub async fn a_stale_version_loses_and_changes_nothing(store: &impl DedupStore) {
    let open = open_record(completed("stale", "500"));
    let other = settled(open.clone());

    let early = swap(store, Some(Version::FIRST), &open).await;
    assert_eq!(
        early,
        Swapped::Lost(None),
        "a version of a record that is absent"
    );
    assert_eq!(
        load(store, open.key()).await,
        None,
        "a lost swap stores nothing"
    );

    put(store, &open).await;
    let current = Stored {
        version: Version::FIRST,
        record: open.clone(),
    };
    for wrong in [None, Some(Version::FIRST.next()), Version::from_number(77)] {
        let swapped = swap(store, wrong, &other).await;
        assert_eq!(
            swapped,
            Swapped::Lost(Some(current.clone())),
            "expecting {wrong:?}"
        );
        assert_eq!(
            load(store, open.key()).await,
            Some(current.clone()),
            "after expecting {wrong:?}"
        );
    }

    swap(store, Some(Version::FIRST), &other).await;
    let newer = Stored {
        version: Version::FIRST.next(),
        record: other,
    };
    let swapped = swap(store, Some(Version::FIRST), &open).await;
    assert_eq!(
        swapped,
        Swapped::Lost(Some(newer.clone())),
        "a version that was replaced"
    );
    assert_eq!(
        load(store, open.key()).await,
        Some(newer),
        "a version that was replaced never comes back"
    );
}

/// Whatever a record holds comes back: every kind of callback, any text, every digit of every amount.
pub async fn records_come_back_as_they_were(store: &impl DedupStore) {
    for event in every_kind() {
        let open = open_record(event);
        put(store, &open).await;
        is_kept(store, Version::FIRST, &open).await;
        let settled = settled(open);
        swap(store, Some(Version::FIRST), &settled).await;
        is_kept(store, Version::FIRST.next(), &settled).await;
    }
    let mut long = settled(open_record(completed("long", "0.10")));
    for stage in 0..200 {
        let pending = Effect::Pending {
            stage: format!("STAGE {stage}").into(),
            amount: None,
        };
        long = settled(taken_up(
            &long,
            super::fixtures::conversion("long", pending),
        ));
    }
    long.close("no such player: 'Ω'".to_owned(), super::fixtures::NOW);
    put(store, &long).await;
    is_kept(store, Version::FIRST, &long).await;
}

async fn is_kept(store: &impl DedupStore, version: Version, record: &crate::guard::Record) {
    let stored = load(store, record.key())
        .await
        .expect("a stored record is not absent");
    assert_eq!(
        stored,
        Stored {
            version,
            record: record.clone()
        },
        "the record comes back as it was"
    );
    // Decimals are equal whatever their scale; written out they are not.
    let written = |record| serde_json::to_string(record).expect("a record can be written");
    assert_eq!(
        written(&stored.record),
        written(record),
        "every digit comes back"
    );
}

/// Keys that look alike are different records.
pub async fn a_key_is_exact(store: &impl DedupStore) {
    let names = [
        "tx",
        "TX",
        "Tx",
        "tx ",
        " tx",
        "t",
        "tx/1",
        "tx/1/",
        "tx%",
        "tx_",
        "t*",
        "t?",
        "[tx]",
        "{tx}",
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
    let amount = |at: usize| at.to_string();
    let mut records = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let record = open_record(completed(name, &amount(at)));
        assert_eq!(
            load(store, record.key()).await,
            None,
            "{name:?} before it was stored"
        );
        put(store, &record).await;
        records.push(record);
    }
    // The same transaction of another app, of another network, and a player of that name.
    for variant in 0..3 {
        let mut event = completed("tx", "77");
        match variant {
            0 => event.app = "Game".parse().expect("a name"),
            1 => event.source = "conformance.2".parse().expect("a name"),
            _ => {
                event.kind = crate::event::EventKind::Ban(crate::event::BanStatus::Banned);
                event.player = "tx".parse().expect("an id");
            }
        }
        let record = open_record(event);
        put(store, &record).await;
        records.push(record);
    }
    for record in &records {
        let stored = load(store, record.key())
            .await
            .expect("a stored record is not absent");
        assert_eq!(stored.record, *record, "the record under {}", record.key());
    }
    let mut keys: Vec<RecordKey> = records.iter().map(|record| record.key().clone()).collect();
    keys.sort_by_key(ToString::to_string);
    assert_eq!(
        unsettled(store, None, 1000).await,
        keys,
        "keys in the order of their text's bytes"
    );
}

/// Exactly the records with a decision left open are listed, in the order of their keys, in pages of any size.
pub async fn unsettled_lists_the_open_ones_in_order(store: &impl DedupStore) {
    let mut open = Vec::new();
    for number in (0..30).rev() {
        let record = open_record(completed(&format!("n{number}"), "5"));
        put(store, &record).await;
        if number % 3 == 0 {
            swap(store, Some(Version::FIRST), &settled(record)).await;
        } else if number % 7 == 0 {
            let mut closed = record;
            closed.close("refused".to_owned(), super::fixtures::NOW);
            swap(store, Some(Version::FIRST), &closed).await;
        } else {
            open.push(record);
        }
    }
    let mut expected: Vec<RecordKey> = open.iter().map(|record| record.key().clone()).collect();
    expected.sort_by_key(ToString::to_string);
    for limit in [1, 2, 7, expected.len(), 1000] {
        assert_eq!(pages(store, limit).await, expected, "in pages of {limit}");
    }
    assert_eq!(
        unsettled(store, expected.last(), 10).await,
        [],
        "nothing comes after the last"
    );
    assert_eq!(unsettled(store, None, 0).await, [], "a page of nothing");

    // A settled record is listed again when another decision is left open.
    let settled_once = settled(open_record(completed("n0", "5")));
    let adjusted = Effect::Adjusted {
        by: super::fixtures::decimal("-5"),
        is_state_change: true,
    };
    let reopened = taken_up(&settled_once, super::fixtures::conversion("n0", adjusted));
    swap(store, Some(Version::FIRST.next()), &reopened).await;
    assert!(
        unsettled(store, None, 1000).await.contains(reopened.key()),
        "a record that was opened again"
    );
}

/// All that is open, page by page.
pub(super) async fn pages(store: &impl DedupStore, limit: usize) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = Vec::new();
    loop {
        let page = unsettled(store, keys.last(), limit).await;
        assert!(
            page.len() <= limit,
            "a page of {limit} with {} keys",
            page.len()
        );
        let is_last = page.len() < limit;
        keys.extend(page);
        if is_last {
            return keys;
        }
    }
}
