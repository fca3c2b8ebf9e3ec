//! Does the time of a verification tell how many leading digits of a hash were right?
//!
//! ```sh
//! cargo bench --bench timing
//! ```
//!
//! After dudect: two classes of forged hashes in random alternation, a Welch t-test between their times.
//! One class has no right digit at its beginning, the other as many as said.
//! Below 4.5 nothing is seen. So that the test is known to be able to fail, the same is measured of the
//! same verification followed by a comparison that stops at the first difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

use std::hint::black_box;
use std::time::Instant;

use postback::testing::bitlabs::Network;
use postback::wire::{Algorithm, Encoding, Secret, SignatureScheme, Verifier};

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const PREFIX: &str = "https://game.example/callbacks/offers";
const SAMPLES: usize = 1_000_000;
const BATCH: usize = 1000;
/// What dudect takes for certain.
const SEEN: f64 = 4.5;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }

    fn hex_digit(&mut self) -> char {
        char::from(b"0123456789abcdef"[self.below(16)])
    }
}

/// Stops at the first difference, as nobody should.
fn early_exit(given: &str, right: &str) -> bool {
    for (a, b) in given.bytes().zip(right.bytes()) {
        if black_box(a) != black_box(b) {
            return false;
        }
    }
    true
}

/// One verification, prepared: the class that it belongs to, the query, and the right hash.
struct Trial {
    class: usize,
    query: String,
    right: String,
}

/// Messages and wrong digits are never the same twice: a processor that remembers texts by their branches
/// would be quicker at those that it has seen, and that is no secret's doing.
fn trial(network: &Network, numbers: &mut Numbers, digits: usize) -> Trial {
    let number = numbers.below(100_000_000);
    let signed = network.sign_url(&format!(
        "{PREFIX}?player=player-7&tx=o{number:08}&gems=500&usd=2.50&state=COMPLETED&ref=&name=Lords%20Mobile"
    ));
    let right = signed.hash();
    let class = numbers.below(2);
    let kept = [0, digits][class];
    let mut query = signed.query().to_owned();
    query.truncate(query.len() - right.len() + kept);
    let first_wrong = loop {
        let digit = numbers.hex_digit();
        if !right[kept..].starts_with(digit) {
            break digit;
        }
    };
    query.push(first_wrong);
    for _ in kept + 1..right.len() {
        query.push(numbers.hex_digit());
    }
    Trial {
        class,
        query,
        right: right.to_owned(),
    }
}

/// The times of both classes: no digit right, and this many.
fn measure(digits: usize, stops_early: bool) -> [Vec<f64>; 2] {
    let network = Network::new(SECRET);
    let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
    let verifier = Verifier::new(scheme, &Secret::new(SECRET).unwrap().into(), [PREFIX]);
    let mut numbers = Numbers(0x5eed_0003);
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    let (mut query, mut hash) = (String::with_capacity(512), String::with_capacity(512));
    let mut measured = [0_u32; BATCH];
    for _ in 0..2 * SAMPLES / BATCH {
        // Prepared beforehand: nothing that runs between two measurements depends on the class.
        let trials: Vec<Trial> = (0..BATCH)
            .map(|_| trial(&network, &mut numbers, digits))
            .collect();
        for (time, trial) in measured.iter_mut().zip(&trials) {
            // Always the same places in memory.
            for (place, text) in [(&mut query, &trial.query), (&mut hash, &trial.right)] {
                place.clear();
                place.push_str(text);
                black_box(place.bytes().map(u64::from).sum::<u64>());
            }
            let given = &query[query.len() - hash.len()..];
            let start = Instant::now();
            let outcome = black_box(verifier.verify(black_box(&query)));
            if stops_early {
                black_box(early_exit(black_box(given), black_box(&hash)));
            }
            let elapsed = start.elapsed();
            assert!(outcome.is_err());
            *time = u32::try_from(elapsed.as_nanos()).unwrap_or(u32::MAX);
        }
        for (time, trial) in measured.iter().zip(&trials) {
            times[trial.class].push(f64::from(*time));
        }
    }
    times
}

fn welch(a: &[f64], b: &[f64]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    (mean_b - mean_a) / (error_a + error_b).sqrt()
}

/// The t-statistic furthest from zero, over several limits above which times are left out as disturbed.
fn furthest(times: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let statistic = |percent: usize| {
        let limit = all[(all.len() - 1) * percent / 100];
        let kept = |class: &Vec<f64>| {
            class
                .iter()
                .copied()
                .filter(|time| *time <= limit)
                .collect::<Vec<_>>()
        };
        welch(&kept(&times[0]), &kept(&times[1]))
    };
    let statistics = [50, 75, 90, 99].map(statistic);
    statistics
        .into_iter()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap()
}

fn main() {
    println!("{SAMPLES} verifications in each class; |t| below {SEEN}: no difference is seen\n");
    println!("right digits | t, verifier | t, comparison that stops early");
    let (mut worst, mut control) = (0.0_f64, 0.0_f64);
    for digits in [2, 20, 39] {
        let verifier = furthest(&measure(digits, false));
        let early = furthest(&measure(digits, true));
        println!("{digits:12} | {verifier:11.2} | {early:.2}");
        worst = worst.max(verifier.abs());
        control = control.max(early.abs());
    }
    assert!(
        control > SEEN,
        "the test cannot see a comparison that stops early"
    );
    assert!(
        worst < SEEN,
        "the time of a verification tells how many digits were right"
    );
}
