//! Lists keys, page by page; removes records.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, Row};

use super::PostgresStore;
use super::names::Sql;
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey};
use crate::store::{Retention, StoreError, Version};

type Statement = Query<'static, Postgres, PgArguments>;

impl PostgresStore {
    /// Up to `limit` keys after `after`, in the order of their bytes.
    pub(super) async fn keys(
        &self,
        doing: &'static str,
        statement: &Sql,
        after: Option<&RecordKey>,
        limit: usize,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let mut session = self.session(doing).await?;
        let mut keys = Vec::new();
        let mut after = after.map(ToString::to_string).unwrap_or_default();
        while keys.len() < limit {
            let wanted = i64::try_from(limit - keys.len()).unwrap_or(i64::MAX);
            let query = sqlx::query(statement.get())
                .bind(after.clone())
                .bind(wanted);
            let query = bind(query).fetch_all(session.connection());
            let rows = self.bounded(doing, query).await?;
            let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < wanted;
            for row in rows {
                let text: String = row.try_get(0).map_err(|error| self.failed(doing, error))?;
                let key = text.parse().ok();
                if key.is_none() {
                    // Nobody can ask for it, and it must not keep the others from being found.
                    tracing::error!(target: "postback::store", "postback_records holds a row whose key is not a record key");
                }
                keys.extend(key);
                after = text;
            }
            if is_last {
                break;
            }
        }
        self.give_back(session);
        Ok(keys)
    }
}

impl Retention for PostgresStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let doing = "remove a record";
        let Ok(expected) = i64::try_from(expected.number()) else {
            return Ok(false);
        };
        let mut session = self.session(doing).await?;
        let removal = sqlx::query(self.sql().remove.get())
            .bind(key.to_string())
            .bind(expected)
            .execute(session.connection());
        let removed = self.bounded(doing, removal).await?.rows_affected();
        self.give_back(session);
        Ok(removed == 1)
    }

    async fn unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let moment = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
        let statement = &self.sql().unchanged;
        self.keys("list old records", statement, after, limit, |query| {
            query.bind(moment)
        })
        .await
    }

    async fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let statement = &self.sql().of_player;
        let doing = "list a player's records";
        self.keys(doing, statement, after, limit, |query| {
            query.bind(player.to_string())
        })
        .await
    }
}
