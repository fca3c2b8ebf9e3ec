//! The receivers behind the proxy: both examples, one after the other.

use std::net::SocketAddr;

use postback::testing::bitlabs::CallbackBuilder;

use crate::backend::{Backend, Place, command_of, example, network};

/// The offers' URL as typed into the dashboard, where a test needs no other.
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";

/// One example, running.
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    backend: Backend,
    _place: Place,
}

impl Receiver {
    pub(crate) fn address(&self) -> SocketAddr {
        self.backend.address()
    }

    pub(crate) fn balance(&self, player: &str) -> String {
        let player = self.backend.player(player);
        player["balance"].as_str().unwrap().to_owned()
    }
}

/// Tries the same with each example, whose offers' dashboard URL is this one.
pub(crate) fn each(offers: &str, tried: impl Fn(Receiver)) {
    for name in ["axum_receiver", "actix_receiver"] {
        let place = Place::new();
        let mut command = command_of(&example(name), &place.file());
        command
            .env("RUST_LOG", "warn")
            .env("BITLABS_OFFERS_URL", offers);
        let backend = Backend::spawn(command, &place.file().with_extension("log"));
        tried(Receiver {
            name,
            backend,
            _place: place,
        });
    }
}

/// A completed offer of 500 for the player `p1`, to be signed for this dashboard URL.
pub(crate) fn completed(url: &str, tx: &str) -> CallbackBuilder {
    let callback = network().callback(url).player("p1");
    callback.transaction(tx).state("COMPLETED").amount("500")
}

/// The target of such a callback, as it is sent.
pub(crate) fn target(url: &str, tx: &str) -> String {
    completed(url, tx).sign().target().to_owned()
}
