//! Callbacks and decisions in words.

use postback::decision::Decision;
use postback::event::{BanStatus, Effect, EventKind};

/// A text from outside, fit for a terminal: control characters are written out.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// What an event says, in a few words.
pub(crate) fn meaning(kind: &EventKind) -> String {
    match kind {
        EventKind::Conversion { effect, .. } => effect_in_words(effect),
        EventKind::Ban(BanStatus::Banned) => "banned".to_owned(),
        EventKind::Ban(BanStatus::Active) => "not banned (any more)".to_owned(),
        EventKind::Ban(BanStatus::Unknown(word)) => format!("unknown ban status {}", shown(word)),
        _ => "something that this version does not know".to_owned(),
    }
}

fn effect_in_words(effect: &Effect) -> String {
    match effect {
        Effect::Pending {
            stage,
            amount: Some(amount),
        } => format!("{} {amount}, not final", shown(stage)),
        Effect::Pending { stage, .. } => format!("{}, not final", shown(stage)),
        Effect::Completed {
            amount,
            milestone: Some(milestone),
            ..
        } => format!("completed ({}) {amount}", shown(milestone)),
        Effect::Completed { amount, .. } => format!("completed {amount}"),
        Effect::Adjusted { by, .. } => format!("corrected by {by}"),
        Effect::Revoked => "revoked: all of it is taken back".to_owned(),
        Effect::Noted { word, .. } => format!("{}: moves nothing", shown(word)),
        _ => "something that this version does not know".to_owned(),
    }
}

/// What a decision is, in a few words.
pub(crate) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Reward(reward) if reward.is_restored() => format!("restored {}", reward.amount()),
        Decision::Reward(reward) => format!("paid {}", reward.amount()),
        Decision::Reversal(reversal) => format!("took back {}", reversal.amount()),
        Decision::NothingToPay(nothing) => format!("nothing to pay: {}", word(&nothing.why())),
        Decision::Purchase(notice) => format!("purchase of ${} noted", notice.purchase().usd),
        Decision::Conflict(conflict) => format!("conflict: {}", word(&conflict.kind())),
        other => other.kind().to_string(),
    }
}

/// The fixed word under which a value of an enum is serialised, with spaces.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(|word| word.replace('_', " ")))
        .unwrap_or_default()
}
