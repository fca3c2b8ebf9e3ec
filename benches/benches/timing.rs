//! Whether the time to reject a forged callback reveals how much of its signature is right: Welch's t-test, after
//! "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017).
//!
//! ```console
//! $ cargo bench -p postback-benches --bench timing
//! ```
//!
//! Two classes of forged callbacks are timed in random order: one with a signature that is wrong in its first digit,
//! one that is wrong in its last. Values of |t| below 4.5 show no difference. A comparison that stops at the first wrong
//! byte is measured in the same way, to show that the method would find one.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement fails by panicking"
)]
#![allow(missing_docs, reason = "a program")]

use std::hash::{BuildHasher as _, RandomState};
use std::hint::black_box;
use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use postback::{Endpoint as _, Request};
use postback_benches::{SECRET, genuine, offers};
use sha1::Sha1;

const TIMES: usize = 1_000_000;
const ROUNDS: usize = 3;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let endpoint = offers().unwrap();
    let target = genuine("o1");
    let forged = [0, 39].map(|place| change_digit(&target, place));
    println!("| compared | |t|, median and largest of {ROUNDS} rounds |\n|---|---|");
    report("by the endpoint", || {
        t_value(&forged, |target| drop(black_box(endpoint.verify(&Request::get(target)).unwrap_err())))
    });
    report("up to the first wrong byte", || {
        t_value(&forged, |target| {
            black_box(stops_early(target));
        })
    });
}

fn report(what: &str, measure: impl Fn() -> f64) {
    let mut values: Vec<f64> = (0..ROUNDS).map(|_| measure().abs()).collect();
    values.sort_by(f64::total_cmp);
    println!("| {what} | {:.1}, {:.1} |", values[ROUNDS / 2], values[ROUNDS - 1]);
}

/// The target with another digit at this place of its signature: a number for a number, a letter for a letter, because
/// reading them may take different times.
fn change_digit(target: &str, place: usize) -> String {
    let (signed, signature) = target.rsplit_once('=').unwrap();
    let mut digits = signature.as_bytes().to_vec();
    digits[place] = match digits[place] {
        b'0' => b'1',
        b'1'..=b'9' => b'0',
        b'a' => b'b',
        _ => b'a',
    };
    format!("{signed}={}", String::from_utf8(digits).unwrap())
}

/// What must not be written: it compares the digits in order and stops.
fn stops_early(target: &str) -> bool {
    let (signed, signature) = target.rsplit_once("&hash=").unwrap();
    let mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    let value = mac.chain_update("https://game.example").chain_update(signed).finalize().into_bytes();
    let expected = value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    expected.zip(signature.chars()).all(|(digit, given)| given.to_digit(16) == Some(digit.into()))
}

/// Welch's t of the times of two classes, without the slowest tenth of all: interruptions.
fn t_value(classes: &[String; 2], reject: impl Fn(&str)) -> f64 {
    let random = RandomState::new();
    let mut times: [Vec<f64>; 2] = [Vec::with_capacity(TIMES), Vec::with_capacity(TIMES)];
    let mut all = Vec::with_capacity(TIMES);
    // One place in memory for both, because the time depends on it.
    let mut target = String::with_capacity(classes[0].len());
    for turn in 0..TIMES {
        let class = usize::from(random.hash_one(turn) & 1 == 1);
        target.clear();
        target.push_str(&classes[class]);
        let began = Instant::now();
        reject(black_box(&target));
        let nanoseconds = began.elapsed().as_nanos() as f64;
        times[class].push(nanoseconds);
        all.push(nanoseconds);
    }
    all.sort_by(f64::total_cmp);
    let limit = all[TIMES / 10 * 9];
    let moments = times.map(|times| {
        let kept: Vec<f64> = times.into_iter().filter(|time| *time <= limit).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    let [(first, of_first), (second, of_second)] = moments;
    (first - second) / (of_first + of_second).sqrt()
}
