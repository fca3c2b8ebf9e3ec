//! A callback of a described network, typed.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::event::{Event, EventKind};
use crate::id::{AppName, NetworkName, PlayerId, TransactionId};
use crate::network::Callback;
use crate::verify::{KeyId, Query};

/// A genuine callback of a network that is described.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DescribedCallback {
    /// The network.
    pub network: NetworkName,
    /// The app of that network.
    pub app: AppName,
    /// The endpoint that received it.
    pub endpoint: Cow<'static, str>,
    /// The secret that it was signed with; `None` for HTTP credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The player.
    pub player: PlayerId,
    /// The transaction as sent; `None` for a ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// The transaction that a reversal takes back, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<TransactionId>,
    /// The goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The amount in the app's currency, as stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// Revenue to the publisher in US dollars, as stated. For information only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<Decimal>,
    /// The network's word for the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The network's reason for a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it means.
    pub effect: EventKind,
    /// Whether the network marked it as a test.
    pub is_test: bool,
    /// All parameters, without signature and secrets.
    pub query: String,
}

impl DescribedCallback {
    /// The decoded value of any parameter; `None` if it is absent or occurs more than once.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        Query::new(&self.query).get(name)
    }
}

impl Callback for DescribedCallback {
    fn to_event(&self) -> Event {
        let mut event = Event::new(self.network.clone(), self.app.clone(), self.player.clone(), self.effect.clone());
        event.endpoint.clone_from(&self.endpoint);
        event.usd = self.usd;
        event.reason.clone_from(&self.reason);
        event.is_test = self.is_test;
        event.query.clone_from(&self.query);
        event
    }
}
