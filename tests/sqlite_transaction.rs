//! Wallet and record are committed together, or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use game::deliveries::{deliver, game, is_settled};
use game::{Place, completed, create_wallet, credit, open_record, reconciled};
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::{Receive, ReceiveError, Resumed};
use postback::steps::Receipt;
use postback::store::sqlite::{InTransaction, SqliteOptions};
use postback::store::{DedupStore, StoreError};

#[tokio::test]
async fn a_whole_life_ends_at_the_right_balance() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    assert!(is_settled(&receiver.receive(completed("o1", 500)).await));
    assert_eq!(place.wallet(), (500.into(), 1));
    assert_eq!(
        receiver.receive(completed("o1", 500)).await.unwrap(),
        Receipt::Duplicate
    );
    assert!(is_settled(&receiver.receive(reconciled("o1", -500)).await));
    assert_eq!(place.wallet(), (0.into(), 2));
    assert_eq!(place.status("o1").as_deref(), Some("settled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_identical_callbacks_at_once_one_pays_and_all_are_answered() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    let results = deliver(&receiver, (0..64).map(|_| completed("o1", 500)).collect()).await;
    assert_eq!(
        results.iter().filter(|result| is_settled(result)).count(),
        1
    );
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Ok(Receipt::Duplicate)))
            .count(),
        63
    );
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_pay_once() {
    let place = Place::new();
    let (one, _) = game(&place, |_| Ok(())).await;
    let (other, _) = game(&place, |_| Ok(())).await;
    for round in 0..20 {
        let name = format!("o{round}");
        let (first, second) = tokio::join!(
            one.receive(completed(&name, 5)),
            other.receive(completed(&name, 5))
        );
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
    assert_eq!(place.wallet(), (100.into(), 20));
}

#[tokio::test]
async fn a_failing_handler_leaves_an_intent_and_no_wallet_row_and_resume_settles_once() {
    let place = Place::new();
    let (receiver, switch) =
        game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    let failed = receiver.receive(completed("bad", 500)).await.unwrap_err();
    let ReceiveError::Handler { id, source } = &failed else {
        panic!("{failed:?}")
    };
    assert_eq!(id.as_str(), "bitlabs/game/conversion/bad#1");
    assert!(format!("{source:?}").contains("the bank is closed"));
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("open"));

    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));
    switch.turn_off();
    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (1, 0));
    assert_eq!(receiver.resume().await.unwrap(), Resumed::default());
    assert_eq!(
        receiver.receive(completed("bad", 500)).await.unwrap(),
        Receipt::Duplicate
    );
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn the_next_callback_of_a_conversion_first_repeats_what_is_open() {
    let place = Place::new();
    let (receiver, switch) =
        game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    receiver.receive(completed("bad", 500)).await.unwrap_err();
    switch.turn_off();
    assert!(is_settled(&receiver.receive(reconciled("bad", -200)).await));
    assert_eq!(place.wallet(), (300.into(), 2));
}

#[tokio::test]
async fn one_failing_intent_does_not_keep_the_others_from_being_resumed() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    // More than a page, all open; then the handler gets along with half of them.
    let names: Vec<_> = (0..150)
        .map(|number| format!("bad-{}", 1000 + number))
        .collect();
    deliver(
        &receiver,
        names.iter().map(|name| completed(name, 1)).collect(),
    )
    .await;
    let half = receiver
        .store()
        .receiver(|game: &InTransaction<'_>, decision: &Decision| {
            let number: u32 = decision
                .id()
                .as_str()
                .split(['-', '#'])
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            if number.is_multiple_of(2) {
                credit(game, decision)
            } else {
                Err(HandlerError::failed("odd"))
            }
        });
    let resumed = half.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.busy, resumed.failed), (75, 0, 75));
    assert_eq!(place.wallet(), (75.into(), 75));
}

#[tokio::test]
async fn resuming_gets_along_with_a_short_queue() {
    let place = Place::new();
    let store = SqliteOptions::new().queue(2).open(place.file()).unwrap();
    create_wallet(&store).await;
    for number in 0..20 {
        store
            .swap(None, &open_record(&format!("o{number}")))
            .await
            .unwrap();
    }
    assert_eq!(store.receiver(credit).resume().await.unwrap().settled, 20);
    assert_eq!(place.wallet(), (10_000.into(), 20));
}

#[tokio::test]
async fn a_panicking_handler_leaves_an_intent_and_a_working_store() {
    let place = Place::new();
    let (receiver, switch) = game(&place, |_| panic!("the handler's own panic")).await;
    let failed = receiver.receive(completed("bad", 500)).await.unwrap_err();
    assert!(matches!(failed, ReceiveError::Handler { .. }), "{failed:?}");
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("open"));
    switch.turn_off();
    assert_eq!(receiver.resume().await.unwrap().settled, 1);
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn a_panic_of_the_writer_itself_is_an_error_and_harms_nothing() {
    struct BrokenClock;
    impl postback::clock::Clock for BrokenClock {
        fn now(&self) -> postback::clock::Timestamp {
            panic!("the clock's own panic")
        }

        async fn sleep(&self, _: std::time::Duration) {}
    }
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    let failed = receiver
        .clone()
        .with_clock(BrokenClock)
        .receive(completed("o1", 500))
        .await;
    assert!(
        matches!(
            failed,
            Err(ReceiveError::Store(StoreError::Unavailable { .. }))
        ),
        "{failed:?}"
    );
    assert!(is_settled(&receiver.receive(completed("o1", 500)).await));
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn a_refusal_closes_the_conversion_and_undoes_what_the_handler_wrote() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Err(HandlerError::refused("no such player"))).await;
    let refused = receiver.receive(completed("bad", 500)).await.unwrap();
    assert!(matches!(refused, Receipt::Refused(_)), "{refused:?}");
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("closed"));
    assert_eq!(
        receiver.receive(reconciled("bad", -500)).await.unwrap(),
        Receipt::Closed
    );
    let stored = receiver
        .store()
        .load(&completed("bad", 500).key())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.record.closed().unwrap().reason, "no such player");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_never_paid_again() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    receiver.receive(completed("o1", 500)).await.unwrap();
    place
        .connect()
        .execute("UPDATE postback_records SET record = '{\"format\":1'", [])
        .unwrap();
    let unreadable = receiver.receive(completed("o1", 500)).await;
    assert!(
        matches!(
            unreadable,
            Err(ReceiveError::Store(StoreError::Unreadable { .. }))
        ),
        "{unreadable:?}"
    );
    assert!(
        is_settled(&receiver.receive(completed("o2", 1)).await),
        "the others are paid"
    );
    assert_eq!(place.wallet(), (501.into(), 2));
}
