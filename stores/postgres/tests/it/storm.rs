//! Two processes and their server, killed again and again. `POSTBACK_STORM_SECONDS` makes it longer.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postback::{Event, Verified};
use postback_postgres::{PostgresOptions, sqlx};
use postback_test_servers::Postgres;

use crate::game::{WalletReceiver, completed_by, event, game, insist};

/// Set for the processes that the storm kills.
const DATABASE: &str = "POSTBACK_STORM_DATABASE";
const LOG: &str = "POSTBACK_STORM_LOG";

/// How many conversions a process works on at a time; they overlap with those of the other one.
const CALLERS: u64 = 8;

/// The callbacks of a conversion: every third is reversed in part, every fifth twice.
fn callbacks(number: u64) -> Vec<Verified<Event>> {
    let (player, transaction) = (format!("player-{}", number % 7), format!("t{number}"));
    let mut callbacks = vec![completed_by(&player, &transaction, 100)];
    let mut reverse = |transaction: String, original: Option<&str>, by: i64| {
        let effect = postback::Effect::Adjusted { by: (-by).into(), same_transaction: original.is_none() };
        let mut event = event(&player, &transaction, effect);
        if let postback::EventKind::Conversion { original: refers, .. } = &mut event.kind {
            *refers = original.map(|original| original.parse().unwrap());
        }
        callbacks.push(Verified::assume_genuine(event));
    };
    if number.is_multiple_of(3) {
        reverse(transaction.clone(), None, 30);
    }
    if number.is_multiple_of(5) {
        reverse(format!("t{number}-reversal"), Some(&transaction), 20);
    }
    callbacks
}

/// What they pay in the end, in any order.
fn balance(number: u64) -> i64 {
    100 - if number.is_multiple_of(3) { 30 } else { 0 } - if number.is_multiple_of(5) { 20 } else { 0 }
}

async fn deliver(receiver: &WalletReceiver, number: u64, reversed: bool) {
    let mut callbacks = callbacks(number);
    if reversed {
        callbacks.reverse();
    }
    for callback in callbacks {
        insist(receiver, &callback).await;
    }
}

async fn receiver(url: &str) -> (WalletReceiver, crate::game::Wallet) {
    let hurried = PostgresOptions::default().timeout(Duration::from_secs(1));
    game(url, 4, hurried).await
}

/// Not a test by itself: the process that the storm starts and kills. It logs each conversion that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_process() {
    let (Ok(url), Ok(log)) = (std::env::var(DATABASE), std::env::var(LOG)) else {
        return;
    };
    let ready = async || {
        let store = postback_postgres::PostgresStore::connect(&url).await;
        store.is_ok()
    };
    crate::game::eventually("the server runs", ready).await;
    let (receiver, _) = receiver(&url).await;
    let receiver = receiver.recovery(postback::Recovery::default().interval(Duration::from_millis(200)));
    receiver.start();
    let acknowledged = std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    let mut next = u64::try_from(acknowledged).unwrap().saturating_sub(50);
    loop {
        let calls: tokio::task::JoinSet<_> = (next..next + CALLERS)
            .map(|number| {
                let receiver = receiver.clone();
                async move { deliver(&receiver, number, fastrand::bool()).await }
            })
            .collect();
        calls.join_all().await;
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let numbers: Vec<String> = (next..next + CALLERS).map(|n| n.to_string()).collect();
        log.write_all((numbers.join("\n") + "\n").as_bytes()).unwrap();
        next += CALLERS;
    }
}

fn start_process(url: &str, log: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storm::storm_process", "--nocapture"])
        .envs([(DATABASE, url), (LOG, log.to_str().unwrap())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_and_servers_pay_each_reward_once() {
    let Some(server) = Postgres::start(&[]) else {
        return;
    };
    let url = server.create_database();
    drop(receiver(&url).await);
    let seconds = std::env::var("POSTBACK_STORM_SECONDS").ok();
    let seconds = seconds.map_or(6, |seconds| seconds.parse().unwrap());
    let log: Vec<PathBuf> = (0..2).map(|number| server.directory().join(format!("acknowledged-{number}"))).collect();
    let mut processes: Vec<Child> = log.iter().map(|log| start_process(&url, log)).collect();
    let (started, mut kills, mut server_kills) = (Instant::now(), 0, 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(200..700))).await;
        let victim = fastrand::usize(0..2);
        processes[victim].kill().unwrap();
        processes[victim].wait().unwrap();
        if fastrand::u8(0..4) == 0 {
            server.kill();
            server.restart();
            server_kills += 1;
        }
        processes[victim] = start_process(&url, &log[victim]);
        kills += 1;
    }
    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }

    let (receiver, wallet) = receiver(&url).await;
    let acknowledged: BTreeSet<u64> = log
        .iter()
        .flat_map(|log| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete).to_owned();
            complete.lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    assert!(!acknowledged.is_empty(), "no process got anywhere");
    // Before anything is repeated: what was acknowledged is there.
    for number in &acknowledged {
        let select = "SELECT coalesce(sum(balance_change), 0)::bigint FROM postback.callbacks \
             WHERE key = 'acme/game/conversion/t' || $1 AND delivered IS NOT NULL";
        let paid: i64 = sqlx::query_scalar(select).bind(number.to_string()).fetch_one(&wallet.pool).await.unwrap();
        assert_eq!(paid, balance(*number), "conversion t{number}");
    }
    // The networks go on until everything is acknowledged.
    let last = acknowledged.last().unwrap() + 2 * CALLERS;
    for number in 0..=last {
        deliver(&receiver, number, false).await;
    }
    let summary = receiver.recover().await.unwrap();
    assert_eq!(summary.pending(), 0, "{summary:?}");
    let expected: i64 = (0..=last).map(balance).sum();
    let (gems, credits) = wallet.total().await;
    println!("{kills} processes and {server_kills} servers killed, {credits} payments, {gems} gems");
    assert_eq!(gems, expected, "the players' balances");
    let credited: i64 =
        sqlx::query_scalar("SELECT sum(amount)::bigint FROM credits").fetch_one(&wallet.pool).await.unwrap();
    assert_eq!(credited, expected, "the payments");
}
