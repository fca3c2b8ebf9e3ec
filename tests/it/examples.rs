//! The examples, started as their headers say and used from outside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postback::testing::bitlabs::Signer;
use sha2::{Digest as _, Sha256};

const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

/// A running example. Killed when dropped.
struct Example {
    process: Child,
    address: String,
}

impl Example {
    fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut process = command(name)
            .envs(environment.iter().copied())
            .env("POSTBACK_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the example ended early").unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.to_owned();
            }
        };
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    fn get(&self, target: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: game.example\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(name: &str) -> Command {
    let mut command = Command::new(path(name));
    for variable in ["POSTBACK_DEMO", "POSTBACK_DB", "BITLABS_APP_SECRET", "BITLABS_OFFERS_URL", "ACME_SECRET"] {
        command.env_remove(variable);
    }
    command
}

/// Examples are built next to the tests.
fn path(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    let path = target.join("examples").join(name);
    assert!(path.exists(), "build the examples first: cargo build --examples --all-features");
    path
}

#[test]
fn receivers_pay_once_and_survive_being_killed() {
    for name in ["axum_receiver", "actix_receiver"] {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("game.db");
        let environment = [
            ("POSTBACK_DB", database.to_str().unwrap()),
            ("BITLABS_APP_SECRET", "old secret,new secret"),
            ("BITLABS_OFFERS_URL", OFFERS),
        ];
        let offer = |secret: &str, state: &str, gems: &str| {
            let values = [("player", "p1"), ("tx", "o1"), ("state", state), ("gems", gems)];
            Signer::new(secret, OFFERS).sign(&values).target()
        };
        let example = Example::start(name, &environment);
        assert_eq!(example.get("/health"), (200, "ok".into()), "{name}");
        assert_eq!(example.get("/players/p1"), (200, r#"{"balance":"0","banned":false}"#.into()));
        assert_eq!(example.get(&offer("old secret", "COMPLETED", "500")), (200, "settled".into()));
        drop(example);

        let example = Example::start(name, &environment);
        assert_eq!(example.get(&offer("new secret", "COMPLETED", "500")), (200, "duplicate".into()), "{name}");
        assert_eq!(example.get(&offer("new secret", "RECONCILED", "0.5")), (200, "settled".into()));
        assert_eq!(example.get(&offer("guessed secret", "COMPLETED", "500")).0, 403);
        let survey = "https://game.example/callbacks/surveys?player=p1&tx=77&gems=20&usd=0.1&type=COMPLETE&ref=";
        assert_eq!(example.get(&Signer::new("new secret", survey).sign_url(survey).target()).0, 200);
        let ban = "https://game.example/callbacks/bans?player=p1&ban_reason=fraud&ban_status=BANNED";
        assert_eq!(example.get(&Signer::new("new secret", ban).sign_url(ban).target()).0, 200);
        assert_eq!(example.get("/players/p1"), (200, r#"{"balance":"519.5","banned":true}"#.into()));
    }
}

#[test]
fn receivers_do_not_start_without_a_secret() {
    for name in ["axum_receiver", "actix_receiver"] {
        let output = command(name).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("set BITLABS_APP_SECRET"), "{name}");
    }
}

#[test]
fn demo_prints_requests_that_are_paid() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = command("axum_receiver")
        .env("POSTBACK_DEMO", "1")
        .env("POSTBACK_LISTEN", "127.0.0.1:0")
        .env("POSTBACK_DB", folder.path().join("game.db"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().strip_prefix("listening on http://").unwrap().to_owned();
    let mut targets = Vec::new();
    for line in lines.by_ref() {
        if let Some(url) = line.strip_prefix("curl -i '") {
            let target = url.trim_end_matches('\'').split_once(&address).unwrap().1;
            targets.push(target.to_owned());
        }
        if line.ends_with("/players/demo") {
            break;
        }
    }
    let example = Example { process, address };
    assert_eq!(targets.len(), 3);
    for target in &targets {
        assert_eq!(example.get(target), (200, "settled".into()));
    }
    assert_eq!(example.get(&targets[0]), (200, "duplicate".into()));
    assert_eq!(example.get("/players/demo").1, r#"{"balance":"300","banned":false}"#);
}

#[test]
fn verify_only_calls_its_handler_for_genuine_callbacks() {
    let example = Example::start("verify_only", &[("BITLABS_APP_SECRET", "secret")]);
    let url = "https://game.example/offers?player=p1&tx=o1&gems=500&state=COMPLETED&ref=&name=";
    let target = Signer::new("secret", url).sign_url(url).target();
    assert_eq!(example.get(&target), (200, "ok".into()));
    assert_eq!(example.get(&target.replace("500", "900")).0, 403);
}

#[test]
fn custom_network_pays_and_takes_back() {
    let example = Example::start("custom_network", &[("ACME_SECRET", "acme secret")]);
    let target = |status: &str| {
        let digest = Sha256::digest(format!("p1:t1:500:{status}:acme secret"));
        let sig: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("/callbacks/acme?user=p1&tx=t1&coins=500&status={status}&sig={sig}")
    };
    assert_eq!(example.get(&target("1")), (200, "OK".into()));
    assert_eq!(example.get(&target("1")), (200, "DUP".into()));
    assert_eq!(example.get(&target("2")), (200, "OK".into()));
    assert_eq!(example.get(&target("1").replace("coins=500", "coins=900")).0, 403);
}

#[test]
fn custom_store_keeps_every_promise() {
    let output = command("custom_store").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the store keeps every promise"));
}
