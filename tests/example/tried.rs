//! The lines that the program prints for its user, tried as they are printed.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::backend::{Backend, Place};
use crate::http;

/// The printed `curl` lines, in order.
fn curl_lines(backend: &Backend) -> Vec<String> {
    backend.line("Ctrl-C ends it.");
    let mut lines = backend.lines();
    lines.retain(|line| line.starts_with("curl "));
    lines
}

/// The request target in a line.
fn target<'l>(backend: &Backend, line: &'l str) -> &'l str {
    let prefix = format!("http://{}", backend.address());
    let url = line.split('\'').nth(1).unwrap();
    url.strip_prefix(&prefix).unwrap()
}

/// What the lines must have led to.
fn is_as_documented(account: &Value) {
    assert_eq!(account["player"], "demo");
    assert_eq!(
        account["balance"], "550",
        "500 for the offer, 50 for the purchase"
    );
    assert_eq!(account["pending"], "0", "reconciled");
    assert_eq!(account["banned"], true);
    let history: Vec<_> = account["history"].as_array().unwrap().iter().collect();
    let kinds: Vec<_> = history
        .iter()
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["reward", "pending", "rejected", "reward", "ban"]);
    let amounts: Vec<_> = history.iter().map(|line| line["amount"].as_str()).collect();
    assert_eq!(amounts, [Some("500"), Some("300"), None, Some("50"), None]);
    assert!(history.iter().all(|line| line["id"].is_string()));
}

#[test]
fn the_printed_lines_lead_to_the_documented_wallet() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let lines = curl_lines(&backend);
    let answers: Vec<_> = lines
        .iter()
        .map(|line| backend.get(target(&backend, line)))
        .collect();
    let bodies: Vec<_> = answers.iter().map(http::Answer::status_and_body).collect();
    let settled = (200, "settled");
    assert_eq!(
        bodies[..6],
        [
            settled,
            (200, "duplicate"),
            settled,
            settled,
            settled,
            settled
        ]
    );
    assert_eq!(lines.len(), 7);
    is_as_documented(&serde_json::from_str(&answers[6].body).unwrap());
}

#[cfg(unix)]
#[test]
fn the_printed_lines_work_when_pasted_into_a_shell() {
    let curl = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !curl.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: curl is not installed; the test with raw sockets tries the same lines");
        return;
    }
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let mut said = String::new();
    for line in curl_lines(&backend) {
        // Loopback, whatever proxy this machine is set to use.
        let output = Command::new("sh")
            .env("NO_PROXY", "*")
            .args(["-c", &line])
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        said = String::from_utf8(output.stdout).unwrap();
        if line.starts_with("curl -i") {
            assert!(said.starts_with("HTTP/1.1 200 OK"), "{line}: {said}");
        }
    }
    is_as_documented(&serde_json::from_str(&said).unwrap());
}

#[test]
fn the_lines_of_a_second_start_are_no_duplicates() {
    let place = Place::new();
    for balance in ["500", "1000"] {
        let backend = Backend::start(&place.file());
        let lines = curl_lines(&backend);
        let answer = backend.get(target(&backend, &lines[0]));
        assert_eq!(answer.status_and_body(), (200, "settled"));
        assert_eq!(backend.player("demo")["balance"], balance);
        // The transactions are named by the second in which the program started.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }
}

#[test]
fn a_player_nobody_knows_has_an_empty_account() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let account = backend.player("nobody%20%2F%20%C3%A9");
    let empty = serde_json::json!({
        "player": "nobody / é", "balance": "0", "pending": "0", "banned": false, "history": []
    });
    assert_eq!(account, empty);
    assert_eq!(backend.get("/callbacks").status, 404);
    assert_eq!(backend.get("/").status, 404);
}
