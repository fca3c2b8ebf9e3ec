//! The game behind the receivers: one endpoint, and wallets that count what they paid.

use std::error::Error;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::decision::Decision;
use postback::handler::{Handler, HandlerError};
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};
use postback::wire::KeyRing;

use crate::callbacks::{SECRET, TEMPLATE};

/// The path of the callbacks.
pub const PATH: &str = "/callbacks/offers";
/// Answers how many rewards were paid.
pub const PAID: &str = "/paid";

pub fn endpoint() -> Result<Endpoint<OfferCallback>, Box<dyn Error>> {
    let app = App::new("load", KeyRing::from_list(SECRET)?)?;
    Ok(app.offers(TEMPLATE).build()?)
}

/// A wallet that only counts.
#[derive(Debug, Clone, Default)]
pub struct Paid(Arc<AtomicU64>);

impl Paid {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn handler(&self) -> impl Handler + 'static {
        let paid = Arc::clone(&self.0);
        move |decision: &Decision| -> Ready<Result<(), HandlerError>> {
            if matches!(decision, Decision::Reward(_)) {
                paid.fetch_add(1, Ordering::Relaxed);
            }
            ready(Ok(()))
        }
    }
}

/// A wallet in the store's own file: a ledger, and the players' balances in whole gems.
pub async fn sqlite(database: &Path) -> Result<(SqliteStore, SqliteReceiver), Box<dyn Error>> {
    let store = SqliteStore::open(database)?;
    let schema = "CREATE TABLE ledger (id TEXT PRIMARY KEY, player TEXT NOT NULL, gems INTEGER NOT NULL) STRICT;
        CREATE TABLE players (player TEXT PRIMARY KEY, gems INTEGER NOT NULL) STRICT;";
    store.write(move |game| game.execute_batch(schema)).await?;
    let receiver = store.receiver(pay);
    Ok((store, receiver))
}

fn pay(game: &InTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    let (player, change) = (decision.player().as_str(), decision.balance_change());
    let gems =
        i64::try_from(change).map_err(|_| HandlerError::refused("not a whole number of gems"))?;
    let mut ledger =
        game.prepare_cached("INSERT INTO ledger (id, player, gems) VALUES (?1, ?2, ?3)")?;
    ledger.execute((decision.id().as_str(), player, gems))?;
    let mut balance = game.prepare_cached(
        "INSERT INTO players (player, gems) VALUES (?1, ?2)
         ON CONFLICT (player) DO UPDATE SET gems = gems + excluded.gems",
    )?;
    balance.execute((player, gems))?;
    Ok(())
}

pub async fn paid_in_sqlite(store: &SqliteStore) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let count = |game: &InTransaction<'_>| {
        game.query_row("SELECT count(*) FROM ledger WHERE gems > 0", (), |row| {
            row.get::<_, i64>(0)
        })
    };
    Ok(u64::try_from(store.write(count).await?)?)
}
