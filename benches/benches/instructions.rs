//! A budget that no busy machine disturbs: the instructions that verification takes beyond the keyed hash of the same
//! bytes, counted by valgrind. Fails above the budget.
//!
//! ```console
//! $ cargo bench -p postback-benches --bench instructions
//! ```
//!
//! Without valgrind it says so and does nothing, unless `POSTBACK_REQUIRE_SERVERS=1` is set.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::process::Command;

use postback::{Endpoint as _, Request};
use postback_benches::{Floor, forged, genuine, offers};

/// The cases and their budgets: a tenth above what was counted.
const BUDGETS: [(&str, i64); 2] = [("genuine", 15_100), ("forged", 1_130)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, case, times] = arguments.as_slice()
        && word == "run"
    {
        return run(case, times.parse().unwrap());
    }
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        assert!(std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_none(), "valgrind is required");
        println!("skipped: valgrind is not installed, so no instruction was counted");
        return;
    }
    let floor = instructions("floor");
    println!("| case | instructions | beyond the hash ({floor}) | budget |\n|---|---|---|---|");
    for (case, budget) in BUDGETS {
        let all = instructions(case);
        println!("| {case} | {all} | {} | {budget} |", all - floor);
        assert!(all - floor <= budget, "{case} is above its budget");
    }
}

/// What one run takes: the difference between many runs and more of them, so that startup does not count.
fn instructions(case: &str) -> i64 {
    (count(case, 2000) - count(case, 1000)) / 1000
}

fn count(case: &str, times: u32) -> i64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["run", case, &times.to_string()])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let (_, counted) = printed.rsplit_once("Collected : ").unwrap();
    counted.split_whitespace().next().unwrap().parse().unwrap()
}

fn run(case: &str, times: u32) {
    let endpoint = offers().unwrap();
    let (floor, genuine, forged) = (Floor::new(), genuine("o1"), forged("o1"));
    for _ in 0..times {
        match case {
            "floor" => {
                black_box(floor.run());
            }
            "genuine" => drop(black_box(endpoint.verify(&Request::get(&genuine)).unwrap())),
            "forged" => drop(black_box(endpoint.verify(&Request::get(&forged)).unwrap_err())),
            other => panic!("unknown case {other}"),
        }
    }
}
