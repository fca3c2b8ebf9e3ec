//! Handlers that run inside a transaction of the store.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use super::{Deliver, Failure, ReceiveError, Receiver, bounded, handler_result, outcome};
use crate::clock::{Clock, SystemClock};
use crate::decision::Decision;
use crate::guard::Record;
use crate::handler::HandlerError;
use crate::protocol::{Command, HandlerResult, Input, Protocol, Receipt};
use crate::store::{
    DedupStore, MemoryStore, MemoryTransaction, StoreError, SwapOutcome, Transaction, TransactionWork,
    TransactionalStore, json,
};
use crate::telemetry::{self, Timer};

/// A handler that runs inside the transaction that settles its decision: the player's balance and the record commit
/// together or not at all.
pub struct InTransaction<S: TransactionalStore> {
    handler: Arc<S::Handler>,
}

#[cfg(any(test, feature = "testing"))]
impl<S: TransactionalStore> InTransaction<S> {
    pub(crate) fn handler(&self) -> &Arc<S::Handler> {
        &self.handler
    }
}

impl<S: TransactionalStore> fmt::Debug for InTransaction<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTransaction").finish_non_exhaustive()
    }
}

impl<S: TransactionalStore> Receiver<S, InTransaction<S>> {
    /// A receiver whose handler runs inside the store's transaction. Stores wrap this in a method of their own that lets
    /// closures infer their types: `store.receiver(|tx, decision| …)`.
    pub fn in_transaction(store: S, handler: Arc<S::Handler>) -> Self {
        Self::of(store, Arc::new(InTransaction { handler }), SystemClock)
    }
}

impl MemoryStore {
    /// A receiver whose handler runs inside a transaction of this store.
    pub fn receiver(
        &self,
        handler: impl Fn(&mut MemoryTransaction, &Decision) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Receiver<Self, InTransaction<Self>> {
        Receiver::in_transaction(self.clone(), Arc::new(handler))
    }
}

impl<S: TransactionalStore, C: Clock> Deliver<S, C> for InTransaction<S> {
    async fn run(&self, receiver: &Receiver<S, Self, C>, protocol: Protocol) -> Result<Receipt, ReceiveError> {
        if protocol.only_accepts() {
            return accept(receiver, protocol).await;
        }
        let protocol = protocol.in_transaction();
        let key = protocol.key().clone();
        let work = Work::new(protocol, Arc::clone(&receiver.clock))?;
        let timer = Timer::start();
        let transacted = receiver.store.transact(&key, &self.handler, work).await;
        match telemetry::record_store("transaction", transacted, timer) {
            Err(StoreError::Locked) => Err(ReceiveError::Busy { retry_after: receiver.timing.busy_timeout }),
            transacted => transacted?,
        }
    }
}

/// Stores a callback. There is nothing for the handler to do, and so no transaction.
async fn accept<S: DedupStore, H, C: Clock>(
    receiver: &Receiver<S, H, C>,
    mut protocol: Protocol,
) -> Result<Receipt, ReceiveError> {
    let mut command = protocol.command();
    loop {
        let timer = Timer::start();
        let input = match command {
            Command::Load(key) => {
                Input::Loaded(telemetry::record_store("load", receiver.store.load(&key).await, timer)?)
            }
            Command::Swap { expected, record } => {
                let swapped = receiver.store.swap(expected, &record).await;
                Input::Swapped(telemetry::record_store("swap", swapped, timer)?)
            }
            ended => return outcome(ended, None),
        };
        command = protocol.advance(input, receiver.clock.now());
    }
}

/// The driver for handlers inside a transaction. A plain value, so that a store can run it again after a rollback.
struct Work<C> {
    protocol: Protocol,
    /// Where it begins.
    command: Command,
    /// The JSON of the record in that command.
    json: Option<Arc<str>>,
    clock: Arc<C>,
}

impl<C: Clock> Work<C> {
    /// Most callbacks are the first of their conversion, so this begins as if there were no record; if there is one, the
    /// first swap finds it. The caller works that out: in some stores, every delivery waits for the thread that runs this.
    fn new(protocol: Protocol, clock: Arc<C>) -> Result<Self, StoreError> {
        let mut absent = protocol.clone();
        let command = absent.advance(Input::Loaded(None), clock.now());
        if let Command::Swap { record, .. } | Command::SwapAndHandle { record, .. } = &command {
            let json = Some(json::write(record)?.into());
            return Ok(Self { protocol: absent, command, json, clock });
        }
        Ok(Self { command: protocol.command(), protocol, json: None, clock })
    }
}

impl<C: Clock> TransactionWork for Work<C> {
    /// An error of the handler is no reason to roll back: the callback stays stored. Nor is one of a single record.
    type Output = Result<Receipt, ReceiveError>;

    async fn run<T: Transaction>(&self, transaction: &mut T) -> Result<Self::Output, StoreError> {
        let (mut protocol, mut command, mut json) = (self.protocol.clone(), self.command.clone(), self.json.clone());
        let mut failure = None;
        loop {
            let input = match command {
                Command::Load(key) => transaction.load(&key).await.map(Input::Loaded),
                Command::Swap { expected, record } => {
                    let json = to_json(json.take(), &record)?;
                    transaction.swap(expected, &record, &json).await.map(Input::Swapped)
                }
                Command::SwapAndHandle { expected, record, decision } => {
                    let json = to_json(json.take(), &record)?;
                    transaction.savepoint().await?;
                    match transaction.swap(expected, &record, &json).await {
                        Ok(SwapOutcome::Replaced(_)) => {
                            handle(transaction, &decision, &mut failure).await.map(Input::Handled)
                        }
                        Err(error) if !error.is_about_one_record() => return Err(error),
                        conflict => {
                            transaction.rollback_to_savepoint().await?;
                            conflict.map(Input::Swapped)
                        }
                    }
                }
                // Only outside transactions.
                Command::Handle { .. } => Ok(Input::Handled(HandlerResult::NotStarted)),
                ended => return Ok(outcome(ended, failure)),
            };
            match input {
                Ok(input) => command = protocol.advance(input, self.clock.now()),
                Err(error) if error.is_about_one_record() => return Ok(Err(error.into())),
                Err(error) => return Err(error),
            }
        }
    }
}

fn to_json(known: Option<Arc<str>>, record: &Record) -> Result<Arc<str>, StoreError> {
    known.map_or_else(|| Ok(json::write(record)?.into()), Ok)
}

async fn handle<T: Transaction>(
    transaction: &mut T,
    decision: &Decision,
    failure: &mut Option<Failure>,
) -> Result<HandlerResult, StoreError> {
    let timer = Timer::start();
    // The transaction bounds the handler's time itself: it may not run inside an async runtime.
    let result = bounded(async { transaction.handle(decision).await }, pending()).await;
    if result.is_ok() {
        transaction.release_savepoint().await?;
    } else {
        transaction.rollback_to_savepoint().await?;
    }
    Ok(handler_result(decision, result, timer, failure))
}
