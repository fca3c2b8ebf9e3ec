//! What is logged of a callback: neither the player, nor the hash, nor what was signed.

use super::ReceiveError;
use crate::decision::DecisionKind;
use crate::event::{AppName, Event, SourceName, Subject};
use crate::steps::Receipt;

/// Where a callback came from, kept until it is known what became of it.
pub(crate) struct Origin {
    source: SourceName,
    app: AppName,
    endpoint: String,
    /// `None` for a ban, whose key holds the player's id.
    conversion: Option<String>,
}

impl Origin {
    pub(crate) fn of(event: &Event) -> Self {
        let key = event.key();
        let conversion = match &key.subject {
            Subject::Conversion(transaction) => Some(transaction.to_string()),
            Subject::Player(_) => None,
        };
        Self {
            source: key.source,
            app: key.app,
            endpoint: event.endpoint.clone(),
            conversion,
        }
    }

    /// Logs what became of it.
    pub(crate) fn log(&self, result: &Result<Receipt, ReceiveError>) {
        let Self {
            source,
            app,
            endpoint,
            conversion,
        } = self;
        let conversion = conversion.as_deref().unwrap_or_default();
        match result {
            Ok(Receipt::Settled(_, kind @ DecisionKind::Conflict)) => {
                let outcome = kind.as_str();
                tracing::warn!(%source, %app, endpoint, conversion, outcome, "callback contradicts what is known");
            }
            Ok(Receipt::Settled(_, kind)) => {
                let outcome = kind.as_str();
                tracing::info!(%source, %app, endpoint, conversion, outcome, "callback settled");
            }
            Ok(receipt @ Receipt::Test) => {
                let outcome = receipt.as_str();
                tracing::info!(%source, %app, endpoint, conversion, outcome, "test callback: nothing is paid");
            }
            Ok(receipt @ Receipt::Refused(_)) => {
                let outcome = receipt.as_str();
                tracing::warn!(%source, %app, endpoint, conversion, outcome, "the game refused a callback");
            }
            Ok(receipt) => {
                let outcome = receipt.as_str();
                tracing::debug!(%source, %app, endpoint, conversion, outcome, "callback answered");
            }
            Err(error) => {
                let cause = std::error::Error::source(error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                tracing::warn!(%source, %app, endpoint, conversion, %error, cause, "callback not taken");
            }
        }
    }
}
