//! Records and wallet in one SQLite file, committed together. `POSTBACK_DB` names it.

mod sqlite_wallet;

use postback::decision::Decision;
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};
use serde_json::Value;

use crate::game::{Bank, BoxError, settings};

#[derive(Clone)]
pub(crate) struct SqliteBank {
    store: SqliteStore,
    file: String,
}

impl Bank for SqliteBank {
    type Receiver = SqliteReceiver;

    async fn open() -> Result<(Self, SqliteReceiver), BoxError> {
        let file = settings::or("POSTBACK_DB", "postback.db")?;
        let store = SqliteStore::open(&file)?;
        store
            .write(|db| db.execute_batch(sqlite_wallet::SCHEMA))
            .await?;
        let receiver = store.receiver(|db: &InTransaction<'_>, decision: &Decision| {
            sqlite_wallet::carry_out(db, decision)
        });
        Ok((Self { store, file }, receiver))
    }

    fn place(&self) -> String {
        self.file.clone()
    }

    async fn statement(&self, player: String) -> Result<Value, BoxError> {
        Ok(self
            .store
            .read(move |db| sqlite_wallet::statement(db, &player))
            .await?)
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
