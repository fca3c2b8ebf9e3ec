//! What the example prints when it has started: requests to try, signed as the network would sign them.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use postback::testing::bitlabs::{CallbackBuilder, Network};

use super::{Bank, Game};

pub(crate) fn print<B: Bank>(game: &Game<B>, address: SocketAddr) {
    let place = game.bank.place();
    println!("Listening on http://{address}; records and wallet are in {place}.");
    if game.settings.is_demo {
        println!(
            "BITLABS_APP_SECRET is not set: using the public demo secret {:?}.",
            game.settings.secrets
        );
        println!("Never let a real network call this: anyone can sign with it.");
    }
    if game.phonexa.is_none() {
        println!("Phonexa is off: set PHONEXA_LOGIN and PHONEXA_PASSWORD, or PHONEXA_TOKEN.");
    }
    // While a secret is being rotated, the first one signs.
    let secret = game.settings.secrets.split(',').next().unwrap_or_default();
    let network = Network::new(secret);
    let urls = &game.settings.urls;
    // Transactions of their own at every start, so that the lines are no duplicates of the last run's.
    let run = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let offer = |number: u32, state: &str, gems: &str| {
        let callback = network
            .callback(&urls.offers)
            .player("demo")
            .transaction(format!("o{run}{number}"));
        callback
            .state(state)
            .amount(gems)
            .usd("2.50")
            .set("OFFER:NAME", "Lords Mobile")
    };
    let curl = |what: &str, path: &str, callback: CallbackBuilder| {
        println!(
            "\n# {what}\ncurl -i 'http://{address}/callbacks/{path}?{}'",
            callback.sign().query()
        );
    };

    println!("\nTry these; each is signed as the network would sign it:");
    curl(
        "a completed offer: pays 500",
        "offers",
        offer(1, "COMPLETED", "500"),
    );
    curl(
        "the same again: pays nothing",
        "offers",
        offer(1, "COMPLETED", "500"),
    );
    curl(
        "a pending one: pays nothing yet",
        "offers",
        offer(2, "PENDING", "300"),
    );
    curl(
        "its reconciliation: nothing was paid, nothing is taken back",
        "offers",
        offer(2, "RECONCILED", "300"),
    );
    let purchase = offer(3, "COMPLETED", "50")
        .set("OFFER:TASK:IAP:USD", "4.99")
        .set("OFFER:TASK:TYPE:ID", "3");
    curl("an in-app purchase of $4.99: pays 50", "offers", purchase);
    let ban = network.callback(&urls.bans).player("demo");
    curl(
        "a ban",
        "bans",
        ban.set("BAN:STATUS", "BANNED").set("BAN:REASON", "FRAUD"),
    );
    println!("\n# what the player has now\ncurl 'http://{address}/players/demo'\n");
    println!("Ctrl-C ends it.");
}
