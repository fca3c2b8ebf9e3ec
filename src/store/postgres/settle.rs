//! Settling in a transaction of the caller's own, together with the wallet.

use sqlx::PgConnection;

use super::PostgresStore;
use super::rows::{Row, RowSwapped};
use crate::guard::Record;
use crate::store::{SettleError, Version};

impl PostgresStore {
    /// Settles a record in a transaction of the caller's own, so that it is committed together with the
    /// wallet.
    ///
    /// `expected` and `record` are what [`Delivery::settlement`](crate::delivery::Delivery::settlement) gives.
    ///
    /// ```
    /// use postback::delivery::Settlement;
    /// use postback::store::postgres::PostgresStore;
    /// use postback::store::postgres::sqlx;
    ///
    /// async fn pay(store: &PostgresStore, due: &Settlement) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut transaction = store.pool().begin().await?;
    ///     sqlx::query("UPDATE players SET gems = gems + 500 WHERE id = 'player-7'")
    ///         .execute(&mut *transaction)
    ///         .await?;
    ///     store.settle_in(&mut transaction, due.expected, &due.record).await?; // dropped on error: rolled back
    ///     transaction.commit().await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SettleError`]; the transaction must then be rolled back.
    pub async fn settle_in(
        &self,
        transaction: &mut PgConnection,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<(), SettleError> {
        let swap = Row::new(expected, record)?;
        let swap = swap.swap(self.sql(), transaction);
        match self.bounded("settle a record", swap).await? {
            RowSwapped::Done => Ok(()),
            RowSwapped::Lost(found) => {
                let current = found.map(|found| found.parse(record.key())).transpose()?;
                Err(SettleError::TakenOver {
                    current: current.map(Box::new),
                })
            }
        }
    }
}
