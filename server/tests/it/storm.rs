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
    Duration::from_secs(wanted.unwrap_or(3))
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

/// One conversion of a network that repeats and reorders.
pub(crate) struct Conversion {
    pub(crate) key: String,
    /// The request targets of its callbacks.
    pub(crate) targets: Vec<String>,
    /// What its balance must be in the end.
    pub(crate) balance: i64,
}

/// The conversions of one sender, without end.
pub(crate) fn conversions(sender: usize) -> impl Iterator<Item = Conversion> {
    let mut random = Random(sender as u64 * 7919 + 1);
    (1..).map(move |number| {
        let transaction = format!("o{sender}x{number}");
        let player = format!("player-{}", random.below(50));
        let (messages, balance) = messages(&mut random);
        let target = |(state, amount): (_, i64)| offer(&player, &transaction, &amount.to_string(), state).target();
        let targets = messages.into_iter().map(target).collect();
        Conversion { key: format!("bitlabs/my-game/conversion/{transaction}"), targets, balance }
    })
}

/// The messages of one conversion, and what its balance must be in the end.
fn messages(random: &mut Random) -> (Vec<(&'static str, i64)>, i64) {
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

/// What must come of the conversions that were sent: balances by their keys.
pub(crate) type Balances = HashMap<String, i64>;

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
        let balances = Mutex::new(Balances::new());
        let ports: Vec<u16> = self.servers.iter().map(|server| server.public).collect();
        let (mut kills, mut backend_kills) = (0, 0);
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (ports, is_over, sent, balances) = (&ports, &is_over, &sent, &balances);
                scope.spawn(move || send_until(sender, ports, is_over, sent, balances));
            }
            let mut random = Random(42);
            let began = Instant::now();
            // At least one kill of each kind, however slow the machine is.
            while began.elapsed() < length || kills == 0 || (backend_kills == 0 && !self.backend_stays_down) {
                std::thread::sleep(Duration::from_millis(150 + random.below(500)));
                let victim = usize::try_from(random.below(self.servers.len() as u64 + 1)).expect("small");
                match self.servers.get_mut(victim) {
                    Some(server) => {
                        server.kill();
                        server.spawn();
                        kills += 1;
                    }
                    None if self.backend_stays_down => {}
                    None => {
                        self.backend.kill();
                        std::thread::sleep(Duration::from_millis(random.below(300)));
                        self.backend.spawn();
                        backend_kills += 1;
                    }
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let balances = balances.into_inner().expect("the balances");
        if self.backend_stays_down {
            assert!(self.backend.bookings().is_empty());
            self.backend.spawn();
        }
        let drained = check_ledger(&self.servers, &self.backend, &balances);
        eprintln!(
            "storm: {} conversions, {} callbacks, {kills} + {backend_kills} kills, {} decisions; in {drained:?}",
            balances.len(),
            sent.into_inner(),
            self.backend.bookings().len()
        );
    }
}

/// Waits until nothing is pending and the backend's ledger has exactly these balances. Returns how long that took.
pub(crate) fn check_ledger(servers: &[Server], backend: &Backend, balances: &Balances) -> Duration {
    let began = Instant::now();
    loop {
        let mut booked = Balances::new();
        for booking in backend.bookings() {
            *booked.entry(booking.conversion).or_default() += booking.change;
        }
        let balance = |of: &Balances, key: &String| of.get(key).copied().unwrap_or_default();
        let wrong: Vec<String> = balances
            .keys()
            .chain(booked.keys())
            .filter(|key| balance(&booked, key) != balance(balances, key))
            .map(|key| format!("{key}: {:?}, not {:?}", booked.get(key), balances.get(key)))
            .collect();
        let is_pending = servers.iter().any(|server| {
            Client::new(server.admin)
                .send("GET", "/api/pending", &[])
                .is_none_or(|response| response.status != 200 || response.json()["records"] != serde_json::json!([]))
        });
        if wrong.is_empty() && !is_pending {
            break;
        }
        assert!(
            began.elapsed() < DELIVERY_TIMEOUT,
            "{} wrong balances: {:?}; pending: {is_pending}\n{}",
            wrong.len(),
            &wrong[..wrong.len().min(5)],
            servers[0].log().lines().rev().take(30).collect::<Vec<_>>().join("\n")
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    check_order(backend);
    began.elapsed()
}

/// Decisions of one conversion arrive in the order of their numbers.
fn check_order(backend: &Backend) {
    let mut last: HashMap<String, u32> = HashMap::new();
    for booking in backend.bookings() {
        let number = booking.id.rsplit_once('#').expect("a number").1;
        let number: u32 = number.split('-').next().and_then(|text| text.parse().ok()).expect("a number");
        let before = last.insert(booking.conversion.clone(), number).unwrap_or_default();
        assert!(number == before + 1, "{}: {number} after {before}", booking.conversion);
    }
}

/// Sends conversions until the storm is over: every callback until it is answered 200, as the network does.
fn send_until(sender: usize, ports: &[u16], is_over: &AtomicBool, sent: &AtomicUsize, balances: &Mutex<Balances>) {
    let mut random = Random(sender as u64);
    let mut clients: Vec<Client> = ports.iter().map(|port| Client::new(*port)).collect();
    for Conversion { key, targets, balance } in conversions(sender) {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        for target in targets {
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
        balances.lock().expect("the balances").insert(key, balance);
    }
}

fn storm(store: String, servers: usize, backend_stays_down: bool) {
    let mut setup = Setup::new();
    setup.store = store;
    setup.backend_keys = "timeout = \"1s\"".to_owned();
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
    let Some(postgres) = Postgres::shared() else { return };
    storm(postgres.create_database(), 1, false);
}

#[test]
fn storm_with_two_servers_on_postgres_is_right() {
    let Some(postgres) = Postgres::shared() else { return };
    storm(postgres.create_database(), 2, false);
}

#[test]
fn storm_on_redis_ends_at_the_right_balances() {
    let Some(redis) = Redis::start(Redis::DURABLE) else { return };
    storm(redis.url(), 1, false);
}

#[test]
fn everything_arrives_after_an_outage_of_the_backend() {
    storm("sqlite:postback.db".to_owned(), 1, true);
}
