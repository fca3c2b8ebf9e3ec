//! Records and wallet in one Postgres database, committed together. `DATABASE_URL` names it.

mod postgres_wallet;

use postback::store::postgres::{PostgresReceiver, PostgresStore};
use serde_json::Value;

use crate::game::{Bank, BoxError, settings};

#[derive(Clone)]
pub(crate) struct PostgresBank {
    store: PostgresStore,
}

impl Bank for PostgresBank {
    type Receiver = PostgresReceiver<postgres_wallet::Wallet>;

    async fn open() -> Result<(Self, Self::Receiver), BoxError> {
        let url = settings::value("DATABASE_URL")?
            .ok_or("set DATABASE_URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
        let store = PostgresStore::connect(&url).await?;
        postgres_wallet::migrate(store.pool()).await?;
        let receiver = store.receiver(postgres_wallet::Wallet);
        Ok((Self { store }, receiver))
    }

    fn place(&self) -> String {
        "the database of DATABASE_URL".to_owned()
    }

    async fn statement(&self, player: String) -> Result<Value, BoxError> {
        Ok(postgres_wallet::statement(self.store.pool(), &player).await?)
    }

    async fn close(&self) {
        self.store.pool().close().await;
    }
}
