//! What users may take for granted of the public types: they can be kept in a program's state, shared, cloned,
//! printed and named in short.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::error::Error;
use std::fmt::{Debug, Display};

use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::clock::{SystemClock, Timestamp};
use postback::decision::{Decision, DecisionId, Reward};
use postback::delivery::{Delivery, Progress};
use postback::event::{Event, PlayerId, RecordKey, TransactionId};
use postback::handler::HandlerError;
use postback::receiver::{HandlingReceiver, ReceiveError, Receiver};
use postback::source::OpenError;
use postback::steps::{Receipt, Steps, Timing};
use postback::store::{MemoryStore, StoreError};
use postback::wire::{KeyRing, Secret, Template, TemplateError};

fn is_shared<T: Send + Sync + 'static>() {}
fn is_cloned<T: Clone + Send + Sync + 'static>() {}
fn is_printed<T: Debug>() {}
fn is_an_id<T: Clone + Debug + Display + AsRef<str> + Eq + Ord + std::hash::Hash>() {}
fn is_an_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn what_a_program_keeps_can_be_shared_cloned_and_printed() {
    type Wallet = fn(&Decision) -> std::future::Ready<Result<(), HandlerError>>;
    is_cloned::<App>();
    is_cloned::<Endpoint<OfferCallback>>();
    is_cloned::<KeyRing>();
    is_cloned::<Secret>();
    is_cloned::<Template>();
    is_shared::<MemoryStore>();
    is_cloned::<Receiver<MemoryStore>>();
    is_cloned::<HandlingReceiver<MemoryStore, Wallet>>();
    is_printed::<App>();
    is_printed::<Endpoint<OfferCallback>>();
    is_printed::<KeyRing>();
    is_printed::<Secret>();
    is_printed::<Receiver<MemoryStore>>();
    is_printed::<HandlingReceiver<MemoryStore, Wallet>>();
}

#[test]
fn what_passes_through_can_cross_a_task() {
    is_cloned::<OfferCallback>();
    is_cloned::<Event>();
    is_cloned::<Decision>();
    is_cloned::<Reward>();
    is_cloned::<Receipt>();
    is_cloned::<Steps>();
    is_cloned::<Timing>();
    is_shared::<Delivery<MemoryStore>>();
    is_shared::<Progress<MemoryStore, SystemClock>>();
}

#[test]
fn every_error_has_a_source_and_can_be_boxed() {
    is_an_error::<OpenError>();
    is_an_error::<ReceiveError>();
    is_an_error::<StoreError>();
    is_an_error::<TemplateError>();
    is_an_error::<postback::bitlabs::ConfigError>();
    is_an_error::<postback::wire::KeyRingError>();
    is_an_error::<postback::wire::SecretError>();
    is_an_error::<postback::event::IdError>();
    is_an_error::<postback::web::Refusal>();
}

#[test]
fn ids_can_be_keys_and_be_written() {
    is_an_id::<PlayerId>();
    is_an_id::<TransactionId>();
    is_an_id::<DecisionId>();
    is_printed::<RecordKey>();
}

#[cfg(feature = "sqlite")]
#[test]
fn the_sqlite_store_can_be_kept_in_a_state() {
    is_cloned::<postback::store::sqlite::SqliteStore>();
    is_cloned::<postback::store::sqlite::SqliteReceiver>();
    is_printed::<postback::store::sqlite::SqliteReceiver>();
}

#[cfg(feature = "redis")]
#[test]
fn the_redis_store_can_be_kept_in_a_state() {
    is_cloned::<postback::store::redis::RedisStore>();
    is_printed::<postback::store::redis::RedisStore>();
}

#[cfg(feature = "postgres")]
#[test]
fn the_postgres_store_can_be_kept_in_a_state() {
    is_cloned::<postback::store::postgres::PostgresStore>();
    is_printed::<postback::store::postgres::PostgresReceiver<()>>();
}

#[test]
fn a_moment_is_a_system_time_and_back() {
    let moment = Timestamp::from_millis(1_700_000_000_123);
    let time = moment.to_system_time().unwrap();
    assert_eq!(Timestamp::from(time), moment);
    let second = std::time::Duration::from_secs(1);
    assert_eq!(moment.before(second).after(second), moment);
    assert_eq!(
        Timestamp::from_millis(5).before(second),
        Timestamp::default()
    );
    let before_1970 = std::time::UNIX_EPOCH - second;
    assert_eq!(Timestamp::from(before_1970), Timestamp::default());
}
