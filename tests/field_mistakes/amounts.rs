//! What is paid and taken back.

use super::*;

#[tokio::test]
async fn mistake_16_a_negative_value_is_subtracted() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "2", "").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    assert_eq!(game.balance(), decimal("0"));
    assert!(
        matches!(game.last(), Decision::Reversal(reversal) if reversal.amount() == decimal("2"))
    );
}

#[tokio::test]
async fn mistake_17_a_positive_re_inversion_is_taken_for_another_charge() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "2", "").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.play_survey("r2", "RECONCILIATION", "2", "s1").await;
    assert_eq!(game.balance(), decimal("2"));
}

#[tokio::test]
async fn mistake_18_a_reversal_is_looked_up_by_its_own_transaction() {
    let game = Game::new();
    game.play_offer("o17", "NONE", "500").await;
    game.play(
        &game.offers,
        game.offer("or17", "NONE", "-500").original("o17"),
    )
    .await;
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn mistake_19_reconciled_after_pending_is_deducted() {
    let game = Game::new();
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Pending, Kind::Rejected])
    );
}

#[tokio::test]
async fn mistake_20_negative_or_zero_amounts_are_answered_400() {
    let game = Game::new();
    // Each of these asserts 200.
    game.play_offer("o1", "COMPLETED", "0").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.play_survey("r2", "RECONCILIATION", "0", "s1").await;
    game.play_survey("s3", "COMPLETE", "-1", "").await;
}

#[tokio::test]
async fn mistake_21_a_zero_or_missing_amount_becomes_a_default_reward() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "0").await;
    assert_eq!(game.balance(), decimal("0"));
    let network = Network::new(SECRET);
    for query in [
        "player=p1&tx=o1&state=COMPLETED",
        "player=p1&tx=o1&gems=&state=COMPLETED",
    ] {
        let signed = network.sign_url(&format!("https://game.example/callbacks/offers?{query}"));
        refused(signed.target(), 400).await;
    }
}

#[tokio::test]
async fn mistake_22_amounts_are_floats_or_cut_to_integers() {
    let game = Game::new();
    for number in 0..10 {
        game.play_offer(&format!("o{number}"), "COMPLETED", "0.1")
            .await;
    }
    assert_eq!(game.balance(), decimal("1"));
    game.play_offer("big", "COMPLETED", "7199254740993.25")
        .await;
    assert_eq!(game.balance(), decimal("7199254740994.25"));
}

#[tokio::test]
async fn mistake_23_the_purchase_is_paid_out_as_the_reward() {
    let game = Game::new();
    game.play(
        &game.offers,
        game.offer("o1", "COMPLETED", "500")
            .set("OFFER:TASK:IAP:USD", "49.99"),
    )
    .await;
    assert_eq!(game.balance(), decimal("500"));
    let Decision::Reward(reward) = game.last() else {
        panic!("a reward")
    };
    assert_eq!(reward.purchase().unwrap().usd, decimal("49.99"));
}
