//! A game with a handler that can be made to misbehave, and callbacks delivered to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postback::decision::Decision;
use postback::event::Event;
use postback::handler::HandlerError;
use postback::receiver::{Receive, ReceiveError};
use postback::steps::Receipt;
use postback::store::sqlite::{InTransaction, SqliteReceiver};

use super::{Place, create_wallet, credit};

/// A switch that a test throws while the game runs.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(crate) fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn turn_off(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A game whose handler first credits, and then does this to the decisions about a transaction named `bad…`.
pub(crate) async fn game(
    place: &Place,
    then: impl Fn(&InTransaction<'_>) -> Result<(), HandlerError> + Send + Sync + 'static,
) -> (SqliteReceiver, Switch) {
    let store = place.open();
    create_wallet(&store).await;
    let is_bad = Switch::on();
    let switch = is_bad.clone();
    let receiver = store.receiver(move |game: &InTransaction<'_>, decision: &Decision| {
        credit(game, decision)?;
        if is_bad.is_on() && decision.id().as_str().contains("/bad") {
            then(game)
        } else {
            Ok(())
        }
    });
    (receiver, switch)
}

/// Delivers all of them at once, so that they meet in one group.
pub(crate) async fn deliver(
    receiver: &SqliteReceiver,
    events: Vec<Event>,
) -> Vec<Result<Receipt, ReceiveError>> {
    let deliveries: Vec<_> = events
        .into_iter()
        .map(|event| {
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(event).await })
        })
        .collect();
    let mut results = Vec::new();
    for delivery in deliveries {
        results.push(delivery.await.unwrap());
    }
    results
}

pub(crate) fn is_settled(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(result, Ok(Receipt::Settled(..)))
}
