//! How long verifying and typing a callback takes, next to the keyed hash of the same bytes.
//!
//! ```console
//! $ cargo bench -p postback-benches --bench verify
//! ```
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use postback::{Endpoint as _, Request};
use postback_benches::{Floor, forged, genuine, offers};

const ROUNDS: usize = 15;
const TIMES: u32 = 20_000;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let endpoint = offers().unwrap();
    let (floor, genuine, forged) = (Floor::new(), genuine("o1"), forged("o1"));
    let mut rows: [(&str, Vec<Duration>); 4] =
        [("hmac", vec![]), ("verify", vec![]), ("verify and to event", vec![]), ("forged", vec![])];
    for _ in 0..ROUNDS {
        rows[0].1.push(time(|| {
            black_box(floor.run());
        }));
        rows[1].1.push(time(|| drop(black_box(endpoint.verify(&Request::get(&genuine)).unwrap()))));
        rows[2].1.push(time(|| {
            let callback = endpoint.verify(&Request::get(&genuine)).unwrap();
            drop(black_box(postback::Verified::<postback::Event>::from(callback)));
        }));
        rows[3].1.push(time(|| drop(black_box(endpoint.verify(&Request::get(&forged)).unwrap_err()))));
    }
    let base = median(&mut rows[0].1);
    println!("| case | time | times the hash |\n|---|---|---|");
    for (case, times) in &mut rows {
        let median = median(times);
        println!("| {case} | {median:?} | {:.2} |", median.as_secs_f64() / base.as_secs_f64());
    }
}

fn time(work: impl Fn()) -> Duration {
    let began = Instant::now();
    for _ in 0..TIMES {
        work();
    }
    began.elapsed() / TIMES
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
