//! The `postback` command, as a user calls it.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use postback::testing::bitlabs::Network;

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const GENUINE: &str = "https://publisher.com/complete?uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500\
    &hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";
const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postback"));
    command
        .args(arguments)
        .env_clear()
        .env("BITLABS_APP_SECRET", SECRET)
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    let output = command(arguments).output().unwrap();
    assert_no_secret(&output);
    output
}

fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_no_secret(&output);
    output
}

fn assert_no_secret(output: &Output) {
    for text in [text(&output.stdout), text(&output.stderr)] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn assert_status(output: &Output, status: i32) {
    assert_eq!(
        output.status.code(),
        Some(status),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

fn offer() -> postback::testing::bitlabs::CallbackBuilder {
    Network::new(SECRET)
        .callback(OFFERS)
        .player("p1")
        .transaction("o233")
        .amount("500")
        .state("COMPLETED")
}

#[test]
fn every_example_in_a_help_runs_as_printed() {
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_postback"))
        .parent()
        .unwrap();
    for (name, status) in [("sign", 0), ("verify", 0), ("explain", 1), ("template", 0)] {
        let help = text(&command(&[name, "--help"]).output().unwrap().stdout);
        assert!(help.contains("Exit status: 0"), "{help}");
        let example = help
            .lines()
            .skip_while(|line| !line.starts_with("Example"))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n");
        let output = Command::new("sh")
            .args(["-c", &example])
            .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
            .env_remove("BITLABS_APP_SECRET")
            .output()
            .unwrap();
        assert_status(&output, status);
    }
}

#[test]
fn what_is_signed_is_genuine() {
    let url = GENUINE.split("&hash=").next().unwrap();
    let output = run(&["sign", url]);
    assert_status(&output, 0);
    assert_eq!(text(&output.stdout).trim(), GENUINE);
    let output = run(&["verify", GENUINE]);
    assert_status(&output, 0);
    assert!(text(&output.stdout).starts_with("genuine"), "{output:?}");
    assert_status(&run(&["verify", &GENUINE.replace("500", "501")]), 1);
}

#[test]
fn what_cannot_be_signed_is_refused_with_what_to_do() {
    for (url, advice) in [
        ("https://a.example/cb", "behind a '?'"),
        ("a.example/cb?x=1", "https://"),
        (GENUINE, "signed already"),
        (OFFERS, "fill them in"),
        ("https://a.example/cb?x=a b", "%20"),
    ] {
        let output = run(&["sign", url]);
        assert_status(&output, 2);
        assert!(text(&output.stderr).contains(advice), "{output:?}");
    }
}

#[test]
fn secrets_come_from_the_environment_or_a_file_and_their_lack_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let file = file.to_str().unwrap();
    assert_status(&run(&["verify", "--secret-file", file, GENUINE]), 0);
    assert_status(
        &run(&["verify", "--secret-env", "BITLABS_APP_SECRET", GENUINE]),
        0,
    );
    let output = run(&["verify", "--secret-env", "NOT_SET", GENUINE]);
    assert_status(&output, 2);
    assert!(text(&output.stderr).contains("NOT_SET is not set"));
    let output = run(&["verify", "--secret-file", "/nowhere", GENUINE]);
    assert_status(&output, 2);
    assert!(text(&output.stderr).contains("--secret-file /nowhere"));
    assert_status(&run(&["verify", "--secret", SECRET]), 2);
}

#[test]
fn a_callback_is_typed_against_the_dashboards_url() {
    let signed = offer().set("OFFER:NAME", "Lords\u{7} <b>").sign();
    for url in [signed.url(), signed.target()] {
        let output = run(&["verify", "--offers-url", OFFERS, url]);
        assert_status(&output, 0);
        let shown = text(&output.stdout);
        for part in ["genuine: completed (COMPLETE) 500", "player", "p1", "o233"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(
            !shown.contains('\u{7}'),
            "a control character reaches the terminal"
        );
    }
    let output = run(&["verify", "--json", "--offers-url", OFFERS, signed.url()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["genuine"], true);
    assert_eq!(json["callback"]["transaction"], "o233");
}

#[test]
fn many_urls_are_read_from_standard_input() {
    let forged = GENUINE.replace("500", "900");
    let output = run_with_input(&["verify", "--json"], &format!("{GENUINE}\n\n{forged}\n"));
    assert_status(&output, 1);
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("\"genuine\":true") && lines[1].contains("\"genuine\":false"));
    assert_status(&run_with_input(&["verify"], &format!("{GENUINE}\n")), 0);
}

#[test]
fn an_access_log_is_read_in_both_formats() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let target = offer().sign().target().to_owned();
    let forged = Network::new("guess").sign_url("https://game.example/callbacks/offers?player=p1");
    let common = |target: &str| {
        format!("10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] \"GET {target} HTTP/1.1\" 200 7")
    };
    let log = [
        common(&target),
        format!("{} \"-\" \"BitLabs/1\"", common(&target)),
        common("/favicon.ico"),
        "junk".to_owned(),
    ]
    .join("\n");
    std::fs::write(&file, &log).unwrap();
    let path = file.to_str().unwrap();
    let arguments = ["verify", "--offers-url", OFFERS, "--access-log", path];
    let output = run(&arguments);
    assert_status(&output, 0);
    assert_eq!(
        text(&output.stdout).matches("genuine: completed").count(),
        2
    );
    assert!(text(&output.stderr).contains("2 other lines skipped"));
    std::fs::write(&file, format!("{log}\n{}", common(forged.target()))).unwrap();
    assert_status(&run(&arguments), 1);
    assert_status(&run(&["verify", "--access-log", path]), 2);
}

#[test]
fn an_explanation_names_the_cause() {
    let output = run(&["explain", &GENUINE.replace("https", "http")]);
    assert_status(&output, 1);
    let shown = text(&output.stdout);
    assert!(shown.contains("1. scheme:"), "{shown}");
    assert!(!shown.contains("dbcd6bb8"), "a signature is shown: {shown}");
    assert_status(&run(&["explain", GENUINE]), 0);
    let output = run(&["explain", "--json", "https://publisher.com/?a=1&hash=00"]);
    assert_status(&output, 1);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"][0]["cause"], "signature malformed");
}

#[test]
fn a_dashboard_url_is_checked() {
    let output = run(&["template", OFFERS]);
    assert_status(&output, 0);
    let shown = text(&output.stdout);
    assert!(shown.contains("offers     can use it"), "{shown}");
    assert!(shown.contains("bans       cannot"), "{shown}");
    let output = run(&[
        "template",
        "https://a.example/cb?uid=[%UID%]&s=[%OFFER:TASK:STATE%]&x=1",
    ]);
    assert_status(&output, 1);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("old vocabulary") && shown.contains("are mixed"),
        "{shown}"
    );
    assert!(
        shown.contains("has no transaction: add tx=[%TX%]"),
        "{shown}"
    );
    assert_status(&run(&["template", "--endpoint", "bans", OFFERS]), 1);
    let output = run(&["template", "https://a.example/cb?tx=[%TX]"]);
    assert_status(&output, 2);
    assert!(text(&output.stderr).contains("type [%TX%]"));
}
