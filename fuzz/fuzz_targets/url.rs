//! Any text as a dashboard URL: an error that says what to type, or an endpoint that reads what it signs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback::bitlabs::App;
use postback::{Endpoint, Request};

fuzz_target!(|url: &str| {
    let app = App::new("my-game", "secret").unwrap();
    match app.offers(url) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(endpoint) => {
            assert!(endpoint.path().starts_with('/'));
            assert!(endpoint.verify(&Request::get("/?hash=")).is_err());
        }
    }
});
