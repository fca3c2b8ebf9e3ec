//! Several callers at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::fixtures::{completed, load, open_record, put, settled, swap};
use super::swapping::pages;
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{DedupStore, Stored, Swapped, Version};

/// How many callers there are at once.
const CALLERS: usize = 32;

/// Of many who claim a record at once, for the first time or later, exactly one wins; the others are told
/// what he stored.
pub async fn one_of_many_claimers_wins(store: &impl DedupStore) {
    let claims: Vec<Record> = (0..CALLERS)
        .map(|caller| {
            let mut event = completed("claimed", "500");
            event.signed = format!("caller={caller}");
            open_record(event)
        })
        .collect();
    let mut expected = None;
    for _ in 0..4 {
        let swaps = join(
            claims
                .iter()
                .map(|claim| swap(store, expected, claim))
                .collect(),
        )
        .await;
        let version = Version::following(expected);
        let mut winners = swaps
            .iter()
            .zip(&claims)
            .filter(|(swapped, _)| **swapped == Swapped::Done(version));
        let (Some((_, winner)), None) = (winners.next(), winners.next()) else {
            panic!("exactly one of {CALLERS} claimers wins, at {expected:?}: {swaps:?}");
        };
        let current = Stored {
            version,
            record: winner.clone(),
        };
        let lost = Swapped::Lost(Some(current.clone()));
        for swapped in &swaps {
            assert!(
                matches!(swapped, Swapped::Done(_)) || *swapped == lost,
                "a loser is told what is stored"
            );
        }
        assert_eq!(
            load(store, winner.key()).await,
            Some(current),
            "the winner's record is stored"
        );
        expected = Some(version);
    }
}

/// What is open all the while is listed, once and in order, whatever else comes and goes meanwhile.
pub async fn unsettled_is_complete_under_concurrent_writes(store: &impl DedupStore) {
    let record = |name: String| open_record(completed(&name, "5"));
    let mut steady: Vec<RecordKey> = Vec::new();
    for number in 0..CALLERS {
        let open = record(format!("{number:02}-steady"));
        put(store, &open).await;
        steady.push(open.key().clone());
    }
    let mut work: Vec<Pin<Box<dyn Future<Output = Vec<RecordKey>> + '_>>> = Vec::new();
    for number in 0..CALLERS {
        work.push(Box::pin(async move {
            for round in 0..4 {
                let passing = record(format!("{number:02}-passing-{round}"));
                put(store, &passing).await;
                swap(store, Some(Version::FIRST), &settled(passing)).await;
            }
            Vec::new()
        }));
        if number % 4 == 0 {
            work.push(Box::pin(pages(store, 1 + number % 7)));
        }
    }
    for listed in join(work)
        .await
        .into_iter()
        .filter(|listed| !listed.is_empty())
    {
        assert!(
            listed.is_sorted_by(|a, b| a.to_string() < b.to_string()),
            "in order, and each key once: {listed:?}"
        );
        let found: Vec<_> = listed
            .into_iter()
            .filter(|key| steady.contains(key))
            .collect();
        assert_eq!(
            found, steady,
            "everything that was open all the while is listed"
        );
    }
    assert_eq!(
        pages(store, 10).await,
        steady,
        "and in the end nothing else"
    );
}

/// For stores that several handles or processes share: what one does, the other sees at once, and of two
/// claimers one wins.
pub async fn shared<S: DedupStore>(one: &S, other: &S) {
    for round in 0..20 {
        let open = open_record(completed(&format!("shared-{round}"), "5"));
        let settled = settled(open.clone());
        let (first, second) = if round % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        put(first, &open).await;
        let stored = Stored {
            version: Version::FIRST,
            record: open.clone(),
        };
        assert_eq!(
            load(second, open.key()).await,
            Some(stored),
            "the other handle sees the record at once"
        );
        let swaps = join(vec![
            Box::pin(swap(first, Some(Version::FIRST), &settled))
                as Pin<Box<dyn Future<Output = Swapped> + '_>>,
            Box::pin(swap(second, Some(Version::FIRST), &settled)),
        ])
        .await;
        let won = swaps
            .iter()
            .filter(|swapped| matches!(swapped, Swapped::Done(_)))
            .count();
        assert_eq!(won, 1, "one of two handles wins: {swaps:?}");
        assert_eq!(
            pages(second, 10).await,
            [],
            "what one settled, the other no longer lists"
        );
    }
}

/// Polls all of them on the task of the caller, until all are done.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(Box::pin(future)), None))
        .collect();
    poll_fn(|context| {
        for (future, output) in &mut running {
            let poll = future.as_mut().map(|future| future.as_mut().poll(context));
            if let Some(Poll::Ready(value)) = poll {
                *output = Some(value);
                *future = None;
            }
        }
        if running.iter().all(|(future, _)| future.is_none()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
