//! Callbacks and records for the scenes.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::event::{Effect, Event, EventKind, TestCallback};
use crate::guard::{Considered, Record, consider};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn completed(transaction: &str, amount: i64) -> Event {
    Event {
        source: "bitlabs".parse().unwrap(),
        app: "game".parse().unwrap(),
        endpoint: "offers".into(),
        player: "player-7".parse().unwrap(),
        kind: EventKind::Conversion {
            transaction: transaction.parse().unwrap(),
            original: None,
            effect: Effect::Completed {
                amount: amount.into(),
                milestone: None,
                reinstates: false,
            },
        },
        usd: None,
        purchase: None,
        reason: None,
        test: TestCallback::No,
        signed: format!("tx={transaction}&gems={amount}"),
    }
}

/// The record of a conversion whose reward is open.
pub(crate) fn open_record(transaction: &str, amount: i64) -> Record {
    let event = completed(transaction, amount);
    match consider(&Record::new(event.key()), &Arc::new(event), NOW) {
        Considered::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}
