//! How fast callbacks are received in a transaction with the wallet, next to a bare transaction that writes the same
//! rows: in the same run, against the same server, in turns of a quarter of a second.
//!
//! ```console
//! $ cargo bench -p postback-postgres --bench rate -- [--seconds 10] [--prefill 1000000]
//! ```
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking"
)]

use std::time::{Duration, Instant};

use postback::store::{DedupStore as _, json};
use postback::{Effect, Event, EventKind, Receipt, Verified};
use postback_postgres::sqlx::postgres::PgPoolOptions;
use postback_postgres::sqlx::{self, AssertSqlSafe, PgPool};
use postback_postgres::{PostgresStore, sqlx::PgConnection};
use postback_test_servers::Postgres;
use tokio::task::JoinSet;

const PLAYERS: u32 = 100_000;
const SLICE: Duration = Duration::from_millis(250);
const CALLERS: [usize; 3] = [1, 8, 32];

/// The tables of the bare transaction: those of the store, with the same indexes.
const BARE: &str = "CREATE TABLE bare (key text COLLATE \"C\" PRIMARY KEY, version bigint NOT NULL, record json NOT NULL, \
     pending boolean NOT NULL, player text COLLATE \"C\", changed bigint NOT NULL); \
     CREATE INDEX ON bare (key) WHERE pending; CREATE INDEX ON bare (player)";

struct Options {
    seconds: u64,
    prefill: u64,
}

impl Options {
    fn parse() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: u64| {
            let at = arguments.iter().position(|argument| argument == name);
            at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
        };
        Self { seconds: number("--seconds", 10), prefill: number("--prefill", 0) }
    }
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let Some(server) = Postgres::start(&["fsync = on", "max_wal_size = 4GB", "shared_buffers = 512MB"]) else {
        return;
    };
    let process = server.process_id().unwrap();
    let connections = u32::try_from(CALLERS[CALLERS.len() - 1]).unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .connect(&server.create_database())
        .await
        .unwrap();
    let store = PostgresStore::new(pool.clone()).await.unwrap();
    let players = format!(
        "{BARE}; CREATE TABLE players (id text PRIMARY KEY, gems numeric NOT NULL); \
         INSERT INTO players SELECT 'player-' || number, 0 FROM generate_series(0, {PLAYERS}) AS number"
    );
    sqlx::raw_sql(AssertSqlSafe(players)).execute(&pool).await.unwrap();
    compare(process, "empty", &store, &options).await;
    if options.prefill > 0 {
        prefill(&store, options.prefill).await;
        compare(process, &format!("{} conversions", options.prefill), &store, &options).await;
    }
}

/// Copies of a real record under other keys, in random order.
async fn prefill(store: &PostgresStore, count: u64) {
    let event = new_event();
    store_receiver(store).receive(event.clone()).await.unwrap();
    let stored = store.load(&event.key()).await.unwrap().unwrap();
    let record = json::write(&stored.record).unwrap();
    let started = Instant::now();
    for table in ["postback.records", "bare"] {
        let insert = format!(
            "INSERT INTO {table} SELECT 'bitlabs/game/conversion/' || md5(number::text), 1, $1::text::json, false, \
             'player-' || (random() * {PLAYERS})::int, 1700000000000 FROM generate_series(1, {count}) AS number"
        );
        sqlx::query(AssertSqlSafe(insert)).bind(&record).execute(store.pool()).await.unwrap();
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(store.pool()).await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(store.pool()).await.unwrap();
    println!("{count} conversions stored in {:.0?}", started.elapsed());
}

async fn compare(server: u32, title: &str, store: &PostgresStore, options: &Options) {
    println!(
        "{title:22} callers   bare/s  store/s  ratio   bare p50   p99   store p50   p99  ratio of p99   bare CPU  store CPU"
    );
    for callers in CALLERS {
        let (mut bare, mut ours) = (Run::default(), Run::default());
        // In turns, so that whatever else the machine does slows both down alike.
        while bare.elapsed < Duration::from_secs(options.seconds) {
            run(server, store, callers, true, &mut bare).await;
            run(server, store, callers, false, &mut ours).await;
        }
        let (bare, ours) = (bare.finish(), ours.finish());
        println!(
            "{:22} {callers:7} {:8.0} {:8.0} {:6.2} {:9.2} {:6.2} {:10.2} {:6.2} {:9.2} {:14.0} {:10.0}",
            "",
            bare.rate,
            ours.rate,
            ours.rate / bare.rate,
            bare.p50,
            bare.p99,
            ours.p50,
            ours.p99,
            ours.p99 / bare.p99,
            bare.cpu,
            ours.cpu,
        );
    }
}

/// What was measured so far.
#[derive(Default)]
struct Run {
    elapsed: Duration,
    latencies: Vec<Duration>,
    cpu_micros: f64,
}

/// Operations per second, latencies in milliseconds, and the processor time of client and server for an operation in
/// microseconds.
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
}

impl Run {
    fn finish(mut self) -> Figures {
        self.latencies.sort();
        let count = self.latencies.len();
        let at = |share: usize| self.latencies[count * share / 100].as_secs_f64() * 1000.0;
        Figures {
            rate: count as f64 / self.elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            cpu: self.cpu_micros / count as f64,
        }
    }
}

async fn run(server: u32, store: &PostgresStore, callers: usize, is_bare: bool, run: &mut Run) {
    let cpu_before = cpu_micros(server);
    let receiver = store_receiver(store);
    let started = Instant::now();
    let calls: JoinSet<Vec<Duration>> = (0..callers)
        .map(|_| {
            let (receiver, pool) = (receiver.clone(), store.pool().clone());
            async move {
                let mut latencies = Vec::new();
                while started.elapsed() < SLICE {
                    let event = new_event();
                    let began = Instant::now();
                    if is_bare {
                        bare_transaction(&pool, &event).await;
                    } else {
                        let receipt = receiver.receive(event).await.unwrap();
                        assert!(matches!(receipt, Receipt::Settled(_)));
                    }
                    latencies.push(began.elapsed());
                }
                latencies
            }
        })
        .collect();
    for latencies in calls.join_all().await {
        run.latencies.extend(latencies);
    }
    run.elapsed += started.elapsed();
    run.cpu_micros += cpu_micros(server) - cpu_before;
}

/// The processor time that this process and the server's have used, in microseconds.
fn cpu_micros(server: u32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
    let mut processes: Vec<String> = children.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    processes.push("self".to_owned());
    let ticks: u64 = processes
        .iter()
        .map(|process| {
            let text = std::fs::read_to_string(format!("/proc/{process}/stat"));
            let text = text.unwrap_or_default();
            // User and system time, counted from behind the program's name, which may contain spaces.
            let fields = text.rsplit(')').next().unwrap_or_default();
            let numbers = fields.split_whitespace().skip(11).take(2);
            numbers.filter_map(|number| number.parse::<u64>().ok()).sum::<u64>()
        })
        .sum();
    ticks as f64 * 10_000.0
}

fn store_receiver(store: &PostgresStore) -> postback::Receiver<PostgresStore, postback::InTransaction<PostgresStore>> {
    let receiver = store.receiver(|tx, decision| {
        Box::pin(async move {
            let amount = decision.balance_change().to_string();
            pay(tx, decision.player().as_str(), &amount).await?;
            Ok(())
        })
    });
    receiver.without_recovery()
}

async fn pay(tx: &mut PgConnection, player: &str, amount: &str) -> sqlx::Result<()> {
    let update = "UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1";
    sqlx::query(update).bind(player).bind(amount).execute(tx).await.map(drop)
}

/// What a careful backend would do without the library: a unique key, and the payment.
async fn bare_transaction(pool: &PgPool, event: &Verified<Event>) {
    // As long as the record that the store writes.
    let record = format!("{{\"query\":\"{}{:460}\"}}", event.query, "");
    let mut transaction = pool.begin().await.unwrap();
    let insert = "INSERT INTO bare (key, version, record, pending, player, changed) \
         VALUES ($1, 1, $2::text::json, false, $3, $4) ON CONFLICT (key) DO NOTHING";
    let done = sqlx::query(insert)
        .bind(event.key().as_str())
        .bind(record)
        .bind(event.player.as_str())
        .bind(1_700_000_000_000_i64)
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    pay(&mut transaction, event.player.as_str(), "500").await.unwrap();
    transaction.commit().await.unwrap();
}

/// A callback of a random player with a random transaction.
fn new_event() -> Verified<Event> {
    let kind = EventKind::Conversion {
        transaction: format!("{:032x}", fastrand::u128(..)).parse().unwrap(),
        original: None,
        effect: Effect::Completed { amount: 500.into(), milestone: None, reinstates: false },
    };
    let player = format!("player-{}", fastrand::u32(..PLAYERS));
    let (network, app) = ("bitlabs".parse().unwrap(), "game".parse().unwrap());
    let mut event = Event::new(network, app, player.parse().unwrap(), kind);
    event.endpoint = "offers".into();
    event.query = format!("player={player}&gems=500&state=COMPLETED&offer=4711&task=12&name=Raid+Shadow+Legends");
    Verified::assume_genuine(event)
}
