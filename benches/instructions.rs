//! A budget that no busy machine disturbs: how many instructions opening a request takes beyond the hash of
//! the same bytes, counted by valgrind.
//!
//! ```sh
//! cargo bench --bench instructions --features testing,phonexa
//! ```
//!
//! Valgrind knows no SHA instructions, so the hash is counted in software, where it takes thirty times as many. It is
//! the same in a request and in its floor: the difference is what this crate adds. Fails above the budget. Without
//! valgrind it says so and does nothing, unless `POSTBACK_REQUIRE_SERVERS=1` is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(dead_code, reason = "other measurements open more")]

mod opening;

use std::hint::black_box;
use std::process::Command;

use opening::{SECRET, forged, hmac_sha1, offer, offers, opens, refuses, signed_bytes, unsigned};
use postback::testing::bitlabs::Network;

/// What is opened, and how many instructions it may take beyond its hash: a tenth above what was counted.
/// Without a hash nothing is hashed.
const BUDGETS: [(&str, i64); 3] = [("accepted", 9_700), ("forged", 1_300), ("unsigned", 650)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, case, times] = arguments.as_slice()
        && word == "run"
    {
        run(case, times.parse().unwrap());
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED: valgrind is not installed, so no instruction was counted");
        let is_required = std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_some();
        assert!(!is_required, "POSTBACK_REQUIRE_SERVERS is set");
        return;
    }
    let floor = instructions("floor");
    println!("floor: {floor} instructions for the hash, in software\n");
    println!("| case | instructions | beyond the hash | budget |");
    println!("|---|---|---|---|");
    let mut above = Vec::new();
    for (case, budget) in BUDGETS {
        let all = instructions(case);
        let own = if case == "unsigned" { all } else { all - floor };
        println!("| {case} | {all} | {own} | {budget} |");
        if own > budget {
            above.push(case);
        }
    }
    assert!(above.is_empty(), "above its budget: {}", above.join(", "));
}

/// What one run takes: the difference between many runs and more of them, so that starting up does not count.
fn instructions(case: &str) -> i64 {
    (counted(case, 2000) - counted(case, 1000)) / 1000
}

fn counted(case: &str, times: u32) -> i64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["run", case, &times.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (_, count) = said.rsplit_once("Collected : ").expect(&said);
    count.split_whitespace().next().unwrap().parse().unwrap()
}

fn run(case: &str, times: u32) {
    let network = Network::new(SECRET);
    let genuine = offer(&network);
    let work: Box<dyn Fn()> = match case {
        "floor" => {
            let hash = hmac_sha1(signed_bytes(genuine.url()));
            Box::new(move || {
                black_box(hash());
            })
        }
        "accepted" => Box::new(opens(offers(SECRET), genuine.target().to_owned())),
        "forged" => Box::new(refuses(offers(SECRET), forged(&network))),
        "unsigned" => Box::new(refuses(offers(SECRET), unsigned(&network))),
        other => panic!("no such case: {other}"),
    };
    for _ in 0..times {
        work();
    }
}
