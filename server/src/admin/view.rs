//! Records as JSON, for the admin page and the commands.

use postback::store::{Entry, Record};
use postback::{Action, Effect, Event, EventKind, NothingReason};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::text::rfc3339;

fn plain(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// What a list shows of a record.
pub(crate) fn summary_json(record: &Record) -> Value {
    let last = record.entries().last();
    json!({
        "key": record.key(),
        "network": record.key().network(),
        "app": record.key().app(),
        "player": record.lookup_player().map(postback::PlayerId::as_str),
        "status": record.status().as_str(),
        "balance": plain(record.balance()),
        "decided": plain(record.decided()),
        "callbacks": record.entries().len(),
        "last_change": rfc3339(record.last_change()),
        "last_decision": last.and_then(Entry::action).map(Action::as_str),
        "attempts": record.retry().map_or(0, |retry| retry.attempts),
        "last_attempt": record.retry().map(|retry| rfc3339(retry.failed_at)),
        "last_error": record.retry().map(|retry| retry.error.as_str()),
        "closed": record.closed().map(|closed| closed.reason.as_str()),
    })
}

/// A record with its timeline.
pub(crate) fn record_json(record: &Record) -> Value {
    let mut balance = Decimal::ZERO;
    let timeline: Vec<Value> = record
        .entries()
        .iter()
        .map(|entry| {
            let change = entry.action().map_or(Decimal::ZERO, Action::balance_change);
            if entry.delivered().is_some() {
                balance = balance.saturating_add(change);
            }
            let event = entry.event();
            json!({
                "number": entry.number(),
                "received": rfc3339(entry.received()),
                "endpoint": event.endpoint,
                "transaction": match &event.kind {
                    EventKind::Conversion { transaction, .. } => Some(transaction.as_str()),
                    _ => None,
                },
                "says": says(event),
                "decision": entry.action().map(Action::as_str),
                "in_words": entry.action().map_or_else(|| "kept: the conversion was closed".to_owned(), decided),
                "id": entry.decision(record.key()).map(|decision| decision.id().to_string()),
                "balance_change": plain(change),
                "delivered": entry.delivered().map(rfc3339),
                "declined": entry.declined(),
                "imported": entry.is_imported(),
                "balance": plain(balance),
                "query": event.query,
            })
        })
        .collect();
    let mut json = summary_json(record);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("timeline".to_owned(), Value::Array(timeline));
    }
    json
}

/// What a callback says, in words.
pub(crate) fn says(event: &Event) -> String {
    let EventKind::Conversion { effect, original, .. } = &event.kind else {
        return match &event.kind {
            EventKind::Ban(status) => format!("ban status {status:?}").to_lowercase(),
            _ => event.kind.as_str().to_owned(),
        };
    };
    let mut text = match effect {
        Effect::Pending { stage, amount } => match amount {
            Some(amount) => format!("pending ({stage}) {}", plain(*amount)),
            None => format!("pending ({stage})"),
        },
        Effect::Completed { amount, milestone, .. } => match milestone {
            Some(milestone) => format!("completed ({milestone}) {}", plain(*amount)),
            None => format!("completed {}", plain(*amount)),
        },
        Effect::Adjusted { by, .. } => format!("adjusted by {}", plain(*by)),
        Effect::Revoked => "revoked".to_owned(),
        Effect::Ignored { status, .. } => format!("status {status:?}"),
        _ => event.kind.as_str().to_owned(),
    };
    if let Some(original) = original {
        text.push_str(", refers to ");
        text.push_str(original.as_str());
    }
    if event.is_test {
        text.push_str(", test");
    }
    text
}

/// What was decided, in words.
pub(crate) fn decided(action: &Action) -> String {
    match action {
        Action::Reward(reward) if reward.is_restored() => {
            format!("restore {}", plain(reward.amount()))
        }
        Action::Reward(reward) => format!("pay {}", plain(reward.amount())),
        Action::Reversal(reversal) => format!("take back {}", plain(reversal.amount())),
        Action::Pending { stage, .. } => format!("pending ({stage})"),
        Action::Nothing { reason } => format!("nothing: {}", reason.as_str().replace('_', " ")),
        Action::Purchase { usd } => format!("purchase of {} USD", plain(*usd)),
        Action::Conflict { kind } => format!("conflict: {}", kind.as_str().replace('_', " ")),
        other => other.as_str().to_owned(),
    }
}

/// Why a person should look at a record, if so.
pub(super) fn attention(record: &Record) -> Option<&'static str> {
    let mut actions = record.entries().iter().filter_map(Entry::action);
    actions.find_map(|action| match action {
        Action::Conflict { .. } => Some("conflict"),
        Action::Nothing { reason: NothingReason::Unlinked } => Some("reversal_without_reward"),
        Action::Nothing { reason } if reason.is_doubtful() => Some("not_paid"),
        _ => None,
    })
}
