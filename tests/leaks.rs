//! Nothing secret leaves: a file of its own, for it listens to the log of the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

mod bitlabs_game;
mod ledger;

use std::sync::{Arc, Mutex};

use bitlabs_game::{Game, OFFERS, SECRET, app};
use postback::source::Source;
use postback::testing::bitlabs::Network;
use postback::wire::Request;

#[tokio::test]
async fn mistake_25_the_secret_is_logged_or_echoed() {
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_writer({
            let captured = captured.clone();
            move || captured.clone()
        })
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let game = Game::new();
    let genuine = game.offer("o1", "COMPLETED", "500").sign();
    game.request(&game.offers, genuine.target()).await;
    let stranger = Network::new("another secret");
    let signed = stranger
        .callback(OFFERS)
        .player("p1")
        .transaction("o2")
        .state("COMPLETED")
        .amount("500")
        .sign();
    let forged = signed.target();
    game.request(&game.offers, forged).await;
    let error = game.offers.open(&Request::get(forged)).unwrap_err();
    drop(logging);
    let callback = game.offers.open(&Request::get(genuine.target())).unwrap();
    let shown = format!(
        "{}{:?}{error}{error:?}{callback:?}{}{:?}{:?}",
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap(),
        game.offers,
        serde_json::to_string(&callback).unwrap(),
        Request::get(genuine.target()),
        app(),
    );
    assert!(shown.contains("callback settled"), "the log was captured");
    for target in [genuine.target(), forged] {
        let (url, hash) = target.split_once("&hash=").unwrap();
        assert!(!shown.contains(hash));
        assert!(!shown.contains(url), "nor the URL without it");
    }
    assert!(!shown.contains(SECRET));
}
