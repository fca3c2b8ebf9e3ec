//! The verifier and the signer against an implementation of its own in Python, which reads the same descriptions.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Network, SECRET, every_preset, is_genuine};
use postback::network::Role;
use postback::testing::described::SentCallback;
use postback::{Endpoint as _, Request};
use postback_test_servers::{Running, skip};

struct Python {
    _child: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// `None` if there is no Python 3.11: the vectors hold everywhere.
    fn start() -> Option<Self> {
        let has_toml = Command::new("python3").args(["-c", "import tomllib"]).status();
        if !has_toml.is_ok_and(|status| status.success()) {
            skip("Python 3.11 is not installed");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/networks.py");
        let mut command = Command::new("python3");
        let mut child = Running::start(command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()));
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { _child: child, input, output })
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "Python failed at {command}");
        serde_json::from_str(&line).unwrap()
    }

    fn verifies(&mut self, network: &Network, sent: &SentCallback) -> bool {
        let command = json!({
            "op": "verify",
            "network": network.description.name().as_str(),
            "url": network.url,
            "secret": SECRET,
            "method": sent.method(),
            "target": sent.target(),
            "headers": sent.headers(),
            "body": std::str::from_utf8(sent.body()).unwrap(),
        });
        self.ask(&command)["genuine"].as_bool().unwrap()
    }
}

/// Values that encoders treat differently.
const TRICKY: [&str; 4] = ["plain", "a b+c~d*e", "Lords & Mobile = 100% é", "日本/?#[]@!$'()"];

#[test]
fn python_verifies_what_the_signer_sends() {
    let Some(mut python) = Python::start() else { return };
    for network in every_preset() {
        for player in TRICKY {
            let sent = network.draft("t1").player(player).sign();
            assert!(python.verifies(&network, &sent), "{} {player}", network.description.name());
            // Both agree on a forgery, too.
            let forged = sent.clone().with_target(sent.target().replace("500", "900"));
            let forged = forged.with_body(String::from_utf8(sent.body().to_vec()).unwrap().replace("500", "900"));
            assert_eq!(
                python.verifies(&network, &forged),
                is_genuine(&network.verify(&forged)),
                "{} {player}",
                network.description.name()
            );
        }
    }
}

#[test]
fn what_python_signs_is_genuine() {
    let Some(mut python) = Python::start() else { return };
    for network in every_preset() {
        let name = network.description.name();
        let format = match network.description.methods() {
            "POST" if name.as_str() == "bitcotasks" => "form",
            "POST" => "json",
            _ => "query",
        };
        for player in TRICKY {
            let mut values = serde_json::Map::new();
            for (role, value) in [
                (Role::Goal, "g1"),
                (Role::Player, player),
                (Role::Transaction, "t1"),
                (Role::Amount, "500"),
                (Role::Usd, "0.5000"),
                (Role::UsdCents, "50"),
            ] {
                if let Some(known) = network.description.names_of(role).first() {
                    values.insert(known.clone(), value.into());
                }
            }
            // Everything that a signature may need.
            for (known, value) in
                [("timestamp", "202011281200"), ("ip", "192.0.2.1"), ("oid", "7"), ("currency", "Coins")]
            {
                let is_new = !values.contains_key(known);
                let is_known = network.description.parameters().any(|(name, _)| name == known)
                    || network.description.macros().iter().any(|(text, _)| super::macro_name(text) == known);
                if is_new && is_known {
                    values.insert(known.to_owned(), value.into());
                }
            }
            if let Some(known) = network.description.names_of(Role::Status).first() {
                let probe = network.draft("t1").sign();
                let status = network.verify(&probe).unwrap().status;
                if let Some(status) = status {
                    values.insert(known.clone(), status.into());
                }
            }
            let command = json!({
                "op": "sign", "network": name.as_str(), "url": network.url, "secret": SECRET, "values": values,
                "format": format,
            });
            let sent = python.ask(&command);
            let headers: Vec<(String, String)> = serde_json::from_value(sent["headers"].clone()).unwrap();
            let (method, target) = (sent["method"].as_str().unwrap(), sent["target"].as_str().unwrap());
            let body = sent["body"].as_str().unwrap();
            let request = Request::new(method, target).with_headers(&headers).with_body(body.as_bytes());
            let callback = network.endpoint.verify(&request);
            let callback = callback.unwrap_or_else(|error| panic!("{name} {player}: {error} {sent}"));
            assert_eq!(callback.player, player, "{name}");
            assert!(callback.amount.is_some());
        }
    }
}
