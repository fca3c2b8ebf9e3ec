//! Messages in any order against a plain reference: the sum of all decisions is the target, and the balance stays between
//! zero and what was completed.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use postback::store::Record;
use postback::testing::guard::{Applied, apply, target};
use postback::{Decimal, Effect, Event, EventKind, Timestamp};

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Message {
    Pending,
    Completed(u16),
    /// With its own transaction, by its number.
    Adjusted(u8, i16),
    Revoked,
}

impl Message {
    fn event(self) -> Event {
        let (transaction, original, effect) = match self {
            Self::Pending => ("o1".to_owned(), None, Effect::Pending { stage: "PENDING".into(), amount: None }),
            Self::Completed(amount) => {
                let effect = Effect::Completed { amount: amount.into(), milestone: None, reinstates: false };
                ("o1".to_owned(), None, effect)
            }
            Self::Adjusted(number, by) => {
                let effect = Effect::Adjusted { by: by.into(), same_transaction: false };
                (format!("or{number}"), Some("o1".parse().unwrap()), effect)
            }
            Self::Revoked => ("o1".to_owned(), None, Effect::Revoked),
        };
        let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original, effect };
        Event::new("fuzz".parse().unwrap(), "app".parse().unwrap(), "p1".parse().unwrap(), kind)
    }
}

/// The first message of each state counts; one with other content contradicts it.
fn reference(messages: &[Message]) -> Decimal {
    let (mut completed, mut revoked) = (None, false);
    let mut adjusted: BTreeMap<(u8, bool), i16> = BTreeMap::new();
    for message in messages {
        match *message {
            Message::Pending => {}
            Message::Completed(amount) => drop(completed.get_or_insert(amount)),
            Message::Adjusted(number, by) => drop(adjusted.entry((number, by == 0)).or_insert(by)),
            Message::Revoked => revoked = true,
        }
    }
    let completed = Decimal::from(completed.unwrap_or_default());
    let net = completed + adjusted.values().map(|by| Decimal::from(*by)).sum::<Decimal>();
    if revoked { Decimal::ZERO } else { net.min(completed).max(Decimal::ZERO) }
}

fuzz_target!(|messages: Vec<Message>| {
    let mut record = Record::new("fuzz/app/conversion/o1".parse().unwrap());
    for (at, message) in messages.iter().enumerate() {
        let event = Arc::new(message.event());
        if let Applied::Decided(next) | Applied::Kept(next) = apply(&record, &event, Timestamp::from_millis(at as u64))
        {
            record = next;
        }
        let expected = reference(&messages[..=at]);
        assert_eq!(target(&record), Some(expected));
        assert_eq!(record.decided(), expected);
        // A repetition changes nothing.
        assert!(matches!(apply(&record, &event, Timestamp::default()), Applied::Duplicate { .. }));
    }
});
