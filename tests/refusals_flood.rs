//! A flood of forged callbacks does not fill the log. A binary of its own: it listens to the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "axum")]

mod captured;
mod ledger;

use std::future::ready;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use captured::Captured;
use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::decision::Decision;
use postback::receiver::Receiver;
use postback::store::MemoryStore;
use postback::web::axum::Verified;
use postback::wire::KeyRing;

const URL: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
const FORGED: u64 = 100_000;
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Configured(Endpoint<OfferCallback>);

impl FromRef<Configured> for Endpoint<OfferCallback> {
    fn from_ref(configured: &Configured) -> Self {
        configured.0.clone()
    }
}

#[tokio::test]
async fn a_flood_of_forged_callbacks_writes_few_lines_that_account_for_all() {
    let captured = Captured::start();
    #[cfg(feature = "metrics")]
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .unwrap();
    postback::observe::limit_refusals(LINES, WINDOW);
    let app = App::new("game", KeyRing::from_list("a secret").unwrap()).unwrap();
    let configured = Configured(app.offers(URL).build().unwrap());

    let began = Instant::now();
    for number in 0..FORGED {
        let target = format!(
            "/offers?player=p1&tx=o{number}&gems=5&state=COMPLETED&ref=&hash={number:040x}"
        );
        let request = Request::builder().uri(target).body(Body::empty()).unwrap();
        let verified = Verified::<OfferCallback>::from_request(request, &configured).await;
        assert!(verified.is_err());
    }
    let windows = began.elapsed().as_millis() / WINDOW.as_millis() + 2;

    // The flood is over. The next genuine callback brings the rest of the account.
    tokio::time::sleep(WINDOW * 2).await;
    let receiver = Receiver::new(MemoryStore::new());
    let pay = |_: &Decision| ready(Ok(()));
    receiver
        .receive(ledger::completed("o1", "5"), &pay)
        .await
        .unwrap();

    let lines = captured.lines();
    let of = |message: &str| {
        let of_message = lines.iter().filter(|line| line.message == message);
        of_message.cloned().collect::<Vec<_>>()
    };
    let written = of("request refused");
    let told = of("refused requests were not logged");
    assert!(
        written.len() as u128 <= windows * u128::from(LINES),
        "{}",
        written.len()
    );
    assert!(told.len() as u128 <= windows, "{}", told.len());
    let suppressed: u64 = told
        .iter()
        .map(|line| {
            line.fields
                .value("suppressed")
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .sum();
    assert_eq!(written.len() as u64 + suppressed, FORGED);
    assert!(suppressed > FORGED / 2);
    let is_forged = |line: &captured::Line| line.fields.value("cause") == Some("signature_wrong");
    assert!(written.iter().chain(&told).all(is_forged));

    #[cfg(feature = "metrics")]
    {
        let count = format!(
            "postback_requests_refused_total{{cause=\"signature_wrong\",fault=\"sender\"}} {FORGED}\n"
        );
        assert!(metrics.render().contains(&count), "metrics count all");
    }
}
