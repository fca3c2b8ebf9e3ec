//! `postback watch`: the receiver, and its page as a browser shows it.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod browser;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use browser::{Browser, get};
use postback::testing::bitlabs::{CallbackBuilder, Network, SignedCallback};
use serde_json::json;

const SECRET: &str = "watch-secret-of-the-test";
const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const BANS: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&status=[%BAN:STATUS%]";

struct Watch {
    child: Child,
    address: String,
}

impl Watch {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postback"))
            .args(["watch", "--listen", "127.0.0.1:0"])
            .args(["--offers-url", OFFERS, "--bans-url", BANS])
            .env_clear()
            .env("BITLABS_APP_SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = Vec::new();
        for line in lines.by_ref() {
            greeting.push(line.unwrap());
            if greeting.last().unwrap().contains("Ctrl-C") {
                break;
            }
        }
        let greeting = greeting.join("\n");
        assert!(
            greeting.contains("Only this machine can reach it"),
            "{greeting}"
        );
        assert!(
            greeting.contains("/callbacks/offers  (offers)"),
            "{greeting}"
        );
        assert!(!greeting.contains(SECRET));
        let address = greeting
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://")?.strip_suffix("/watch"))
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    fn send(&self, target: &str) -> u16 {
        let (head, _) = get(&self.address, target, "");
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn receive(&self, callback: CallbackBuilder) {
        assert_eq!(self.send(callback.sign().target()), 200);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn offer(player: &str, tx: &str, state: &str, gems: &str) -> CallbackBuilder {
    Network::new(SECRET)
        .callback(OFFERS)
        .player(player)
        .transaction(tx)
        .state(state)
        .amount(gems)
        .set("OFFER:NAME", "Lords Mobile")
}

/// A name that would act, were it not shown as text.
const MARKUP: &str = "<script>window.caught=1</script><img src=x onerror=window.caught=2>";

fn with_markup() -> SignedCallback {
    offer("<b>p3</b>", "o9", "COMPLETED", "5")
        .set("OFFER:NAME", MARKUP)
        .sign()
}

/// A life of a conversion, a refused request, and others around it.
fn send_a_story(watch: &Watch) {
    watch.receive(offer("player-7", "o233", "PENDING", "500"));
    watch.receive(offer("player-7", "o233", "COMPLETED", "500"));
    watch.receive(offer("player-7", "o233", "COMPLETED", "500"));
    let reconciled = offer("player-7", "or41", "NONE", "-200");
    watch.receive(reconciled.original("o233"));
    let restored = offer("player-7", "or42", "NONE", "100");
    watch.receive(restored.original("o233").call_type("RECONCILIATION"));
    let ban = Network::new(SECRET).callback(BANS).player("player-8");
    watch.receive(ban.ban_status("BANNED"));
    watch.receive(offer("player-9", "o234", "COMPLETED", "120"));
    // Another amount under the same transaction.
    watch.receive(offer("player-9", "o234", "COMPLETED", "999"));
    let rewritten = offer("player-9", "o235", "COMPLETED", "80").sign();
    assert_eq!(watch.send(&rewritten.target().replace("%20", "+")), 403);
}
const STORY_LENGTH: usize = 9;

#[test]
fn the_page_shows_what_arrives_and_what_it_means() {
    let watch = Watch::start();
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open(&format!("http://{}/watch", watch.address));
    browser.expect(
        "document.querySelector('#live')?.textContent",
        &json!("live"),
    );
    send_a_story(&watch);
    let rows = "document.querySelectorAll('.row').length";
    browser.expect(rows, &json!(STORY_LENGTH));

    filters_work(&mut browser);
    a_timeline_opens(&mut browser);
    an_explanation_is_shown(&mut browser);
    save_a_picture(&mut browser);
    pausing_holds_back(&watch, &mut browser);
    it_fits_a_phone(&mut browser);

    // A page that is opened later shows the same.
    browser.open(&format!("http://{}/watch", watch.address));
    browser.expect(rows, &json!(STORY_LENGTH + 1));
}

fn filters_work(browser: &mut Browser) {
    for (filter, value, count) in [
        ("verdict", "refused", 1),
        ("verdict", "money", 4),
        ("verdict", "conflict", 1),
        ("verdict", "genuine", 8),
        ("verdict", "", STORY_LENGTH),
        ("endpoint", "bans", 1),
        ("endpoint", "", STORY_LENGTH),
        ("search", "PLAYER-7", 5),
        ("search", "o233", 5),
        ("search", "nothing like it", 0),
        ("search", "", STORY_LENGTH),
    ] {
        browser.value(&format!(
            "{{ const field = document.getElementById('{filter}'); field.value = '{value}'; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}"
        ));
        browser.expect("document.querySelectorAll('.row').length", &json!(count));
    }
}

fn click_row(browser: &mut Browser, text: &str) {
    browser.value(&format!(
        "[...document.querySelectorAll('.row')].find(row => row.textContent.includes({})).click()",
        json!(text)
    ));
}

fn detail(browser: &mut Browser) -> String {
    let text = browser.value("document.getElementById('detail').innerText");
    text.as_str().unwrap().to_owned()
}

fn a_timeline_opens(browser: &mut Browser) {
    click_row(browser, "corrected by -200");
    browser.expect(
        "document.querySelectorAll('#detail .step').length",
        &json!(5),
    );
    let shown = detail(browser);
    for part in [
        "took back 200",
        "paid 500",
        "restored 100",
        "duplicate",
        "curl -i 'http://127.0.0.1",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let balances = browser.value("document.querySelector('#detail svg title').textContent");
    assert_eq!(
        balances,
        "Balance after each callback: 0, 0, 500, 500, 300, 400"
    );
}

fn an_explanation_is_shown(browser: &mut Browser) {
    click_row(browser, "not genuine");
    let shown = detail(browser);
    assert!(
        shown.contains("space encoding") && shown.contains("Change: "),
        "{shown}"
    );
    let all = browser.value("document.documentElement.outerHTML");
    assert!(!all.as_str().unwrap().contains(SECRET));
}

/// `POSTBACK_SCREENSHOT=docs/watch.png` keeps what the page looks like.
fn save_a_picture(browser: &mut Browser) {
    let Ok(path) = std::env::var("POSTBACK_SCREENSHOT") else {
        return;
    };
    browser.resize(1280, 800, false);
    click_row(browser, "corrected by 100");
    std::thread::sleep(std::time::Duration::from_millis(300));
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.call("Emulation.setEmulatedMedia", &features);
        let name = if scheme == "light" {
            path.clone()
        } else {
            path.replace(".png", "-dark.png")
        };
        std::fs::write(format!("{name}.base64"), browser.picture()).unwrap();
    }
}

fn pausing_holds_back(watch: &Watch, browser: &mut Browser) {
    browser.value("document.getElementById('pause').click()");
    assert_eq!(watch.send(with_markup().target()), 200);
    browser.expect(
        "document.getElementById('pause').textContent",
        &json!("Resume (1)"),
    );
    browser.expect(
        "document.querySelectorAll('.row').length",
        &json!(STORY_LENGTH),
    );
    browser.value("document.getElementById('pause').click()");
    browser.expect(
        "document.querySelectorAll('.row').length",
        &json!(STORY_LENGTH + 1),
    );

    // And what was held back is markup: it shows as text and does nothing.
    click_row(browser, "<b>p3</b>");
    let shown = detail(browser);
    assert!(
        shown.contains(MARKUP) && shown.contains("<b>p3</b>"),
        "{shown}"
    );
    for expression in [
        "typeof window.caught",
        "document.querySelectorAll('#main script, #main img, #main b').length",
        "document.querySelectorAll('script').length",
    ] {
        let wanted = match expression {
            "typeof window.caught" => json!("undefined"),
            "document.querySelectorAll('script').length" => json!(1),
            _ => json!(0),
        };
        assert_eq!(browser.value(expression), wanted, "{expression}");
    }
}

fn it_fits_a_phone(browser: &mut Browser) {
    browser.resize(360, 740, true);
    for is_open in [true, false] {
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64() <= Some(360),
            "{wide} pixels wide, open: {is_open}"
        );
        if let (true, Ok(path)) = (!is_open, std::env::var("POSTBACK_SCREENSHOT")) {
            std::fs::write(path.replace(".png", "-phone.png.base64"), browser.picture()).unwrap();
        }
        browser.value("document.getElementById('close')?.click()");
    }
}

#[test]
fn the_page_is_only_for_this_machine_and_runs_nothing_else() {
    let watch = Watch::start();
    let (head, body) = get(&watch.address, "/watch", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for part in [
        "default-src 'none'",
        "script-src 'nonce-",
        "frame-ancestors 'none'",
        "nosniff",
        "no-store",
    ] {
        assert!(head.contains(part), "{part:?} is not in\n{head}");
    }
    assert!(!body.contains("{{nonce}}") && !body.contains(SECRET));
    assert!(
        !body.contains("http://") || !body.contains("src=\"http"),
        "an outside asset"
    );
    // Another site's name that points here.
    for target in ["/watch", "/watch/events"] {
        let (head, _) = get(&watch.address, target, "evil.example");
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    }
    // Callbacks come under any name.
    let signed = offer("p1", "o1", "COMPLETED", "5").sign();
    let (head, body) = get(&watch.address, signed.target(), "game.example");
    assert!(
        head.starts_with("HTTP/1.1 200") && body == "settled",
        "{head}"
    );
    assert_eq!(watch.send("/elsewhere?a=1&hash=00"), 404);
    assert_eq!(watch.send("/callbacks/offers?player=p1"), 403);
}

#[test]
fn it_is_a_right_receiver() {
    let watch = Watch::start();
    let output = Command::new(env!("CARGO_BIN_EXE_postback"))
        .args(["play", "all", "--to", &format!("http://{}", watch.address)])
        .args(["--offers-url", OFFERS, "--bans-url", BANS])
        .env_clear()
        .env("BITLABS_APP_SECRET", SECRET)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("all as expected"), "{shown}");
    assert!(
        shown.contains("survey-reversed-and-restored  left out"),
        "{shown}"
    );
}
