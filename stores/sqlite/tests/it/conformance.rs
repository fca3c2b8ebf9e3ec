//! The suite that every store passes.

use postback::testing::conformance;
use postback_sqlite::SqliteStore;

use crate::fixture::Game;

/// Keeps the directories until the test ends.
struct Games(std::cell::RefCell<Vec<Game>>);

impl Games {
    fn new() -> Self {
        Self(Vec::new().into())
    }

    fn open(&self) -> SqliteStore {
        let game = Game::without_file();
        game.connect().execute_batch("CREATE TABLE balances (player TEXT PRIMARY KEY, amount TEXT NOT NULL)").unwrap();
        let store = game.open();
        self.0.borrow_mut().push(game);
        store
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_passes_the_conformance_suite() {
    let games = Games::new();
    conformance::plain(async || games.open()).await;
    conformance::retention(async || games.open()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_agree() {
    let game = Game::without_file();
    conformance::shared(&game.open(), &game.open()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_pass_the_conformance_suite() {
    use postback::Decimal;
    use postback_sqlite::rusqlite::{Connection, OptionalExtension, Result};

    fn balance(db: &Connection, player: &str) -> Result<Decimal> {
        let select = "SELECT amount FROM balances WHERE player = ?1";
        let text: Option<String> = db.query_row(select, [player], |row| row.get(0)).optional()?;
        Ok(text.map_or(Decimal::ZERO, |text| text.parse().unwrap()))
    }

    let games = Games::new();
    conformance::transactional(
        async || games.open(),
        |store, script| {
            store.receiver(move |tx, decision| {
                let player = decision.player().as_str();
                let amount = balance(tx, player)? + decision.balance_change();
                tx.execute("INSERT OR REPLACE INTO balances VALUES (?1, ?2)", (player, amount.to_string()))?;
                script.end()
            })
        },
        async |_, player| {
            let games = games.0.borrow();
            balance(&games.last().unwrap().connect(), player.as_str()).unwrap()
        },
    )
    .await;
}
