//! A storm: receivers that are killed every few hundred milliseconds, senders that repeat until they hear 200,
//! and a model, independent of the crate, of what each player should have in the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postback::testing::bitlabs::Network;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "storm";
const OFFERS_URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
const SENDERS: usize = 16;
const PLAYERS: u64 = 25;

/// Two copies of an example, each started again whenever it ends.
pub(crate) struct Receivers {
    program: PathBuf,
    place: (String, String),
    ports: [u16; 2],
    processes: Mutex<[Option<Child>; 2]>,
    is_over: AtomicBool,
    kills: AtomicU64,
}

impl Receivers {
    /// Builds the example if need be and starts it twice, with `place` in its environment.
    pub(crate) fn start(example: &str, features: &str, place: (&str, &str)) -> Arc<Self> {
        let receivers = Arc::new(Self {
            program: program(example, features),
            place: (place.0.to_owned(), place.1.to_owned()),
            ports: [free_port(), free_port()],
            processes: Mutex::new([None, None]),
            is_over: AtomicBool::new(false),
            kills: AtomicU64::new(0),
        });
        let watched = Arc::clone(&receivers);
        std::thread::spawn(move || {
            while !watched.is_over.load(Ordering::SeqCst) {
                watched.revive();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        receivers
    }

    fn revive(&self) {
        let mut processes = self.processes.lock().unwrap();
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        for (process, port) in processes.iter_mut().zip(self.ports) {
            let is_alive = process
                .as_mut()
                .is_some_and(|process| process.try_wait().unwrap().is_none());
            if !is_alive {
                *process = Some(
                    Command::new(&self.program)
                        .env(&self.place.0, &self.place.1)
                        .env("POSTBACK_LISTEN", format!("127.0.0.1:{port}"))
                        .env("BITLABS_APP_SECRET", SECRET)
                        .env("BITLABS_OFFERS_URL", OFFERS_URL)
                        .env("RUST_LOG", "off")
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .spawn()
                        .unwrap(),
                );
            }
        }
    }

    /// `kill -9`.
    fn kill(&self, which: usize) {
        if let Some(process) = &mut self.processes.lock().unwrap()[which] {
            process.kill().unwrap();
            process.wait().unwrap();
            self.kills.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Ends both for good.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for process in self.processes.lock().unwrap().iter_mut().flatten() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// What was sent, and what should come of it.
pub(crate) struct Storm {
    balances: BTreeMap<String, u64>,
}

/// One message of a conversion.
#[derive(Clone)]
struct Message {
    player: String,
    transaction: String,
    state: &'static str,
    amount: u64,
}

impl Storm {
    /// Sends whole lives of conversions, out of order and repeated, while receivers are killed.
    pub(crate) async fn rage(receivers: &Arc<Receivers>) -> Self {
        let seconds = std::env::var("POSTBACK_STORM_SECONDS");
        let seconds = seconds.map_or(15, |seconds| seconds.parse().unwrap());
        let started = Instant::now();
        let killing = tokio::spawn({
            let receivers = Arc::clone(receivers);
            let mut chance = Chance(7);
            async move {
                loop {
                    let pause = Duration::from_millis(200 + chance.below(300));
                    tokio::time::sleep(pause).await;
                    receivers.kill(usize::try_from(chance.below(2)).unwrap());
                }
            }
        });
        let mut storm = Self {
            balances: BTreeMap::new(),
        };
        let mut chance = Chance(42);
        let (mut conversions, mut messages, mut attempts) = (0, 0, 0);
        while started.elapsed() < Duration::from_secs(seconds) {
            let mut batch = Vec::new();
            for _ in 0..200 {
                conversions += 1;
                storm.add(conversions, &mut chance, &mut batch);
            }
            chance.shuffle(&mut batch);
            messages += batch.len();
            attempts += deliver(receivers, batch).await;
        }
        killing.abort();
        println!(
            "{conversions} conversions, {messages} messages, {attempts} requests, {} receivers killed, {:.1} s",
            receivers.kills.load(Ordering::SeqCst),
            started.elapsed().as_secs_f64(),
        );
        storm
    }

    /// The life of one conversion, and what it comes to whatever the order.
    fn add(&mut self, number: u64, chance: &mut Chance, batch: &mut Vec<Message>) {
        let player = format!("p{}", chance.below(PLAYERS));
        let amount = 1 + chance.below(500);
        let back = 1 + chance.below(amount);
        let message = |state, amount| Message {
            player: player.clone(),
            transaction: format!("o{number}"),
            state,
            amount,
        };
        let (life, worth) = match chance.below(6) {
            0 => (vec![message("PENDING", amount)], 0),
            1 => (vec![message("COMPLETED", amount)], amount),
            2 => (
                vec![message("PENDING", amount), message("COMPLETED", amount)],
                amount,
            ),
            3 => (
                vec![message("PENDING", amount), message("RECONCILED", amount)],
                0,
            ),
            4 => (
                vec![message("COMPLETED", amount), message("RECONCILED", amount)],
                0,
            ),
            _ => (
                vec![
                    message("PENDING", amount),
                    message("COMPLETED", amount),
                    message("RECONCILED", back),
                ],
                amount - back,
            ),
        };
        *self.balances.entry(player.clone()).or_default() += worth;
        for message in life {
            for _ in 0..=chance.below(3) {
                batch.push(message.clone());
            }
        }
    }

    /// What all players together should have.
    pub(crate) fn total(&self) -> u64 {
        self.balances.values().sum()
    }

    /// Asks each receiver for each balance; then ends them.
    pub(crate) async fn check(&self, receivers: &Receivers) {
        for port in receivers.ports {
            for (player, expected) in &self.balances {
                let found = statement(port, player).await;
                assert_eq!(found, expected.to_string(), "the balance of {player}");
            }
        }
        receivers.end();
    }
}

/// Every message is repeated until it is answered 200. Says how often any was sent.
async fn deliver(receivers: &Arc<Receivers>, batch: Vec<Message>) -> u64 {
    let batch = Arc::new(Mutex::new(batch));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (batch, ports) = (Arc::clone(&batch), receivers.ports);
            let mut chance = Chance(1000 + sender as u64);
            tokio::spawn(async move {
                let network = Network::new(SECRET);
                let mut attempts = 0;
                while let Some(message) = { batch.lock().unwrap().pop() } {
                    let callback = network
                        .callback(OFFERS_URL)
                        .player(&message.player)
                        .transaction(&message.transaction)
                        .state(message.state)
                        .amount(message.amount.to_string());
                    let target = format!("/callbacks/offers?{}", callback.sign().query());
                    let started = Instant::now();
                    loop {
                        attempts += 1;
                        let port = ports[usize::try_from(chance.below(2)).unwrap()];
                        match get(port, &target).await {
                            Some((200, _)) => break,
                            Some((500 | 503, _)) | None => {}
                            Some((status, body)) => panic!("{status}: {body}"),
                        }
                        assert!(started.elapsed() < Duration::from_secs(60), "never taken");
                        tokio::time::sleep(Duration::from_millis(10 + chance.below(40))).await;
                    }
                }
                attempts
            })
        })
        .collect();
    let mut attempts = 0;
    for sender in senders {
        attempts += sender.await.unwrap();
    }
    attempts
}

async fn statement(port: u16, player: &str) -> String {
    for _ in 0..600 {
        if let Some((200, body)) = get(port, &format!("/players/{player}")).await {
            let statement: Value = serde_json::from_str(&body).unwrap();
            return statement["balance"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the receivers did not recover");
}

/// One request; `None` when there is no whole answer.
async fn get(port: u16, target: &str) -> Option<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: game\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, exchange).await.ok().flatten()
}

/// Where cargo puts the example; built now where only this test was.
fn program(example: &str, features: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(example);
    if !program.is_file() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--example", example])
            .args(["--features", features])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(
            built.success() && program.is_file(),
            "no {}",
            program.display()
        );
    }
    program
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Chance that is the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap();
            items.swap(last, other);
        }
    }
}
