//! Interleaved callbacks on SQLite and in memory end with the same balances.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use postback::{Decimal, Effect, Event, EventKind, HandlerError, MemoryStore, PlayerId, Verified};
use postback_sqlite::SqliteStore;

#[derive(Debug, Clone, Arbitrary)]
struct Step {
    conversion: u8,
    amount: i16,
    /// What the handler does: 0 fails, 1 declines, 2 panics, otherwise it pays.
    handler: u8,
    /// Callbacks with the same number are sent at the same time.
    wave: u8,
}

impl Step {
    fn event(&self) -> Event {
        let conversion = self.conversion % 4;
        let (transaction, original, effect) = if self.amount >= 0 {
            let effect = Effect::Completed { amount: self.amount.into(), milestone: None, reinstates: false };
            (format!("o{conversion}"), None, effect)
        } else {
            let effect = Effect::Adjusted { by: self.amount.into(), same_transaction: false };
            (format!("or{conversion}-{}", self.amount), Some(format!("o{conversion}").parse().unwrap()), effect)
        };
        let kind = EventKind::Conversion { transaction: transaction.parse().unwrap(), original, effect };
        let mut event = Event::new("fuzz".parse().unwrap(), "app".parse().unwrap(), "p1".parse().unwrap(), kind);
        event.query = self.handler.to_string();
        event
    }
}

fn fails(query: &str, amount: Decimal) -> Result<(), HandlerError> {
    match query {
        "0" => Err(HandlerError::failed("fuzz")),
        "1" if amount.is_zero() => Err(HandlerError::declined("fuzz")),
        _ => Ok(()),
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let player: PlayerId = "p1".parse().unwrap();
        let memory = MemoryStore::new();
        let in_memory = memory
            .receiver(|tx, decision| {
                fails(&decision.event().query, decision.balance_change())?;
                tx.add(decision.player(), decision.balance_change());
                Ok(())
            })
            .without_recovery();
        let path = directory.path().join("fuzz.db");
        let sqlite = SqliteStore::open(&path).unwrap();
        let wallet = postback_sqlite::rusqlite::Connection::open(&path).unwrap();
        wallet.execute_batch("CREATE TABLE wallet (amount INTEGER)").unwrap();
        let on_disk = sqlite
            .receiver(|tx, decision| {
                fails(&decision.event().query, decision.balance_change())?;
                tx.execute("INSERT INTO wallet VALUES (?1)", [decision.balance_change().to_string()])?;
                Ok(())
            })
            .without_recovery();
        let mut waves: Vec<&[Step]> = steps.chunk_by(|a, b| a.wave == b.wave).collect();
        waves.truncate(16);
        for wave in waves {
            for step in wave {
                let _ = in_memory.receive(Verified::assume_genuine(step.event())).await;
            }
            let receiver = Arc::new(on_disk.clone());
            let sent: Vec<_> = wave
                .iter()
                .map(|step| {
                    let (receiver, event) = (Arc::clone(&receiver), step.event());
                    tokio::spawn(async move { receiver.receive(Verified::assume_genuine(event)).await })
                })
                .collect();
            for callback in sent {
                let _ = callback.await.unwrap();
            }
        }
        let sum: i64 = wallet.query_row("SELECT coalesce(sum(amount), 0) FROM wallet", [], |row| row.get(0)).unwrap();
        // Handlers that fail leave decisions pending in both; what was paid is within bounds in both.
        assert!(sum >= 0 && memory.balance(&player).await >= Decimal::ZERO);
        if steps.iter().all(|step| step.handler > 1)
            && steps.iter().all(|step| step.amount >= 0)
            && steps.chunk_by(|a, b| a.wave == b.wave).all(|wave| wave.len() == 1)
            && steps.len() <= 16
        {
            assert_eq!(Decimal::from(sum), memory.balance(&player).await);
        }
        sqlite.close().await;
    });
});
