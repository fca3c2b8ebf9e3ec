//! How often a callback asks for memory. Whoever does not know the secret gets none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the measurements use more of it")]

#[path = "../benches/opening/mod.rs"]
mod opening;

use allocation_counter::measure;
use opening::{
    RECEIPTS, SECRET, SURVEYS, acme, acme_callback, app, forged, offer, offers, receipt,
    signed_bytes, survey, unsigned,
};
use postback::source::{OpenError, Source};
use postback::testing::bitlabs::Network;
use postback::wire::Request;

/// The same offer with its parameters in another order, and one that the game added.
fn in_another_order(network: &Network) -> String {
    let genuine = offer(network);
    let signed = String::from_utf8(signed_bytes(genuine.url())).unwrap();
    let (prefix, query) = signed.split_once('?').unwrap();
    let mut pieces: Vec<&str> = query.split('&').collect();
    pieces.reverse();
    pieces.push("campaign=autumn");
    let url = format!("{prefix}?{}", pieces.join("&"));
    network.sign_url(&url).target().to_owned()
}

/// Allocations while a target is opened; nothing that is opened is kept.
fn allocations<S: Source>(endpoint: &S, target: &str) -> (u64, Result<(), OpenError>) {
    let request = Request::get(target);
    let mut outcome = Ok(());
    let counted = measure(|| outcome = endpoint.open(&request).map(drop));
    (counted.count_total, outcome)
}

#[test]
fn an_accepted_callback_takes_four_allocations() {
    // The query with what was decoded of it, the list of parameters, the player, the transaction.
    let network = Network::new(SECRET);
    let receipts = app(SECRET).receipts(RECEIPTS).build().unwrap();
    let surveys = app(SECRET).surveys(SURVEYS).build().unwrap();
    let two_keys = offers(&format!("another,{SECRET}"));
    for (count, outcome) in [
        allocations(&offers(SECRET), offer(&network).target()),
        allocations(&two_keys, offer(&network).target()),
        allocations(&receipts, receipt(&network).target()),
        allocations(&surveys, survey(&network).target()),
        allocations(&acme(), acme_callback().target()),
    ] {
        assert_eq!((count, outcome), (4, Ok(())));
    }
}

#[test]
fn another_order_takes_one_more() {
    // Where the configured parameters stand.
    let network = Network::new(SECRET);
    let (count, outcome) = allocations(&offers(SECRET), &in_another_order(&network));
    assert_eq!((count, outcome), (5, Ok(())));
}

#[test]
fn whoever_does_not_know_the_secret_causes_no_allocation() {
    let network = Network::new(SECRET);
    let endpoint = offers(SECRET);
    let two_keys = offers(&format!("another,{SECRET}"));
    let long = format!("/callbacks/offers?player={}", "a".repeat(10_000));
    let genuine = offer(&network);
    for (count, outcome) in [
        allocations(&endpoint, &forged(&network)),
        allocations(&two_keys, &forged(&network)),
        allocations(&endpoint, &unsigned(&network)),
        allocations(&endpoint, &genuine.target().replace("1500", "9999")),
        allocations(&endpoint, &genuine.target().to_uppercase()),
        allocations(&endpoint, &format!("{}#", genuine.target())),
        allocations(&endpoint, &long),
        allocations(&endpoint, "/"),
    ] {
        assert!(outcome.is_err());
        assert_eq!(count, 0, "{outcome:?}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn a_first_delivery_takes_thirteen_allocations_and_eight_for_metrics() {
    use std::future::ready;

    use postback::decision::Decision;
    use postback::handler::HandlerError;
    use postback::receiver::Receiver;
    use postback::source::Callback;
    use postback::steps::Receipt;
    use postback::store::MemoryStore;

    // Kept: the event and what was signed, the key, the record, its entries; and the store's tree, which begins here.
    // Again, when it is settled: the entries. On the way: the steps, the delivery, and what the texts of key and
    // decision are joined in.
    let network = Network::new(SECRET);
    let endpoint = offers(SECRET);
    let callback = endpoint.open(&Request::get(offer(&network).target()));
    let event = callback.unwrap().event();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let pay = |_: &Decision| ready(Ok::<(), HandlerError>(()));
    let receive = || {
        let receiver = Receiver::new(MemoryStore::new());
        let mut receipt = None;
        let counted = measure(|| {
            receipt = Some(runtime.block_on(receiver.receive(event.clone(), &pay)));
        });
        assert!(matches!(receipt, Some(Ok(Receipt::Settled(..)))));
        counted.count_total
    };
    // What the libraries set up for themselves at the first time.
    receive();
    let metrics = if cfg!(feature = "metrics") { 8 } else { 0 };
    assert_eq!(receive(), 13 + metrics);
}
