//! One rule a test, over the memory store.

use postback::clock::Timestamp;
use postback::decision::{ConflictKind, DecisionKind as Kind};
use postback::guard::RecordStatus;
use postback::import::{Contradiction, Outcome, PastCallback};
use postback::steps::Receipt;
use postback::store::{DedupStore, MemoryStore, prune};

use crate::game::{Game, MOMENT, paid, paid_unknown, shown, taken_back, taken_back_by};
use crate::ledger::{
    adjustment, completed, decimal, milestone, of_player, pending, reconciled, with_purchase,
};

fn game() -> Game<MemoryStore> {
    Game::on(MemoryStore::new())
}

#[tokio::test]
async fn what_was_paid_before_is_a_duplicate() {
    let game = game();
    assert_eq!(game.import(paid("o1", "500")).await, Outcome::Imported);
    for event in [
        completed("o1", "500"),
        milestone("o1", "500", "COMPLETE"),
        completed("o1", "500"),
    ] {
        assert_eq!(game.receive(&event).await, Receipt::Duplicate);
    }
    assert_eq!(game.kinds(), []);
}

#[tokio::test]
async fn a_late_pending_of_what_was_paid_before_moves_nothing() {
    let game = game();
    game.import(paid("o1", "500")).await;
    game.receive(&pending("o1", "500")).await;
    assert_eq!(game.kinds(), [Kind::NothingToPay]);
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn a_reversal_takes_back_exactly_what_was_paid_before() {
    for (reversal, balance) in [
        (reconciled("o1", "500"), "-500"),
        (reconciled("o1", "200"), "-200"),
        (reconciled("o1", "900"), "-500"),
        (adjustment("r1", "o1", "-500"), "-500"),
        (adjustment("r1", "o1", "-120.5"), "-120.5"),
    ] {
        let game = game();
        game.import(paid("o1", "500")).await;
        game.receive(&reversal).await;
        game.receive(&reversal).await;
        assert_eq!(game.kinds(), [Kind::Reversal]);
        assert_eq!(game.balance(), decimal(balance));
        let settled = game.record("o1").await.unwrap().settled();
        assert_eq!(settled, decimal("500") + decimal(balance));
    }
}

#[tokio::test]
async fn what_was_taken_back_before_is_not_taken_back_again() {
    let both = [
        [paid("o1", "500"), taken_back("o1", "500")],
        [taken_back("o1", "500"), paid("o1", "500")],
        [paid("o1", "500"), taken_back("o1", "-500")],
    ];
    for rows in both {
        let game = game();
        for row in rows {
            assert_eq!(game.import(row).await, Outcome::Imported);
        }
        assert_eq!(game.record("o1").await.unwrap().settled(), decimal("0"));
        for event in [completed("o1", "500"), reconciled("o1", "500")] {
            assert_eq!(game.receive(&event).await, Receipt::Duplicate);
        }
        game.receive(&adjustment("r2", "o1", "-500")).await;
        assert_eq!(game.balance(), decimal("0"));
    }
}

#[tokio::test]
async fn a_part_taken_back_by_another_transaction_is_known_by_that() {
    let game = game();
    game.import(taken_back_by("r1", "o1", "200")).await;
    game.import(paid("o1", "500")).await;
    assert_eq!(game.record("o1").await.unwrap().settled(), decimal("300"));
    let known = adjustment("r1", "o1", "-200");
    assert_eq!(game.receive(&known).await, Receipt::Duplicate);
    game.receive(&adjustment("r2", "o1", "-900")).await;
    assert_eq!(game.balance(), decimal("-300"));
}

#[tokio::test]
async fn what_was_pending_before_is_paid_when_it_is_final() {
    let game = game();
    assert_eq!(game.import(shown("o1", "500")).await, Outcome::Imported);
    assert_eq!(
        game.receive(&pending("o1", "500")).await,
        Receipt::Duplicate
    );
    game.receive(&completed("o1", "500")).await;
    game.receive(&completed("o1", "500")).await;
    assert_eq!(game.kinds(), [Kind::Reward]);
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn another_amount_than_the_one_paid_is_a_conflict_and_does_not_pay() {
    let game = game();
    game.import(paid("o1", "500")).await;
    game.receive(&completed("o1", "600")).await;
    game.receive(&of_player(completed("o1", "500"), "p2")).await;
    assert_eq!(game.kinds(), [Kind::Conflict, Kind::Conflict]);
}

#[tokio::test]
async fn purchase_data_of_what_was_paid_before_is_told_and_pays_nothing() {
    let game = game();
    game.import(paid("o1", "500")).await;
    game.receive(&with_purchase(completed("o1", "500"), "4.99"))
        .await;
    assert_eq!(game.kinds(), [Kind::Purchase]);
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn a_milestone_that_is_named_stands_for_itself_alone() {
    let game = game();
    game.import(paid("o1", "50").milestone("START_BONUS")).await;
    let bonus = milestone("o1", "50", "START_BONUS");
    assert_eq!(game.receive(&bonus).await, Receipt::Duplicate);
    game.receive(&milestone("o1", "500", "COMPLETE")).await;
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn a_row_without_a_player_fits_any_player() {
    let game = game();
    let row = PastCallback::paid("o1".parse().unwrap(), decimal("500"));
    game.import(row.clone()).await;
    let record = game.record("o1").await.unwrap();
    assert_eq!((record.player(), record.named_player()), (None, None));
    let again = of_player(completed("o1", "500"), "p9");
    assert_eq!(game.receive(&again).await, Receipt::Duplicate);
    game.receive(&of_player(reconciled("o1", "500"), "p9"))
        .await;
    assert_eq!(game.balance(), decimal("-500"));
    assert_eq!(game.wallet.lock().unwrap().log[0].player(), "p9");
    // And where the player is known already, it is his.
    game.receive(&of_player(pending("o2", "500"), "p9")).await;
    let row = PastCallback::paid("o2".parse().unwrap(), decimal("500"));
    assert_eq!(game.import(row).await, Outcome::Imported);
    let record = game.record("o2").await.unwrap();
    assert!(!record.entries()[1].is_forgotten());
    assert_eq!(record.entries()[1].event().player, "p9");
}

#[tokio::test]
async fn without_the_amount_the_conversion_is_closed_and_nothing_of_it_moves() {
    let game = game();
    let row = paid_unknown("o1");
    assert_eq!(game.import(row.clone()).await, Outcome::ImportedClosed);
    assert_eq!(game.import(row).await, Outcome::AlreadyImported);
    for event in [
        completed("o1", "500"),
        reconciled("o1", "500"),
        adjustment("r1", "o1", "-500"),
        of_player(completed("o1", "500"), "p2"),
    ] {
        assert_eq!(game.receive(&event).await, Receipt::Closed);
        assert_eq!(game.receive(&event).await, Receipt::Duplicate);
    }
    assert_eq!(game.kinds(), []);
    let record = game.record("o1").await.unwrap();
    assert_eq!(record.status(), RecordStatus::Closed);
    assert_eq!(record.entries().len(), 5, "all is kept, for people");
    // What else is known of it is kept, too, and still moves nothing.
    for row in [paid("o1", "700"), taken_back_by("r9", "o1", "500")] {
        assert_eq!(game.import(row.clone()).await, Outcome::ImportedClosed);
        assert_eq!(game.import(row).await, Outcome::AlreadyImported);
    }
    assert_eq!(game.record("o1").await.unwrap().settled(), decimal("0"));
}

#[tokio::test]
async fn an_import_is_idempotent_also_after_what_came_since() {
    let game = game();
    let rows = [paid("o1", "500"), taken_back_by("r1", "o1", "100")];
    for row in &rows {
        assert_eq!(game.import(row.clone()).await, Outcome::Imported);
    }
    game.receive(&adjustment("r2", "o1", "-400")).await;
    let before = game.record("o1").await;
    for row in &rows {
        assert_eq!(game.import(row.clone()).await, Outcome::AlreadyImported);
    }
    assert_eq!(
        game.import(paid_unknown("o1")).await,
        Outcome::AlreadyImported
    );
    assert_eq!(game.record("o1").await, before);
}

#[tokio::test]
async fn what_this_receiver_has_dealt_with_itself_is_left_as_it_is() {
    let game = game();
    game.receive(&completed("o1", "500")).await;
    let before = game.record("o1").await;
    let conflict = |kind| Outcome::Contradicts(Contradiction::Conflict(kind));
    for (row, outcome) in [
        (paid("o1", "500"), Outcome::AlreadyReceived),
        (paid_unknown("o1"), Outcome::AlreadyReceived),
        (paid("o1", "600"), conflict(ConflictKind::OtherContent)),
        (
            paid("o1", "500").player("p2".parse().unwrap()),
            conflict(ConflictKind::OtherPlayer),
        ),
        (
            paid("o1", "-5").milestone("SCREENOUT"),
            conflict(ConflictKind::NegativeReward),
        ),
    ] {
        assert_eq!(game.import(row).await, outcome);
        assert!(outcome.needs_a_look());
    }
    assert_eq!(game.record("o1").await, before);
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn a_reversal_that_came_before_the_import_is_reported() {
    for (reversal, row) in [
        (reconciled("o1", "500"), paid("o1", "500")),
        (adjustment("r1", "o1", "-100"), paid("o1", "500")),
        (reconciled("o1", "500"), paid_unknown("o1")),
    ] {
        let game = game();
        game.receive(&reversal).await;
        let before = game.record("o1").await;
        let moved = Outcome::Contradicts(Contradiction::Moved);
        assert_eq!(game.import(row).await, moved);
        assert_eq!(game.record("o1").await, before);
    }
}

#[tokio::test]
async fn what_fits_beside_what_this_receiver_paid_is_imported() {
    let game = game();
    game.receive(&milestone("o1", "500", "COMPLETE")).await;
    let bonus = paid("o1", "50").milestone("START_BONUS");
    assert_eq!(game.import(bonus).await, Outcome::Imported);
    let again = milestone("o1", "50", "START_BONUS");
    assert_eq!(game.receive(&again).await, Receipt::Duplicate);
    assert_eq!(game.record("o1").await.unwrap().settled(), decimal("550"));
}

#[tokio::test]
async fn what_was_taken_back_elsewhere_of_what_this_receiver_paid_is_imported() {
    let game = game();
    game.receive(&completed("o1", "500")).await;
    let row = taken_back_by("r1", "o1", "200");
    assert_eq!(game.import(row).await, Outcome::Imported);
    assert_eq!(game.record("o1").await.unwrap().settled(), decimal("300"));
    let known = adjustment("r1", "o1", "-200");
    assert_eq!(game.receive(&known).await, Receipt::Duplicate);
}

#[tokio::test]
async fn what_is_only_pending_here_keeps_no_import_off() {
    let game = game();
    game.receive(&pending("o1", "500")).await;
    for row in [taken_back("o1", "500"), paid("o1", "500")] {
        assert_eq!(game.import(row).await, Outcome::Imported);
    }
    assert_eq!(game.record("o1").await.unwrap().settled(), decimal("0"));
}

#[tokio::test]
async fn an_open_decision_keeps_an_import_off() {
    use postback::delivery::Progress;

    let game = game();
    let Progress::Deliver(delivery) = game.receiver.begin(completed("o1", "500")).await.unwrap()
    else {
        panic!("it is the game's turn")
    };
    for row in [paid("o1", "500"), paid_unknown("o1"), shown("o1", "1")] {
        assert_eq!(game.import(row).await, Outcome::Open);
    }
    let _ = delivery.done().await.unwrap();
    assert_eq!(
        game.import(paid("o1", "500")).await,
        Outcome::AlreadyReceived
    );
}

#[tokio::test]
async fn a_conversion_that_the_game_refused_is_left_closed() {
    use postback::delivery::Progress;

    let game = game();
    game.import(paid("o1", "500")).await;
    for (transaction, event) in [
        ("o1", reconciled("o1", "500")),
        ("o2", completed("o2", "500")),
    ] {
        let Progress::Deliver(delivery) = game.receiver.begin(event).await.unwrap() else {
            panic!("it is the game's turn")
        };
        let _ = delivery.refused("no such player").await.unwrap();
        let refused = Outcome::Contradicts(Contradiction::Refused);
        assert_eq!(game.import(shown(transaction, "7")).await, refused);
    }
    // What is known is known, whatever came later.
    assert_eq!(
        game.import(paid("o1", "500")).await,
        Outcome::AlreadyImported
    );
    let refused = Outcome::Contradicts(Contradiction::Refused);
    let other = paid_unknown("o3");
    assert_eq!(game.import(other).await, Outcome::ImportedClosed);
    assert_eq!(game.import(taken_back_by("r1", "o2", "5")).await, refused);
}

#[tokio::test]
async fn an_imported_row_is_as_old_as_it_says() {
    let game = game();
    let old = Timestamp::from_millis(1_000);
    game.import(paid("o1", "500").at(old)).await;
    game.import(paid("o2", "500")).await;
    assert_eq!(game.record("o1").await.unwrap().last_change(), old);
    assert_eq!(game.record("o2").await.unwrap().last_change(), MOMENT);
    let pruned = prune(&*game.store, MOMENT).await.unwrap();
    assert_eq!(pruned.removed, 1);
}

#[tokio::test]
async fn an_import_asks_the_game_nothing_and_leaves_nothing_open() {
    let game = game();
    for row in [
        paid("o1", "500"),
        taken_back("o1", "200"),
        shown("o2", "1"),
        paid_unknown("o3"),
    ] {
        game.import(row).await;
    }
    assert_eq!(game.kinds(), []);
    assert_eq!(game.store.unsettled(None, 10).await.unwrap(), []);
    let record = game.record("o1").await.unwrap();
    assert!(
        record
            .entries()
            .iter()
            .all(postback::guard::Entry::is_imported)
    );
}
