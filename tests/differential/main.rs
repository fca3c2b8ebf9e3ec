//! What others sign is what is verified, and what is signed is what arrives on the wire: Python, Node,
//! OpenSSL and curl against this crate, over thousands of random URLs.
//!
//! A program or an example server that is missing is said so loudly and left out;
//! `POSTBACK_REQUIRE_SERVERS=1` makes that a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod served;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use postback::testing::bitlabs::Network;
use postback::wire::{Algorithm, Encoding, Secret, SignatureScheme, Template, Verifier};

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const TYPED: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer:task:name=[%OFFER:TASK:NAME%]\
    &source=bitlabs";

/// What values are put together from: every way in which a network may write a character.
const TOKENS: [&str; 44] = [
    "a",
    "Z",
    "9",
    "-",
    ".",
    "_",
    "~",
    "+",
    "%20",
    "%2B",
    "%2b",
    "%C3%A9",
    "%c3%a9",
    "%F0%9F%8E%AE",
    "%e2%82%ac",
    "[",
    "]",
    "|",
    "%5B",
    "%5d",
    "%7C",
    "%7E",
    "%26",
    "%3D",
    "%3d",
    "%25",
    "!",
    "*",
    "'",
    "(",
    ")",
    ":",
    "@",
    "/",
    "?",
    ";",
    ",",
    "$",
    "`",
    "{",
    "}",
    "^",
    "=",
    "",
];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }

    fn text(&mut self) -> String {
        let tokens = self.below(12);
        (0..tokens)
            .map(|_| TOKENS[self.below(TOKENS.len())])
            .collect()
    }

    /// A callback's URL without its hash, each with a transaction of its own.
    fn url(&mut self, transaction: &str) -> String {
        let (prefix, _) = TYPED.split_once('?').unwrap();
        let name = ["offer:task:name", "offer%3Atask%3aname"][self.below(2)];
        let task = self.text();
        let mut url = format!(
            "{prefix}?player=p1&tx={transaction}&gems=1&state=COMPLETED&ref=&{name}={task}&source=bitlabs"
        );
        for number in 0..self.below(4) {
            let value = self.text();
            write!(url, "&my:{number}%20key={value}").unwrap();
        }
        url
    }
}

/// Says loudly what is missing, past the test harness; fails where all must be there.
#[expect(
    clippy::explicit_write,
    reason = "the harness keeps to itself what eprintln says"
)]
fn skip(what: &str) {
    let is_required =
        std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(!is_required, "required: {what}");
    writeln!(
        std::io::stderr(),
        "SKIPPED: {what}, so nothing is compared with it"
    )
    .unwrap();
}

/// Whether a program can be started; says so loudly when it cannot.
fn has(program: &str, version: &str) -> bool {
    let is_there = Command::new(program)
        .arg(version)
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_there {
        skip(&format!("{program} cannot be started"));
    }
    is_there
}

/// Runs a program with lines as its input; what it writes, by lines.
fn answers(command: &mut Command, lines: &[String]) -> Vec<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n") + "\n";
    let feeding = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

const PYTHON_HASHES: &str = "import sys, hmac
for line in sys.stdin.buffer:
    print(hmac.new(sys.argv[1].encode(), line.rstrip(b'\\n'), sys.argv[2]).hexdigest())";

const NODE_HASHES: &str = "const crypto = require('crypto');
const lines = require('fs').readFileSync(0, 'latin1').trimEnd().split('\\n');
for (const line of lines)
  console.log(crypto.createHmac(process.argv[2], process.argv[1]).update(line, 'latin1').digest('hex'));";

/// One openssl process hashes all files.
fn openssl_hashes(algorithm: &str, urls: &[String]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (number, url) in urls.iter().enumerate() {
        std::fs::write(directory.path().join(number.to_string()), url).unwrap();
    }
    let mut command = Command::new("openssl");
    command
        .current_dir(directory.path())
        .args(["dgst", &format!("-{algorithm}"), "-hmac", SECRET]);
    command.args((0..urls.len()).map(|number| number.to_string()));
    let lines = answers(&mut command, &[]);
    lines
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect()
}

fn hashes(program: &str, algorithm: &str, urls: &[String]) -> Option<Vec<String>> {
    Some(match program {
        "python3" if has("python3", "--version") => answers(
            Command::new("python3").args(["-c", PYTHON_HASHES, SECRET, algorithm]),
            urls,
        ),
        "node" if has("node", "--version") => answers(
            Command::new("node").args(["-e", NODE_HASHES, SECRET, algorithm]),
            urls,
        ),
        "openssl" if has("openssl", "version") => openssl_hashes(algorithm, urls),
        _ => return None,
    })
}

#[test]
fn hashes_of_python_node_and_openssl_are_ours_and_are_verified() {
    let mut numbers = Numbers(0x5eed_0001);
    let urls: Vec<String> = (0..3000)
        .map(|number| numbers.url(&format!("o{number}")))
        .collect();
    let template = Template::parse(TYPED, &["hash", "debug"]).unwrap();
    for (algorithm, scheme) in [
        ("sha1", Algorithm::HmacSha1),
        ("sha256", Algorithm::HmacSha256),
    ] {
        let scheme = SignatureScheme::trailing("hash", scheme, Encoding::Hex);
        let keys = Secret::new(SECRET).unwrap().into();
        let verifier = Verifier::new(scheme, &keys, template.signed_prefixes());
        for program in ["python3", "node", "openssl"] {
            let Some(hashes) = hashes(program, algorithm, &urls) else {
                continue;
            };
            assert_eq!(hashes.len(), urls.len(), "{program}");
            for (url, hash) in urls.iter().zip(&hashes) {
                let (_, query) = url.split_once('?').unwrap();
                let signed = format!("{query}&hash={hash}");
                assert_eq!(
                    verifier.verify(&signed).unwrap().query(),
                    query,
                    "{program}: {url}"
                );
                assert!(
                    verifier
                        .verify(&signed.replacen("gems=1", "gems=2", 1))
                        .is_err()
                );
                if algorithm == "sha1" {
                    assert_eq!(
                        Network::new(SECRET).sign_url(url).hash(),
                        hash,
                        "{program}: {url}"
                    );
                }
            }
        }
    }
}
