//! Records and wallet in one SQLite file.

#[path = "sqlite_wallet.rs"]
mod wallet;

use postback::decision::Decision;
use postback::receiver::Resumed;
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};
use serde_json::Value;

use crate::game::{BoxError, Database, Settings};

impl Database for SqliteStore {
    type Receiver = SqliteReceiver;

    async fn open(settings: &mut Settings) -> Result<(Self, SqliteReceiver, Resumed), BoxError> {
        let store = SqliteStore::open(&settings.database)?;
        store.write(|db| db.execute_batch(wallet::SCHEMA)).await?;
        let receiver = store.receiver(|db: &InTransaction<'_>, decision: &Decision| {
            wallet::carry_out(db, decision)
        });
        let resumed = receiver.resume().await?;
        Ok((store, receiver, resumed))
    }

    async fn statement(&self, player: String) -> Result<Value, BoxError> {
        Ok(self.read(move |db| wallet::statement(db, &player)).await?)
    }

    async fn close(&self) {
        SqliteStore::close(self).await;
    }
}
