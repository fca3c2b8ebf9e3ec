//! Import, then any permutation of the conversion's callbacks, with repeats: nothing is paid twice.

use postback::event::Event;
use postback::import::{Outcome, PastCallback};
use postback::store::MemoryStore;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::game::{Game, paid, shown, taken_back, taken_back_by};
use crate::ledger::{Ledger, adjustment, completed, pending, reconciled};

/// One conversion: what happened to it, as callbacks, and the same as rows.
#[derive(Debug, Clone)]
struct Story {
    callbacks: Vec<Event>,
    rows: Vec<PastCallback>,
}

fn story() -> impl Strategy<Value = Story> {
    let amount = 0..1_000_u32;
    let adjustments = proptest::collection::vec(0..700_u32, 0..4);
    let state_change = proptest::option::of(0..1_200_u32);
    (
        amount,
        proptest::option::of(0..1_000_u32),
        adjustments,
        state_change,
    )
        .prop_map(|(amount, shown_before, adjustments, state_change)| {
            let mut callbacks = vec![completed("o1", &amount.to_string())];
            let mut rows = vec![paid("o1", &amount.to_string())];
            if let Some(amount) = shown_before {
                callbacks.push(pending("o1", &amount.to_string()));
                rows.push(shown("o1", &amount.to_string()));
            }
            for (number, by) in adjustments.iter().enumerate() {
                let transaction = format!("r{number}");
                callbacks.push(adjustment(&transaction, "o1", &format!("-{by}")));
                rows.push(taken_back_by(&transaction, "o1", &by.to_string()));
            }
            if let Some(by) = state_change {
                callbacks.push(reconciled("o1", &by.to_string()));
                rows.push(taken_back("o1", &by.to_string()));
            }
            Story { callbacks, rows }
        })
}

/// A story, which of its messages the earlier receiver had dealt with, and in which order the rest comes here.
fn moved() -> impl Strategy<Value = (Story, Vec<usize>, Vec<usize>)> {
    story().prop_flat_map(|story| {
        let all: Vec<usize> = (0..story.rows.len()).collect();
        let imported = proptest::sample::subsequence(all.clone(), 0..=all.len()).prop_shuffle();
        let repeats = proptest::collection::vec(0..all.len(), 0..5);
        let received = repeats
            .prop_map(move |repeats| [all.clone(), repeats].concat())
            .prop_shuffle();
        (Just(story), imported, received)
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #[test]
    fn nothing_is_paid_twice_and_the_balance_is_what_it_should_be(
        (story, imported, received) in moved()
    ) {
        run(async {
            let game = Game::on(MemoryStore::new());
            for &row in &imported {
                prop_assert_eq!(game.import(story.rows[row].clone()).await, Outcome::Imported);
            }
            let record = game.record("o1").await;
            let paid_before = record.map_or(Decimal::ZERO, |record| record.settled());
            // The earlier receiver ended where its own messages say.
            let past: Vec<_> = imported.iter().map(|&row| story.callbacks[row].clone()).collect();
            prop_assert_eq!(Ledger::play(&past).balance(), paid_before);

            for &callback in &received {
                game.receive(&story.callbacks[callback]).await;
            }
            let target = Ledger::play(&story.callbacks).balance();
            prop_assert_eq!(paid_before + game.balance(), target);

            let record = game.record("o1").await.unwrap();
            prop_assert_eq!(record.settled(), target);
            for row in &imported {
                let again = game.import(story.rows[*row].clone()).await;
                prop_assert_eq!(again, Outcome::AlreadyImported);
            }
            prop_assert_eq!(game.record("o1").await.unwrap(), record);
            Ok(())
        })?;
    }

    /// The import comes late or in between: it never moves money, and what it cannot take over it reports.
    #[test]
    fn an_import_at_any_moment_moves_nothing(
        (story, imported, received) in moved(), when in 0..8_usize
    ) {
        run(async {
            let game = Game::on(MemoryStore::new());
            let when = when.min(received.len());
            for &callback in &received[..when] {
                game.receive(&story.callbacks[callback]).await;
            }
            let (balance, kinds) = (game.balance(), game.kinds());
            for &row in &imported {
                let before = game.record("o1").await;
                let outcome = game.import(story.rows[row].clone()).await;
                if outcome != Outcome::Imported {
                    prop_assert!(outcome.needs_a_look() || outcome == Outcome::AlreadyImported);
                    prop_assert_eq!(game.record("o1").await, before);
                }
            }
            prop_assert_eq!((game.balance(), game.kinds()), (balance, kinds));
            // What was paid by either receiver is not paid again.
            let settled = game.record("o1").await.map_or(Decimal::ZERO, |record| record.settled());
            for &callback in &received {
                game.receive(&story.callbacks[callback]).await;
            }
            let moved = game.balance() - balance;
            let record = game.record("o1").await.unwrap();
            prop_assert_eq!(settled + moved, record.settled());
            prop_assert_eq!(record.settled(), Ledger::play(&story.callbacks).balance());
            Ok(())
        })?;
    }

    #[test]
    fn without_the_amount_nothing_ever_moves((story, _, received) in moved()) {
        run(async {
            let game = Game::on(MemoryStore::new());
            game.import(crate::game::paid_unknown("o1")).await;
            for &callback in &received {
                game.receive(&story.callbacks[callback]).await;
            }
            prop_assert_eq!(game.kinds(), []);
            Ok(())
        })?;
    }
}
