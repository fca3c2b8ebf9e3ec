//! Rules of the page that have no number, by family.

use super::*;

#[tokio::test]
async fn offers_without_states_are_reconciled_by_reference() {
    let game = Game::new();
    for state in ["NONE", "", "none"] {
        let tx = format!("o{state}1");
        game.play_offer(&tx, state, "500").await;
        let reversal = game
            .offer(&format!("or{state}1"), state, "-500")
            .original(&tx);
        game.play(&game.offers, reversal).await;
        assert_eq!(game.balance(), decimal("0"));
        let inverted = game
            .offer(&format!("or{state}2"), state, "500")
            .original(&tx);
        game.play(&game.offers, inverted).await;
        assert_eq!(game.balance(), decimal("500"));
        let again = game
            .offer(&format!("or{state}3"), state, "-500")
            .original(&tx);
        game.play(&game.offers, again).await;
        assert_eq!(game.balance(), decimal("0"));
    }
}

#[tokio::test]
async fn an_offers_reconciliation_without_reference_is_unlinked_and_moves_nothing() {
    let game = Game::new();
    game.play_offer("o17", "NONE", "500").await;
    // Its id tells what it is, whatever its sign.
    for (tx, gems) in [("or17", "-500"), ("or18", "500"), ("or19", "0")] {
        game.play_offer(tx, "NONE", gems).await;
        assert!(
            matches!(game.last(), Decision::NothingToPay(nothing) if nothing.why() == NothingWhy::Unlinked)
        );
    }
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn surveys_pay_for_screenouts_and_start_bonuses_unless_switched_off() {
    let game = Game::new();
    game.play_survey("s1", "SCREENOUT", "5", "").await;
    game.play_survey("s2", "START_BONUS", "7", "").await;
    game.play_survey("s3", "COMPLETE", "100", "").await;
    assert_eq!(game.balance(), decimal("112"));

    let game = Game::new();
    let quiet = app()
        .surveys(bitlabs_game::SURVEYS)
        .acknowledge_screenouts()
        .acknowledge_start_bonuses()
        .build()
        .unwrap();
    for (tx, word) in [
        ("s1", "SCREENOUT"),
        ("s2", "START_BONUS"),
        ("s3", "COMPLETE"),
    ] {
        game.play(&quiet, game.survey(tx, word, "5")).await;
    }
    assert_eq!(game.balance(), decimal("5"));
    assert_eq!(
        game.kinds(),
        [Kind::NothingToPay, Kind::NothingToPay, Kind::Reward]
    );
}

#[tokio::test]
async fn receipts_and_cashback_pay_on_completed_only() {
    let game = Game::new();
    let receipt = |tx: &str, state: &str, gems: &str| {
        game.network
            .callback(bitlabs_game::RECEIPTS)
            .player("p1")
            .transaction(tx)
            .amount(gems)
            .state(state)
    };
    for state in ["PENDING", "REVIEWING", "COMPLETED"] {
        game.play(&game.receipts, receipt("m1", state, "10")).await;
        game.play(&game.receipts, receipt("m1", state, "10")).await;
    }
    assert_eq!(game.balance(), decimal("10"));
    game.play(&game.receipts, receipt("m1", "REJECTED", "10"))
        .await;
    game.play(&game.receipts, receipt("m2", "REJECTED", ""))
        .await;
    assert_eq!(game.balance(), decimal("0"));
    let cashback = |tx: &str, state: &str, gems: &str| {
        game.network
            .callback(bitlabs_game::CASHBACK)
            .player("p1")
            .transaction(tx)
            .amount(gems)
            .state(state)
    };
    for (state, gems) in [
        ("CREATED", ""),
        ("PENDING", "20"),
        ("ADJUSTED", "15"),
        ("COMPLETED", "15"),
    ] {
        game.play(&game.cashback, cashback("b1", state, gems)).await;
    }
    assert_eq!(game.balance(), decimal("15"));
}

#[tokio::test]
async fn bans_and_unbans_reach_the_game_once_each() {
    let game = Game::new();
    let ban = |status: &str| {
        game.network
            .callback(bitlabs_game::BANS)
            .player("p1")
            .set("BAN:STATUS", status)
    };
    for status in ["BANNED", "BANNED", "ACTIVE", "whatever"] {
        game.play(&game.bans, ban(status).set("BAN:REASON", "FRAUD"))
            .await;
    }
    assert_eq!(game.kinds(), [Kind::Ban, Kind::Unban, Kind::NothingToPay]);
    assert_eq!(
        game.wallet.lock().unwrap().log[0].cause().reason.as_deref(),
        Some("FRAUD")
    );
}

#[tokio::test]
async fn an_endpoint_for_one_state_needs_no_state_and_refuses_another() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "500").await;
    let stated = app()
        .offers(OFFERS)
        .only(OfferState::Reconciled)
        .build()
        .unwrap();
    let wrong = game.offer("o1", "COMPLETED", "500").sign();
    assert_eq!(game.request(&stated, wrong.target()).await, 400);
    let callback = game
        .network
        .callback(RECONCILED)
        .player("p1")
        .transaction("o1")
        .amount("500");
    game.play(&game.reconciled, callback).await;
    assert_eq!(game.balance(), decimal("0"));
}
