//! Operations: metrics, the systemd unit, the demo, and the documentation's own examples.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use postback_test_servers::{Running, free_port, send_signal, skip, skip_anyway, wait_until};

use crate::client::get;
use crate::program::{Setup, command, offer, run};
use crate::sample_backends::is_installed;
use crate::webhook::Recorder;

pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn metrics_count_callbacks_and_deliveries() {
    let setup = Setup::new();
    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    backend.wait_for(1);
    let wanted = [
        "postback_callbacks_total{network=\"bitlabs\",app=\"my-game\",kind=\"completed\",outcome=\"reward\",reason=\"\"} 1",
        "outcome=\"duplicate\",reason=\"\"} 1",
        "postback_deliveries_total{result=\"delivered\"} 1",
        "postback_backend_up 1",
        "postback_last_callback_timestamp_seconds{network=\"bitlabs\",app=\"my-game\",endpoint=\"offers\"} ",
        "postback_connections{port=\"public\"} ",
        "postback_delivery_duration_seconds_bucket{result=\"delivered\",le=\"0.05\"} ",
        "# HELP postback_deliveries_total Webhook deliveries by result",
    ];
    wait_until("the metrics are there", || {
        let metrics = get(server.admin, "/metrics").body;
        wanted.iter().all(|line| metrics.contains(line))
    });
}

#[test]
fn closed_connections_are_not_counted_as_open() {
    let setup = Setup::new();
    let server = setup.start();
    let open = || {
        let metrics = get(server.admin, "/metrics").body;
        let count = metrics.lines().find_map(|line| line.strip_prefix("postback_connections{port=\"public\"} "));
        count.and_then(|count| count.parse::<u32>().ok())
    };
    let clients: Vec<_> =
        (0..40).map(|_| TcpStream::connect(("127.0.0.1", server.public)).expect("a connection")).collect();
    wait_until("they are counted", || open().is_some_and(|open| open >= 40));
    drop(clients);
    wait_until("none is left", || open() == Some(0));
}

#[test]
fn systemd_unit_is_valid() {
    let unit = repository().join("server/deploy/postback.service");
    let text = fs::read_to_string(&unit).expect("the unit");
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        skip_anyway("systemd-analyze is not installed");
        return;
    };
    assert!(version.status.success());
    // The program is not installed here: check everything but its path.
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("postback.service");
    fs::write(&copy, text.replace("/usr/local/bin/postback", env!("CARGO_BIN_EXE_postback"))).expect("a copy");
    let output = Command::new("systemd-analyze").arg("verify").arg(&copy).output().expect("systemd-analyze");
    let messages = String::from_utf8_lossy(&output.stderr);
    let own: Vec<&str> = messages.lines().filter(|line| line.contains("postback.service")).collect();
    assert!(output.status.success() && own.is_empty(), "{messages}");
}

#[test]
fn systemd_restarts_without_end_and_waits_for_deliveries() {
    let text = fs::read_to_string(repository().join("server/deploy/postback.service")).expect("the unit");
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    assert_eq!((value("Restart"), value("StartLimitIntervalSec")), (Some("always"), Some("0")));
    let section = text.split_once("StartLimitIntervalSec").and_then(|(before, _)| before.rsplit_once('['));
    assert!(section.is_some_and(|(_, section)| section.starts_with("Unit]")), "{text}");
    // Longer than a delivery with the longest timeout, which is 300 s.
    let seconds = value("TimeoutStopSec").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 310), "{seconds:?}");
}

#[test]
fn configurations_in_the_docs_are_valid() {
    let text = fs::read_to_string(repository().join("docs/server.md")).expect("the guide");
    let setup = Setup::new();
    let mut checked = 0;
    for block in text.split("```toml").skip(1) {
        let block = block.split("```").next().expect("the block's end");
        if !block.contains("listen") || !block.contains("[backend]") {
            continue;
        }
        fs::write(setup.path("docs.toml"), block).expect("a file");
        let mut check = command(setup.directory.path(), &["check", "--config", "docs.toml"]);
        for name in ["BITLABS_APP_SECRET", "LOOTABLY_SECRET", "POSTBACK_ADMIN_TOKEN"] {
            check.env(name, "a-secret-that-is-long-enough");
        }
        check.env("POSTBACK_BACKEND_SECRET", crate::program::BACKEND_SECRET);
        let (status, _, err) = run(&mut check);
        assert_eq!(status, 0, "{err}");
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn every_log_target_is_documented() {
    let docs = fs::read_to_string(repository().join("docs/observability.md")).expect("the document");
    let mut folders = vec![repository().join("server/src")];
    let mut targets = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(path).expect("a text");
                let found = text.split("target: \"").skip(1).filter_map(|rest| rest.split('"').next());
                targets.extend(found.map(str::to_owned));
            }
        }
    }
    assert!(targets.len() > 10, "{targets:?}");
    let missing: Vec<_> = targets.iter().filter(|target| !docs.contains(&format!("| `{target}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nginx_as_in_the_guide_passes_the_sender_on() {
    let nginx =
        ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| Command::new(program).arg("-v").output().is_ok());
    let Some(nginx) = nginx else {
        return skip("nginx is not installed: `apt-get install nginx-light` on Debian");
    };
    if !is_installed("curl --version") {
        return;
    }
    let mut setup = Setup::new();
    setup.end = "[[endpoint]]\nnetwork = \"phonexa\"\napp = \"my-game\"\nsecret = \"a-password\"\n\
                 senders = [\"127.0.0.2\"]\nproxies = [\"127.0.0.1\"]\nenforce_senders = true"
        .to_owned();
    let server = setup.start();
    let guide = fs::read_to_string(repository().join("docs/guide/proxies.md")).expect("the guide");
    let location = guide.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the sample");
    let location = location.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.public));
    let (place, port) = (setup.directory.path().display(), free_port());
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).collect();
    let config = format!(
        "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log; events {{}}\n\
         http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; {location} }} }}"
    );
    fs::write(setup.path("nginx.conf"), config).expect("a file");
    let mut command = Command::new(nginx);
    command.arg("-c").arg(setup.path("nginx.conf")).arg("-p").arg(setup.directory.path());
    let _nginx = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let url = format!("http://127.0.0.1:{port}/callbacks/phonexa?player=p1&conversion_id=c1&payout=5&status=done");
    for (from, status) in [("127.0.0.2", "200"), ("127.0.0.3", "403")] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "30", "--interface", from]);
        let (_, out, _) = run(curl.args(["-H", "Authorization: Bearer a-password", &url]));
        assert_eq!(out, status, "{from}: {}", server.log());
    }
}

#[test]
fn accepted_probe_is_no_rejected_request() {
    let mut setup = Setup::new();
    setup.end = "[[endpoint]]\nnetwork = \"phonexa\"\napp = \"my-game\"\nsecret = \"a-password\"\naccept_probe = true"
        .to_owned();
    let server = setup.start();
    assert_eq!(server.get("/callbacks/phonexa").status, 200);
    assert_eq!(server.get("/callbacks/offers").status, 403);
    wait_until("the other one is logged", || server.log().contains("request rejected network=\"bitlabs\""));
    assert!(!server.log().contains("request rejected network=\"phonexa\""), "{}", server.log());
}

#[test]
fn demo_prints_requests_that_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = command(directory.path(), &["serve", "--demo", "--demo-port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env("TMPDIR", directory.path())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let mut requests = Vec::new();
    loop {
        let line = next();
        if let Some(url) = line.trim().strip_prefix("curl 'http://127.0.0.1:") {
            let (port, target) = url.trim_end_matches('\'').split_once('/').expect("a target");
            requests.push((port.parse::<u16>().expect("a port"), format!("/{target}")));
        }
        if line.starts_with("The page: ") {
            break;
        }
    }
    let port = requests[0].0;
    wait_until("the demo answers", || {
        crate::client::Client::new(port).send("GET", "/health", &[]).is_some_and(|response| response.status == 200)
    });
    let responses: Vec<_> = requests
        .iter()
        .map(|(port, target)| get(*port, target))
        .map(|response| (response.status, response.body))
        .collect();
    let expected = [(200, "accepted"), (200, "duplicate"), (200, "accepted"), (200, "accepted"), (403, "forbidden")];
    assert_eq!(responses, expected.map(|(status, body)| (status, body.to_owned())));
    let mut printed = String::new();
    while printed.matches("backend: ").count() < 3 {
        printed.push_str(&next());
    }
    for line in ["reward 500 for player-7, who now has 500", "reversal -200 for player-7, who now has 300"] {
        assert!(printed.contains(line), "{printed}");
    }
    send_signal("INT", child.id());
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}
