//! A receiver's records, wherever they are kept, and how they are shown.

use postback::guard::{Entry, Record};
use postback::store::sqlite::SqliteRecords;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::ending::{Failure, about};
use crate::words::{decision, meaning, shown};
use crate::{served, time};

/// Records to look into. Another kind of store is another implementation.
pub(crate) trait Records: Send {
    /// Those of a key, a player or a transaction.
    fn find(&self, text: &str) -> Result<Vec<Record>, Failure>;
    /// Those with a decision left open.
    fn unsettled(&self) -> Result<Vec<Record>, Failure>;
}

impl Records for SqliteRecords {
    fn find(&self, text: &str) -> Result<Vec<Record>, Failure> {
        Ok(SqliteRecords::find(self, text)?)
    }

    fn unsettled(&self) -> Result<Vec<Record>, Failure> {
        Ok(SqliteRecords::unsettled(self)?)
    }
}

/// Where a store is.
pub(crate) enum Place {
    File(String),
    Server(String),
}

impl Place {
    /// By what the user called it: a file, a URL, or `env:NAME` for a URL that stands in the environment, where no
    /// list of processes shows its password.
    pub(crate) fn named(store: &str) -> Result<Self, Failure> {
        if let Some(name) = store.strip_prefix("env:") {
            let url = std::env::var(name)
                .map_err(|error| about(format!("{} cannot be read", shown(name)), error))?;
            return Ok(Self::Server(url));
        }
        Ok(if store.contains("://") {
            Self::Server(store.to_owned())
        } else {
            Self::File(store.to_owned())
        })
    }

    /// Opens it to be looked into.
    pub(crate) fn look(&self) -> Result<Box<dyn Records>, Failure> {
        match self {
            Self::File(path) => Ok(Box::new(SqliteRecords::open(path)?)),
            Self::Server(url) => served::open(url),
        }
    }
}

/// Opens a store to be looked into, by what the user called it.
pub(crate) fn open(store: &str) -> Result<Box<dyn Records>, Failure> {
    Place::named(store)?.look()
}

/// A record, a line a callback.
pub(crate) fn as_text(record: &Record) -> String {
    let player = record
        .named_player()
        .map_or_else(|| "forgotten".to_owned(), |player| shown(player.as_str()));
    let mut lines = vec![format!(
        "{}  player {player}  {}  balance {}",
        shown(&record.key().to_string()),
        record.status().as_str(),
        record.settled().normalize()
    )];
    let mut balance = Decimal::ZERO;
    for entry in record.entries() {
        let event = entry.event();
        lines.push(format!(
            "  {}  {}: {}{}",
            time::shown(entry.received()),
            shown(&event.endpoint),
            meaning(&event.kind),
            event
                .reason
                .as_deref()
                .map_or_else(String::new, |reason| format!(" ({})", shown(reason)))
        ));
        lines.push(format!("    {}", outcome(record, entry, &mut balance)));
    }
    if let Some(intent) = record.open() {
        lines.push(format!(
            "  open: the game was asked {} and has not carried it out; it is asked again at the next callback or resume",
            times(intent.attempts())
        ));
    }
    if let Some(closed) = record.closed() {
        lines.push(format!(
            "  closed since {}: the game refused: {}",
            time::shown(closed.at),
            shown(&closed.reason)
        ));
    }
    lines.join("\n")
}

fn times(count: u32) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}

/// What became of a callback, and the balance of the conversion after it.
fn outcome(record: &Record, entry: &Entry, balance: &mut Decimal) -> String {
    let Some(decided) = entry.decision(record.key()) else {
        return "kept; the conversion was closed, the game was not told".to_owned();
    };
    let words = decision(&decided);
    match entry.settled() {
        None => format!("{words} -- NOT carried out"),
        Some(settled) => {
            *balance += decided.balance_change();
            let by = if entry.is_imported() {
                " by an earlier receiver"
            } else {
                ""
            };
            format!(
                "{words}, carried out{by} {}, balance {}",
                time::shown(settled),
                balance.normalize()
            )
        }
    }
}

/// The same for programs.
pub(crate) fn as_json(record: &Record) -> Value {
    let mut balance = Decimal::ZERO;
    let callbacks: Vec<Value> = record
        .entries()
        .iter()
        .map(|entry| {
            let decided = entry.decision(record.key());
            let change = decided
                .as_ref()
                .filter(|_| entry.settled().is_some())
                .map_or(Decimal::ZERO, postback::decision::Decision::balance_change);
            balance += change;
            let event = entry.event();
            json!({
                "received": time::shown(entry.received()),
                "endpoint": event.endpoint,
                "player": event.player,
                "meaning": meaning(&event.kind),
                "kind": event.kind,
                "usd": event.usd,
                "reason": event.reason,
                "signed": event.signed,
                "decision": decided.as_ref().map(|decided| decided.kind().as_str()),
                "decision_id": decided.as_ref().map(|decided| decided.id().as_str().to_owned()),
                "in_words": decided.as_ref().map(decision),
                "settled": entry.settled().map(time::shown),
                "change": change,
                "balance": balance,
            })
        })
        .collect();
    json!({
        "key": record.key(),
        "player": record.named_player(),
        "status": record.status().as_str(),
        "balance": record.settled(),
        "attempts_of_open": record.open().map(postback::guard::Intent::attempts),
        "closed": record.closed().map(|closed| json!({ "at": time::shown(closed.at), "reason": closed.reason })),
        "callbacks": callbacks,
    })
}
