//! What the network is told, and what is made of the unexpected.

use super::*;

#[tokio::test]
async fn mistake_24_a_failure_is_answered_200() {
    let game = Game::new();
    let signed = game.offer("o1", "COMPLETED", "500").sign();
    let event = game
        .offers
        .open(&Request::get(signed.target()))
        .unwrap()
        .event();
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    let error = game.receiver.receive(event, &failing).await.unwrap_err();
    assert_eq!(Reply::from(&Refusal::from(error)).status, 500);
    let down = ReceiveError::Store(postback::store::StoreError::Closed);
    let reply = Reply::from(&Refusal::from(down));
    assert_eq!((reply.status, reply.retry_after), (503, Some(5)));
}

/// What is logged is held in `tests/leaks.rs`, which listens to a whole process.
#[tokio::test]
async fn mistake_25_the_secret_is_logged_or_echoed() {
    let endpoint = app().offers(OFFERS).build().unwrap();
    let genuine = completed(&Network::new(SECRET));
    let forged = completed(&Network::new("another secret"));
    let callback = endpoint.open(&Request::get(&genuine)).unwrap();
    let error = endpoint.open(&Request::get(&forged)).unwrap_err();
    let json = serde_json::to_string(&callback).unwrap();
    let shown = format!("{callback:?}{json}{error}{error:?}{endpoint:?}{:?}", app());
    for target in [&genuine, &forged] {
        let (url, hash) = target.split_once("&hash=").unwrap();
        assert!(!shown.contains(hash) && !shown.contains(url));
        let request = format!("{:?}", Request::get(target));
        assert!(!request.contains(hash));
    }
    assert!(!shown.contains(SECRET));
    assert_eq!(Reply::from(&Refusal::from(error)).body, "forbidden");
}

#[tokio::test]
async fn mistake_26_an_unknown_state_type_or_parameter_is_refused() {
    let game = Game::new();
    game.play_offer("o1", "SOMETHING_NEW", "500").await;
    game.play(
        &game.offers,
        game.offer("o2", "COMPLETED", "500")
            .call_type("NEW")
            .set("OFFER:TASK:TYPE:ID", "99"),
    )
    .await;
    game.play(
        &game.offers,
        game.offer("o3", "RECONCILED", "0")
            .set("OFFER:REJECTION_REASON", "NEW_REASON"),
    )
    .await;
    game.play(
        &game.offers,
        game.offer("o4", "COMPLETED", "500")
            .pass_through("brand_new", "1"),
    )
    .await;
    assert_eq!(game.balance(), decimal("1000"));
    assert_eq!(
        game.kinds(),
        [
            Kind::NothingToPay,
            Kind::Reward,
            Kind::Rejected,
            Kind::Reward
        ]
    );
}

#[tokio::test]
async fn mistake_27_a_test_callback_pays_or_skips_the_signature() {
    let game = Game::new();
    game.play(&game.offers, game.offer("o1", "COMPLETED", "500").debug())
        .await;
    assert_eq!((game.balance(), game.kinds()), (decimal("0"), vec![]));
    refused(
        "/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&debug=true",
        403,
    )
    .await;
    // The real one is not taken for a repetition of the test.
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(game.balance(), decimal("500"));
    // A staging system may have them delivered.
    let staging = app().offers(OFFERS).deliver_tests().build().unwrap();
    game.play(&staging, game.offer("o2", "COMPLETED", "500").debug())
        .await;
    assert_eq!(game.balance(), decimal("1000"));
}

#[tokio::test]
async fn mistake_28_a_reconciled_overtakes_its_completed_which_then_pays() {
    let game = Game::new();
    game.play_offer("o1", "RECONCILED", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Rejected, Kind::NothingToPay])
    );
}
