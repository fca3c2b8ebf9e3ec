//! A request as the page shows it.

use postback::decision::Decision;
use serde::Serialize;
use serde_json::Value;

use crate::words;

/// One request. Everything in it may come from whoever sent it: the page shows it as text.
#[derive(Serialize, Default)]
pub(super) struct Seen {
    pub(super) number: u64,
    /// UTC.
    pub(super) at: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) endpoint: Option<&'static str>,
    pub(super) is_genuine: bool,
    pub(super) is_test: bool,
    pub(super) player: Option<String>,
    pub(super) transaction: Option<String>,
    /// The record that it belongs to.
    pub(super) conversion: Option<String>,
    /// What it says.
    pub(super) meaning: String,
    pub(super) decisions: Vec<Decided>,
    /// What the conversion has paid, after it.
    pub(super) balance: Option<String>,
    pub(super) error: Option<String>,
    pub(super) explanation: Option<Value>,
    pub(super) fields: Value,
    pub(super) status: u16,
    pub(super) body: &'static str,
}

/// What the game was told.
#[derive(Serialize)]
pub(super) struct Decided {
    id: String,
    kind: &'static str,
    in_words: String,
    change: String,
}

impl From<&Decision> for Decided {
    fn from(decision: &Decision) -> Self {
        Self {
            id: decision.id().to_string(),
            kind: decision.kind().as_str(),
            in_words: words::decision(decision),
            change: decision.balance_change().normalize().to_string(),
        }
    }
}
