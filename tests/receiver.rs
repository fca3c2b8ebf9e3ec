//! The receiver over a store and a handler: what is paid, what stays open, who waits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

mod ledger;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::{Wallet, completed, decimal, pending, reconciled};
use postback::decision::{Decision, DecisionKind};
use postback::delivery::Progress;
use postback::handler::{Handler, HandlerError};
use postback::receiver::{ReceiveError, Receiver};
use postback::steps::{Receipt, Timing};
use postback::store::{DedupStore, MemoryStore};

type Shared = Arc<Mutex<Wallet>>;

fn receiver() -> Receiver<MemoryStore> {
    let timing = Timing::new()
        .lease(Duration::from_millis(300))
        .patience(Duration::from_millis(50))
        .pause(Duration::from_millis(5));
    Receiver::new(MemoryStore::new()).with_timing(timing)
}

fn paying(wallet: &Shared) -> impl Handler + Clone + 'static {
    let wallet = Arc::clone(wallet);
    move |decision: &Decision| {
        wallet.lock().unwrap().carry_out(decision);
        async { Ok(()) }
    }
}

fn balance(wallet: &Shared) -> rust_decimal::Decimal {
    wallet.lock().unwrap().balance
}

#[tokio::test]
async fn a_reward_is_paid_once_and_its_repetition_is_a_duplicate() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let first = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert!(matches!(first, Receipt::Settled(_, DecisionKind::Reward)));
    let again = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert_eq!(again, Receipt::Duplicate);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn sixty_four_twins_at_once_pay_once() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let deliveries = (0..64).map(|_| {
        let (receiver, handler) = (receiver.clone(), paying(&wallet));
        tokio::spawn(async move { receiver.receive(completed("o1", "500"), &handler).await })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        assert!(matches!(
            delivery.await.unwrap(),
            Ok(_) | Err(ReceiveError::Busy { .. })
        ));
    }
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn a_failed_handler_leaves_the_decision_open_with_the_same_id_and_amount() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let ids = Arc::new(Mutex::new(Vec::new()));
    let failing = {
        let ids = Arc::clone(&ids);
        move |decision: &Decision| {
            ids.lock()
                .unwrap()
                .push((decision.id().clone(), decision.balance_change()));
            async { Err::<(), _>(HandlerError::failed("the wallet is down")) }
        }
    };
    let error = receiver
        .receive(completed("o1", "500"), &failing)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the wallet is down");
    // Another event of the conversion repeats it first, and then has its own turn.
    let remembering = {
        let (ids, wallet) = (Arc::clone(&ids), Arc::clone(&wallet));
        move |decision: &Decision| {
            ids.lock()
                .unwrap()
                .push((decision.id().clone(), decision.balance_change()));
            wallet.lock().unwrap().carry_out(decision);
            async { Ok::<(), HandlerError>(()) }
        }
    };
    receiver
        .receive(reconciled("o1", "200"), &remembering)
        .await
        .unwrap();
    let ids = ids.lock().unwrap();
    assert_eq!((ids.len(), &ids[0]), (3, &ids[1]));
    assert_eq!((ids[1].1, ids[2].1), (decimal("500"), decimal("-200")));
    assert_eq!(balance(&wallet), decimal("300"));
}

#[tokio::test]
async fn a_panicking_handler_is_a_failed_one_and_resume_settles_once() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let panicking = |decision: &Decision| {
        assert!(decision.balance_change().is_zero(), "on purpose");
        async { Ok::<(), HandlerError>(()) }
    };
    let error = receiver
        .receive(completed("o1", "500"), &panicking)
        .await
        .unwrap_err();
    assert!(matches!(error, ReceiveError::Handler { .. }));
    let resumed = receiver.resume(&paying(&wallet)).await.unwrap();
    assert_eq!((resumed.settled, resumed.failed, resumed.busy), (1, 0, 0));
    assert_eq!(receiver.resume(&paying(&wallet)).await.unwrap().settled, 0);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn a_hanging_handler_is_given_up_on_and_its_lease_is_respected() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let hanging = |_: &Decision| std::future::pending::<Result<(), HandlerError>>();
    let error = receiver
        .receive(completed("o1", "500"), &hanging)
        .await
        .unwrap_err();
    assert!(matches!(error, ReceiveError::Handler { .. }));
    let calls = AtomicUsize::new(0);
    let counting = |_: &Decision| {
        calls.fetch_add(1, Ordering::Relaxed);
        async { Ok::<(), HandlerError>(()) }
    };
    // It may still be at work, so nobody repeats it before its lease has run out.
    let resumed = receiver.resume(&counting).await.unwrap();
    assert_eq!((resumed.busy, calls.load(Ordering::Relaxed)), (1, 0));
    tokio::time::sleep(Duration::from_millis(310)).await;
    let receipt = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert!(matches!(receipt, Receipt::Settled(..)));
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn a_twin_waits_shortly_and_is_then_told_to_come_again() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let Progress::Deliver(first) = receiver.begin(completed("o1", "500")).await.unwrap() else {
        panic!()
    };
    let twin = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await;
    assert!(matches!(twin, Err(ReceiveError::Busy { .. })));
    wallet.lock().unwrap().carry_out(first.decision());
    assert!(matches!(
        first.done().await.unwrap(),
        Progress::Answered(Receipt::Settled(..))
    ));
    let twin = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert_eq!(
        (twin, balance(&wallet)),
        (Receipt::Duplicate, decimal("500"))
    );
}

#[tokio::test]
async fn a_sleeper_who_wakes_after_its_lease_cannot_settle() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let Progress::Deliver(sleeper) = receiver.begin(completed("o1", "500")).await.unwrap() else {
        panic!()
    };
    tokio::time::sleep(Duration::from_millis(310)).await;
    let Progress::Deliver(successor) = receiver.begin(completed("o1", "500")).await.unwrap() else {
        panic!()
    };
    assert_eq!(sleeper.decision().id(), successor.decision().id());
    wallet.lock().unwrap().carry_out(successor.decision());
    // The sleeper's swap names a version that is gone: it is told that another is at work.
    assert!(matches!(
        sleeper.done().await,
        Err(ReceiveError::Busy { .. })
    ));
    assert!(matches!(
        successor.done().await.unwrap(),
        Progress::Answered(Receipt::Settled(..))
    ));
    let key = completed("o1", "500").key();
    let record = receiver.store().load(&key).await.unwrap().unwrap().record;
    assert_eq!(
        (record.settled(), balance(&wallet)),
        (decimal("500"), decimal("500"))
    );
}

#[tokio::test]
async fn a_dropped_delivery_stays_open_and_is_repeated() {
    let (receiver, wallet) = (receiver(), Shared::default());
    drop(receiver.begin(pending("o1", "500")).await.unwrap());
    tokio::time::sleep(Duration::from_millis(310)).await;
    receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert_eq!(
        wallet.lock().unwrap().kinds(),
        [DecisionKind::Pending, DecisionKind::Reward]
    );
}

#[tokio::test]
async fn a_settlement_committed_by_the_caller_ends_the_delivery() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let Progress::Deliver(delivery) = receiver.begin(completed("o1", "500")).await.unwrap() else {
        panic!()
    };
    let settlement = delivery.settlement().unwrap();
    wallet.lock().unwrap().carry_out(delivery.decision());
    receiver
        .store()
        .swap(settlement.expected, &settlement.record)
        .await
        .unwrap();
    assert!(matches!(
        delivery.settled_outside().await.unwrap(),
        Progress::Answered(Receipt::Settled(..))
    ));
    let again = receiver
        .receive(completed("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert_eq!(
        (again, balance(&wallet)),
        (Receipt::Duplicate, decimal("500"))
    );
}

#[tokio::test]
async fn a_refused_decision_closes_the_conversion_and_is_answered_well() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let refusing = |_: &Decision| async { Err::<(), _>(HandlerError::refused("no such player")) };
    let receipt = receiver
        .receive(completed("o1", "500"), &refusing)
        .await
        .unwrap();
    assert!(matches!(receipt, Receipt::Refused(_)));
    let receipt = receiver
        .receive(reconciled("o1", "500"), &paying(&wallet))
        .await
        .unwrap();
    assert_eq!(receipt, Receipt::Closed);
    assert!(wallet.lock().unwrap().log.is_empty());
}

#[tokio::test]
async fn an_acknowledged_test_callback_leaves_no_trace() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let mut event = completed("o1", "500");
    event.test = postback::event::TestCallback::Acknowledged;
    let key = event.key();
    assert_eq!(
        receiver.receive(event, &paying(&wallet)).await.unwrap(),
        Receipt::Test
    );
    assert!(wallet.lock().unwrap().log.is_empty());
    assert!(receiver.store().load(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_receiver_with_its_handler_resumes_what_is_open() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    receiver
        .receive(completed("o1", "500"), &failing)
        .await
        .unwrap_err();
    let handling = receiver.with_handler(paying(&wallet));
    assert_eq!(handling.resume().await.unwrap().settled, 1);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn a_receiver_keeps_the_timing_that_it_was_given() {
    let timing = receiver().timing();
    assert_eq!(timing.lease, Duration::from_millis(300));
    assert_eq!(timing.patience, Duration::from_millis(50));
    assert_eq!(timing.pause, Duration::from_millis(5));
}

#[tokio::test]
async fn a_background_task_resumes_what_is_open_until_it_is_told_to_end() {
    let (receiver, wallet) = (receiver(), Shared::default());
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    receiver
        .receive(completed("o1", "500"), &failing)
        .await
        .unwrap_err();
    let handling = receiver.clone().with_handler(paying(&wallet));
    let task = postback::receiver::spawn_resume(handling, Duration::from_millis(20));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if balance(&wallet) == decimal("500") {
            break;
        }
    }
    assert_eq!(balance(&wallet), decimal("500"));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}
