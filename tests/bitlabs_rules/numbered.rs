//! Rules 4.1 to 4.13, each under its number.

use super::*;

#[tokio::test]
async fn rule_1_the_state_decides_and_never_the_type() {
    let game = Game::new();
    for word in ["COMPLETE", "state_change", ""] {
        game.play(
            &game.offers,
            game.offer("o1", "PENDING", "500").call_type(word),
        )
        .await;
        assert_eq!(game.balance(), decimal("0"), "PENDING with type {word:?}");
    }
    game.play(
        &game.offers,
        game.offer("o1", "COMPLETED", "500")
            .call_type("state_change"),
    )
    .await;
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn rule_2_a_state_change_to_reconciled_deducts_what_it_carries() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play_offer("o1", "RECONCILED", "120").await;
    assert_eq!(game.balance(), decimal("380"));
    game.play_offer("o2", "COMPLETED", "0").await;
    game.play_offer("o2", "RECONCILED", "0").await;
    assert_eq!(game.balance(), decimal("380"));
}

#[tokio::test]
async fn rule_2_a_state_change_below_zero_is_a_conflict_and_moves_nothing() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play_offer("o1", "RECONCILED", "-500").await;
    assert_eq!(game.balance(), decimal("500"));
    assert!(
        matches!(game.last(), Decision::Conflict(conflict) if conflict.kind() == ConflictKind::Contradictory)
    );
}

#[tokio::test]
async fn rule_3_reconciled_after_pending_or_alone_takes_nothing_back() {
    let game = Game::new();
    game.play_offer("o9", "COMPLETED", "50").await;
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "RECONCILED", "500").await;
    game.play_offer("o2", "RECONCILED", "500").await;
    assert_eq!(game.balance(), decimal("50"));
    assert_eq!(
        game.kinds(),
        [Kind::Reward, Kind::Pending, Kind::Rejected, Kind::Rejected]
    );
}

#[tokio::test]
async fn rule_3_reconciled_after_completed_takes_back() {
    let game = Game::new();
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(game.balance(), decimal("0"));
    assert_eq!(game.kinds(), [Kind::Pending, Kind::Reward, Kind::Reversal]);
}

#[tokio::test]
async fn rule_4_a_reconciliation_can_itself_be_reversed() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "2", "").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    assert_eq!(game.balance(), decimal("0"));
    game.play_survey("r2", "RECONCILIATION", "2", "s1").await;
    assert_eq!(game.balance(), decimal("2"));
    assert_eq!(
        game.kinds(),
        [Kind::Reward, Kind::Reversal, Kind::RestoredReward]
    );
}

#[tokio::test]
async fn rule_5_a_completed_event_may_be_followed_by_more_than_one_reconciliation() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "10", "").await;
    for (tx, gems) in [("r1", "-3"), ("r2", "-4"), ("r3", "-5")] {
        game.play_survey(tx, "RECONCILIATION", gems, "s1").await;
    }
    // −12 in all, but never more than was paid.
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn rule_6_another_transaction_is_a_second_conversion_and_the_same_is_a_duplicate() {
    let game = Game::new();
    for tx in ["o1", "o2", "o1"] {
        game.play(
            &game.offers,
            game.offer(tx, "COMPLETED", "500")
                .set("OFFER:ID", "7")
                .set("OFFER:TASK:ID", "9"),
        )
        .await;
    }
    assert_eq!(game.balance(), decimal("1000"));
}

#[tokio::test]
async fn rule_7_purchase_data_that_comes_later_is_kept_and_never_a_second_reward() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "500").await;
    let data = || {
        game.offer("o1", "COMPLETED", "500")
            .set("OFFER:TASK:IAP:USD", "4.99")
    };
    game.play(&game.offers, data()).await;
    game.play(&game.offers, data()).await;
    assert_eq!(game.balance(), decimal("500"));
    assert_eq!(game.kinds(), [Kind::Reward, Kind::Purchase]);
    assert!(
        matches!(game.last(), Decision::Purchase(notice) if notice.purchase().usd == decimal("4.99"))
    );
}

#[tokio::test]
async fn rule_7_purchase_data_under_a_transaction_of_its_own_is_no_reward_either() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play(
        &game.offers,
        game.offer("o2", "COMPLETED", "0")
            .set("OFFER:TASK:IAP:USD", "4.99"),
    )
    .await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("500"), vec![Kind::Reward, Kind::Purchase])
    );
}

#[tokio::test]
async fn rule_8_zero_callbacks_are_acknowledged_and_move_nothing() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "0").await;
    game.play_offer("o2", "COMPLETED", "0.00").await;
    assert_eq!(game.balance(), decimal("0"));
    assert!(
        matches!(game.last(), Decision::NothingToPay(nothing) if nothing.why() == NothingWhy::ZeroReward)
    );
}

#[tokio::test]
async fn rule_9_a_batch_is_taken_whole_however_fast_it_comes() {
    let game = Game::new();
    for number in 0..200 {
        game.play_offer(&format!("o{number}"), "COMPLETED", "1")
            .await;
    }
    assert_eq!(game.balance(), decimal("200"));
}

#[tokio::test]
async fn rule_10_a_reconciled_that_overtakes_its_completed_is_not_paid_afterwards() {
    let game = Game::new();
    game.play_offer("o1", "RECONCILED", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.play_survey("s1", "COMPLETE", "2", "").await;
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn rule_11_deduplication_spans_all_endpoints_of_an_app() {
    let game = Game::new();
    let general = |tx: &str, gems: &str| {
        game.network
            .callback(REWARDS)
            .player("p1")
            .transaction(tx)
            .amount(gems)
    };
    game.play_offer("o1", "COMPLETED", "500").await;
    game.play(&game.rewards, general("o1", "500").call_type("COMPLETE"))
        .await;
    game.play_survey("s1", "SCREENOUT", "5", "").await;
    game.play(&game.rewards, general("s1", "5").call_type("SCREENOUT"))
        .await;
    assert_eq!(game.balance(), decimal("505"));
    // The reconciliation reaches an endpoint of its own, and the general one too.
    let callback = || {
        game.network
            .callback(RECONCILED)
            .player("p1")
            .transaction("o1")
            .amount("500")
    };
    game.play(&game.reconciled, callback()).await;
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(game.balance(), decimal("5"));
}

#[tokio::test]
async fn rule_11_two_apps_have_transactions_of_their_own() {
    let game = Game::new();
    let secret = postback::wire::KeyRing::from_list("other-secret").unwrap();
    let other = postback::bitlabs::App::new("other", secret)
        .unwrap()
        .offers(OFFERS)
        .build()
        .unwrap();
    let network = postback::testing::bitlabs::Network::new("other-secret");
    game.play_offer("o1", "COMPLETED", "500").await;
    let callback = network
        .callback(OFFERS)
        .player("p1")
        .transaction("o1")
        .state("COMPLETED")
        .amount("500");
    game.play(&other, callback).await;
    assert_eq!(game.balance(), decimal("1000"));
}

#[tokio::test]
async fn rule_12_support_may_credit_a_player_long_after_a_screenout() {
    let game = Game::new();
    game.play_survey("s1", "SCREENOUT", "5", "").await;
    game.play_survey("s2", "COMPLETE", "100", "s1").await;
    assert_eq!(game.balance(), decimal("105"));
    // And that credit can be taken back under its own transaction.
    game.play_survey("r1", "RECONCILIATION", "-100", "s2").await;
    assert_eq!(game.balance(), decimal("5"));
}

#[tokio::test]
async fn rule_13_a_callback_with_empty_parameters_is_taken() {
    let game = Game::new();
    let url = "https://game.example/api/bit?uid=[%UID%]&amount=[%VAL%]&offer_name=[%OFFER_NAME%]\
        &offer_id=[%OFFER_ID%]&payout=[%RAW%]&ip_address=[%IP%]&trans_id=[%TX%]&country=[%COUNTRY%]&s_minuts=[%LOI%]\
        &type=[%TYPE%]&task_id=[%TASK_ID%]&pre_ref=[%REF%]";
    let endpoint = app().rewards(url).build().unwrap();
    let target = "/api/bit?uid=28647&amount=8750&offer_name=&offer_id=&payout=1.75&ip_address=8750\
        &trans_id=434703502&country=IN&s_minuts=7&type=COMPLETE&task_id=&pre_ref=";
    let signed = game
        .network
        .sign_url(&format!("https://game.example{target}"));
    assert_eq!(game.request(&endpoint, signed.target()).await, 200);
    assert_eq!(game.balance(), decimal("8750"));
}
