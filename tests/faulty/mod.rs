//! A receiver that is right but for one fault.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use postback::bitlabs::{App, BanCallback, Endpoint, OfferCallback, SurveyCallback};
use postback::decision::Decision;
use postback::event::{Effect, Event, EventKind};
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::source::{Callback, Source};
use postback::store::MemoryStore;
use postback::wire::{KeyRing, Request};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&iap_usd=[%OFFER:TASK:IAP:USD%]";
const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]";
const BANS: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
    &ban_status=[%BAN:STATUS%]";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    PaysPending,
    DeduplicatesOnTransactionOnly,
    IgnoresReference,
    RefusesNegativeAmounts,
}

/// The receiver, listening; ends with the test.
pub(crate) struct Receiving {
    pub(crate) address: String,
    _runtime: tokio::runtime::Runtime,
}

struct Game {
    fault: Option<Fault>,
    offers: Endpoint<OfferCallback>,
    surveys: Endpoint<SurveyCallback>,
    bans: Endpoint<BanCallback>,
    receiver: Receiver<MemoryStore>,
    wallet: Arc<Mutex<Wallet>>,
    seen: Mutex<HashSet<String>>,
}

#[derive(Default)]
struct Wallet {
    balances: HashMap<String, Decimal>,
    banned: HashSet<String>,
}

impl Receiving {
    pub(crate) fn start(secret: &str, fault: Option<Fault>) -> Self {
        let app = App::new("game", KeyRing::from_list(secret).unwrap()).unwrap();
        let game = Arc::new(Game {
            fault,
            offers: app.offers(OFFERS).build().unwrap(),
            surveys: app.surveys(SURVEYS).build().unwrap(),
            bans: app.bans(BANS).build().unwrap(),
            receiver: Receiver::new(MemoryStore::new()),
            wallet: Arc::default(),
            seen: Mutex::default(),
        });
        let offers =
            async |State(game): State<Arc<Game>>, uri: Uri| game.answer(&game.offers, &uri).await;
        let surveys =
            async |State(game): State<Arc<Game>>, uri: Uri| game.answer(&game.surveys, &uri).await;
        let bans =
            async |State(game): State<Arc<Game>>, uri: Uri| game.answer(&game.bans, &uri).await;
        let player = async |State(game): State<Arc<Game>>, Path(player): Path<String>| {
            game.statement(&player)
        };
        let router = Router::new()
            .route("/callbacks/offers", get(offers))
            .route("/callbacks/surveys", get(surveys))
            .route("/callbacks/bans", get(bans))
            .route("/players/{id}", get(player))
            .with_state(game);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

impl Game {
    async fn answer<S: Source>(&self, endpoint: &S, uri: &Uri) -> StatusCode {
        let target = uri.path_and_query().unwrap().as_str();
        match endpoint.open(&Request::get(target)) {
            Err(error) if error.is_unauthenticated() => StatusCode::FORBIDDEN,
            Err(_) => StatusCode::BAD_REQUEST,
            Ok(callback) => self.receive(callback.event()).await,
        }
    }

    async fn receive(&self, mut event: Event) -> StatusCode {
        let fault = self.fault;
        if let EventKind::Conversion {
            transaction,
            original,
            effect,
        } = &mut event.kind
        {
            let is_negative = matches!(effect, Effect::Adjusted { by, is_state_change: false } if *by < Decimal::ZERO);
            match fault {
                Some(Fault::RefusesNegativeAmounts) if is_negative => {
                    return StatusCode::BAD_REQUEST;
                }
                Some(Fault::IgnoresReference) => *original = None,
                Some(Fault::DeduplicatesOnTransactionOnly)
                    if !self.seen.lock().unwrap().insert(transaction.to_string()) =>
                {
                    return StatusCode::OK;
                }
                _ => {}
            }
        }
        let wallet = Arc::clone(&self.wallet);
        let handler = move |decision: &Decision| {
            let change = match decision {
                Decision::Pending(pending) if fault == Some(Fault::PaysPending) => {
                    pending.amount().unwrap_or_default()
                }
                other => other.balance_change(),
            };
            let player = decision.player().to_string();
            let mut wallet = wallet.lock().unwrap();
            match decision {
                Decision::Ban(_) => drop(wallet.banned.insert(player.clone())),
                Decision::Unban(_) => drop(wallet.banned.remove(&player)),
                _ => {}
            }
            *wallet.balances.entry(player).or_default() += change;
            async { Ok::<(), HandlerError>(()) }
        };
        match self.receiver.receive(event, &handler).await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn statement(&self, player: &str) -> axum::Json<Value> {
        let wallet = self.wallet.lock().unwrap();
        let balance = wallet.balances.get(player).copied().unwrap_or_default();
        axum::Json(
            json!({ "balance": balance.to_string(), "banned": wallet.banned.contains(player) }),
        )
    }
}
