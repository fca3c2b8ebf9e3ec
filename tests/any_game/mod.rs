//! A game behind an endpoint of any source: requests go in, statuses come out, and the wallet shows what
//! the player has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::sync::{Arc, Mutex};

use postback::decision::{Decision, DecisionKind};
use postback::handler::{Handler, HandlerError};
use postback::receiver::Receiver;
use postback::source::{Callback, Source};
use postback::store::MemoryStore;
use postback::web::{Refusal, Reply};
use postback::wire::Request;
use rust_decimal::Decimal;

use crate::ledger::Wallet;

pub struct Game {
    pub receiver: Receiver<MemoryStore>,
    pub wallet: Arc<Mutex<Wallet>>,
}

impl Game {
    pub fn new() -> Self {
        Self {
            receiver: Receiver::new(MemoryStore::new()),
            wallet: Arc::default(),
        }
    }

    pub fn handler(&self) -> impl Handler + Clone + use<> + 'static {
        let wallet = Arc::clone(&self.wallet);
        move |decision: &Decision| {
            wallet.lock().unwrap().carry_out(decision);
            async { Ok::<(), HandlerError>(()) }
        }
    }

    /// A request, all the way: the status that the network would see.
    pub async fn send<E: Source>(&self, endpoint: &E, request: &Request<'_>) -> u16 {
        let result = match endpoint.open(request) {
            Ok(callback) => {
                let handler = self.handler();
                let received = self.receiver.receive(callback.event(), &handler);
                received.await.map_err(Refusal::from)
            }
            Err(error) => Err(Refusal::from(error)),
        };
        match result {
            Ok(receipt) => Reply::from(&receipt).status,
            Err(refusal) => Reply::from(&refusal).status,
        }
    }

    pub fn balance(&self) -> Decimal {
        self.wallet.lock().unwrap().balance
    }

    pub fn kinds(&self) -> Vec<DecisionKind> {
        self.wallet.lock().unwrap().kinds()
    }

    pub fn last(&self) -> Decision {
        self.wallet.lock().unwrap().log.last().unwrap().clone()
    }
}
