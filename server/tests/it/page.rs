//! The page in Chromium, driven over the `DevTools` protocol.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postback::testing::bitlabs::Signer;
use postback_test_servers::{Running, skip, wait_until};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::program::{OFFERS, SECRET, Setup, offer};
use crate::webhook::Recorder;

/// A browser with one page.
struct Browser {
    _child: Running,
    socket: WebSocket<TcpStream>,
    calls: u64,
    /// Errors and failed requests that the page reported.
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`: Chromium is not installed.
    fn start() -> Option<Self> {
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.is_ok_and(|status| status.success())
        });
        let Some(program) = program else {
            skip("Chromium is not installed: `apt-get install chromium` on Debian");
            return None;
        };
        let profile = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(program);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-port=0", "--window-size=1320,820", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Running::start(&mut command);
        let file = profile.path().join("DevToolsActivePort");
        let mut port = 0_u16;
        wait_until("chromium listens", || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            port = text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_default();
            port != 0
        });
        let pages = crate::client::get(port, "/json/list").json();
        let page = pages.as_array().expect("a list").iter().find(|page| page["type"] == "page").expect("a page");
        let url = page["webSocketDebuggerUrl"].as_str().expect("a URL");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("chromium accepts");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let (socket, _) = tungstenite::client(url, stream).expect("a handshake");
        let mut browser = Self { _child: child, socket, calls: 0, complaints: Vec::new(), _profile: profile };
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method and returns its result.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let call = json!({ "id": self.calls, "method": method, "params": parameters });
        self.socket.send(Message::text(call.to_string())).expect("chromium listens");
        loop {
            let Message::Text(text) = self.socket.read().expect("chromium answers") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == self.calls {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            match message["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(message.to_string()),
                Some("Log.entryAdded") if message["params"]["entry"]["level"] == "error" => {
                    self.complaints.push(message["params"]["entry"].to_string());
                }
                Some("Network.requestWillBeSent") => {
                    let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
                    if !url.starts_with("http://127.0.0.1:") && !url.starts_with("data:") && url != "about:blank" {
                        self.complaints.push(format!("request to {url}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.wait_for("document.readyState === 'complete'");
    }

    /// Evaluates an expression in the page.
    fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", parameters)["result"]["value"].clone()
    }

    fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.evaluate(&format!("Boolean({expression})")) != json!(true) {
            let text = self.evaluate("document.body ? document.body.innerText : ''");
            assert!(began.elapsed() < Duration::from_secs(60), "{expression} did not become true: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses a key as a person does.
    fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": if kind == "keyDown" { text } else { "" } });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    fn color_scheme(&mut self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Takes a picture, and keeps it if `POSTBACK_SCREENSHOTS` names a directory.
    fn picture(&mut self, name: &str) {
        let data = self.call("Page.captureScreenshot", json!({ "format": "png" }))["data"].clone();
        let png = STANDARD.decode(data.as_str().expect("a picture")).expect("base64");
        assert!(png.len() > 5_000, "{name} is empty");
        if let Some(directory) = std::env::var_os("POSTBACK_SCREENSHOTS").map(PathBuf::from) {
            fs::write(Path::new(&directory).join(name), png).expect("a file");
        }
    }
}

const ATTACK: &str = "<img src=x onerror=alert(1)>";

#[test]
fn page_shows_everything_with_mouse_keyboard_and_screen_reader() {
    let Some(mut browser) = Browser::start() else { return };
    let mut setup = Setup::new();
    setup.end = format!(
        "[[endpoint]]\nnetwork = \"bitlabs\"\napp = \"my-game\"\nsecret = \"{SECRET}\"\nfamily = \"offers\"\nonly = \"COMPLETED\"\nurl = \"{}\"\n\
         [[endpoint]]\nnetwork = \"lootably\"\napp = \"my-game\"\nsecret = \"{SECRET}\"\nurl = \"https://game.example/callbacks/lootably?userID={{userID}}\
         &ip={{ip}}&revenue={{revenue}}&currencyReward={{currencyReward}}&status={{status}}&transactionID={{transactionID}}&hash={{hash}}\"\n",
        OFFERS.replace("/offers", "/completed")
    );
    let backend = Recorder::start(setup.backend, |webhook| {
        let fails = webhook.body["data"]["player"] == "player-3";
        (if fails { 500 } else { 200 }, String::new())
    });
    let server = setup.start();
    let sign = |values: &[(&str, &str)]| Signer::new(SECRET, OFFERS).sign(values);
    browser.open(&format!("http://127.0.0.1:{}/", server.admin));
    browser.wait_for("document.getElementById('live-list').textContent.includes('No callback')");
    // They appear while the page is open.
    for callback in [
        offer("player-7", "o233", "500", "PENDING"),
        offer("player-7", "o233", "500", "COMPLETED"),
        offer("player-7", "o233", "200", "RECONCILED"),
        offer("player-2", "o240", "120", "COMPLETED"),
        offer("player-2", "o240", "999", "COMPLETED"),
        offer("player-3", "o250", "80", "COMPLETED"),
        sign(&[("player", "player-4"), ("tx", "or9"), ("gems", "-500"), ("state", "NONE")]),
        sign(&[("player", ATTACK), ("tx", "o260"), ("gems", "50"), ("state", "COMPLETED")]),
    ] {
        server.take(&callback);
    }
    let unusable = Signer::new(SECRET, OFFERS.replace("/offers", "/completed"));
    let pending = unusable.sign(&[("player", "player-5"), ("tx", "o270"), ("gems", "30"), ("state", "PENDING")]);
    assert_eq!(server.get(&pending.target()).status, 400);
    backend.wait_for(8);
    browser.wait_for("document.querySelectorAll('#live-list tbody tr').length === 9");
    assert_eq!(browser.evaluate("document.querySelector('img')"), Value::Null);
    browser.wait_for("document.body.innerText.includes('<img src=x onerror=alert(1)>')");
    browser.picture("server-live.png");

    // The filter.
    browser.evaluate(
        "const f = document.getElementById('live-filter'); f.value = 'player-7'; f.dispatchEvent(new Event('input'))",
    );
    browser.wait_for("document.querySelectorAll('#live-list tbody tr').length === 3");

    // The keyboard opens a record, moves the focus to it, and back.
    browser.evaluate("document.querySelector('#live-list button').focus()");
    browser.press("Enter", 13);
    browser.wait_for("document.activeElement.id === 'detail-title'");
    browser.wait_for("document.querySelectorAll('.timeline li').length === 3");
    let detail = browser.evaluate("document.getElementById('detail').innerText");
    let detail = detail.as_str().expect("text");
    for text in ["bitlabs/my-game/conversion/o233", "pay 500", "take back 200", "balance 300"] {
        assert!(detail.contains(text), "{detail}");
    }
    browser.picture("server-record.png");
    browser.color_scheme("dark");
    browser.picture("server-record-dark.png");
    browser.color_scheme("light");
    browser.press("Escape", 27);
    browser.wait_for("document.getElementById('detail').hidden && document.activeElement.tagName === 'BUTTON'");

    // Search.
    browser.evaluate("location.hash = '#search'; document.getElementById('q').value = 'player-2'; document.getElementById('search-form').requestSubmit()");
    browser.wait_for("document.querySelector('#search-list tbody tr')");
    assert_eq!(browser.evaluate("document.querySelectorAll('#search-list tbody tr').length"), 1);

    // Deliveries.
    browser.evaluate("location.hash = '#deliveries'");
    browser.wait_for("document.getElementById('pending-list').innerText.includes('backend responded 500')");
    browser.wait_for("document.getElementById('delivery-state').innerText.includes('responds')");
    browser.evaluate("document.getElementById('retry').click()");
    browser.wait_for("document.getElementById('retried').textContent === 'Retrying.'");
    browser.picture("server-deliveries.png");

    // What needs attention.
    browser.evaluate("location.hash = '#attention'; document.getElementById('scan').click()");
    browser.wait_for("document.querySelectorAll('#attention-list tbody tr').length === 2");
    let attention = browser.evaluate("document.getElementById('attention-list').innerText");
    let attention = attention.as_str().expect("text");
    assert!(attention.contains("conflict") && attention.contains("reversal without a reward"), "{attention}");

    // Unusable callbacks, and replay: at the URL that they were sent to.
    browser.evaluate("location.hash = '#unusable'");
    browser.wait_for("document.getElementById('unusable-list').innerText.includes('COMPLETED only')");
    browser.evaluate("document.getElementById('replay').click()");
    browser.wait_for("document.getElementById('replayed').textContent.includes('1 still unusable')");

    // Endpoints.
    browser.evaluate("location.hash = '#endpoints'");
    browser.wait_for(
        "document.getElementById('endpoint-list').innerText.includes('signature does not cover: transaction, status')",
    );
    browser.wait_for("document.querySelector('nav a[aria-current]').textContent === 'Endpoints'");
    browser.picture("server-endpoints.png");

    // What a screen reader reads: every control has a name.
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    for node in tree["nodes"].as_array().expect("nodes") {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        if matches!(role, "button" | "textbox" | "searchbox" | "combobox" | "link" | "table")
            && node["ignored"] == false
        {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.is_empty() || role == "table", "{node}");
        }
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
