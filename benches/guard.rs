//! What it costs to find out what is due, beside a copy of the record that is taken up anyway; and to write
//! and read a record, beside the JSON library's own work on the same text.
//!
//! ```sh
//! cargo bench --bench guard --features testing,phonexa
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(dead_code, reason = "other measurements open more")]

mod beside;
mod opening;

use std::sync::Arc;

use beside::{Case, Work, compare, in_processes};
use opening::{OFFERS, SECRET, offer, offers};
use postback::clock::Timestamp;
use postback::event::Event;
use postback::guard::{Considered, Record, consider};
use postback::source::{Callback, Source};
use postback::steps::{Happened, Steps, Timing};
use postback::store::json;
use postback::testing::bitlabs::Network;
use postback::wire::Request;
use serde::de::IgnoredAny;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn completed() -> Event {
    let callback = offer(&Network::new(SECRET));
    let request = Request::get(callback.target());
    offers(SECRET).open(&request).unwrap().event()
}

fn reconciled() -> Event {
    let callback = Network::new(SECRET)
        .callback(OFFERS)
        .player("8cc877ee-af19-488d-b28d-216fb866b996")
        .transaction("o83459201")
        .amount("1500")
        .state("RECONCILED")
        .sign();
    let request = Request::get(callback.target());
    offers(SECRET).open(&request).unwrap().event()
}

/// The record after the game has paid for the completed event.
fn paid() -> Record {
    let mut steps = Steps::receive_in_transaction(completed(), Timing::default());
    steps.advance(Happened::Loaded(None), NOW);
    steps.settlement(NOW).unwrap().1
}

fn considers(record: Record, event: Event) -> Work {
    let event = Arc::new(event);
    Work::new(move || consider(&record, &event, NOW))
}

fn copies(record: Record) -> Work {
    Work::new(move || record.clone())
}

fn main() {
    in_processes(measure);
}

fn measure() {
    let fresh = Record::new(completed().key());
    assert_eq!(
        consider(&paid(), &Arc::new(completed()), NOW),
        Considered::Duplicate
    );
    let case = |name, target, work, floor| Case {
        name,
        work,
        floor,
        target,
    };
    compare(
        "a copy of the record as it was",
        &[
            case(
                "fresh conversion",
                None,
                considers(fresh.clone(), completed()),
                copies(fresh),
            ),
            case(
                "duplicate",
                None,
                considers(paid(), completed()),
                copies(paid()),
            ),
            case(
                "reversal",
                None,
                considers(paid(), reconciled()),
                copies(paid()),
            ),
        ],
    );
    let record = paid();
    let text = json::write(&record).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (key, written, read) = (record.key().clone(), text.clone(), text.clone());
    println!("\na record of {} bytes as JSON", text.len());
    compare(
        "the JSON library alone: writing the same text from a tree, walking through it",
        &[
            case(
                "write",
                None,
                Work::new(move || json::write(&record)),
                Work::new(move || serde_json::to_string(&value)),
            ),
            case(
                "read",
                None,
                Work::new(move || json::read(&key, 1, written.as_bytes())),
                Work::new(move || serde_json::from_str::<IgnoredAny>(&read).is_ok()),
            ),
        ],
    );
}
