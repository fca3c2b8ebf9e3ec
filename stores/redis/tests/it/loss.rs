//! A server that loses what it acknowledged: a crash of its machine without `appendfsync always`, a failover to a replica
//! that lags, `FLUSHALL`. The wallet is elsewhere and idempotent on the decision's id.

use std::fs::{self, File};
use std::path::PathBuf;

use postback::store::SwapOutcome;
use postback::{DedupStore as _, Receipt};
use postback_test_servers::Redis;

use crate::fixture::{completed, insist, open, pending, pending_record, reversed, start_durable, start_game};

#[tokio::test]
async fn repeated_callback_gets_the_lost_decisions_id() {
    let Some((server, receiver, wallet)) = start_game(Redis::DURABLE).await else { return };
    let callbacks = [pending("o1"), completed("o1", 500), reversed("o1", 200)];
    for callback in &callbacks {
        insist(&receiver, callback).await;
    }
    let first = wallet.calls();
    server.ask(&["FLUSHALL"]);
    for callback in &callbacks {
        let receipt = insist(&receiver, callback).await;
        assert!(matches!(receipt, Receipt::Settled(_)), "{receipt:?}");
    }
    assert_eq!(wallet.calls(), [&*first, &*first].concat());
    assert_eq!(wallet.balance(), 300.into());
}

/// The version of a lost record must not fit its successor, or else the callback in it is overwritten.
#[tokio::test]
async fn lost_version_is_a_conflict() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let lost = pending_record(completed("o1", 500));
    let SwapOutcome::Replaced(version) = store.swap(None, &lost).await.unwrap() else {
        panic!("stored");
    };
    server.ask(&["FLUSHALL"]);
    let other = pending_record(reversed("o1", 500));
    store.swap(None, &other).await.unwrap();
    let swapped = store.swap(Some(version), &lost).await.unwrap();
    let current = store.load(other.key()).await.unwrap();
    assert_eq!(swapped, SwapOutcome::Conflict(current.clone()));
    assert_eq!(current.unwrap().record, other);
}

/// The file that the server appends to.
fn append_only_file(server: &Redis) -> PathBuf {
    let directory = server.directory().join("appendonlydir");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let mut files = files.filter(|file| file.to_string_lossy().ends_with(".incr.aof"));
    files.next().unwrap()
}

/// Kills the server, and the end of its file with it: what a power cut takes that was not flushed.
fn cut_power(server: &Redis, flushed: u64) {
    let file = append_only_file(server);
    server.kill();
    let file = File::options().write(true).open(file).unwrap();
    assert!(file.metadata().unwrap().len() > flushed);
    file.set_len(flushed).unwrap();
    server.restart();
}

const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_with_everysec_loses_the_end_and_pays_once() {
    let Some((server, receiver, wallet)) = start_game(EVERY_SECOND).await else { return };
    let kept: Vec<_> = (0..20).map(|n| completed(&format!("kept-{n}"), 1)).collect();
    let lost: Vec<_> = (0..20).map(|n| completed(&format!("lost-{n}"), 1)).collect();
    for event in &kept {
        insist(&receiver, event).await;
    }
    let flushed = append_only_file(&server).metadata().unwrap().len();
    for event in &lost {
        insist(&receiver, event).await;
    }
    assert_eq!(wallet.balance(), 40.into());
    tokio::task::block_in_place(|| cut_power(&server, flushed));

    // A reversal of a lost conversion finds nothing to take back, before the conversion is repeated and after.
    for event in [&reversed("lost-0", 1), &lost[0]] {
        let receipt = insist(&receiver, event).await;
        let Receipt::Settled(decision) = receipt else {
            panic!("{receipt:?}");
        };
        assert!(decision.balance_change().is_zero(), "{decision:?}");
    }
    // What the networks repeat is decided again, with the same id.
    for event in &kept {
        assert_eq!(insist(&receiver, event).await, Receipt::Duplicate);
    }
    for event in &lost[1..] {
        let receipt = insist(&receiver, event).await;
        assert!(matches!(receipt, Receipt::Settled(_)), "{receipt:?}");
    }
    assert_eq!(wallet.balance(), 40.into());
    assert_eq!(wallet.calls().len(), 40 + 2 + 19);
}
