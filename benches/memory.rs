//! Does memory stay flat over a million callbacks and more?
//!
//! ```sh
//! cargo bench --bench memory --features sqlite,testing            # 1 million
//! POSTBACK_CALLBACKS=5000000 cargo bench --bench memory --features sqlite,testing
//! ```
//!
//! New conversions, repetitions, reconciliations and forgeries, opened and received over a SQLite file
//! with the wallet in the same transaction. After a quarter of them has warmed caches up, memory must
//! not grow by more than the tolerance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

use std::time::Instant;

use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::decision::Decision;
use postback::receiver::Receive;
use postback::source::{Callback, Source};
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};
use postback::testing::bitlabs::Network;
use postback::wire::{KeyRing, Request};

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const URL: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const CALLERS: u64 = 128;
const SAMPLES: u64 = 20;
/// What the allocator and the runtime may still take after a quarter of the run.
const TOLERATED_KIB: u64 = 8 * 1024;

/// Resident memory in KiB: all of it, and what is not backed by a file.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("RssAnon:"))
}

/// Of ten callbacks, six are new, two repeat, one reconciles and one is forged.
async fn call(endpoint: &Endpoint<OfferCallback>, receiver: &SqliteReceiver, number: u64) {
    let tens = number / 10 * 10;
    let (transaction, state, gems) = match number % 10 {
        kind @ 6..=7 => (tens + kind - 6, "COMPLETED", "500"),
        8 => (tens, "RECONCILED", "500"),
        _ => (number, "COMPLETED", "500"),
    };
    let secret = if number % 10 == 9 {
        "somebody else's"
    } else {
        SECRET
    };
    let player = transaction % 1000;
    let callback = Network::new(secret)
        .callback(URL)
        .player(format!("player-{player}"))
        .transaction(format!("o{transaction}"));
    let signed = callback
        .state(state)
        .amount(gems)
        .set("OFFER:NAME", "Lords Mobile")
        .sign();
    let opened = endpoint.open(&Request::get(signed.target()));
    assert_eq!(opened.is_err(), number % 10 == 9);
    if let Ok(callback) = opened {
        receiver.receive(callback.event()).await.unwrap();
    }
}

fn main() {
    let wanted = std::env::var("POSTBACK_CALLBACKS")
        .ok()
        .and_then(|count| count.parse().ok());
    let callbacks: u64 = wanted.unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let peaks = runtime.block_on(async {
        let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
        store
            .write(|db| {
                db.execute_batch(
                    "CREATE TABLE wallet (id TEXT PRIMARY KEY, change TEXT NOT NULL) STRICT",
                )
            })
            .await
            .unwrap();
        let receiver = store.receiver(|db: &InTransaction<'_>, decision: &Decision| {
            let change = decision.balance_change().to_string();
            db.prepare_cached("INSERT INTO wallet VALUES (?1, ?2)")?
                .execute([decision.id().as_str(), &change])?;
            Ok(())
        });
        let app = App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap();
        let endpoint = app.offers(URL).build().unwrap();
        println!("callbacks | resident KiB | not backed by a file | callbacks/s");
        let mut samples = Vec::new();
        for sample in 0..SAMPLES {
            let start = Instant::now();
            let range = callbacks * sample / SAMPLES..callbacks * (sample + 1) / SAMPLES;
            let count = u32::try_from(range.end - range.start).unwrap();
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let (endpoint, receiver, range) =
                        (endpoint.clone(), receiver.clone(), range.clone());
                    tokio::spawn(async move {
                        for tens in (range.start / 10..range.end / 10)
                            .filter(|tens| tens % CALLERS == caller)
                        {
                            for number in tens * 10..tens * 10 + 10 {
                                call(&endpoint, &receiver, number).await;
                            }
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
            let (all, anonymous) = resident();
            let rate = f64::from(count) / start.elapsed().as_secs_f64();
            println!("{:9} | {all:12} | {anonymous:20} | {rate:.0}", range.end);
            samples.push(anonymous);
        }
        store.close().await;
        samples
    });
    let warm = usize::try_from(SAMPLES / 4).unwrap();
    let before = peaks[..warm].iter().max().unwrap();
    let after = peaks[warm..].iter().max().unwrap();
    println!("\nmost in the first quarter {before} KiB, afterwards {after} KiB");
    assert!(*after <= before + TOLERATED_KIB, "memory grows");
}
