//! `postback play`: green against the examples, and not against receivers with the faults of the field.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod faulty;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use faulty::Fault;

const SECRET: &str = "demo-secret-do-not-use";
const TOKEN: &str = "phonexa-token-of-the-test";

fn command(to: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postback"));
    command
        .args(["play", "--to", to])
        .args(arguments)
        .env_clear()
        .env("BITLABS_APP_SECRET", SECRET);
    command
}

fn play(to: &str, arguments: &[&str]) -> Output {
    command(to, arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    text
}

fn assert_status(output: &Output, status: i32) {
    assert_eq!(output.status.code(), Some(status), "{}", text(output));
}

/// A running example; ends with the test.
struct Example {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Example {
    fn start(name: &str) -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_postback"))
            .parent()
            .unwrap()
            .join("examples")
            .join(name);
        assert!(
            built.exists(),
            "{} is not built: run `cargo build --example {name} --all-features`",
            built.display()
        );
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(built)
            .env_clear()
            .env("POSTBACK_LISTEN", "127.0.0.1:0")
            .env("POSTBACK_DB", directory.path().join("game.db"))
            .env("PHONEXA_TOKEN", TOKEN)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap()
            .trim_end_matches(';')
            .to_owned();
        // Its greeting must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            _directory: directory,
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn every_scenario_is_green_against(example: &str) {
    let example = Example::start(example);
    let all = || {
        command(&example.address, &["all"])
            .env("PHONEXA_TOKEN", TOKEN)
            .output()
            .unwrap()
    };
    let output = all();
    assert_status(&output, 0);
    let shown = text(&output);
    assert!(shown.contains("all as expected"), "{shown}");
    assert!(
        !shown.contains("Only answers") && !shown.contains("left out"),
        "{shown}"
    );
    // Again: no scenario depends on what an earlier run left.
    assert_status(&all(), 0);
    let load = play(
        &example.address,
        &["duplicates", "--count", "20", "--rate", "200"],
    );
    assert_status(&load, 0);
    assert!(text(&load).contains("180 callbacks"), "{}", text(&load));
}

#[test]
fn every_scenario_is_green_against_the_axum_example() {
    every_scenario_is_green_against("axum_receiver");
}

#[cfg(feature = "actix-web")]
#[test]
fn every_scenario_is_green_against_the_actix_example() {
    every_scenario_is_green_against("actix_receiver");
}

#[test]
fn the_example_in_the_help_runs_as_printed() {
    let example = Example::start("axum_receiver");
    let binary = Path::new(env!("CARGO_BIN_EXE_postback"));
    let help = Command::new(binary)
        .args(["play", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Exit status: 0"), "{help}");
    let line = help
        .lines()
        .skip_while(|line| !line.starts_with("Example"))
        .nth(1)
        .unwrap();
    // But for the port, which may be taken here.
    let line = line.replace("http://127.0.0.1:8080", &example.address);
    let output = Command::new("sh")
        .args(["-c", &line])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", binary.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    assert_status(&output, 0);
}

/// The faults that the field's receivers have, each in a receiver that is right otherwise.
#[test]
fn faulty_receivers_are_found_by_their_wallet_or_their_answers() {
    for (fault, rule) in [
        (None, None),
        (Some(Fault::PaysPending), Some("PENDING never pays")),
        (
            Some(Fault::DeduplicatesOnTransactionOnly),
            Some("deduplicate on TX and state"),
        ),
        (
            Some(Fault::IgnoresReference),
            Some("takes back from the transaction in REF"),
        ),
        (
            Some(Fault::RefusesNegativeAmounts),
            Some("below zero takes back, and is answered 200"),
        ),
    ] {
        let receiver = faulty::Receiving::start(SECRET, fault);
        let output = play(&receiver.address, &["all", "--speed", "50000"]);
        let shown = text(&output);
        assert_status(&output, i32::from(fault.is_some()));
        if let Some(rule) = rule {
            assert!(
                shown.contains(&format!("WRONG: {rule}"))
                    || shown.contains(rule) && shown.contains("WRONG"),
                "{fault:?}: {shown}"
            );
        } else {
            assert!(shown.contains("all as expected"), "{shown}");
        }
    }
}

#[test]
fn without_a_statement_it_is_said_that_only_answers_are_checked() {
    let receiver = faulty::Receiving::start(SECRET, Some(Fault::PaysPending));
    let output = play(
        &format!("{}/prefix", receiver.address),
        &["offer-completed", "--speed", "50000"],
    );
    assert!(
        text(&output).contains("Only answers are checked"),
        "{}",
        text(&output)
    );
    assert_status(&output, 1);
}

#[test]
fn what_cannot_be_played_is_refused_with_what_to_do() {
    for (to, arguments, advice) in [
        (
            "https://127.0.0.1:1",
            &["all"][..],
            "must begin with http://",
        ),
        ("http://192.0.2.1:80", &["all"], "--allow-remote"),
        ("http://127.0.0.1:1", &["all"], "nobody listens"),
        ("http://127.0.0.1:1", &["nonsense"], "possible values"),
        (
            "http://127.0.0.1:1",
            &["all", "--statement-url", "http://127.0.0.1/x"],
            "must hold {player}",
        ),
    ] {
        let output = play(to, arguments);
        assert_status(&output, 2);
        assert!(text(&output).contains(advice), "{}", text(&output));
    }
}
