//! Full lives of many conversions, out of order and repeated, while the program is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;

use crate::backend::{Backend, Place};
use crate::dice::Dice;
use crate::http::Connection;
use crate::lives::Life;

const SENDERS: usize = 8;
/// How many lives are mixed with each other.
const LIVES_AT_ONCE: u64 = 150;
/// A message that is not taken after so many tries never will be.
const MOST_TRIES: usize = 5_000;

/// What the network has still to send, and what must come of it.
struct Network {
    dice: Dice,
    ends: Instant,
    waiting: Vec<String>,
    lives: Vec<Life>,
}

impl Network {
    /// The next message, in an order that no network would choose. `None`: all has been sent.
    fn next(&mut self) -> Option<String> {
        if self.waiting.is_empty() && Instant::now() < self.ends {
            self.think_of_more();
        }
        self.waiting.pop()
    }

    fn think_of_more(&mut self) {
        for _ in 0..LIVES_AT_ONCE {
            let life = Life::new(self.lives.len() as u64 + 1, &mut self.dice);
            for target in &life.targets {
                for _ in 0..self.dice.between(1, 3) {
                    self.waiting.push(target.clone());
                }
            }
            self.lives.push(life);
        }
        self.dice.shuffle(&mut self.waiting);
    }
}

/// What the senders went through.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    refused: AtomicUsize,
    cut_off: AtomicUsize,
}

/// Sends until there is nothing left: each message again and again, until it is answered 200.
fn keep_sending(network: &Mutex<Network>, address: &Mutex<SocketAddr>, tally: &Tally) {
    let mut connection: Option<(SocketAddr, Connection)> = None;
    loop {
        let Some(target) = network.lock().unwrap().next() else {
            return;
        };
        let mut tries = 0;
        loop {
            tries += 1;
            assert!(tries <= MOST_TRIES, "never taken: {target}");
            let now = *address.lock().unwrap();
            // A connection to a program that was killed is of no use.
            let open = connection.take().filter(|(to, _)| *to == now);
            let open = open.map_or_else(|| Connection::open(now).map(|new| (now, new)), Ok);
            let answer = open.and_then(|(to, mut open)| {
                let answer = open.get(&target)?;
                connection = Some((to, open));
                Ok(answer)
            });
            match answer.map(|answer| answer.status) {
                Ok(200) => break,
                Ok(503) => _ = tally.refused.fetch_add(1, Ordering::Relaxed),
                // 4xx: a genuine callback was refused. 500: the wallet was called for what it had done already.
                Ok(status) => panic!("answered {status}: {target}"),
                Err(_) => _ = tally.cut_off.fetch_add(1, Ordering::Relaxed),
            }
            thread::sleep(Duration::from_millis(3));
        }
        tally.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Kills the program at moments of chance, and starts it again on the same file; returns how often.
fn kill_again_and_again(
    backend: &mut Backend,
    place: &Place,
    address: &Mutex<SocketAddr>,
    all_sent: &AtomicBool,
    dice: &mut Dice,
) -> usize {
    let mut kills = 0;
    while !all_sent.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_micros(dice.between(60_000, 300_000)));
        backend.kill();
        kills += 1;
        // Now and then while it starts: it opens the file then, and repeats what was left open.
        if dice.between(0, 3) == 0 {
            Backend::start_and_kill(
                &place.file(),
                Duration::from_micros(dice.between(500, 30_000)),
            );
            kills += 1;
        }
        *backend = Backend::start(&place.file());
        *address.lock().unwrap() = backend.address();
    }
    kills
}

fn seconds() -> u64 {
    let set = std::env::var("POSTBACK_STORM_SECONDS");
    set.map_or(8, |text| {
        text.parse()
            .expect("POSTBACK_STORM_SECONDS must be a whole number of seconds")
    })
}

#[test]
fn kill_9_at_any_moment_loses_no_reward_and_pays_none_twice() {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let seed = u64::try_from(seed).unwrap();
    println!("seed {seed}");
    let place = Place::new();
    let mut backend = Backend::start(&place.file());
    let address = Mutex::new(backend.address());
    let network = Mutex::new(Network {
        dice: Dice::seeded(seed),
        ends: Instant::now() + Duration::from_secs(seconds()),
        waiting: Vec::new(),
        lives: Vec::new(),
    });
    let (tally, all_sent) = (Tally::default(), AtomicBool::new(false));

    let kills = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| scope.spawn(|| keep_sending(&network, &address, &tally)))
            .collect();
        let killer = scope.spawn(|| {
            let mut dice = Dice::seeded(seed.rotate_left(32));
            kill_again_and_again(&mut backend, &place, &address, &all_sent, &mut dice)
        });
        let sent: Vec<_> = senders
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        // Also when a sender has failed: or else the killer would never stop.
        all_sent.store(true, Ordering::SeqCst);
        let kills = killer.join().unwrap();
        assert!(sent.iter().all(Result::is_ok), "a sender failed");
        kills
    });

    let lives = network.into_inner().unwrap().lives;
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    println!(
        "{} conversions, {} messages answered 200, {} answered 503, {} cut off, {kills} kills",
        lives.len(),
        count(&tally.answered),
        count(&tally.refused),
        count(&tally.cut_off),
    );
    assert!(kills >= 3 && lives.len() >= 100, "it was no storm");
    assert_eq!(wrong_accounts(&backend, &lives), Vec::<String>::new());
    assert_eq!(
        place.count("postback_records WHERE status <> 'settled'"),
        0,
        "left open or closed"
    );
    assert_eq!(
        place.count("postback_records"),
        i64::try_from(lives.len()).unwrap(),
        "a record a conversion"
    );
    let health: String = place
        .connect()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(health, "ok");
    let log = backend.said_in_log();
    assert!(!log.contains("panicked"), "{log}");
}

/// What an account must show.
#[derive(Default)]
struct Expected {
    balance: u64,
    pending: u64,
    messages: usize,
}

/// Every account that is not as it must be, in words.
fn wrong_accounts(backend: &Backend, lives: &[Life]) -> Vec<String> {
    let mut expected = BTreeMap::<&str, Expected>::new();
    for life in lives {
        let account = expected.entry(&life.player).or_default();
        account.balance += life.balance;
        account.pending += life.pending;
        account.messages += life.targets.len();
    }
    let mut wrong = Vec::new();
    for (player, expected) in expected {
        let account = backend.player(player);
        let decimal =
            |field: &str| -> Decimal { account[field].as_str().unwrap().parse().unwrap() };
        let hundredths = |amount: u64| Decimal::new(i64::try_from(amount).unwrap(), 2);
        let mut must_be = |what: &str, found: Decimal, must_be: Decimal| {
            if found != must_be {
                wrong.push(format!("{player}: {what} is {found}, must be {must_be}"));
            }
        };
        must_be("balance", decimal("balance"), hundredths(expected.balance));
        must_be("pending", decimal("pending"), hundredths(expected.pending));

        let history = account["history"].as_array().unwrap();
        let ids: BTreeSet<_> = history.iter().map(|line| line["id"].as_str()).collect();
        let changes = history.iter().map(|line| line["change"].as_str().unwrap());
        let changes: Decimal = changes
            .map(|change| change.parse::<Decimal>().unwrap())
            .sum();
        must_be("sum of the history", changes, decimal("balance"));
        must_be(
            "number of different ids",
            ids.len().into(),
            history.len().into(),
        );
        must_be(
            "length of the history",
            history.len().into(),
            expected.messages.into(),
        );
    }
    wrong
}
