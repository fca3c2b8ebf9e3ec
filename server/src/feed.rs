//! What happened lately, for the admin page.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postback::{Action, Clock as _, Event, EventKind, Receipt, SystemClock, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::text::rfc3339;

/// How many callbacks are remembered.
const KEPT: usize = 500;

/// One request that arrived.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Item {
    pub(crate) number: u64,
    pub(crate) at: String,
    pub(crate) network: String,
    pub(crate) app: String,
    pub(crate) endpoint: String,
    pub(crate) player: Option<String>,
    pub(crate) conversion: Option<String>,
    pub(crate) transaction: Option<String>,
    /// What the callback says: `completed`, `adjusted` …
    pub(crate) kind: &'static str,
    /// What became of it: `accepted`, `duplicate`, `unusable`, `rejected` …
    pub(crate) outcome: &'static str,
    /// What was decided: `reward`, `reversal` …
    pub(crate) decision: Option<&'static str>,
    pub(crate) balance_change: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) is_test: bool,
}

/// Numbers of one endpoint since this process started.
#[derive(Debug, Default)]
pub(crate) struct EndpointCounts {
    pub(crate) genuine: AtomicU64,
    /// The time of the last genuine callback, in milliseconds.
    pub(crate) last_genuine: AtomicU64,
    pub(crate) unusable: AtomicU64,
    pub(crate) rejected: AtomicU64,
}

/// Remembers the latest callbacks and hands new ones to every open page.
pub(crate) struct Feed {
    recent: Mutex<VecDeque<Arc<Item>>>,
    live: broadcast::Sender<Arc<Item>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { recent: Mutex::default(), live: broadcast::Sender::new(KEPT) }
    }

    /// Numbers an item and shows it.
    pub(crate) fn push(&self, mut item: Item) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        item.number = recent.back().map_or(1, |last| last.number.saturating_add(1));
        item.at = rfc3339(SystemClock.now());
        let item = Arc::new(item);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&item));
        // Nobody may be watching.
        let _ = self.live.send(item);
    }

    /// A genuine callback was taken.
    pub(crate) fn push_taken(&self, event: &Event, receipt: &Receipt) {
        let decision = match receipt {
            Receipt::Accepted(decision) | Receipt::Settled(decision) => Some(decision),
            _ => None,
        };
        let reason = decision.and_then(|decision| match decision.action() {
            Action::Nothing { reason } => Some(reason.as_str().to_owned()),
            Action::Conflict { kind } => Some(kind.as_str().to_owned()),
            _ => event.reason.clone(),
        });
        self.push(Item {
            network: event.network.to_string(),
            app: event.app.to_string(),
            endpoint: event.endpoint.to_string(),
            player: Some(event.player.to_string()),
            conversion: Some(event.key().to_string()),
            transaction: match &event.kind {
                EventKind::Conversion { transaction, .. } => Some(transaction.to_string()),
                _ => None,
            },
            kind: event.kind.as_str(),
            outcome: receipt.as_str(),
            decision: decision.map(|decision| decision.action().as_str()),
            balance_change: decision.map(|decision| decision.balance_change().normalize().to_string()),
            reason,
            is_test: event.is_test,
            ..Item::default()
        });
    }

    /// What is remembered after a number, and what comes from then on, without a gap between. A number that was not
    /// reached yet is one of an earlier process: then everything is new.
    pub(crate) fn after(&self, number: u64) -> (Vec<Arc<Item>>, broadcast::Receiver<Arc<Item>>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = recent.back().map_or(0, |item| item.number);
        let number = if number > newest { 0 } else { number };
        let known = recent.iter().filter(|item| item.number > number).cloned();
        (known.collect(), self.live.subscribe())
    }
}

impl EndpointCounts {
    pub(crate) fn count_genuine(&self) {
        self.genuine.fetch_add(1, Ordering::Relaxed);
        self.last_genuine.store(SystemClock.now().as_millis(), Ordering::Relaxed);
    }

    pub(crate) fn last_genuine(&self) -> Option<Timestamp> {
        let millis = self.last_genuine.load(Ordering::Relaxed);
        (millis > 0).then(|| Timestamp::from_millis(millis))
    }
}
