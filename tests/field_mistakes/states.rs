//! Which callbacks are final, and which are the same.

use super::*;

#[tokio::test]
async fn mistake_09_pending_is_paid_because_the_type_says_complete() {
    let game = Game::new();
    game.play(
        &game.offers,
        game.offer("o1", "PENDING", "500").call_type("COMPLETE"),
    )
    .await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Pending])
    );
}

#[tokio::test]
async fn mistake_10_the_state_is_ignored_and_every_callback_pays() {
    let game = Game::new();
    for state in ["PENDING", "COMPLETED", "RECONCILED", "SOMETHING_NEW"] {
        game.play_offer("o1", state, "500").await;
        game.play_offer("o2", state, "500").await;
    }
    assert_eq!(game.balance(), decimal("0"));
    assert_eq!(
        game.kinds()
            .iter()
            .filter(|kind| **kind == Kind::Reward)
            .count(),
        2
    );
    // Nor can an endpoint be made that would have to ignore it.
    let stateless =
        "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]";
    let refused = app().offers(stateless).build().unwrap_err();
    assert!(refused.to_string().contains("add state="), "{refused}");
}

#[tokio::test]
async fn mistake_11_deduplication_on_the_transaction_alone() {
    let game = Game::new();
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(game.balance(), decimal("500"));
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn mistake_12_deduplication_on_player_and_task_or_on_the_hash() {
    let game = Game::new();
    let conversion = |tx: &str| game.offer(tx, "COMPLETED", "500").set("OFFER:TASK:ID", "9");
    game.play(&game.offers, conversion("o1")).await;
    game.play(&game.offers, conversion("o2")).await;
    // The same conversion with another hash, since the language of its name changed.
    game.play(&game.offers, conversion("o1").set("OFFER:NAME", "Könige"))
        .await;
    assert_eq!(game.balance(), decimal("1000"));
    // The repetition is known for one: it is not even told.
    assert_eq!(game.kinds(), [Kind::Reward, Kind::Reward]);
}
