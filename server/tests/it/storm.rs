//! Servers and backends that are killed at random while a network repeats and reorders.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postback_test_servers::{Postgres, Redis};

use crate::backend::Backend;
use crate::client::Client;
use crate::program::{Server, Setup, offer};

/// How many callers send at a time.
const SENDERS: usize = 8;

/// How long to wait until everything is delivered. Generous: a slow machine is no reason to fail.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(240);

/// The length of a storm: `POSTBACK_STORM_SECONDS`, or a few seconds.
fn storm_length() -> Duration {
    let wanted = std::env::var("POSTBACK_STORM_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(wanted.unwrap_or(4))
}

/// Whether the long form of a test is wanted.
pub(crate) fn is_long() -> bool {
    storm_length() >= Duration::from_secs(30)
}

/// Deterministic random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The messages of one conversion, and what its balance must be in the end.
fn conversion(random: &mut Random) -> (Vec<(&'static str, i64)>, i64) {
    let paid = 100 + i64::try_from(random.below(9)).expect("small") * 100;
    let taken = i64::try_from(random.below(12)).expect("small") * 100;
    let (mut messages, balance) = match random.below(4) {
        0 => (vec![("COMPLETED", paid)], paid),
        1 => (vec![("PENDING", paid), ("COMPLETED", paid)], paid),
        2 => (vec![("PENDING", paid), ("RECONCILED", paid)], 0),
        _ => (vec![("PENDING", paid), ("COMPLETED", paid), ("RECONCILED", taken)], (paid - taken).max(0)),
    };
    for at in 0..messages.len() {
        if random.below(3) == 0 {
            messages.push(messages[at]);
        }
    }
    for at in (1..messages.len()).rev() {
        messages.swap(at, usize::try_from(random.below(at as u64 + 1)).expect("small"));
    }
    (messages, balance)
}

/// What the network sent, and what must come of it.
#[derive(Default)]
struct Model {
    balances: HashMap<String, i64>,
}

struct Storm {
    servers: Vec<Server>,
    backend: Backend,
    backend_stays_down: bool,
}

impl Storm {
    fn run(mut self) {
        let length = storm_length();
        let is_over = AtomicBool::new(false);
        let sent = AtomicUsize::new(0);
        let model = Mutex::new(Model::default());
        let ports: Vec<u16> = self.servers.iter().map(|server| server.public).collect();
        let mut kills = 0;
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (ports, is_over, sent, model) = (&ports, &is_over, &sent, &model);
                scope.spawn(move || send_until(sender, ports, is_over, sent, model));
            }
            let mut random = Random(42);
            let began = Instant::now();
            while began.elapsed() < length {
                std::thread::sleep(Duration::from_millis(150 + random.below(500)));
                kills += 1;
                let victim = usize::try_from(random.below(self.servers.len() as u64 + 1)).expect("small");
                match self.servers.get_mut(victim) {
                    Some(server) => {
                        server.kill();
                        server.spawn();
                    }
                    None if self.backend_stays_down => {}
                    None => {
                        self.backend.kill();
                        std::thread::sleep(Duration::from_millis(random.below(300)));
                        self.backend.spawn();
                    }
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let model = model.into_inner().expect("the model");
        if self.backend_stays_down {
            assert!(self.backend.bookings().is_empty());
            self.backend.spawn();
        }
        self.check(&model, sent.into_inner(), kills);
    }

    fn check(&mut self, model: &Model, sent: usize, kills: usize) {
        let began = Instant::now();
        let mut wrong;
        loop {
            let mut balances: HashMap<String, i64> = HashMap::new();
            for booking in self.backend.bookings() {
                *balances.entry(booking.conversion).or_default() += booking.change;
            }
            wrong = model
                .balances
                .iter()
                .filter(|(key, balance)| balances.get(*key).copied().unwrap_or_default() != **balance)
                .map(|(key, balance)| format!("{key}: {:?}, not {balance}", balances.get(key)))
                .collect::<Vec<_>>();
            let is_pending = self.servers.iter().any(|server| {
                Client::new(server.admin).send("GET", "/api/pending", &[]).is_none_or(|response| {
                    response.status != 200 || response.json()["records"] != serde_json::json!([])
                })
            });
            if wrong.is_empty() && !is_pending {
                break;
            }
            assert!(
                began.elapsed() < DELIVERY_TIMEOUT,
                "{} wrong balances: {:?}; pending: {is_pending}\n{}",
                wrong.len(),
                &wrong[..wrong.len().min(5)],
                self.servers[0].log().lines().rev().take(30).collect::<Vec<_>>().join("\n")
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        let drained = began.elapsed();
        self.check_order();
        eprintln!(
            "storm: {} conversions, {sent} callbacks, {kills} kills, {} decisions; drained in {drained:?}",
            model.balances.len(),
            self.backend.bookings().len()
        );
    }

    /// Decisions of one conversion arrive in the order of their numbers.
    fn check_order(&self) {
        let mut last: HashMap<String, u32> = HashMap::new();
        for booking in self.backend.bookings() {
            let number = booking.id.rsplit_once('#').expect("a number").1;
            let number: u32 = number.split('-').next().and_then(|text| text.parse().ok()).expect("a number");
            let before = last.insert(booking.conversion.clone(), number).unwrap_or_default();
            assert!(number == before + 1, "{}: {number} after {before}", booking.conversion);
        }
    }
}

/// Sends conversions until the storm is over: every callback until it is answered 200, as the network does.
fn send_until(sender: usize, ports: &[u16], is_over: &AtomicBool, sent: &AtomicUsize, model: &Mutex<Model>) {
    let mut random = Random(sender as u64 * 7919 + 1);
    let mut clients: Vec<Client> = ports.iter().map(|port| Client::new(*port)).collect();
    let mut number = 0;
    while !is_over.load(Ordering::SeqCst) {
        number += 1;
        let transaction = format!("o{sender}x{number}");
        let player = format!("player-{}", random.below(50));
        let (messages, balance) = conversion(&mut random);
        for (state, amount) in messages {
            let target = offer(&player, &transaction, &amount.to_string(), state).target();
            loop {
                let at = usize::try_from(random.below(clients.len() as u64)).expect("small");
                let response = clients[at].send("GET", &target, &[]);
                if response.is_some_and(|response| response.status == 200) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            sent.fetch_add(1, Ordering::Relaxed);
        }
        let key = format!("bitlabs/my-game/conversion/{transaction}");
        model.lock().expect("the model").balances.insert(key, balance);
    }
}

fn storm(store: String, servers: usize, backend_stays_down: bool) {
    let mut setup = Setup::new();
    setup.store = store;
    setup.backend_keys = "timeout = \"2s\"".to_owned();
    let mut started = Vec::new();
    for number in 0..servers {
        started.push(setup.start_as(&format!("server-{number}.toml")));
    }
    let mut backend = Backend::new(setup.backend, setup.directory.path());
    if !backend_stays_down {
        backend.start();
    }
    let storm = Storm { servers: started, backend, backend_stays_down };
    storm.run();
}

#[test]
fn storm_on_sqlite_ends_at_the_right_balances() {
    storm("sqlite:postback.db".to_owned(), 1, false);
}

#[test]
fn storm_on_postgres_ends_at_the_right_balances() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    storm(postgres.create_database(), 1, false);
}

#[test]
fn storm_with_two_servers_on_postgres_is_right() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    storm(postgres.create_database(), 2, false);
}

#[test]
fn storm_on_redis_ends_at_the_right_balances() {
    let Some(redis) = Redis::start(Redis::DURABLE) else {
        return;
    };
    storm(redis.url(), 1, false);
}

#[test]
fn everything_arrives_after_an_outage_of_the_backend() {
    storm("sqlite:postback.db".to_owned(), 1, true);
}
