//! A game behind all of BitLabs' endpoints: requests go in as the network sends them, statuses come out,
//! and the wallet shows what the player has.
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

use postback::bitlabs::{
    App, BanCallback, CashbackCallback, Endpoint, OfferCallback, OfferState, ReceiptCallback,
    RewardCallback, SurveyCallback,
};
use postback::decision::{Decision, DecisionKind};
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::source::{Callback, Source};
use postback::store::{DedupStore, MemoryStore};
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::web::{Refusal, Reply};
use postback::wire::{KeyRing, Request};
use rust_decimal::Decimal;

use crate::ledger::Wallet;

pub const SECRET: &str = "game-secret-1";

pub const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]\
    &task=[%OFFER:TASK:ID%]&name=[%OFFER:NAME%]&type=[%TYPE%]&iap_usd=[%OFFER:TASK:IAP:USD%]\
    &hidden=[%OFFER:TASK:HIDDEN%]&type_id=[%OFFER:TASK:TYPE:ID%]&reason=[%OFFER:REJECTION_REASON%]";
pub const RECONCILED: &str = "https://game.example/callbacks/reconciled?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&ref=[%REF%]";
pub const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]";
pub const RECEIPTS: &str = "https://game.example/callbacks/receipts?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&ref=[%REF%]&magic_receipt_state=[%RECEIPT:STATE%]";
pub const CASHBACK: &str = "https://game.example/callbacks/cashback?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&ref=[%REF%]&cashback_state=[%CASHBACK:STATE%]";
pub const REWARDS: &str = "https://game.example/callbacks/rewards?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&ref=[%REF%]&type=[%TYPE%]";
pub const BANS: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
    &ban_status=[%BAN:STATUS%]";

pub struct Game<S = MemoryStore> {
    pub offers: Endpoint<OfferCallback>,
    pub reconciled: Endpoint<OfferCallback>,
    pub surveys: Endpoint<SurveyCallback>,
    pub receipts: Endpoint<ReceiptCallback>,
    pub cashback: Endpoint<CashbackCallback>,
    pub rewards: Endpoint<RewardCallback>,
    pub bans: Endpoint<BanCallback>,
    pub receiver: Receiver<S>,
    pub wallet: Arc<Mutex<Wallet>>,
    pub network: Network,
}

impl Game {
    pub fn new() -> Self {
        Self::on(MemoryStore::new())
    }
}

pub fn app() -> App {
    App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap()
}

impl<S: DedupStore> Game<S> {
    pub fn on(store: S) -> Self {
        let app = app();
        Self {
            offers: app.offers(OFFERS).build().unwrap(),
            reconciled: app
                .offers(RECONCILED)
                .only(OfferState::Reconciled)
                .build()
                .unwrap(),
            surveys: app.surveys(SURVEYS).build().unwrap(),
            receipts: app.receipts(RECEIPTS).build().unwrap(),
            cashback: app.cashback(CASHBACK).build().unwrap(),
            rewards: app.rewards(REWARDS).build().unwrap(),
            bans: app.bans(BANS).build().unwrap(),
            receiver: Receiver::new(store),
            wallet: Arc::default(),
            network: Network::new(SECRET),
        }
    }

    /// A request to an endpoint, all the way: the status that the network would see.
    pub async fn request<C: Callback>(&self, endpoint: &Endpoint<C>, target: &str) -> u16
    where
        Endpoint<C>: Source<Callback = C>,
    {
        let result = match endpoint.open(&Request::get(target)) {
            Ok(callback) => self.receive(callback.event()).await,
            Err(error) => Err(Refusal::from(error)),
        };
        result.unwrap_or_else(|refusal| Reply::from(&refusal).status)
    }

    async fn receive(&self, event: postback::event::Event) -> Result<u16, Refusal> {
        let wallet = Arc::clone(&self.wallet);
        let handler = move |decision: &Decision| {
            wallet.lock().unwrap().carry_out(decision);
            async { Ok::<(), HandlerError>(()) }
        };
        let receipt = self.receiver.receive(event, &handler).await?;
        Ok(Reply::from(&receipt).status)
    }

    pub fn offer(&self, tx: &str, state: &str, gems: &str) -> CallbackBuilder {
        self.network
            .callback(OFFERS)
            .player("p1")
            .transaction(tx)
            .state(state)
            .amount(gems)
    }

    pub fn survey(&self, tx: &str, call_type: &str, gems: &str) -> CallbackBuilder {
        self.network
            .callback(SURVEYS)
            .player("p1")
            .transaction(tx)
            .call_type(call_type)
            .amount(gems)
    }

    /// Sends an offer callback that must be answered 200.
    pub async fn play_offer(&self, tx: &str, state: &str, gems: &str) {
        self.play(&self.offers, self.offer(tx, state, gems)).await;
    }

    /// Sends a survey callback that must be answered 200; `original` may be empty.
    pub async fn play_survey(&self, tx: &str, call_type: &str, gems: &str, original: &str) {
        self.play(
            &self.surveys,
            self.survey(tx, call_type, gems).original(original),
        )
        .await;
    }

    pub async fn play<C: Callback>(&self, endpoint: &Endpoint<C>, callback: CallbackBuilder)
    where
        Endpoint<C>: Source<Callback = C>,
    {
        let signed = callback.sign();
        assert_eq!(
            self.request(endpoint, signed.target()).await,
            200,
            "{}",
            signed.target()
        );
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
