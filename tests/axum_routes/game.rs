//! A game behind axum, on a port of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::FromRef;
use postback::bitlabs::{App, Endpoint, OfferCallback, SurveyCallback};
use postback::decision::Decision;
use postback::event::RecordKey;
use postback::guard::Record;
use postback::handler::{Handler, HandlerError};
use postback::receiver::{HandlingReceiver, Receiver};
use postback::steps::Timing;
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::wire::KeyRing;
use rust_decimal::Decimal;
use tokio::net::TcpListener;

pub(crate) use crate::server::Server;

pub(crate) const SECRET: &str = "route-secret";
pub(crate) const OFFERS: &str = "https://game.example/cb/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&source=bitlabs";
pub(crate) const SURVEYS: &str = "https://game.example/cb/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &type=[%TYPE%]&ref=[%REF%]";

impl Server {
    /// A server for this app.
    pub(crate) fn start(app: Router) -> Self {
        Self::run(move |listener, stopped| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app).into_future() => served.unwrap(),
                    _ = stopped => {}
                }
            });
        })
    }
}

/// What the game was told to do, in order.
#[derive(Clone, Default)]
pub(crate) struct Wallet {
    told: Arc<Mutex<Vec<Decision>>>,
    begun: Arc<AtomicUsize>,
}

impl Wallet {
    pub(crate) fn balance(&self) -> Decimal {
        let told = self.told.lock().unwrap();
        told.iter().map(Decision::balance_change).sum()
    }

    /// How often the game was called.
    pub(crate) fn calls(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Waits until the game has been called so many times, whether or not it is done with it.
    pub(crate) fn wait_until_called(&self, times: usize) {
        let started = Instant::now();
        while self.begun.load(Ordering::SeqCst) < times {
            assert!(started.elapsed() < Duration::from_secs(10), "not called");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A handler that carries everything out, except what a transaction's name asks it to do otherwise.
    pub(crate) fn handler(&self) -> impl Handler + Clone + 'static {
        let Self { told, begun } = self.clone();
        move |decision: &Decision| {
            begun.fetch_add(1, Ordering::SeqCst);
            let (told, decision) = (Arc::clone(&told), decision.clone());
            async move {
                let id = decision.id().as_str();
                if id.contains("/fail") {
                    return Err(HandlerError::failed("the wallet is out of order"));
                }
                if id.contains("/refuse") {
                    return Err(HandlerError::refused("no such player"));
                }
                if id.contains("/slow") {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                told.lock().unwrap().push(decision);
                Ok(())
            }
        }
    }

    pub(crate) fn receiver(&self) -> HandlingReceiver<MemoryStore, impl Handler + Clone + 'static> {
        Receiver::new(MemoryStore::new()).with_handler(self.handler())
    }

    /// One that gives up on a twin at once.
    pub(crate) fn impatient(
        &self,
    ) -> HandlingReceiver<MemoryStore, impl Handler + Clone + 'static> {
        Receiver::new(MemoryStore::new())
            .with_timing(Timing::new().patience(Duration::ZERO))
            .with_handler(self.handler())
    }
}

/// What a game keeps in its router's state: several endpoints, the receiver, the wallet.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) offers: Endpoint<OfferCallback>,
    pub(crate) surveys: Endpoint<SurveyCallback>,
    pub(crate) receiver: Receiver<MemoryStore>,
    pub(crate) wallet: Wallet,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            offers: offers(),
            surveys: surveys(),
            receiver: Receiver::new(MemoryStore::new()),
            wallet: Wallet::default(),
        }
    }
}

impl FromRef<State> for Endpoint<OfferCallback> {
    fn from_ref(state: &State) -> Self {
        state.offers.clone()
    }
}

impl FromRef<State> for Endpoint<SurveyCallback> {
    fn from_ref(state: &State) -> Self {
        state.surveys.clone()
    }
}

impl FromRef<State> for Receiver<MemoryStore> {
    fn from_ref(state: &State) -> Self {
        state.receiver.clone()
    }
}

impl FromRef<State> for Wallet {
    fn from_ref(state: &State) -> Self {
        state.wallet.clone()
    }
}

/// A store that is down.
#[derive(Debug)]
pub(crate) struct Down;

fn down() -> StoreError {
    StoreError::Unavailable {
        doing: "answer",
        source: "connection refused".into(),
    }
}

impl DedupStore for Down {
    async fn load(&self, _: &RecordKey) -> Result<Option<Stored>, StoreError> {
        Err(down())
    }

    async fn swap(&self, _: Option<Version>, _: &Record) -> Result<Swapped, StoreError> {
        Err(down())
    }

    async fn unsettled(
        &self,
        _: Option<&RecordKey>,
        _: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Err(down())
    }
}

pub(crate) fn app() -> App {
    App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap()
}

pub(crate) fn offers() -> Endpoint<OfferCallback> {
    app().offers(OFFERS).build().unwrap()
}

pub(crate) fn surveys() -> Endpoint<SurveyCallback> {
    app().surveys(SURVEYS).build().unwrap()
}

pub(crate) fn offer(tx: &str, state: &str, gems: &str) -> CallbackBuilder {
    let callback = Network::new(SECRET).callback(OFFERS).player("p1");
    callback.transaction(tx).state(state).amount(gems)
}

/// A completed offer of 500, ready to be sent.
pub(crate) fn completed(tx: &str) -> String {
    offer(tx, "COMPLETED", "500").sign().target().to_owned()
}

pub(crate) fn survey(tx: &str) -> String {
    let callback = Network::new(SECRET).callback(SURVEYS).player("p1");
    let callback = callback.transaction(tx).call_type("COMPLETE").amount("20");
    callback.sign().target().to_owned()
}
