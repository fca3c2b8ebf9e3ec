//! Records and wallet in one Postgres database.

#[path = "postgres_wallet.rs"]
mod wallet;

use std::time::Duration;

use postback::receiver::{Resumed, spawn_resume};
use postback::store::postgres::{PostgresReceiver, PostgresStore};
use serde_json::Value;

use crate::game::{BoxError, Database, Settings};

/// How often what another copy left open is looked for.
const RESUME_EVERY: Duration = Duration::from_secs(60);

impl Database for PostgresStore {
    type Receiver = PostgresReceiver<wallet::Wallet>;

    async fn open(settings: &mut Settings) -> Result<(Self, Self::Receiver, Resumed), BoxError> {
        let url = std::env::var("DATABASE_URL")
            .map_err(|_| "set DATABASE_URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
        "the database of DATABASE_URL".clone_into(&mut settings.database);
        let store = PostgresStore::open(&url).await?;
        wallet::migrate(store.pool()).await?;
        let receiver = store.receiver(wallet::Wallet);
        let resumed = receiver.resume().await?;
        spawn_resume(receiver.clone(), RESUME_EVERY);
        Ok((store, receiver, resumed))
    }

    async fn statement(&self, player: String) -> Result<Value, BoxError> {
        Ok(wallet::statement(self.pool(), &player).await?)
    }

    async fn close(&self) {
        self.pool().close().await;
    }
}
