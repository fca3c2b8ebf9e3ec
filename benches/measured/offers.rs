//! Completed offers as a network sends them: signed, opened by the endpoint, and never the same one twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::Event;
use postback::guard::Record;
use postback::source::{Callback, Source};
use postback::steps::{Handled, Happened, Step, Steps, Timing};
use postback::store::json;
use postback::testing::bitlabs::Network;
use postback::wire::{KeyRing, Request};

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const URL: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]";
const UPDATED: u64 = 1_760_000_000_000;
/// So many players finish the offers.
const PLAYERS: u64 = 1_000_000;

/// So many offers arrive in an order that is not the network's: twins, retries, several of its machines.
const SHUFFLED: u64 = 256;

/// In which order the network numbers its transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As documented, a letter and a number that grows. It counts all publishers' offers: a game sees some of
    /// the numbers, not quite in their order.
    Ascending,
    /// In none: every index is met at random places.
    Random,
}

/// Makes offers.
pub(crate) struct Offers {
    endpoint: Endpoint<OfferCallback>,
    order: Order,
    /// Told apart from those of other runs, and greater than those of earlier ones.
    run: u64,
    next: AtomicU64,
}

/// What is kept of a settled offer: the record's row, and the wallet's.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) key: String,
    pub(crate) player: String,
    pub(crate) settled: String,
    pub(crate) record: String,
    pub(crate) updated: i64,
    pub(crate) decision: String,
}

/// Spreads numbers evenly (splitmix64), so that an index is met at random places.
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A run that begins now.
pub(crate) fn this_run() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The transaction of one offer. As long in either order.
fn transaction(order: Order, run: u64, number: u64) -> String {
    match order {
        Order::Random => format!("o{:016x}", scattered((run << 32) | number)),
        Order::Ascending => {
            // Odd, so that each place within the window is taken once.
            let (window, place) = (number / SHUFFLED, number % SHUFFLED);
            let place = (place * (2 * (scattered(window) % SHUFFLED) + 1)) % SHUFFLED;
            let counted = window * SHUFFLED + place;
            // Of two numbers the game sees one, now the first, now the second.
            let seen = 2 * counted + scattered(counted) % 2;
            format!("o{:016}", run * 1_000_000 + seen)
        }
    }
}

impl Offers {
    pub(crate) fn new(order: Order, run: u64) -> Self {
        let app = App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap();
        let endpoint = app.offers(URL).build().unwrap();
        let next = AtomicU64::new(0);
        Self {
            endpoint,
            order,
            run,
            next,
        }
    }

    pub(crate) fn event(&self) -> Event {
        self.numbered(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The offer that was, or will be, made as the so-manieth.
    pub(crate) fn numbered(&self, number: u64) -> Event {
        let player = scattered(scattered((self.run << 32) | number)) % PLAYERS;
        let callback = Network::new(SECRET)
            .callback(URL)
            .player(format!("player-{player}"))
            .transaction(transaction(self.order, self.run, number));
        let signed = callback
            .state("COMPLETED")
            .amount("500")
            .usd("0.57")
            .set("OFFER:NAME", "Lords Mobile")
            .sign();
        let opened = self.endpoint.open(&Request::get(signed.target()));
        opened.unwrap().event()
    }

    pub(crate) fn events(&self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    /// So many of the first `made` offers, of any age.
    pub(crate) fn of_any_age(&self, count: usize, made: u64) -> Vec<Event> {
        let numbers = (0_u64..).map(|at| scattered(at) % made);
        numbers
            .take(count)
            .map(|number| self.numbered(number))
            .collect()
    }

    /// What is kept of one more offer.
    pub(crate) fn kept(&self) -> Kept {
        kept(self.event())
    }
}

/// The settled record of an event, made by the very steps that the receivers take; and the decision.
pub(crate) fn settled(event: Event) -> (Record, Decision) {
    let now = Timestamp::from_millis(UPDATED);
    let mut steps = Steps::receive_in_transaction(event, Timing::default());
    let Step::Handle(decision) = steps.advance(Happened::Loaded(None), now) else {
        panic!("not due");
    };
    let settled = steps.advance(Happened::Handled(Handled::Done), now);
    let Step::Swap { record, .. } = settled else {
        panic!("not settled");
    };
    (record, decision)
}

/// What is kept when this event is settled.
pub(crate) fn kept(event: Event) -> Kept {
    let (record, decision) = settled(event);
    Kept {
        key: record.key().to_string(),
        player: decision.player().to_string(),
        settled: record.settled().to_string(),
        record: json::write(&record).unwrap(),
        updated: i64::try_from(UPDATED).unwrap(),
        decision: decision.id().to_string(),
    }
}
