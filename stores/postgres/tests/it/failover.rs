//! A standby becomes the primary, under load.

use std::time::Duration;

use postback::Receipt;
use postback::store::DedupStore as _;
use postback_postgres::{PostgresOptions, sqlx};
use postback_test_servers::Postgres;
use postback_test_servers::events::Load;

use crate::game::{completed, game, insist, is_unavailable};

/// Short limits, since connections to a dead primary must be given up.
fn hurried() -> PostgresOptions {
    PostgresOptions::default().timeout(Duration::from_secs(2)).lock_timeout(Duration::from_secs(2))
}

/// With `synchronous_commit = on`, a commit is acknowledged when the standby has it on its disk; with `remote_apply`,
/// when it can be read there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_to_a_synchronous_standby_loses_nothing() {
    for commit in ["on", "remote_apply"] {
        let setting = format!("synchronous_commit = {commit}");
        let Some(primary) = Postgres::start(&[&setting]) else { return };
        let url = primary.create_database();
        let database = url.rsplit('/').next().unwrap().to_owned();
        let (receiver, wallet) = game(&url, 8, hurried()).await;
        let standby = primary.start_standby();
        primary.wait_for_standbys();

        let load = Load::start(8, std::slice::from_ref(&receiver));
        load.continues(100).await;
        primary.kill();
        standby.promote();
        wallet.pool.set_connect_options(standby.url(&database).parse().unwrap());
        load.continues(100).await;
        let conversions = load.stop().await;

        let count = i64::try_from(conversions.len()).unwrap();
        assert_eq!(wallet.total().await, (Load::BALANCE * count, 2 * count), "{commit}");
        for [reward, _] in conversions {
            let stored = receiver.store().load(&reward.key()).await.unwrap();
            assert!(stored.is_some_and(|stored| stored.record.entries().len() == 2), "{commit}: {reward:?} is lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_without_the_synchronous_standby() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let hurried = hurried().timeout(Duration::from_millis(500));
    let (receiver, wallet) = game(&primary.create_database(), 4, hurried).await;
    let standby = primary.start_standby();
    primary.wait_for_standbys();
    standby.kill();
    for _ in 0..2 {
        let result = receiver.receive(completed("t1", 5)).await;
        assert!(result.is_err(), "no standby has it: {result:?}");
    }
    standby.restart();
    insist(&receiver, &completed("t1", 5)).await;
    assert_eq!(wallet.total().await, (5, 1));
}

/// What an asynchronous standby has not received is lost: record and wallet together, so that they still agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_to_an_asynchronous_standby_loses_both_or_neither() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let url = primary.create_database();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let (receiver, wallet) = game(&url, 4, hurried()).await;
    insist(&receiver, &completed("early", 5)).await;
    let standby = primary.start_standby();
    standby.kill();
    insist(&receiver, &completed("late", 7)).await;
    assert_eq!(wallet.total().await, (12, 2));
    primary.kill();
    assert!(is_unavailable(&receiver.receive(completed("late", 7)).await));

    standby.restart();
    standby.promote();
    wallet.pool.set_connect_options(standby.url(&database).parse().unwrap());
    assert_eq!(insist(&receiver, &completed("early", 5)).await, Receipt::Duplicate);
    let lost: bool =
        sqlx::query_scalar("SELECT count(*) = 1 FROM postback.records").fetch_one(&wallet.pool).await.unwrap();
    assert!(lost, "the late record is lost");
    assert_eq!(wallet.total().await, (5, 1), "and so is its payment");
    let repeated = insist(&receiver, &completed("late", 7)).await;
    assert!(matches!(repeated, Receipt::Settled(_)), "{repeated:?}");
    assert_eq!(wallet.total().await, (12, 2), "a repetition is paid once");
}
