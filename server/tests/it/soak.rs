//! A server at a steady rate, for as long as wanted, whose backend is down for two fifths of the time.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::client::Client;
use crate::program::{Server, Setup};
use crate::storm::{Balances, check_ledger, conversions};

const SENDERS: u32 = 4;

/// The time between two callbacks of one sender: all together send 100 per second.
const PERIOD: Duration = Duration::from_millis(10 * SENDERS as u64);

/// How many lines are printed.
const LINES: u32 = 30;

/// For how many of these the backend is up, and then down.
const UP: u32 = 3;
const DOWN: u32 = 2;

/// The length of the soak: `POSTBACK_SOAK_SECONDS`, or a few seconds.
fn soak_length() -> Duration {
    let wanted = std::env::var("POSTBACK_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(wanted.unwrap_or(4))
}

/// What the senders know.
#[derive(Default)]
struct Sent {
    callbacks: usize,
    /// Responses other than 200. Their callbacks were sent again.
    failures: usize,
    balances: Balances,
    /// Response times since the last line.
    times: Vec<Duration>,
}

/// What a server uses.
#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    memory_mib: u64,
    handles: usize,
}

impl Usage {
    fn of(server: &Server) -> Self {
        let handles = fs::read_dir(format!("/proc/{}/fd", server.id())).expect("the process runs").count();
        Self { memory_mib: server.memory(), handles }
    }

    fn max(self, other: Self) -> Self {
        Self { memory_mib: self.memory_mib.max(other.memory_mib), handles: self.handles.max(other.handles) }
    }
}

#[test]
fn server_stays_flat_while_its_backend_fails() {
    let length = soak_length();
    let setup = Setup::new();
    let server = setup.start();
    let mut backend = Backend::new(setup.backend, setup.directory.path());
    backend.start();
    let sent = Mutex::new(Sent::default());
    let began = Instant::now();
    let mut usage = [Usage::default(); 2];
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (sent, port) = (&sent, server.public);
            scope.spawn(move || send_steadily(sender, port, began, length, sent));
        }
        eprintln!("seconds backend memory handles database conversions pending p50    p99    slowest");
        let mut is_up = true;
        for line in 1..=LINES {
            let is_wanted_up = (line - 1) % (UP + DOWN) < UP;
            if is_wanted_up && !is_up {
                backend.spawn();
            } else if !is_wanted_up && is_up {
                backend.kill();
            }
            is_up = is_wanted_up;
            let until = length * line / LINES;
            std::thread::sleep(until.saturating_sub(began.elapsed()));
            let now = Usage::of(&server);
            let half = &mut usage[usize::from(line > LINES / 2)];
            *half = half.max(now);
            print_line(until, is_up, now, &server, &setup, &sent);
        }
        backend.kill();
        backend.spawn();
    });
    let Sent { callbacks, failures, balances, .. } = sent.into_inner().expect("the senders");
    let drained = check_ledger(std::slice::from_ref(&server), &backend, &balances);
    eprintln!(
        "soak: {callbacks} callbacks, {failures} failed responses, {} conversions, {} decisions; drained in {drained:?}",
        balances.len(),
        backend.bookings().len()
    );
    let [first, second] = usage;
    // In a short run, caches and connections are still growing.
    if length >= Duration::from_mins(10) {
        assert!(second.memory_mib < first.memory_mib + 32, "{first:?}, then {second:?}");
        assert!(second.handles < first.handles + 32, "{first:?}, then {second:?}");
    }
}

/// Sends one callback in every period, and each until it is answered 200, as the network does.
fn send_steadily(sender: u32, port: u16, began: Instant, length: Duration, sent: &Mutex<Sent>) {
    let mut client = Client::new(port);
    let mut ticks = 0;
    for conversion in conversions(sender as usize) {
        if began.elapsed() >= length {
            return;
        }
        for target in &conversion.targets {
            ticks += 1;
            std::thread::sleep((PERIOD * ticks).saturating_sub(began.elapsed()));
            let mut failures = 0;
            let time = loop {
                let asked = Instant::now();
                if client.send("GET", target, &[]).is_some_and(|response| response.status == 200) {
                    break asked.elapsed();
                }
                failures += 1;
                std::thread::sleep(PERIOD);
            };
            let mut sent = sent.lock().expect("the senders");
            sent.callbacks += 1;
            sent.failures += failures;
            sent.times.push(time);
        }
        sent.lock().expect("the senders").balances.insert(conversion.key, conversion.balance);
    }
}

fn print_line(at: Duration, is_up: bool, usage: Usage, server: &Server, setup: &Setup, sent: &Mutex<Sent>) {
    let (mut times, conversions) = {
        let mut sent = sent.lock().expect("the senders");
        (std::mem::take(&mut sent.times), sent.balances.len())
    };
    times.sort_unstable();
    let quantile = |hundredth: usize| times.get(times.len() * hundredth / 100).copied().unwrap_or_default();
    let size = |name: &str| fs::metadata(setup.path(name)).map_or(0, |file| file.len());
    let database = (size("postback.db") + size("postback.db-wal")) / (1024 * 1024);
    let pending = server.admin("/api/status")["delivery"]["pending"].clone();
    let state = if is_up { "up" } else { "down" };
    eprintln!(
        "{:7} {state:7} {:3} MiB {:7} {database:4} MiB {conversions:11} {pending:>7} {:6.2?} {:6.2?} {:6.2?}",
        at.as_secs(),
        usage.memory_mib,
        usage.handles,
        quantile(50),
        quantile(99),
        times.last().copied().unwrap_or_default()
    );
}
