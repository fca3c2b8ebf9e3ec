//! Takes a request: verifies it, decides, remembers, and shows all that to the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{StatusCode, header, request::Parts};
use postback::clock::{Clock, SystemClock};
use postback::decision::Decision;
use postback::event::{Event, EventKind, TestCallback};
use postback::explain::Explainer;
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::source::OpenError;
use postback::store::{DedupStore, MemoryStore};
use postback::web::{Refusal, Reply};
use postback::wire::Request;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::feed::Feed;
use super::seen::{Decided, Seen};
use super::{Started, without_secrets};
use crate::dashboard::{Dashboard, FAMILIES};
use crate::endpoint::{Opened, Opens};
use crate::secret::SecretArguments;
use crate::{time, words};

pub(super) struct Desk {
    endpoints: Vec<Box<dyn Opens>>,
    /// One for each endpoint, in the same order.
    explainers: Vec<Explainer>,
    receiver: Receiver<MemoryStore>,
    wallet: Arc<Mutex<Wallet>>,
    pub(super) feed: Feed,
    /// Only to keep them out of what is shown.
    secrets: String,
}

/// What players would have.
#[derive(Default)]
struct Wallet {
    balances: BTreeMap<String, Decimal>,
    banned: BTreeSet<String>,
}

fn locked(wallet: &Mutex<Wallet>) -> MutexGuard<'_, Wallet> {
    wallet.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub(super) fn new(secret: &SecretArguments, dashboard: &Dashboard) -> Started<Self> {
        let endpoints = dashboard.endpoints(&secret.keys()?)?;
        let found = secret.find()?;
        let name = found.name.clone();
        let secrets = found.into_text();
        let mut explainers = Vec::new();
        for url in FAMILIES
            .into_iter()
            .filter_map(|family| dashboard.url(family))
        {
            let explainer = Explainer::bitlabs().secret(&name, secrets.as_str());
            explainers.push(explainer.template(url)?);
        }
        Ok(Self {
            endpoints,
            explainers,
            receiver: Receiver::new(MemoryStore::new()),
            wallet: Arc::default(),
            feed: Feed::new(),
            secrets,
        })
    }

    /// Family and path of every endpoint.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.endpoints
            .iter()
            .map(|endpoint| (endpoint.family().name(), endpoint.path()))
    }

    pub(super) fn statement(&self, player: &str) -> Value {
        let wallet = locked(&self.wallet);
        let balance = wallet.balances.get(player).copied().unwrap_or_default();
        json!({
            "player": player,
            "balance": balance.normalize().to_string(),
            "banned": wallet.banned.contains(player),
        })
    }

    /// Answers a request, and shows it to the pages.
    pub(super) async fn take(&self, parts: &Parts) -> (StatusCode, &'static str) {
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let mut seen = Seen {
            at: time::shown(SystemClock.now()),
            method: parts.method.to_string(),
            target: target.to_owned(),
            host: header_text(parts, header::HOST.as_str()),
            ..Seen::default()
        };
        self.look_at(parts, target, &mut seen).await;
        let status = StatusCode::from_u16(seen.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = seen.body;
        self.feed.push(|number| {
            seen.number = number;
            let json = serde_json::to_string(&seen).unwrap_or_default();
            without_secrets(&json, &self.secrets)
        });
        (status, body)
    }

    async fn look_at(&self, parts: &Parts, target: &str, seen: &mut Seen) {
        let path = target.split('?').next().unwrap_or_default();
        let place = self
            .endpoints
            .iter()
            .position(|endpoint| endpoint.path() == path);
        let Some((endpoint, explainer)) =
            place.and_then(|place| Some((self.endpoints.get(place)?, self.explainers.get(place)?)))
        else {
            (seen.status, seen.body) = (404, "not found");
            "to a path of no dashboard URL".clone_into(&mut seen.meaning);
            seen.error = Some(format!("no dashboard URL has the path {path:?}"));
            return;
        };
        seen.endpoint = Some(endpoint.family().name());
        match endpoint.open(&Request::new(parts.method.as_str(), target)) {
            Ok(opened) => self.receive(opened, seen).await,
            Err(error) => refuse(&error, explainer, parts, seen),
        }
    }

    async fn receive(&self, opened: Opened, seen: &mut Seen) {
        let Opened { event, fields } = opened;
        let key = event.key();
        describe(&event, seen);
        seen.fields = fields;
        let told: Arc<Mutex<Vec<Decided>>> = Arc::default();
        let handler = {
            let (told, wallet) = (Arc::clone(&told), Arc::clone(&self.wallet));
            move |decision: &Decision| {
                carry_out(&wallet, decision);
                told.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(decision.into());
                async { Ok::<(), HandlerError>(()) }
            }
        };
        let reply = match self.receiver.receive(event, &handler).await {
            Ok(receipt) => Reply::from(&receipt),
            Err(error) => {
                seen.error = Some(error.to_string());
                Reply::from(&Refusal::from(error))
            }
        };
        (seen.status, seen.body) = (reply.status, reply.body);
        seen.decisions
            .append(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
        if let Ok(Some(stored)) = self.receiver.store().load(&key).await {
            seen.balance = Some(stored.record.settled().normalize().to_string());
        }
    }
}

fn describe(event: &Event, seen: &mut Seen) {
    seen.is_genuine = true;
    seen.is_test = event.test != TestCallback::No;
    seen.player = Some(event.player.to_string());
    seen.conversion = Some(event.key().to_string());
    seen.meaning = words::meaning(&event.kind);
    if let EventKind::Conversion { transaction, .. } = &event.kind {
        seen.transaction = Some(transaction.to_string());
    }
}

fn refuse(error: &OpenError, explainer: &Explainer, parts: &Parts, seen: &mut Seen) {
    let reply = Reply::from(&Refusal::from(error.clone()));
    (seen.status, seen.body) = (reply.status, reply.body);
    seen.error = Some(error.to_string());
    if !error.is_unauthenticated() {
        seen.is_genuine = !matches!(
            error,
            OpenError::Method { .. } | OpenError::TooLong { .. } | OpenError::Fragment
        );
        "not accepted".clone_into(&mut seen.meaning);
        return;
    }
    "not genuine".clone_into(&mut seen.meaning);
    let mut explainer = explainer.clone();
    for name in [header::HOST.as_str(), "x-forwarded-host"] {
        explainer = explainer.host(header_text(parts, name));
    }
    // Some milliseconds of arithmetic: the other requests go on meanwhile.
    let explanation = tokio::task::block_in_place(|| explainer.explain(&seen.target));
    seen.explanation = Some(crate::explain::as_json(&explanation));
}

fn header_text(parts: &Parts, name: &str) -> String {
    let value = parts.headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn carry_out(wallet: &Mutex<Wallet>, decision: &Decision) {
    let mut wallet = locked(wallet);
    let player = decision.player().to_string();
    match decision {
        Decision::Ban(_) => drop(wallet.banned.insert(player.clone())),
        Decision::Unban(_) => drop(wallet.banned.remove(&player)),
        _ => {}
    }
    let balance = wallet.balances.entry(player).or_default();
    *balance = balance.saturating_add(decision.balance_change());
}
