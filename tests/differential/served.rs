//! What is signed is what arrives at the example servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postback::testing::bitlabs::Network;

use super::{Numbers, SECRET, TYPED, answers, has, skip};

/// An example server at work on a file of its own.
struct Server {
    process: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    /// `None`, said loudly, where the example has not been built.
    fn start(example: &str) -> Option<Self> {
        let mut program = std::env::current_exe().unwrap();
        program.pop();
        let program = program.with_file_name("examples").join(example);
        if !program.exists() {
            skip(&format!(
                "{} has not been built (cargo build --examples --all-features)",
                program.display()
            ));
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .env("POSTBACK_LISTEN", "127.0.0.1:0")
            .env("POSTBACK_DB", directory.path().join("game.db"))
            .env("BITLABS_APP_SECRET", SECRET)
            .env("BITLABS_OFFERS_URL", TYPED)
            .env("RUST_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let rest = line.strip_prefix("Listening on http://")?;
            Some(rest.split(';').next().unwrap().to_owned())
        });
        // The rest of what it prints is read, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            process,
            address: address.expect("it listens"),
            _directory: directory,
        })
    }

    fn balance(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET /players/p1 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (_, rest) = response.split_once("\"balance\":\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PYTHON_SENDS: &str = "import sys, http.client
connection = http.client.HTTPConnection(sys.argv[1])
for line in sys.stdin:
    connection.request('GET', line.rstrip('\\n'))
    response = connection.getresponse()
    response.read()
    print(response.status)";

const NODE_SENDS: &str = "const http = require('http');
const [host, port] = process.argv[1].split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const get = path => new Promise((done, failed) =>
  http.get({ host, port, path, agent }, answer => { answer.resume(); answer.on('end', () => done(answer.statusCode)); })
    .on('error', failed));
(async () => {
  for (const line of require('fs').readFileSync(0, 'latin1').trimEnd().split('\\n')) console.log(await get(line));
})();";

/// One curl process sends all of them; `None` where the client is missing.
fn statuses(client: &str, address: &str, targets: &[String]) -> Option<Vec<String>> {
    Some(match client {
        "curl" if has("curl", "--version") => {
            let config = |target: &String| {
                format!("url = \"http://{address}{target}\"\noutput = \"/dev/null\"")
            };
            let config: Vec<String> = targets.iter().map(config).collect();
            let options = [
                "--silent",
                "--globoff",
                "--path-as-is",
                "--write-out",
                "%{http_code}\n",
                "--config",
                "-",
            ];
            answers(Command::new("curl").args(options), &config)
        }
        "python3" if has("python3", "--version") => answers(
            Command::new("python3").args(["-c", PYTHON_SENDS, address]),
            targets,
        ),
        "node" if has("node", "--version") => answers(
            Command::new("node").args(["-e", NODE_SENDS, address]),
            targets,
        ),
        _ => return None,
    })
}

#[test]
fn what_is_signed_is_what_arrives_from_curl_python_and_node_at_the_example_servers() {
    let examples = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"));
    for example in ["axum_receiver", "actix_receiver"] {
        if !Path::new(&examples).join(format!("{example}.rs")).exists() {
            continue;
        }
        let Some(server) = Server::start(example) else {
            continue;
        };
        let network = Network::new(SECRET);
        let mut numbers = Numbers(0x5eed_0002);
        let mut paid = 0;
        for client in ["curl", "python3", "node"] {
            let urls: Vec<String> = (0..700)
                .map(|number| numbers.url(&format!("{client}{number}")))
                .collect();
            let targets: Vec<String> = urls
                .iter()
                .map(|url| network.sign_url(url).target().to_owned())
                .collect();
            let Some(statuses) = statuses(client, &server.address, &targets) else {
                continue;
            };
            assert_eq!(statuses.len(), targets.len());
            for (target, status) in targets.iter().zip(&statuses) {
                assert_eq!(status, "200", "{client} at {example}: {target}");
            }
            paid += targets.len();
            assert_eq!(server.balance(), paid.to_string(), "{client} at {example}");

            let forged: Vec<String> = targets
                .iter()
                .take(200)
                .map(|target| target.replacen("gems=1", "gems=2", 1))
                .collect();
            let refused = self::statuses(client, &server.address, &forged).unwrap();
            assert!(
                refused.iter().all(|status| status == "403"),
                "{client} at {example}: {refused:?}"
            );
            assert_eq!(server.balance(), paid.to_string());
        }
    }
}
