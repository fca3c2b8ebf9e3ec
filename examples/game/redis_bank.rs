//! Records and wallet in Redis. `REDIS_URL` names the server.
//!
//! Each decision is written down before the wallet carries it out, and the wallet is idempotent on its id: a
//! crash in between repeats it, and it is paid once.

mod redis_wallet;

use std::time::Duration;

use postback::receiver::{HandlingReceiver, Receiver};
use postback::steps::Timing;
use postback::store::redis::RedisStore;
use postback::store::redis::redis::Client;
use redis_wallet::Wallet;
use serde_json::Value;

use crate::game::{Bank, BoxError, settings};

#[derive(Clone)]
pub(crate) struct RedisBank {
    wallet: Wallet,
    place: String,
}

impl Bank for RedisBank {
    type Receiver = HandlingReceiver<RedisStore, Wallet>;

    // A copy that crashed leaves its lease behind, not only its decision.
    const RESUME_EVERY: Duration = Duration::from_secs(1);

    async fn open() -> Result<(Self, Self::Receiver), BoxError> {
        let url = settings::or("REDIS_URL", "redis://127.0.0.1:6379/0")?;
        let server = Client::open(&*url)?;
        // Host and port alone: the greeting is no place for a password.
        let place = format!("Redis at {}", server.get_connection_info().addr());
        let store = RedisStore::connect(&*url).await?;
        let wallet = Wallet::connect(server).await?;
        let timing = Timing::new().lease(lease()?);
        let receiver = Receiver::new(store)
            .with_timing(timing)
            .with_handler(wallet.clone());
        Ok((Self { wallet, place }, receiver))
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    async fn statement(&self, player: String) -> Result<Value, BoxError> {
        self.wallet.statement(&player).await
    }

    async fn close(&self) {}
}

/// `POSTBACK_LEASE_MS`: how long a decision is reserved for the copy that is at work on it.
fn lease() -> Result<Duration, BoxError> {
    let Some(millis) = settings::value("POSTBACK_LEASE_MS")? else {
        return Ok(Timing::default().lease);
    };
    let millis = millis
        .parse()
        .map_err(|error| format!("POSTBACK_LEASE_MS is no number of milliseconds: {error}"))?;
    Ok(Duration::from_millis(millis))
}
