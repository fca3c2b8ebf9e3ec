//! Headless Chromium, over its debugging protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(30);

/// One page in a browser of its own, which ends with the test.
pub(crate) struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None` where there is no Chromium; a failure where servers and browsers are required.
    pub(crate) fn start() -> Option<Self> {
        let found = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| runs(name));
        let Some(program) = found else {
            let is_required = std::env::var("POSTBACK_REQUIRE_SERVERS").as_deref() == Ok("1");
            assert!(
                !is_required,
                "no Chromium: install Debian's `chromium` package"
            );
            eprintln!(
                "SKIPPED: no Chromium here (Debian: apt-get install chromium); the page was not tested"
            );
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--window-size=1280,900",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = port(profile.path());
        let address = debugger(port);
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(address.as_str(), stream).unwrap();
        Some(Self {
            child,
            socket,
            last: 0,
            _profile: profile,
        })
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let call = json!({ "id": self.last, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.socket.read().unwrap();
            let Ok(text) = message.to_text() else {
                continue;
            };
            let answer: Value = serde_json::from_str(text).unwrap_or_default();
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression has a value.
    pub(crate) fn expect(&mut self, expression: &str, wanted: &Value) {
        let started = Instant::now();
        loop {
            let found = self.value(expression);
            if found == *wanted {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{expression} is {found}, not {wanted}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A picture of the page, as PNG in base64.
    pub(crate) fn picture(&mut self) -> String {
        let result = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        result["data"].as_str().unwrap().to_owned()
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32, is_phone: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone }),
        );
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runs(program: &str) -> bool {
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Chromium chooses a port and writes it down.
fn port(profile: &Path) -> u16 {
    let started = Instant::now();
    loop {
        let written = std::fs::read_to_string(profile.join("DevToolsActivePort"));
        let port = written
            .ok()
            .and_then(|text| text.lines().next()?.parse().ok());
        if let Some(port) = port {
            return port;
        }
        assert!(started.elapsed() < PATIENCE, "Chromium does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The debugging address of the first page.
fn debugger(port: u16) -> String {
    let started = Instant::now();
    loop {
        let (_, body) = get(&format!("127.0.0.1:{port}"), "/json/list", "");
        let pages: Value = serde_json::from_str(&body).unwrap_or_default();
        let page = pages
            .as_array()
            .and_then(|pages| pages.iter().find(|page| page["type"] == "page"));
        if let Some(address) = page.and_then(|page| page["webSocketDebuggerUrl"].as_str()) {
            return address.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "Chromium shows no page");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One GET, the target byte for byte: head and body of the answer. `host` may be empty for the true one.
pub(crate) fn get(address: &str, target: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = if host.is_empty() { address } else { host };
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    // Chromium keeps the connection: its answers say their length.
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).unwrap_or(0);
        answer.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if count == 0 || length.is_some_and(|length| body.len() >= length) {
                return (head.to_owned(), body.to_owned());
            }
        } else if count == 0 {
            return (text.into_owned(), String::new());
        }
    }
}
