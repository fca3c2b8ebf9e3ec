//! A callback of a described network, typed.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::event::Event;
use crate::id::{PlayerId, TransactionId};
use crate::network::Callback;
use crate::verify::{KeyId, Query};

/// A genuine callback of a network that is described.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DescribedCallback {
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
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::decimal::option")]
    pub amount: Option<Decimal>,
    /// The network's word for the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The secret that it was signed with; `None` for HTTP credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// What it means: its effect, network and app, revenue, reason, the test flag, and the query with all parameters.
    pub event: Event,
}

impl DescribedCallback {
    /// The decoded value of any parameter; `None` if it is absent or occurs more than once.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        Query::new(&self.event.query).get(name)
    }
}

impl Callback for DescribedCallback {
    fn to_event(&self) -> Event {
        self.event.clone()
    }

    fn stated_transaction(&self) -> Option<&TransactionId> {
        self.transaction.as_ref()
    }
}
