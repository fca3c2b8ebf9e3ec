//! The API as the documentation prints it.

use std::sync::{Arc, Mutex};

use postback::{Decision, HandlerError, Receipt, Receiver};
use postback_sqlite::SqliteStore;

use crate::fixture::{Game, completed};

#[tokio::test]
async fn wallet_in_the_same_file_is_paid_once() -> Result<(), Box<dyn std::error::Error>> {
    let game = Game::without_file();
    game.connect().execute_batch(
        "CREATE TABLE players (id TEXT PRIMARY KEY, gems NUMERIC NOT NULL);
         INSERT INTO players VALUES ('player-7', 10)",
    )?;
    let receiver = SqliteStore::open(game.file())?.receiver(|tx, decision| {
        tx.execute(
            "UPDATE players SET gems = gems + ?2 WHERE id = ?1",
            (decision.player().as_str(), decision.balance_change().to_string()),
        )?;
        Ok(())
    });
    let first = receiver.receive(completed("o1", 500)).await?;
    let second = receiver.receive(completed("o1", 500)).await?;
    assert!(matches!(first, Receipt::Settled(_)), "{first:?}");
    assert_eq!(second, Receipt::Duplicate);
    let gems: i64 = game.connect().query_row("SELECT gems FROM players", [], |row| row.get(0))?;
    assert_eq!(gems, 510);
    receiver.store().close().await;
    Ok(())
}

#[tokio::test]
async fn wallet_elsewhere_is_paid_once() -> Result<(), Box<dyn std::error::Error>> {
    async fn pay(decision: Decision) -> Result<(), HandlerError> {
        assert_eq!(decision.balance_change(), 500.into());
        Ok(())
    }
    let game = Game::without_file();
    let store = game.open();
    assert!(format!("{store:?}").contains("game.db"));
    let receiver = Receiver::new(store.clone(), pay);
    receiver.receive(completed("o1", 500)).await?;
    receiver.receive(completed("o1", 500)).await?;

    let paid = Arc::new(Mutex::new(Vec::new()));
    let wallet = Arc::clone(&paid);
    let receiver = Receiver::new(store, move |decision: Decision| {
        let wallet = Arc::clone(&wallet);
        async move {
            wallet.lock().unwrap().push(decision.balance_change());
            Ok(())
        }
    });
    receiver.receive(completed("o1", 500)).await?;
    receiver.receive(completed("o2", 7)).await?;
    assert_eq!(*paid.lock().unwrap(), [7.into()]);
    Ok(())
}
