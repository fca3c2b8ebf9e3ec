//! One story that every receiver is told, and what must become of each callback in it.

use postback::decision::Decision;
use postback::event::{BanStatus, Event, TestCallback};
use postback::handler::HandlerError;

use crate::ledger::{adjustment, ban, completed, of_player, pending, reconciled, with_purchase};

/// Callbacks of an app, each with its outcome.
pub(crate) fn story(app: &str) -> Vec<(Event, &'static str)> {
    let mut test = completed("o5", "5");
    test.test = TestCallback::Acknowledged;
    let told = [
        (completed("o1", "500"), "reward"),
        (completed("o1", "500"), "duplicate"),
        (completed("o1", "500"), "duplicate"),
        (pending("o2", "500"), "pending"),
        (reconciled("o1", "200"), "reversal"),
        (adjustment("r1", "o1", "50"), "restored_reward"),
        (completed("o1", "600"), "conflict"),
        (with_purchase(completed("o1", "500"), "4.99"), "purchase"),
        (reconciled("o2", "500"), "rejected"),
        (completed("o6", "0"), "nothing_to_pay"),
        (ban(BanStatus::Banned), "ban"),
        (ban(BanStatus::Active), "unban"),
        (of_player(completed("o3", "500"), "nobody"), "refused"),
        (of_player(reconciled("o3", "500"), "nobody"), "closed"),
        (test, "test"),
        (of_player(completed("o4", "5"), "broken"), "handler_failed"),
        (of_player(completed("o4", "5"), "broken"), "handler_failed"),
    ];
    let of_app = |(mut event, outcome): (Event, _)| {
        event.app = app.parse().unwrap();
        (event, outcome)
    };
    told.into_iter().map(of_app).collect()
}

/// The game: it knows nobody of one name, and fails at another. It says what it does.
pub(crate) fn carry_out(decision: &Decision) -> Result<(), HandlerError> {
    tracing::info!(target: "game", decision = decision.id().as_str(), "at work");
    match decision.player().as_str() {
        "nobody" => Err(HandlerError::refused("no such player")),
        "broken" => Err(HandlerError::failed("the wallet is closed")),
        _ => Ok(()),
    }
}
