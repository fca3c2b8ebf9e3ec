//! The example, started as its header says and used from outside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use postback::testing::bitlabs::Signer;
use postback_test_servers::{PATIENCE, Postgres};

/// The running example. Killed when dropped.
struct Example {
    process: Child,
    address: String,
}

impl Example {
    fn start(database: &str) -> Self {
        let tests = std::env::current_exe().unwrap();
        let path = tests.ancestors().nth(2).unwrap().join("examples/axum_postgres");
        assert!(path.exists(), "build the example first: cargo build -p postback-postgres --examples");
        let mut process = Command::new(path)
            .envs([("DATABASE_URL", database), ("BITLABS_APP_SECRET", "secret"), ("POSTBACK_LISTEN", "127.0.0.1:0")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").expect("the example ended early").to_owned();
        Self { process, address }
    }

    fn get(&self, target: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nhost: game.example\r\nconnection: close\r\n\r\n").unwrap();
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

#[test]
fn example_pays_once_and_survives_being_killed() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.create_database();
    let offer = |state: &str, gems: &str| {
        let query = format!("player=p1&tx=o1&gems={gems}&state={state}&ref=&offer=&task=");
        let url = format!("https://game.example/callbacks/offers?{query}");
        Signer::new("secret", &url).sign_url(&url).target()
    };
    let example = Example::start(&database);
    assert_eq!(example.get(&offer("PENDING", "500")).0, 200);
    assert_eq!(example.get("/players/p1"), (200, "0".into()));
    assert_eq!(example.get(&offer("COMPLETED", "500")), (200, "settled".into()));
    drop(example);

    let example = Example::start(&database);
    assert_eq!(example.get(&offer("COMPLETED", "500")), (200, "duplicate".into()));
    assert_eq!(example.get(&offer("COMPLETED", "500").replace("500", "900")).0, 403);
    assert_eq!(example.get(&offer("RECONCILED", "0.5")), (200, "settled".into()));
    assert_eq!(example.get("/players/p1"), (200, "499.5".into()));
}
