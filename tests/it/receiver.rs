//! The receiver over a store and a handler: what is paid, what stays pending, what is retried when.

use std::collections::BTreeMap;
use std::future::pending as forever;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback, State};
use postback::network::{Credential, Meaning, preset};
use postback::store::DedupStore;
use postback::testing::ManualClock;
use postback::testing::bitlabs::Signer;
use postback::{
    BanStatus, Clock, Decimal, Decision, Endpoint, Handler, HandlerError, MemoryStore, Receipt, Receive as _,
    ReceiveError, Receiver, Recovery, Request, Secret, StoreError, Timestamp, Timing, VerifyError,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::common::{HookedStore, Wallet, ban, completed, decimal, eventually, genuine, pending};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

type Shared = Arc<Mutex<Wallet>>;

fn paying(wallet: &Shared) -> impl Handler + Clone {
    let wallet = Arc::clone(wallet);
    move |decision: Decision| {
        wallet.lock().unwrap().carry_out(&decision);
        async { Ok(()) }
    }
}

async fn failing(_: Decision) -> Result<(), HandlerError> {
    Err(HandlerError::failed("wallet down"))
}

fn balance(wallet: &Shared) -> Decimal {
    wallet.lock().unwrap().balance
}

/// A receiver whose time stands still, without a background task.
fn by_hand<S: DedupStore, H: Handler>(store: S, handler: H, clock: &ManualClock) -> Receiver<S, H, ManualClock> {
    Receiver::new(store, handler).clock(clock.clone()).without_recovery()
}

#[tokio::test]
async fn concurrent_repetitions_are_paid_once() {
    let wallet = Shared::default();
    let receiver = Receiver::new(MemoryStore::new(), paying(&wallet));
    let calls: JoinSet<_> = (0..64)
        .map(|_| {
            let receiver = receiver.clone();
            async move { receiver.receive(genuine(completed("o1", "500"))).await }
        })
        .collect();
    for result in calls.join_all().await {
        assert!(matches!(result, Ok(_) | Err(ReceiveError::Busy { .. })));
    }
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn panicking_handler_is_a_failed_one() {
    let clock = ManualClock::new(NOW);
    let (store, wallet) = (MemoryStore::new(), Shared::default());
    let panicking = |decision: Decision| async move {
        assert!(decision.balance_change().is_zero(), "panics on purpose");
        Ok(())
    };
    let receiver = by_hand(store.clone(), panicking, &clock);
    let error = receiver.receive(genuine(completed("o1", "500"))).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Handler { .. }));
    clock.advance(Duration::from_secs(1));
    let receiver = by_hand(store, paying(&wallet), &clock);
    assert_eq!(receiver.recover().await.unwrap().delivered, 1);
    assert_eq!(receiver.recover().await.unwrap().delivered, 0);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn hanging_handler_is_stopped_and_its_lease_respected() {
    let clock = ManualClock::new(NOW);
    let (store, wallet) = (MemoryStore::new(), Shared::default());
    let hanging = by_hand(store.clone(), |_: Decision| forever(), &clock);
    let call = tokio::spawn(async move { hanging.receive(genuine(completed("o1", "500"))).await });
    eventually("the handler runs", || clock.sleeping() == 1).await;
    let lease = Timing::default().lease;
    clock.advance(lease * 9 / 10);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, ReceiveError::Handler { .. }));
    // What it started elsewhere may still take effect, so nobody retries before the lease expired.
    let receiver = by_hand(store, paying(&wallet), &clock);
    clock.advance(lease / 10 - Duration::from_millis(1));
    let summary = receiver.recover().await.unwrap();
    assert_eq!((summary.delivered, summary.busy), (0, 1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(receiver.recover().await.unwrap().delivered, 1);
    assert_eq!(balance(&wallet), decimal("500"));
}

/// Sleeps, and counts how many calls are at work at the same time.
#[derive(Clone)]
struct Working {
    clock: ManualClock,
    time: Duration,
    at_work: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Working {
    fn new(clock: &ManualClock, time: Duration) -> Self {
        let clock = clock.clone();
        let (at_work, most, calls) = Default::default();
        Self { clock, time, at_work, most, calls }
    }
}

impl Handler for Working {
    async fn handle(&self, _: Decision) -> Result<(), HandlerError> {
        struct Present<'a>(&'a AtomicUsize);
        impl Drop for Present<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        let now = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        let _present = Present(&self.at_work);
        self.most.fetch_max(now, Ordering::SeqCst);
        self.clock.sleep(self.time).await;
        Ok(())
    }
}

#[tokio::test]
async fn slow_store_does_not_let_two_handlers_work_at_once() {
    let clock = ManualClock::new(NOW);
    let swap_clock = clock.clone();
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&is_slow);
    let store = HookedStore::new(move |operation, _| {
        if operation == "swap" && slow.load(Ordering::SeqCst) {
            swap_clock.advance(Duration::from_millis(800));
        }
        Ok(())
    });
    let working = Working::new(&clock, Duration::from_millis(2_400));
    let timing = Timing::default().lease(Duration::from_secs(3)).busy_timeout(Duration::ZERO);
    let receiver = by_hand(store, working.clone(), &clock).timing(timing);
    let call = || {
        let receiver = receiver.clone();
        tokio::spawn(async move { receiver.receive(genuine(completed("o1", "500"))).await })
    };
    // The lease began 0.8 s before the handler, which needs 2.4 s: more than the 2.2 s that are left.
    let first = call();
    eventually("the handler runs", || clock.sleeping() == 2).await;
    is_slow.store(false, Ordering::SeqCst);
    clock.set(NOW.after(Duration::from_millis(2_999)));
    assert!(matches!(first.await.unwrap(), Err(ReceiveError::Handler { .. })));
    assert_eq!(working.at_work.load(Ordering::SeqCst), 0, "it was stopped in time");
    assert!(matches!(call().await.unwrap(), Err(ReceiveError::Busy { .. })));
    clock.set(NOW.after(Duration::from_millis(3_000)));
    let second = call();
    eventually("the handler runs again", || clock.sleeping() == 2).await;
    clock.advance(Duration::from_millis(2_400));
    assert!(matches!(second.await.unwrap(), Ok(Receipt::Settled(_))));
    assert_eq!(working.most.load(Ordering::SeqCst), 1, "handlers at work at once");
}

#[tokio::test]
async fn handler_does_not_start_with_too_little_time() {
    let clock = ManualClock::new(NOW);
    let swap_clock = clock.clone();
    let store = HookedStore::new(move |operation, _| {
        if operation == "swap" {
            swap_clock.advance(Duration::from_millis(1_600));
        }
        Ok(())
    });
    let working = Working::new(&clock, Duration::ZERO);
    let timing = Timing::default().lease(Duration::from_secs(3));
    let receiver = by_hand(store, working.clone(), &clock).timing(timing);
    let error = receiver.receive(genuine(completed("o1", "500"))).await.unwrap_err();
    let ReceiveError::Handler { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("too little time"), "{source}");
    assert_eq!(working.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn failure_noted_by_a_clock_ahead_does_not_delay_the_retry() {
    let ahead = ManualClock::new(NOW.after(Duration::from_secs(365 * 86_400)));
    let (store, wallet) = (MemoryStore::new(), Shared::default());
    let first = by_hand(store.clone(), failing, &ahead);
    let callback = genuine(completed("o1", "500"));
    first.receive(callback).await.unwrap_err();
    let receiver = by_hand(store, paying(&wallet), &ManualClock::new(NOW));
    assert_eq!(receiver.recover().await.unwrap().delivered, 1);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn retry_after_is_bounded() {
    let clock = ManualClock::new(NOW);
    let timing = Timing::default().lease(Duration::from_secs(86_400));
    let hanging = by_hand(MemoryStore::new(), |_: Decision| forever(), &clock).timing(timing);
    let first = hanging.clone();
    let call = tokio::spawn(async move { first.receive(genuine(completed("o1", "500"))).await });
    eventually("the handler runs", || clock.sleeping() == 1).await;
    let second = hanging.timing(timing.busy_timeout(Duration::ZERO));
    let error = second.receive(genuine(completed("o1", "500"))).await.unwrap_err();
    let ReceiveError::Busy { retry_after } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Duration::from_secs(300));
    call.abort();
}

#[tokio::test]
async fn dropped_call_stays_pending_and_is_retried() {
    let clock = ManualClock::new(NOW);
    let (store, wallet) = (MemoryStore::new(), Shared::default());
    let hanging = by_hand(store.clone(), |_: Decision| forever(), &clock);
    {
        let mut call = pin!(hanging.receive(genuine(pending("o1", "500"))));
        tokio::select! {
            biased;
            _ = &mut call => panic!("the handler does not return"),
            () = eventually("the handler runs", || clock.sleeping() == 1) => {}
        }
    }
    clock.advance(Timing::default().lease);
    let receiver = by_hand(store, paying(&wallet), &clock);
    receiver.receive(genuine(completed("o1", "500"))).await.unwrap();
    assert_eq!(wallet.lock().unwrap().actions(), ["pending", "reward"]);
}

/// Hangs for transactions that begin with `hang`, pays all others.
fn hanging_for_some(wallet: &Shared, calls: &Arc<AtomicUsize>) -> impl Handler + Clone {
    let (wallet, calls) = (Arc::clone(wallet), Arc::clone(calls));
    move |decision: Decision| {
        let (wallet, calls) = (Arc::clone(&wallet), Arc::clone(&calls));
        async move {
            if decision.conversion().as_str().contains("/hang") {
                calls.fetch_add(1, Ordering::SeqCst);
                forever::<()>().await;
            }
            wallet.lock().unwrap().carry_out(&decision);
            Ok(())
        }
    }
}

#[tokio::test]
async fn hanging_handler_does_not_starve_other_records() {
    let clock = ManualClock::new(NOW);
    let (wallet, calls) = (Shared::default(), Arc::default());
    let store = MemoryStore::new();
    let receiver =
        by_hand(store, hanging_for_some(&wallet, &calls), &clock).recovery(Recovery::default().concurrency(2));
    for transaction in ["hang", "o1", "o2", "o3", "o4", "o5"] {
        receiver.accept(genuine(completed(transaction, "1"))).await.unwrap();
    }
    let recovering = receiver.clone();
    let pass = tokio::spawn(async move { recovering.recover().await.unwrap() });
    eventually("the others are paid", || balance(&wallet) == decimal("5")).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    clock.advance(Timing::default().lease);
    let summary = pass.await.unwrap();
    assert_eq!((summary.delivered, summary.failed), (5, 1), "{summary:?}");
    assert_eq!(summary.pending(), 1);
    // It counts as a failed attempt, so the next pass does not wait for it again.
    let summary = receiver.recover().await.unwrap();
    assert_eq!((summary.waiting, summary.pending()), (1, 1));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn failing_decision_is_retried_with_increasing_waits() {
    let recovery = Recovery::default().backoff(Duration::from_secs(1), Duration::from_secs(5));
    let waits: Vec<u64> = (0..8).map(|n| recovery.backoff_after(n).as_secs()).collect();
    assert_eq!(waits, [1, 1, 2, 4, 5, 5, 5, 5]);
    assert_eq!(recovery.backoff_after(u32::MAX), Duration::from_secs(5));

    let clock = ManualClock::new(NOW);
    let receiver = by_hand(MemoryStore::new(), failing, &clock).recovery(recovery);
    receiver.accept(genuine(completed("o1", "500"))).await.unwrap();
    let mut attempts_at = Vec::new();
    for second in 0..20_u64 {
        let summary = receiver.recover().await.unwrap();
        assert_eq!((summary.delivered, summary.pending()), (0, 1));
        if summary.failed == 1 {
            attempts_at.push(second);
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(attempts_at, [0, 1, 3, 7, 12, 17]);
}

#[tokio::test]
async fn recovery_reports_what_stays_pending() {
    let clock = ManualClock::new(NOW);
    let store = MemoryStore::new();
    let hanging = by_hand(store.clone(), |_: Decision| forever(), &clock);
    let call = tokio::spawn(async move { hanging.receive(genuine(completed("busy", "1"))).await });
    eventually("the handler runs", || clock.sleeping() == 1).await;
    let wallet = Shared::default();
    let up = by_hand(store.clone(), paying(&wallet), &clock);
    up.accept(genuine(completed("good", "1"))).await.unwrap();
    let down = by_hand(store.clone(), failing, &clock);
    down.receive(genuine(completed("waiting", "1"))).await.unwrap_err();
    let summary = up.recover().await.unwrap();
    assert_eq!((summary.delivered, summary.busy), (1, 1));
    assert_eq!((summary.waiting, summary.failed, summary.pending()), (1, 0, 2));
    call.abort();
}

#[tokio::test]
async fn store_error_does_not_interrupt_running_handlers() {
    let clock = ManualClock::new(NOW);
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (started, release) = (Arc::clone(&started), Arc::clone(&release));
        move |_: Decision| {
            let (started, release) = (Arc::clone(&started), Arc::clone(&release));
            async move {
                started.notify_one();
                release.notified().await;
                Ok(())
            }
        }
    };
    let store = HookedStore::new(|_, key| match key {
        Some(key) if key.as_str().ends_with("/o2") => Err(StoreError::Overloaded),
        _ => Ok(()),
    });
    let receiver = by_hand(store.clone(), handler, &clock);
    let plain = by_hand(store.inner.clone(), failing, &clock);
    for transaction in ["o1", "o2"] {
        plain.accept(genuine(completed(transaction, "1"))).await.unwrap();
    }
    let pass = tokio::spawn(async move { receiver.recover().await });
    started.notified().await;
    release.notify_one();
    let error = pass.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Overloaded));
    let key = completed("o1", "1").key();
    let record = store.inner.load(&key).await.unwrap().unwrap().record;
    assert_eq!(record.balance(), decimal("1"), "the other one was settled");
}

#[tokio::test]
async fn unreadable_record_does_not_stop_recovery() {
    let clock = ManualClock::new(NOW);
    let wallet = Shared::default();
    let store = HookedStore::new(|operation, key| match key {
        Some(key) if operation == "load" && key.as_str().ends_with("/o1") => {
            Err(StoreError::Unreadable { key: key.clone(), source: "cut off".into() })
        }
        _ => Ok(()),
    });
    let plain = by_hand(store.inner.clone(), failing, &clock);
    for transaction in ["o1", "o2"] {
        plain.accept(genuine(completed(transaction, "1"))).await.unwrap();
    }
    let summary = by_hand(store, paying(&wallet), &clock).recover().await.unwrap();
    assert_eq!((summary.delivered, summary.failed), (1, 1));
}

#[tokio::test]
async fn background_recovery_retries_until_the_last_clone_is_dropped() {
    let (wallet, alive) = (Shared::default(), Arc::new(()));
    let store = MemoryStore::new();
    let down = Receiver::new(store.clone(), failing).without_recovery();
    down.receive(genuine(completed("o1", "500"))).await.unwrap_err();
    let handler = {
        let (pay, alive) = (paying(&wallet), Arc::clone(&alive));
        move |decision| {
            let (pay, _alive) = (pay.clone(), Arc::clone(&alive));
            async move { pay.handle(decision).await }
        }
    };
    let often = Recovery::default().interval(Duration::from_millis(2)).backoff(Duration::ZERO, Duration::ZERO);
    let receiver = Receiver::new(store, handler).recovery(often);
    receiver.start();
    let clone = receiver.clone();
    eventually("it is paid", || balance(&wallet) == decimal("500")).await;
    drop(receiver);
    down.receive(genuine(completed("o2", "500"))).await.unwrap_err();
    eventually("a clone keeps it alive", || balance(&wallet) == decimal("1000")).await;
    drop(clone);
    eventually("the task ends", || Arc::strong_count(&alive) == 1).await;
}

#[test]
fn background_recovery_starts_again_in_another_runtime() {
    let wallet = Shared::default();
    let recovery = Recovery::default().interval(Duration::from_secs(86_400));
    let receiver = Receiver::new(MemoryStore::new(), paying(&wallet)).recovery(recovery).deferred();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async { receiver.start() });
    runtime().block_on(async {
        receiver.receive(genuine(completed("o1", "500"))).await.unwrap();
        eventually("it is paid", || balance(&wallet) == decimal("500")).await;
    });
}

#[tokio::test]
async fn background_recovery_survives_a_panic_of_the_store() {
    let (wallet, lists) = (Shared::default(), AtomicUsize::new(0));
    let store = HookedStore::new(move |operation, _| {
        let is_first = operation == "list_pending" && lists.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!is_first, "panics on purpose");
        Ok(())
    });
    let down = Receiver::new(store.inner.clone(), failing).without_recovery();
    down.receive(genuine(completed("o1", "500"))).await.unwrap_err();
    let often = Recovery::default().interval(Duration::from_millis(2)).backoff(Duration::ZERO, Duration::ZERO);
    let receiver = Receiver::new(store, paying(&wallet)).recovery(often);
    receiver.start();
    eventually("it is paid", || balance(&wallet) == decimal("500")).await;
}

#[tokio::test]
async fn deferred_callbacks_are_delivered_in_the_background() {
    let (wallet, calls) = (Shared::default(), Arc::default());
    // Only the pass at the start: what is accepted later does not wait for the next one.
    let recovery = Recovery::default().interval(Duration::from_secs(86_400));
    let receiver = Receiver::new(MemoryStore::new(), hanging_for_some(&wallet, &calls)).recovery(recovery).deferred();
    let receipt = receiver.receive(genuine(completed("hang", "1"))).await.unwrap();
    assert!(matches!(receipt, Receipt::Accepted(_)));
    eventually("the handler hangs", || calls.load(Ordering::SeqCst) == 1).await;
    let again = receiver.receive(genuine(completed("hang", "1"))).await.unwrap();
    assert_eq!(again, Receipt::Duplicate);
    for number in 1..=40 {
        let event = completed(&format!("o{number}"), "1");
        let receipt = receiver.receive(genuine(event)).await.unwrap();
        assert!(matches!(receipt, Receipt::Accepted(_)));
    }
    eventually("the others are paid", || balance(&wallet) == decimal("40")).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn reward_for_an_account_created_late_is_paid() {
    let accounts = Arc::new(Mutex::new(BTreeMap::from([("p9".to_owned(), Decimal::ZERO)])));
    let table = Arc::clone(&accounts);
    // The handler that the guide recommends, run for every decision.
    let handler = move |decision: Decision| {
        let found = match table.lock().unwrap().get_mut(decision.player().as_str()) {
            Some(balance) => {
                *balance += decision.balance_change();
                Ok(())
            }
            None => Err(HandlerError::declined("no such player")),
        };
        async { found }
    };
    let receiver = Receiver::new(MemoryStore::new(), handler).without_recovery();
    let notices = [pending("o1", "500"), ban(BanStatus::Active)];
    for event in notices {
        let receipt = receiver.receive(genuine(event)).await.unwrap();
        assert!(matches!(receipt, Receipt::Declined(_)));
    }
    accounts.lock().unwrap().insert("p1".into(), Decimal::ZERO);
    for event in [completed("o1", "500"), ban(BanStatus::Banned)] {
        let receipt = receiver.receive(genuine(event)).await.unwrap();
        assert!(matches!(receipt, Receipt::Settled(_)));
    }
    assert_eq!(accounts.lock().unwrap()["p1"], decimal("500"));
}

const CALLBACKS: &str = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
                         &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

/// The network's side, and the endpoint before and after the fix: the dashboard says `coins` where the configuration
/// said `gems`.
fn misnamed() -> (Signer, BitlabsEndpoint<OfferCallback>, BitlabsEndpoint<OfferCallback>) {
    let typed = CALLBACKS.replace("gems=", "coins=");
    let app = App::new("game", "secret").unwrap();
    (Signer::new("secret", &*typed), app.offers(CALLBACKS).unwrap(), app.offers(&*typed).unwrap())
}

fn offer(signer: &Signer, transaction: &str) -> String {
    signer.sign(&[("player", "p1"), ("tx", transaction), ("coins", "500"), ("state", "COMPLETED")]).target()
}

#[tokio::test]
async fn unusable_callback_is_kept_and_pays_once_when_replayed() {
    let wallet = Shared::default();
    let receiver = Receiver::new(MemoryStore::new(), paying(&wallet)).without_recovery();
    let (signer, wrong, fixed) = misnamed();
    let callback = offer(&signer, "o1");
    for _ in 0..3 {
        let request = Request::get(&callback);
        let error = receiver.handle(&wrong, &request).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Rejected(VerifyError::Unusable(_))), "{error:?}");
    }
    // Nothing that is not genuine is ever kept.
    let forged = offer(&Signer::new("other", CALLBACKS), "o1");
    let request = Request::get(&forged);
    let error = receiver.handle(&wrong, &request).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Rejected(VerifyError::NotGenuine(_))), "{error:?}");
    let kept = receiver.store().list_unusable(None, 10).await.unwrap();
    assert_eq!(kept.len(), 1, "repetitions are kept once");
    assert!(!kept[0].callback.query.contains("hash"), "without the signature");

    let other = App::new("other", "secret").unwrap().offers(CALLBACKS).unwrap();
    let summary = receiver.replay(&other).await.unwrap();
    assert_eq!((summary.replayed, summary.unusable), (0, 0), "another app's");
    let summary = receiver.replay(&wrong).await.unwrap();
    assert_eq!((summary.replayed, summary.unusable), (0, 1));
    let down = by_hand(receiver.store().clone(), failing, &ManualClock::new(NOW));
    assert_eq!(down.replay(&fixed).await.unwrap().failed, 1);
    assert_eq!(receiver.store().list_unusable(None, 10).await.unwrap(), kept, "it stays kept while its handler fails");
    let summary = receiver.replay(&fixed).await.unwrap();
    assert_eq!((summary.replayed, summary.unusable), (1, 0));
    assert!(receiver.store().list_unusable(None, 10).await.unwrap().is_empty());
    assert_eq!(receiver.replay(&fixed).await.unwrap().replayed, 0);
    // The network repeats it after the fix.
    let request = Request::get(&callback);
    let receipt = receiver.handle(&fixed, &request).await.unwrap();
    assert_eq!(receipt, Receipt::Duplicate);
    assert_eq!(balance(&wallet), decimal("500"));
}

#[tokio::test]
async fn replay_ends_when_the_store_fails() {
    let (signer, wrong, fixed) = misnamed();
    for (is_about_one_record, failed) in [(false, None), (true, Some(2))] {
        let store = HookedStore::new(move |operation, key| match (operation, key) {
            ("load", Some(key)) if is_about_one_record => {
                Err(StoreError::Unreadable { key: key.clone(), source: "cut off".into() })
            }
            ("load", _) => Err(StoreError::Overloaded),
            _ => Ok(()),
        });
        let receiver = Receiver::new(store, failing).without_recovery();
        for transaction in ["o1", "o2"] {
            receiver.handle(&wrong, &Request::get(&offer(&signer, transaction))).await.unwrap_err();
        }
        let summary = receiver.replay(&fixed).await.ok();
        assert_eq!(summary.map(|summary| summary.failed), failed);
    }
}

#[tokio::test]
async fn unusable_callback_is_answered_only_after_it_is_kept() {
    let store = HookedStore::new(|operation, _| match operation {
        "keep_unusable" => Err(StoreError::Overloaded),
        _ => Ok(()),
    });
    let receiver = Receiver::new(store, failing).without_recovery();
    let endpoint = App::new("game", "secret").unwrap().offers(CALLBACKS).unwrap();
    let callback = Signer::new("secret", CALLBACKS).sign(&[("player", "p1")]).target();
    let request = Request::get(&callback);
    let error = receiver.handle(&endpoint, &request).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Store(_)), "the network must retry: {error:?}");
}

/// A callback kept by `wrong` pays nothing through `reward`, and is replayed through `fixed` at the same path.
async fn check_replay<E: Endpoint>(wrong: &E, reward: &E, fixed: &E, request: &Request<'_>) {
    let wallet = Shared::default();
    let receiver = Receiver::new(MemoryStore::new(), paying(&wallet)).without_recovery();
    let error = receiver.handle(wrong, request).await.unwrap_err();
    let ReceiveError::Rejected(VerifyError::Unusable(unusable)) = error else { panic!("{error:?}") };
    let summary = receiver.replay(reward).await.unwrap();
    assert_eq!((summary.replayed, summary.unusable, balance(&wallet)), (0, 0, Decimal::ZERO));
    assert!(matches!(reward.replay(&unusable.callback), Err(VerifyError::Unusable(_))));
    let summary = receiver.replay(fixed).await.unwrap();
    assert_eq!((summary.replayed, balance(&wallet)), (1, Decimal::ZERO));
}

#[tokio::test]
async fn kept_callback_is_replayed_at_its_own_path_only() {
    // Each meaning has its own URL, and nothing in the callback says which it is.
    let app = App::new("game", "secret").unwrap();
    let done = "https://game.example/done?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&ref=[%REF%]";
    let typed = done.replace("done", "rec");
    let reward = app.clone().only(State::Completed).offers(done).unwrap();
    let reversals = |url: &str| app.clone().only(State::Reconciled).offers(url).unwrap();
    let (wrong, fixed) = (reversals(&typed.replace("player=", "user=")), reversals(&typed));
    let values = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("ref", "")];
    let target = Signer::new("secret", typed).sign(&values).target();
    check_replay(&wrong, &reward, &fixed, &Request::get(&target)).await;

    let phonexa = |url: &str, meaning| {
        let token = Credential::token(&Secret::new("long-random-token").unwrap());
        let builder = preset("phonexa").unwrap().app("game").credential(token).word("ok", meaning);
        builder.url(format!("https://game.example/{url}")).meaning(meaning).build().unwrap()
    };
    let reward = phonexa("done", Meaning::Completed);
    let (wrong, fixed) = (phonexa("rec?source=1", Meaning::Reversed), phonexa("rec", Meaning::Reversed));
    let headers = vec![("authorization", "Bearer long-random-token")];
    let target = "/rec?player=p1&conversion_id=c1&payout=5&status=ok";
    check_replay(&wrong, &reward, &fixed, &Request::get(target).with_headers(&headers)).await;
}

#[tokio::test]
async fn callback_of_an_unreadable_record_is_kept_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("game.db");
    let receiver = {
        let store = postback_sqlite::SqliteStore::open(&file).unwrap();
        let table = postback_sqlite::rusqlite::Connection::open(&file).unwrap();
        table.execute_batch("CREATE TABLE balance (gems INTEGER); INSERT INTO balance VALUES (0)").unwrap();
        store.receiver(|tx, decision| {
            tx.execute("UPDATE balance SET gems = gems + ?1", [decision.balance_change().to_string()])?;
            Ok(())
        })
    };
    let edit = |sql: &str| {
        let connection = postback_sqlite::rusqlite::Connection::open(&file).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    };
    let endpoint = App::new("game", "secret").unwrap().offers(CALLBACKS).unwrap();
    let target = |gems, state| {
        let values = [("player", "p1"), ("tx", "o1"), ("gems", gems), ("state", state)];
        Signer::new("secret", CALLBACKS).sign(&values).target()
    };
    receiver.handle(&endpoint, &Request::get(&target("500", "COMPLETED"))).await.unwrap();
    // Written by a later version that was rolled back.
    edit("UPDATE postback_records SET record = replace(record, '\"format\":1', '\"format\":9')");
    for _ in 0..2 {
        let error = receiver.handle(&endpoint, &Request::get(&target("200", "RECONCILED"))).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Store(StoreError::Newer { .. })), "the network must retry: {error:?}");
    }
    assert_eq!(receiver.store().list_unusable(None, 10).await.unwrap().len(), 1);
    assert_eq!(receiver.replay(&endpoint).await.unwrap().failed, 1);
    edit("UPDATE postback_records SET record = replace(record, '\"format\":9', '\"format\":1')");
    assert_eq!(receiver.replay(&endpoint).await.unwrap().replayed, 1);
    let connection = postback_sqlite::rusqlite::Connection::open(&file).unwrap();
    let gems: i64 = connection.query_row("SELECT gems FROM balance", [], |row| row.get(0)).unwrap();
    assert_eq!(gems, 300);
}

#[tokio::test]
async fn kept_bans_are_replayed_in_the_order_in_which_they_came() {
    const BANS: &str = "https://game.example/bans?player=[%USER:UID%]&ban_status=[%BAN:STATUS%]";
    let (clock, last) = (ManualClock::new(NOW), Arc::new(Mutex::new(BTreeMap::new())));
    let lasting = Arc::clone(&last);
    let handler = move |decision: Decision| {
        lasting.lock().unwrap().insert(decision.player().to_string(), decision.action().as_str());
        async { Ok(()) }
    };
    let receiver = by_hand(MemoryStore::new(), handler, &clock);
    let app = App::new("game", "secret").unwrap();
    let (wrong, fixed) = (app.bans(format!("{BANS}&source=x")).unwrap(), app.bans(BANS).unwrap());
    for status in ["BANNED", "ACTIVE"] {
        clock.advance(Duration::from_secs(60));
        for player in 0..16 {
            let values = [("player", &*format!("p{player}")), ("ban_status", status)];
            let target = Signer::new("secret", BANS).sign(&values).target();
            receiver.handle(&wrong, &Request::get(&target)).await.unwrap_err();
        }
    }
    assert_eq!(receiver.replay(&fixed).await.unwrap().replayed, 32);
    let last = last.lock().unwrap();
    assert!(last.len() == 16 && last.values().all(|action| *action == "unban"), "{last:?}");
}
