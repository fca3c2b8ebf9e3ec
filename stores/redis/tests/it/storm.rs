//! The crash storm: two receiver processes on one server, each of the three killed again and again, while callbacks are
//! sent out of order and repeatedly until they are answered 200. In the end every balance is exact.
//!
//! Five seconds, or `POSTBACK_STORM_SECONDS`; `POSTBACK_STORM_SEED` repeats the same conversions.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::{Decision, DedupStore as _, Effect, Event, EventKind, HandlerError, Receiver, Verified};
use postback_redis::{RedisStore, redis};
use postback_test_servers::{PATIENCE, Redis};
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use crate::fixture::{completed_by, conversion, timing};

const PLAYERS: u64 = 20;
const SENDERS: u64 = 16;

/// Set in a receiver process: the server's URL.
const SERVER: &str = "POSTBACK_STORM_SERVER";

/// Pays once for each id, in one script.
const PAY: &str = "#!lua
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and known ~= ARGV[3] then return redis.error_reply('ERR the id belongs to another decision') end
if known then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3])
return 1";

/// Numbers by chance, the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// One conversion: its callbacks in the order in which they are sent, and what the player has of it in the end.
struct Conversion {
    player: String,
    callbacks: Vec<Event>,
    owed: i64,
}

impl Conversion {
    fn random(name: &str, random: &mut Random) -> Self {
        let player = format!("player-{}", random.below(PLAYERS));
        let amount = |random: &mut Random| i64::try_from(1 + random.below(9999)).unwrap();
        let mut callbacks = Vec::new();
        if random.below(2) == 0 {
            let effect = Effect::Pending { stage: "PENDING".into(), amount: None };
            callbacks.push(conversion(&player, name, effect));
        }
        let completed = (random.below(10) > 0).then(|| amount(random));
        callbacks.extend(completed.map(|amount| completed_by(&player, name, amount)));
        let mut taken_back = 0;
        for number in 0..random.below(3) {
            let by = match completed {
                Some(all) if random.below(2) == 0 => all,
                _ => amount(random),
            };
            taken_back += by;
            let effect = Effect::Adjusted { by: (-by).into(), same_transaction: false };
            let mut event = conversion(&player, name, effect.clone());
            event.kind = EventKind::Conversion {
                transaction: format!("{name}-r{number}").parse().unwrap(),
                original: Some(name.parse().unwrap()),
                effect,
            };
            callbacks.push(event);
        }
        let repeated: Vec<Event> = callbacks.iter().filter(|_| random.below(3) == 0).cloned().collect();
        callbacks.extend(repeated);
        for at in (1..callbacks.len()).rev() {
            let other = random.below(at as u64 + 1);
            callbacks.swap(at, usize::try_from(other).unwrap());
        }
        let owed = completed.map_or(0, |amount| (amount - taken_back).max(0));
        Self { player, callbacks, owed }
    }
}

/// What a receiver process runs: callbacks arrive as lines `NUMBER JSON` and are answered `#NUMBER 200` or `#NUMBER 503`.
/// Without the environment of one, there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_process() {
    let Ok(url) = std::env::var(SERVER) else {
        return;
    };
    let client = redis::Client::open(&*url).unwrap();
    let Ok(store) = RedisStore::connect(&*url).await else {
        return;
    };
    let wallet = Arc::new(tokio::sync::Mutex::new(None));
    let pay = move |decision: Decision| {
        let (client, wallet) = (client.clone(), Arc::clone(&wallet));
        async move { pay(&client, &wallet, &decision).await }
    };
    let receiver = Receiver::new(store, pay).timing(timing());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (number, json) = line.split_once(' ').unwrap();
        let event: Event = serde_json::from_str(json).unwrap();
        let number = number.to_owned();
        let receiver = receiver.clone();
        tokio::spawn(async move {
            let result = receiver.receive(Verified::assume_genuine(event)).await;
            let status = if result.is_ok() { 200 } else { 503 };
            println!("\n#{number} {status}");
        });
    }
}

async fn pay(
    client: &redis::Client,
    wallet: &tokio::sync::Mutex<Option<MultiplexedConnection>>,
    decision: &Decision,
) -> Result<(), HandlerError> {
    let mut slot = wallet.lock().await;
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => client.get_multiplexed_async_connection().await?,
    };
    let mut command = redis::cmd("EVAL");
    command.arg(PAY).arg(2).arg("wallet:paid").arg("wallet:balances");
    command.arg(decision.id().as_str()).arg(decision.player().as_str());
    command.arg(decision.balance_change().to_string());
    let _: i64 = command.query_async(&mut connection).await?;
    *slot = Some(connection);
    Ok(())
}

type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<u16>>>>;

/// A receiver process, replaced when it was killed.
struct Process {
    url: String,
    running: tokio::sync::Mutex<Option<(Child, ChildStdin)>>,
    waiting: Waiting,
    number: AtomicU64,
}

impl Process {
    fn new(url: String) -> Self {
        Self { url, running: tokio::sync::Mutex::default(), waiting: Waiting::default(), number: AtomicU64::default() }
    }

    fn start(&self) -> (Child, ChildStdin) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storm::receiver_process", "--nocapture"])
            .env(SERVER, &self.url)
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
                let Some((number, status)) = line.strip_prefix('#').and_then(|l| l.split_once(' ')) else {
                    continue;
                };
                let sender = waiting.lock().unwrap().remove(&number.parse().unwrap());
                sender.map(|sender| sender.send(status.parse().unwrap()));
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

    /// Sends a callback. `None`: the process died before it answered.
    async fn send(&self, event: &Event) -> Option<u16> {
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
        tokio::time::timeout(PATIENCE, answer).await.unwrap().ok()
    }
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

/// Sends a callback to either process until it is answered 200.
async fn deliver(processes: &[Process; 2], event: &Event, random: &mut Random, counts: &Counts) {
    let started = Instant::now();
    loop {
        let process = &processes[usize::from(random.below(2) == 0)];
        counts.sent.fetch_add(1, Ordering::Relaxed);
        match process.send(event).await {
            Some(200) => return,
            Some(_) => counts.refused.fetch_add(1, Ordering::Relaxed),
            None => counts.unanswered.fetch_add(1, Ordering::Relaxed),
        };
        assert!(started.elapsed() < PATIENCE, "a callback is never answered 200");
        tokio::time::sleep(Duration::from_millis(20 + random.below(60))).await;
    }
}

async fn send(
    mut random: Random,
    sender: u64,
    processes: Arc<[Process; 2]>,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
) -> Vec<Conversion> {
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let conversion = Conversion::random(&format!("{sender}-{}", sent.len()), &mut random);
        // Some at the same time, the others one after the other.
        let mut concurrent = tokio::task::JoinSet::new();
        for event in conversion.callbacks.clone() {
            let mut own = Random(random.next());
            let (processes, counts) = (Arc::clone(&processes), Arc::clone(&counts));
            let work = async move { deliver(&processes, &event, &mut own, &counts).await };
            if random.below(2) == 0 {
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

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_and_server_lose_nothing() {
    let Some(server) = Redis::start(Redis::DURABLE) else {
        return;
    };
    let seconds = from_environment("POSTBACK_STORM_SECONDS", 5);
    let seed = from_environment("POSTBACK_STORM_SEED", RandomState::new().hash_one(0));
    println!("POSTBACK_STORM_SEED={seed}");
    let mut random = Random(seed);
    let processes = Arc::new([0; 2].map(|_| Process::new(server.url())));
    let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let own = Random(random.next());
            let (processes, stop) = (Arc::clone(&processes), Arc::clone(&stop));
            tokio::spawn(send(own, sender, processes, stop, Arc::clone(&counts)))
        })
        .collect();

    let (started, mut kills, mut server_kills) = (Instant::now(), 0, 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(200 + random.below(400))).await;
        if (kills + server_kills) % 4 == 1 {
            server_kills += 1;
            tokio::task::block_in_place(|| {
                server.kill();
                server.restart();
            });
        } else {
            kills += 1;
            processes[usize::from(random.below(2) == 0)].kill().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut owed = BTreeMap::new();
    let mut conversions = 0;
    for sender in senders {
        for conversion in sender.await.unwrap() {
            conversions += 1;
            *owed.entry(conversion.player).or_insert(0) += conversion.owed;
        }
    }
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{conversions} conversions in {} requests ({} answered 503, {} not answered), {kills} kills of a process, \
         {server_kills} of the server",
        load(&counts.sent),
        load(&counts.refused),
        load(&counts.unanswered),
    );
    for (player, owed) in &owed {
        let balance = server.ask(&["HGET", "wallet:balances", player]);
        let balance: i64 = balance.parse().unwrap_or_default();
        assert_eq!(balance, *owed, "{player}");
    }
    let store = RedisStore::connect(server.url()).await.unwrap();
    assert_eq!(store.list_pending(None, 10).await.unwrap(), []);
    assert!(conversions > 0 && kills > 0);
}
