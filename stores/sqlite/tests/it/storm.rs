//! Two processes on one file, killed again and again: nothing is lost and nothing is paid twice.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver as Lines, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postback::{Decision, Effect, Event, HandlerError, Receiver, Timing};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::{Connection, TransactionBehavior};

use crate::fixture::{Game, adjusted, child, child_file, completed, conversion, genuine, recover};

const OUTSTANDING: usize = 32;
/// How many conversions are mixed with each other.
const MIXED: u64 = 150;
const LEASE: Duration = Duration::from_millis(400);
const TABLES: &str = "
    CREATE TABLE credits (id TEXT, conversion TEXT, amount INTEGER);
    CREATE TABLE elsewhere (id TEXT PRIMARY KEY, conversion TEXT, amount INTEGER);";

/// Random numbers that can be repeated (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last as u64 + 1);
            list.swap(last, usize::try_from(other).unwrap());
        }
    }
}

/// A line such as `t17 completed 500`: whether the wallet is in the transaction (`t`) or elsewhere (`e`), the conversion,
/// the effect and the amount.
type Message = String;

fn event_of(message: &str) -> Event {
    let parts: Vec<&str> = message.split(' ').collect();
    let (conversion_id, amount) = (parts[0], parts[2].parse().unwrap());
    let own = format!("{conversion_id}-{}", parts[1]);
    match parts[1] {
        "pending" => {
            let stage = "PENDING".into();
            conversion(conversion_id, None, Effect::Pending { stage, amount: None })
        }
        "completed" => completed(conversion_id, amount),
        "adjusted" => adjusted(&own, conversion_id, -amount),
        "revoked" => conversion(&own, Some(conversion_id), Effect::Revoked),
        other => panic!("{other}"),
    }
}

/// The network: what it still has to send, and what each conversion must have paid in the end.
struct Network {
    dice: Dice,
    until: Instant,
    messages: Vec<Message>,
    outstanding: usize,
    expected: BTreeMap<String, i64>,
}

impl Network {
    /// `None`: everything was sent. An empty message: nothing to send at the moment.
    fn next(&mut self) -> Option<Message> {
        if self.messages.is_empty() && Instant::now() < self.until {
            for _ in 0..MIXED {
                self.add_conversion();
            }
            self.dice.shuffle(&mut self.messages);
        }
        match self.messages.pop() {
            Some(message) => {
                self.outstanding += 1;
                Some(message)
            }
            None if self.outstanding == 0 => None,
            None => Some(Message::new()),
        }
    }

    fn add_conversion(&mut self) {
        let number = self.expected.len();
        let name = format!("{}{number}", if number.is_multiple_of(4) { "e" } else { "t" });
        let reward = 1 + i64::try_from(self.dice.below(90_000)).unwrap();
        let part = i64::try_from(self.dice.below(reward.unsigned_abs() + 1)).unwrap();
        let (words, balance): (&[&str], i64) = match self.dice.below(6) {
            0 => (&["completed"], reward),
            1 => (&["pending", "completed"], reward),
            2 => (&["completed", "adjusted"], reward - part),
            3 => (&["pending", "completed", "revoked"], 0),
            4 => (&["adjusted"], 0),
            _ => (&["completed", "adjusted", "revoked"], 0),
        };
        for word in words {
            let amount = if *word == "adjusted" { part } else { reward };
            for _ in 0..=self.dice.below(3) {
                self.messages.push(format!("{name} {word} {amount}"));
            }
        }
        self.expected.insert(name, balance);
    }

    fn done(&mut self, message: Message, is_taken: bool) {
        self.outstanding -= 1;
        if !is_taken {
            self.messages.insert(0, message);
        }
    }
}

/// Sends messages to processes that are killed at random times, until all were taken. Returns the number of kills.
fn send(network: &Mutex<Network>, file: &Path, mut dice: Dice, give_up: Instant) -> usize {
    let mut kills = 0;
    loop {
        let mut process = child("storm::process_receives_until_it_is_killed", file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut orders = process.stdin.take().unwrap();
        let output = process.stdout.take().unwrap();
        let (lines, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let end = Instant::now() + Duration::from_micros(20_000 + dice.below(400_000));
        let is_over = serve(network, &mut orders, &answers, end);
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        if is_over {
            return kills;
        }
        assert!(Instant::now() < give_up, "some messages are never taken");
    }
}

/// Sends to one process until it is time to kill it. Returns whether everything was taken.
fn serve(network: &Mutex<Network>, orders: &mut ChildStdin, answers: &Lines<String>, end: Instant) -> bool {
    let mut waiting: HashMap<usize, Message> = HashMap::new();
    let mut sent = 0;
    let mut is_over = false;
    while !is_over && Instant::now() < end {
        while waiting.len() < OUTSTANDING && !is_over {
            match network.lock().unwrap().next() {
                Some(message) if message.is_empty() => break,
                Some(message) => {
                    let _ = writeln!(orders, "{sent} {message}");
                    waiting.insert(sent, message);
                    sent += 1;
                }
                None => is_over = true,
            }
        }
        match answers.recv_timeout(Duration::from_millis(5)) {
            Ok(line) => {
                if let Some((verdict, number)) = line.split_once(": ")
                    && let Ok(number) = number.parse::<usize>()
                    && let Some(message) = waiting.remove(&number)
                {
                    network.lock().unwrap().done(message, verdict == "taken");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(5)),
        }
    }
    let mut network = network.lock().unwrap();
    for message in waiting.into_values() {
        network.done(message, false);
    }
    is_over
}

/// Pays inside the transaction, except for conversions whose wallet is elsewhere.
fn pay(db: &Connection, decision: &Decision) -> Result<(), HandlerError> {
    let name = decision.conversion().as_str().rsplit('/').next().unwrap_or_default();
    let insert = if name.starts_with('t') {
        "INSERT INTO credits VALUES (?1, ?2, ?3)"
    } else {
        // Its handler may be called again with the same id.
        "INSERT OR IGNORE INTO elsewhere VALUES (?1, ?2, ?3)"
    };
    let amount = decision.balance_change().to_string();
    db.execute(insert, (decision.id().as_str(), name, amount))?;
    Ok(())
}

/// Runs in a process that another test starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_receives_until_it_is_killed() {
    let Some(file) = child_file() else { return };
    let store = SqliteStore::open(&file).unwrap();
    let within = store.receiver(|tx, decision| pay(tx, decision));
    let wallet = Connection::open(&file).unwrap();
    wallet.busy_timeout(Duration::from_mins(1)).unwrap();
    let wallet = Arc::new(Mutex::new(wallet));
    let elsewhere = Receiver::new(store, move |decision: Decision| {
        let wallet = Arc::clone(&wallet);
        async move {
            let paid = tokio::task::spawn_blocking(move || {
                let mut wallet = wallet.lock().unwrap();
                let immediate = TransactionBehavior::Immediate;
                let transaction = wallet.transaction_with_behavior(immediate)?;
                pay(&transaction, &decision)?;
                Ok(transaction.commit()?)
            });
            paid.await?
        }
    })
    .timing(Timing::default().lease(LEASE).max_lease(LEASE))
    // The other receiver's recovery delivers these, too.
    .without_recovery();
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let (within, elsewhere) = (within.clone(), elsewhere.clone());
            runtime.spawn(async move {
                let (number, message) = line.split_once(' ').unwrap();
                let event = genuine(event_of(message));
                // Some are stored now and paid later.
                let is_deferred = number.ends_with('3');
                let received = match (message.starts_with('t'), is_deferred) {
                    (true, false) => within.receive(event).await,
                    (true, true) => within.accept(event).await,
                    (false, false) => elsewhere.receive(event).await,
                    (false, true) => elsewhere.accept(event).await,
                };
                let verdict = if received.is_ok() { "taken" } else { "failed" };
                println!("\n{verdict}: {number}");
            });
        }
    });
    reading.await.unwrap();
}

#[allow(clippy::disallowed_methods, reason = "a test may take longer on request")]
fn length() -> Duration {
    let seconds = std::env::var("POSTBACK_STORM_SECONDS");
    Duration::from_secs(seconds.map_or(4, |text| text.parse().expect("a number of seconds")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_and_pays_nothing_twice() {
    #[allow(clippy::disallowed_methods, reason = "a seed, which is printed")]
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let seed = u64::try_from(seed).unwrap() | 1;
    println!("seed {seed}");
    let game = Game::without_file();
    game.connect().execute_batch(TABLES).unwrap();
    let until = Instant::now() + length();
    let network = Mutex::new(Network {
        dice: Dice(seed),
        until,
        messages: Vec::new(),
        outstanding: 0,
        expected: BTreeMap::new(),
    });
    let give_up = until + Duration::from_mins(2);
    let file = game.file();
    let kills: usize = thread::scope(|scope| {
        let senders: Vec<_> = [1, 2]
            .map(|sender| {
                let dice = Dice(seed.rotate_left(7 * sender) | 1);
                scope.spawn(|| send(&network, &file, dice, give_up))
            })
            .into();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    let expected = network.into_inner().unwrap().expected;
    println!("{kills} kills, {} conversions", expected.len());

    // Whatever was accepted, or cut off while it was paid, is paid now. A lease must expire first.
    tokio::time::sleep(LEASE).await;
    let store = game.open();
    let within = store.receiver(|tx, decision| pay(tx, decision)).without_recovery();
    let summary = recover(&within).await;
    assert_eq!(summary.pending(), 0, "{summary:?}");
    store.close().await;
    assert_eq!(game.files(), ["game.db"]);

    let db = game.connect();
    let twice = "SELECT count(*) - count(DISTINCT id) FROM credits";
    let twice: i64 = db.query_row(twice, [], |row| row.get(0)).unwrap();
    assert_eq!(twice, 0, "paid twice");
    let sums = "SELECT conversion, sum(amount) FROM \
                (SELECT conversion, amount FROM credits UNION ALL SELECT conversion, amount FROM elsewhere) \
                GROUP BY conversion";
    let mut statement = db.prepare(sums).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let paid: HashMap<String, i64> = rows.map(Result::unwrap).collect();
    for (name, balance) in &expected {
        let history = || history(&db, name);
        assert_eq!(paid.get(name).copied().unwrap_or(0), *balance, "{name}: {:#?}", history());
    }
    let pending = "SELECT count(*) FROM postback_records WHERE pending = 1";
    let pending: i64 = db.query_row(pending, [], |row| row.get(0)).unwrap();
    assert_eq!(pending, 0);
}

/// Everything that is known of a conversion, for the message of a failed assertion.
fn history(db: &Connection, name: &str) -> Vec<String> {
    let select = "SELECT record FROM postback_records WHERE key LIKE '%/' || ?1 \
                  UNION ALL SELECT id || ' ' || amount FROM credits WHERE conversion = ?1 \
                  UNION ALL SELECT id || ' ' || amount FROM elsewhere WHERE conversion = ?1";
    let mut statement = db.prepare(select).unwrap();
    let rows = statement.query_map([name], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
