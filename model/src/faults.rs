//! Mistakes that the model's driver makes on purpose, to see that each is found. The library is not changed.

use postback::store::{Record, Stored};
use postback::testing::guard::target;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// When the handler fails, the record goes back to what it was before.
    IntentDropped,
    /// A swap that settles a decision replaces whatever is stored.
    NoFencing,
    /// A message is taken for known as soon as its transaction is, whatever its state.
    TransactionAloneIsTheKey,
    /// The handler gets nine tenths of a lease from its own start, although the lease began before the swap.
    LeaseFromTheHandlersStart,
    /// A message is taken for known if an equal one was a conflict.
    ConflictBlocksReinstatement,
    /// Declining a decision that moves no money closes the conversion.
    DeclinedNoticeCloses,
    /// If the record changed while the handler ran, the cursor is advanced without a look at the lease.
    SettlesWithoutTheToken,
    /// What is due is computed from delivered decisions.
    DueFromDelivered,
    /// Of several pending decisions, the handler gets the last one.
    DeliversTheLastFirst,
}

/// The record with the decision of its last entry computed from what was delivered.
pub(crate) fn due_from_delivered(record: &Record) -> Record {
    let due = target(record).unwrap() - record.balance();
    let action = if due.is_zero() {
        json!({"type": "nothing", "reason": "zero_reward"})
    } else if due.is_sign_negative() {
        json!({"type": "reversal", "amount": (-due).to_string()})
    } else {
        json!({"type": "reward", "amount": due.to_string(), "restored": false})
    };
    edited(record, |json| {
        let entries = json["entries"].as_array_mut().unwrap();
        entries.last_mut().unwrap()["action"] = action;
    })
}

/// The record, closed.
pub(crate) fn closed(record: &Record) -> Record {
    edited(record, |json| {
        json["closed"] = json!({"reason": "declined", "at": 0});
        json["cursor"] = last_number(json);
    })
}

/// The record with its next pending decision marked as delivered.
pub(crate) fn advanced(stored: &Stored) -> Record {
    edited(&stored.record, |json| {
        let cursor = json["cursor"].as_u64().unwrap();
        let entries = json["entries"].as_array_mut().unwrap();
        let next = entries.iter_mut().find(|entry| entry["number"].as_u64().unwrap() > cursor);
        if let Some(entry) = next {
            entry["delivered"] = json!(0);
            json["cursor"] = entry["number"].clone();
        }
        json["lease"] = Value::Null;
    })
}

fn last_number(json: &Value) -> Value {
    json["entries"].as_array().unwrap().last().unwrap()["number"].clone()
}

fn edited(record: &Record, edit: impl FnOnce(&mut Value)) -> Record {
    let mut json = serde_json::to_value(record).unwrap();
    edit(&mut json);
    serde_json::from_value(json).unwrap()
}
