//! Does the time of a verification tell how many leading digits of a hash were right?
//!
//! ```sh
//! cargo bench --bench timing
//! ```
//!
//! After dudect: two classes of forged hashes in random alternation, a Welch t-test between their times.
//! One class has no right digits to speak of (it is another message's hash), the other as many as said.
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
const MESSAGES: usize = 4096;
const SAMPLES: usize = 2_000_000;
/// What dudect takes for certain.
const SEEN: f64 = 4.5;

struct Message {
    query: String,
    hash: String,
}

fn messages() -> Vec<Message> {
    let network = Network::new(SECRET);
    let message = |number| {
        let query = format!(
            "player=player-7&tx=o{number:08}&gems=500&usd=2.50&state=COMPLETED&ref=&name=Lords%20Mobile"
        );
        let hash = network
            .sign_url(&format!("{PREFIX}?{query}"))
            .hash()
            .to_owned();
        Message { query, hash }
    };
    (0..MESSAGES).map(message).collect()
}

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
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

/// The times of both classes: no digit right, and this many.
fn measure(digits: usize, stops_early: bool) -> [Vec<f64>; 2] {
    let messages = messages();
    let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
    let verifier = Verifier::new(scheme, &Secret::new(SECRET).unwrap().into(), [PREFIX]);
    let mut numbers = Numbers(0x5eed_0003);
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    // Always the same places in memory, each filled in one go: how a text was put together must not show.
    let (mut scratch, mut query, mut hash) = (String::new(), String::new(), String::new());
    for _ in 0..2 * SAMPLES {
        let message = &messages[numbers.below(MESSAGES)];
        // Hashes of other messages: both classes look alike but for where they are right.
        let other = &messages[numbers.below(MESSAGES)].hash;
        let class = numbers.below(2);
        let right = [0, digits][class];
        scratch.clear();
        scratch.push_str(&message.query);
        scratch.push_str("&hash=");
        scratch.push_str(&message.hash[..right]);
        scratch.push(other_digit(
            &message.hash[right..=right],
            &other[right..=right],
        ));
        scratch.push_str(&other[right + 1..]);
        for (place, text) in [(&mut query, &scratch), (&mut hash, &message.hash)] {
            place.clear();
            place.push_str(text);
            black_box(place.bytes().map(u64::from).sum::<u64>());
        }
        let given = &query[query.len() - hash.len()..];
        let start = Instant::now();
        let verified = black_box(verifier.verify(black_box(&query)));
        if stops_early {
            black_box(early_exit(black_box(given), black_box(&hash)));
        }
        let time = start.elapsed();
        assert!(verified.is_err());
        times[class].push(f64::from(
            u32::try_from(time.as_nanos()).unwrap_or(u32::MAX),
        ));
    }
    times
}

/// The wanted digit, unless it is the right one.
fn other_digit(right: &str, wanted: &str) -> char {
    let digit = if wanted != right {
        wanted
    } else if right == "7" {
        "8"
    } else {
        "7"
    };
    char::from(digit.as_bytes()[0])
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
