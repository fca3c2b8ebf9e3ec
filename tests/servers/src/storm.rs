//! The crash storm: two receiver processes, and their server if there is one, are killed again and again, while callbacks
//! are sent repeatedly and out of order until they are answered. Nothing is repeated after that, so what is missing in the
//! end was lost.
//!
//! A store's test is a process that receives ([`serve`]), and a check of the balances after [`run`].
//! `POSTBACK_STORM_SECONDS` sets the length; `POSTBACK_STORM_SEED` repeats the same conversions.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use postback::{Effect, Event, Verified};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::PATIENCE;
use crate::events::conversion;

const PLAYERS: u64 = 20;
const SENDERS: u64 = 16;

/// Set in a receiver process.
const LOCATION: &str = "POSTBACK_STORM_LOCATION";

/// What this process is to open, if a storm started it.
pub fn location() -> Option<String> {
    std::env::var(LOCATION).ok()
}

/// Receives the callbacks that the storm sends to this process, with their numbers. The result says whether a callback is
/// answered 200.
pub async fn serve<F: Future<Output = bool> + Send + 'static>(receive: impl Fn(u64, Verified<Event>) -> F) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (number, event) = line.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        let received = receive(number, Verified::assume_genuine(serde_json::from_str(event).unwrap()));
        tokio::spawn(async move { println!("\n#{number} {}", received.await) });
    }
}

/// A conversion whose callbacks were all answered.
#[derive(Debug)]
pub struct Conversion {
    /// Its transaction: `SENDER-NUMBER`, with senders from 10 on.
    pub name: String,
    /// The player.
    pub player: String,
    /// What the player must have of it in the end.
    pub owed: i64,
    /// In the order in which they are sent.
    callbacks: Vec<Verified<Event>>,
}

impl Conversion {
    fn random(name: String, random: &mut Rng) -> Self {
        let player = format!("player-{}", random.u64(..PLAYERS));
        let mut callbacks = Vec::new();
        let mut add = |transaction: &str, effect: Effect| {
            let original = (transaction != name).then_some(&*name);
            callbacks.push(conversion(&player, transaction, original, effect));
        };
        let mut owed = 0;
        if random.bool() {
            add(&name, Effect::Pending { stage: "PENDING".into(), amount: None });
        }
        let reward = random.i64(1..10_000);
        if random.u8(..10) > 0 {
            add(&name, Effect::Completed { amount: reward.into(), milestone: None, reinstates: false });
            owed = reward;
        }
        for number in 0..random.u8(..3) {
            let by = if random.bool() { reward } else { random.i64(1..10_000) };
            owed = (owed - by).max(0);
            let same_transaction = number == 0 && random.bool();
            let transaction = if same_transaction { name.clone() } else { format!("{name}-{number}") };
            add(&transaction, Effect::Adjusted { by: (-by).into(), same_transaction });
        }
        if random.u8(..8) == 0 {
            add(&format!("{name}-revoked"), Effect::Revoked);
            owed = 0;
        }
        let repeated: Vec<_> = callbacks.iter().filter(|_| random.u8(..3) == 0).cloned().collect();
        callbacks.extend(repeated);
        random.shuffle(&mut callbacks);
        Self { name, player, owed, callbacks }
    }
}

/// Two receiver processes, and what became of the callbacks that were sent to them.
struct Storm {
    processes: [Process; 2],
    is_over: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

/// Runs a storm against receivers that are this program with only the test `process`, each of which opens `location` and
/// calls [`serve`]. `restart_server` kills and restarts their server. Returns what was sent.
///
/// # Panics
/// If a callback is never answered 200.
pub async fn run(process: &'static str, location: &str, restart_server: Option<&dyn Fn()>) -> Vec<Conversion> {
    let from_environment = |name: &str| Some(std::env::var(name).ok()?.parse().expect("a number"));
    let length = Duration::from_secs(from_environment("POSTBACK_STORM_SECONDS").unwrap_or(3));
    let seed = from_environment("POSTBACK_STORM_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("POSTBACK_STORM_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let storm = Arc::new(Storm {
        processes: [0; 2].map(|_| Process::new(process, location)),
        is_over: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        unanswered: AtomicU64::new(0),
    });
    let senders: JoinSet<_> = (0..SENDERS).map(|sender| Arc::clone(&storm).send(10 + sender, random.fork())).collect();

    let (started, mut kills, mut server_kills) = (Instant::now(), 0, 0);
    // At least one kill of each kind, however slow the machine is.
    while started.elapsed() < length || kills == 0 || (restart_server.is_some() && server_kills == 0) {
        tokio::time::sleep(Duration::from_millis(random.u64(100..500))).await;
        match restart_server {
            Some(restart_server) if (kills + server_kills) % 4 == 1 => {
                tokio::task::block_in_place(restart_server);
                server_kills += 1;
            }
            _ => {
                storm.processes[random.usize(..2)].kill().await;
                kills += 1;
            }
        }
    }
    storm.is_over.store(true, Ordering::SeqCst);
    let conversions: Vec<Conversion> = senders.join_all().await.into_iter().flatten().collect();
    for process in &storm.processes {
        process.kill().await;
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    println!(
        "{} conversions in {} requests ({} answered 503, {} not answered); {kills} times a process was killed, \
         {server_kills} times the server",
        conversions.len(),
        count(&storm.sent),
        count(&storm.refused),
        count(&storm.unanswered),
    );
    assert!(!conversions.is_empty());
    conversions
}

impl Storm {
    /// Sends one conversion after the other until the storm is over.
    async fn send(self: Arc<Self>, sender: u64, mut random: Rng) -> Vec<Conversion> {
        let mut sent = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let conversion = Conversion::random(format!("{sender}-{}", sent.len()), &mut random);
            // Some at the same time, the others one after the other.
            let mut concurrent = JoinSet::new();
            for callback in conversion.callbacks.clone() {
                let work = Arc::clone(&self).insist(callback, random.fork());
                if random.bool() {
                    concurrent.spawn(work);
                } else {
                    work.await;
                }
            }
            concurrent.join_all().await;
            sent.push(conversion);
        }
        sent
    }

    /// Sends a callback to either process until it is answered 200.
    async fn insist(self: Arc<Self>, callback: Verified<Event>, mut random: Rng) {
        let started = Instant::now();
        loop {
            self.sent.fetch_add(1, Ordering::SeqCst);
            match self.processes[random.usize(..2)].send(&callback).await {
                Some(true) => return,
                Some(false) => self.refused.fetch_add(1, Ordering::SeqCst),
                None => self.unanswered.fetch_add(1, Ordering::SeqCst),
            };
            assert!(started.elapsed() < 2 * PATIENCE, "a callback is never answered 200: {callback:?}");
            tokio::time::sleep(Duration::from_millis(random.u64(20..80))).await;
        }
    }
}

type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<bool>>>>;

/// A receiver process. The next callback starts it again after it was killed.
struct Process {
    test: &'static str,
    location: String,
    running: tokio::sync::Mutex<Option<(Child, ChildStdin)>>,
    waiting: Waiting,
    number: AtomicU64,
}

impl Process {
    fn new(test: &'static str, location: &str) -> Self {
        let (running, waiting) = (tokio::sync::Mutex::default(), Waiting::default());
        Self { test, location: location.to_owned(), running, waiting, number: AtomicU64::new(0) }
    }

    fn start(&self) -> (Child, ChildStdin) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", self.test, "--nocapture"])
            .env(LOCATION, &self.location)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let waiting = Arc::clone(&self.waiting);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((number, is_taken)) = line.strip_prefix('#').and_then(|line| line.split_once(' ')) {
                    let sender = waiting.lock().unwrap().remove(&number.parse().unwrap());
                    sender.map(|sender| sender.send(is_taken == "true"));
                }
            }
            // Nobody answers these any more.
            waiting.lock().unwrap().clear();
        });
        (child, stdin)
    }

    async fn kill(&self) {
        if let Some((mut child, _)) = self.running.lock().await.take() {
            child.kill().await.unwrap();
        }
    }

    /// Sends a callback, and returns whether it was answered 200. `None`: the process died before it answered.
    async fn send(&self, event: &Event) -> Option<bool> {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let line = format!("{number} {}\n", serde_json::to_string(event).unwrap());
        let (sender, answer) = oneshot::channel();
        {
            let mut running = self.running.lock().await;
            let (_, stdin) = running.get_or_insert_with(|| self.start());
            self.waiting.lock().unwrap().insert(number, sender);
            if stdin.write_all(line.as_bytes()).await.is_err() {
                *running = None;
                return None;
            }
        }
        tokio::time::timeout(PATIENCE, answer).await.expect("a process answers or dies").ok()
    }
}
