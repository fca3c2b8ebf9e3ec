//! A game that has moved here from another receiver.

use std::sync::{Arc, Mutex};

use postback::clock::{SystemClock, Timestamp};
use postback::decision::{Decision, DecisionKind};
use postback::event::{Event, RecordKey};
use postback::guard::Record;
use postback::handler::HandlerError;
use postback::import::{Importer, Outcome, PastCallback};
use postback::receiver::Receiver;
use postback::steps::Receipt;
use postback::store::DedupStore;
use rust_decimal::Decimal;

use crate::ledger::{Wallet, decimal};

pub(crate) const MOMENT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) struct Game<S> {
    pub(crate) receiver: Receiver<Arc<S>, SystemClock>,
    pub(crate) store: Arc<S>,
    pub(crate) wallet: Arc<Mutex<Wallet>>,
}

impl<S: DedupStore> Game<S> {
    pub(crate) fn on(store: S) -> Self {
        let store = Arc::new(store);
        Self {
            receiver: Receiver::new(Arc::clone(&store)),
            store,
            wallet: Arc::default(),
        }
    }

    pub(crate) fn importer(&self) -> Importer<'_, Arc<S>> {
        let (source, app) = ("bitlabs".parse().unwrap(), "game".parse().unwrap());
        Importer::new(&self.store, source, app, MOMENT)
    }

    pub(crate) async fn import(&self, past: PastCallback) -> Outcome {
        self.importer().import(&past).await.unwrap()
    }

    pub(crate) async fn receive(&self, event: &Event) -> Receipt {
        let wallet = Arc::clone(&self.wallet);
        let handler = move |decision: &Decision| {
            wallet.lock().unwrap().carry_out(decision);
            async { Ok::<(), HandlerError>(()) }
        };
        let received = self.receiver.receive(event.clone(), &handler).await;
        received.unwrap()
    }

    /// What this receiver has moved: the earlier one's payments are not in it.
    pub(crate) fn balance(&self) -> Decimal {
        self.wallet.lock().unwrap().balance
    }

    pub(crate) fn kinds(&self) -> Vec<DecisionKind> {
        self.wallet.lock().unwrap().kinds()
    }

    pub(crate) async fn record(&self, transaction: &str) -> Option<Record> {
        let key: RecordKey = format!("bitlabs/game/conversion/{transaction}")
            .parse()
            .unwrap();
        let stored = self.store.load(&key).await.unwrap()?;
        Some(stored.record)
    }
}

pub(crate) fn paid(transaction: &str, amount: &str) -> PastCallback {
    PastCallback::paid(transaction.parse().unwrap(), decimal(amount)).player("p1".parse().unwrap())
}

pub(crate) fn paid_unknown(transaction: &str) -> PastCallback {
    PastCallback::paid_unknown_amount(transaction.parse().unwrap()).player("p1".parse().unwrap())
}

pub(crate) fn taken_back(transaction: &str, amount: &str) -> PastCallback {
    PastCallback::taken_back(transaction.parse().unwrap(), decimal(amount))
        .player("p1".parse().unwrap())
}

pub(crate) fn taken_back_by(transaction: &str, original: &str, amount: &str) -> PastCallback {
    PastCallback::taken_back_by(
        transaction.parse().unwrap(),
        original.parse().unwrap(),
        decimal(amount),
    )
    .player("p1".parse().unwrap())
}

pub(crate) fn shown(transaction: &str, amount: &str) -> PastCallback {
    PastCallback::pending(
        transaction.parse().unwrap(),
        "PENDING",
        Some(decimal(amount)),
    )
    .player("p1".parse().unwrap())
}
