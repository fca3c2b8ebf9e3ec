//! What is told of a callback: neither the player, nor the hash, nor what was signed.

use std::sync::Arc;

use tracing::Span;

use super::ReceiveError;
use crate::decision::{DecisionId, DecisionKind};
use crate::delivery::Progress;
use crate::event::{Event, RecordKey, Subject};
use crate::observe::{self, Since};
use crate::steps::Receipt;

/// Where a callback came from, kept until it is known what became of it.
pub(crate) struct Origin {
    /// Read only where somebody listens.
    event: Arc<Event>,
    since: Since,
    span: Span,
}

impl Origin {
    pub(crate) fn of(event: &Arc<Event>) -> Self {
        let span = tracing::info_span!(
            target: "postback::callback", "callback",
            source = %event.source, app = %event.app, endpoint = &*event.endpoint,
            conversion = conversion(event), kind = event.kind.as_str(), outcome = tracing::field::Empty,
        );
        Self {
            event: Arc::clone(event),
            since: Since::now(),
            span,
        }
    }

    /// Entered while the callback is at work.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Tells how it ended, or leaves that to the delivery whose turn it is.
    pub(crate) fn follow<S, C>(
        origin: Option<Self>,
        result: Result<Progress<S, C>, ReceiveError>,
    ) -> Result<Progress<S, C>, ReceiveError> {
        match (origin, result) {
            (Some(origin), Ok(Progress::Deliver(mut delivery))) => {
                delivery.follow(origin);
                Ok(Progress::Deliver(delivery))
            }
            (Some(origin), result) => {
                match &result {
                    Ok(Progress::Answered(receipt)) => origin.tell(Ok(receipt)),
                    Err(error) => origin.tell(Err(error)),
                    Ok(Progress::Deliver(_)) => {}
                }
                result
            }
            (None, result) => result,
        }
    }

    /// Tells what became of it.
    pub(crate) fn tell(self, result: Result<&Receipt, &ReceiveError>) {
        let outcome = outcome(result);
        self.span.record("outcome", outcome);
        let event = &*self.event;
        let kind = event.kind.as_str();
        observe::callback(&event.source, &event.app, kind, outcome, self.since);
        self.log(result, outcome);
        observe::tell_what_is_due();
    }

    fn log(&self, result: Result<&Receipt, &ReceiveError>, outcome: &'static str) {
        let event = &*self.event;
        macro_rules! tell {
            ($level:ident, $($more:tt)*) => {
                tracing::$level!(
                    target: "postback::callback",
                    source = %event.source, app = %event.app, endpoint = &*event.endpoint,
                    conversion = conversion(event), kind = event.kind.as_str(), outcome, $($more)*
                )
            };
        }
        match result {
            Ok(Receipt::Settled(_, DecisionKind::Conflict)) => {
                tell!(warn, "callback contradicts what is known");
            }
            Ok(Receipt::Settled(..)) => tell!(info, "callback settled"),
            Ok(Receipt::Test) => tell!(info, "test callback: nothing is paid"),
            Ok(Receipt::Refused(_)) => tell!(warn, "the game refused a callback"),
            // Perhaps a reversal of what was paid before: a person may have to act.
            Ok(Receipt::Closed) => {
                tell!(
                    warn,
                    "callback of a closed conversion: kept, and nothing moves"
                );
            }
            Ok(Receipt::Duplicate | Receipt::NothingOpen) => tell!(debug, "callback answered"),
            Err(error) => {
                let because = std::error::Error::source(error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                tell!(warn, %error, because, "callback not taken");
            }
        }
    }
}

/// The conversion's transaction; empty for a ban, whose key holds the player's id.
fn conversion(event: &Event) -> &str {
    match event.subject() {
        Subject::Conversion(transaction) => transaction,
        Subject::Player(_) => "",
    }
}

/// The game has refused a decision for good.
pub(crate) fn log_refused(id: &DecisionId) {
    let id = id.without_player();
    tracing::warn!(target: "postback::decision", %id, "the game refused a decision: the conversion is closed");
}

/// The handler has failed. The error is the game's own, and may say more than `because` in the callback's line.
pub(crate) fn log_failed(id: &DecisionId, error: &dyn std::error::Error) {
    let id = id.without_player();
    tracing::error!(target: "postback::decision", %id, error = %error, "the handler failed: the decision stays open");
}

/// An open decision was repeated, and is open still.
pub(crate) fn log_open_still(key: &RecordKey, error: &ReceiveError) {
    let because = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    let key = key.without_player();
    match error {
        ReceiveError::Handler { .. } => {
            tracing::warn!(target: "postback::resume", %key, %error, because, "an open decision failed again");
        }
        _ => {
            tracing::error!(target: "postback::resume", %key, %error, because, "an open decision cannot be read");
        }
    }
}

/// What became of a callback, in one word.
fn outcome(result: Result<&Receipt, &ReceiveError>) -> &'static str {
    match result {
        Ok(Receipt::Settled(_, kind)) => kind.as_str(),
        Ok(receipt) => receipt.as_str(),
        Err(ReceiveError::Busy { .. }) => "busy",
        Err(ReceiveError::Store(_)) => "store_failed",
        Err(ReceiveError::Handler { .. }) => "handler_failed",
    }
}
