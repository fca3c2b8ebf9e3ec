//! Importing what an earlier receiver dealt with.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crate::common::{self, genuine};
use postback::import::{Exposure, ImportError, Importer, Milestone, Outcome, PastCallback};
use postback::store::{Entry, Record, erase_player};
use postback::testing::bitlabs::Signer;
use postback::{
    Action, ConflictKind, Decimal, Decision, DedupStore, Event, Handler, HandlerError, IgnoreReason, MemoryStore,
    PlayerId, Receipt, Receiver, RecordKey, Request, StoreError, Timestamp, TransactionId, bitlabs,
};
use proptest::prelude::*;

const MOMENT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

// ---------------------------------------------------------------------------------------------- fixtures

/// Carries every decision out and remembers it.
#[derive(Clone, Default)]
struct Wallet {
    decisions: Arc<Mutex<Vec<Decision>>>,
    declines: Arc<Mutex<bool>>,
}

impl Handler for Wallet {
    async fn handle(&self, decision: Decision) -> Result<(), HandlerError> {
        if *self.declines.lock().unwrap() {
            return Err(HandlerError::declined("no such player"));
        }
        self.decisions.lock().unwrap().push(decision);
        Ok(())
    }
}

struct Game {
    store: MemoryStore,
    receiver: Receiver<MemoryStore, Wallet>,
    wallet: Wallet,
}

impl Game {
    fn new() -> Self {
        let (store, wallet) = (MemoryStore::new(), Wallet::default());
        let receiver = Receiver::new(store.clone(), wallet.clone()).without_recovery();
        Self { store, receiver, wallet }
    }

    fn importer(&self) -> Importer<MemoryStore> {
        importer(&self.store)
    }

    async fn import(&self, row: PastCallback) -> Outcome {
        self.importer().import(&row).await.unwrap()
    }

    /// Imports rows as one run, and delivers what it decided.
    async fn import_run(&self, rows: impl IntoIterator<Item = PastCallback>) {
        let rows = rows.into_iter().map(Ok::<_, Infallible>);
        self.importer().import_all(rows, |_, _| ()).await.unwrap();
        self.receiver.recover().await.unwrap();
    }

    async fn receive(&self, event: Event) -> Receipt {
        self.receiver.receive(genuine(event)).await.unwrap()
    }

    async fn record(&self) -> Option<Record> {
        let key = "bitlabs/game/conversion/o1".parse().unwrap();
        let stored = self.store.load(&key).await.unwrap();
        stored.map(|stored| stored.record)
    }

    async fn decided(&self) -> Decimal {
        self.record().await.unwrap().decided()
    }

    /// What the wallet's balance changed by because of this receiver.
    fn moved(&self) -> Decimal {
        let decisions = self.wallet.decisions.lock().unwrap();
        decisions.iter().map(Decision::balance_change).sum()
    }

    fn actions(&self) -> Vec<&'static str> {
        let decisions = self.wallet.decisions.lock().unwrap();
        decisions.iter().map(|decision| decision.action().as_str()).collect()
    }
}

fn importer<S: DedupStore>(store: &S) -> Importer<S> {
    let (network, app) = ("bitlabs".parse().unwrap(), "game".parse().unwrap());
    Importer::new(store, network, app, MOMENT)
}

fn id(text: &str) -> TransactionId {
    text.parse().unwrap()
}

fn player(text: &str) -> PlayerId {
    text.parse().unwrap()
}

fn completed(amount: i64) -> Event {
    completed_as("COMPLETE", amount)
}

fn completed_as(milestone: &str, amount: i64) -> Event {
    common::milestone("o1", &amount.to_string(), milestone)
}

fn adjusted(transaction: &str, by: i64) -> Event {
    common::adjustment(transaction, "o1", &by.to_string())
}

fn reconciled(amount: i64) -> Event {
    common::reconciled("o1", &amount.to_string())
}

fn pending(amount: i64) -> Event {
    common::pending("o1", &amount.to_string())
}

fn revoked() -> Event {
    common::revoked("o1")
}

fn paid(amount: i64) -> PastCallback {
    PastCallback::paid(id("o1"), amount.into()).player(player("p1"))
}

fn taken_back(amount: i64) -> PastCallback {
    PastCallback::taken_back(id("o1"), amount.into()).player(player("p1"))
}

fn taken_back_by(transaction: &str, amount: i64) -> PastCallback {
    PastCallback::taken_back_by(id(transaction), id("o1"), amount.into()).player(player("p1"))
}

fn paid_unknown() -> PastCallback {
    PastCallback::paid_unknown_amount(id("o1")).player(player("p1"))
}

fn shown(amount: i64) -> PastCallback {
    PastCallback::pending(id("o1"), "PENDING", Some(amount.into())).player(player("p1"))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(future)
}

// ---------------------------------------------------------------------------------------------- import, then callbacks

#[tokio::test]
async fn imported_payment_is_not_paid_again() {
    let game = Game::new();
    assert_eq!(game.import(paid(500)).await, Outcome::Imported);
    for event in [completed(500), completed(500)] {
        assert_eq!(game.receive(event).await, Receipt::Duplicate);
    }
    game.receive(pending(500)).await;
    game.receive(completed(600)).await;
    game.receive(common::of_player(completed(500), "p2")).await;
    assert_eq!(game.actions(), ["nothing", "conflict", "conflict"]);
    assert_eq!(game.moved(), 0.into());
}

#[tokio::test]
async fn milestone_in_any_case_matches_the_networks_own_callback() {
    let app = bitlabs::App::new("game", "my-app-secret").unwrap();
    let url = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&type=[%TYPE%]&ref=[%REF%]";
    let endpoint = app.surveys(url).unwrap();
    let signer = Signer::new("my-app-secret", url);
    for (word, sent) in [
        ("COMPLETE", "COMPLETE"),
        ("Completed", "COMPLETE"),
        ("completed", "COMPLETE"),
        ("Screenout", "SCREENOUT"),
        ("start_bonus", "START_BONUS"),
    ] {
        let game = Game::new();
        let row = paid(500).milestone(word.parse().unwrap());
        assert_eq!(game.import(row).await, Outcome::Imported);
        let values = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("type", sent)];
        let target = signer.sign(&values).target();
        let request = Request::get(&target);
        let receipt = game.receiver.handle(&endpoint, &request).await.unwrap();
        assert_eq!(receipt, Receipt::Duplicate, "{word}");
    }
    for word in ["paid", "", "COMPLETE ", "RECONCILIATION"] {
        let unknown = word.parse::<Milestone>();
        assert!(matches!(unknown, Err(ImportError::UnknownMilestone)));
    }
}

#[tokio::test]
async fn other_milestone_of_an_imported_transaction_is_paid() {
    let game = Game::new();
    game.import(paid(50).milestone(Milestone::StartBonus)).await;
    let again = completed_as("START_BONUS", 50);
    assert_eq!(game.receive(again).await, Receipt::Duplicate);
    game.receive(completed(500)).await;
    assert_eq!(game.moved(), 500.into());
    // A goal of any network stands for itself, as it is written.
    game.import(paid(7).goal("Level 3")).await;
    let again = completed_as("Level 3", 7);
    assert_eq!(game.receive(again).await, Receipt::Duplicate);
}

#[tokio::test]
async fn reversal_takes_back_what_was_imported() {
    for (event, moved) in [
        (reconciled(500), -500),
        (reconciled(200), -200),
        (reconciled(900), -500),
        (adjusted("r1", -120), -120),
        (adjusted("r1", -900), -500),
        (revoked(), -500),
    ] {
        let game = Game::new();
        game.import(paid(500)).await;
        game.receive(event.clone()).await;
        assert_eq!(game.receive(event).await, Receipt::Duplicate);
        assert_eq!(game.moved(), moved.into());
        assert_eq!(game.decided().await, Decimal::from(500 + moved));
    }
}

#[tokio::test]
async fn imported_partial_reversal_is_not_taken_twice() {
    let runs = [[paid(500), taken_back(200)], [taken_back(200), paid(500)], [paid(500), taken_back(-200)]];
    for rows in runs {
        let game = Game::new();
        game.import_run(rows.clone()).await;
        assert_eq!(game.decided().await, 300.into());
        // The network's own message about it, with a transaction of its own.
        game.receive(adjusted("r1", -200)).await;
        assert_eq!(game.moved(), 0.into());
        assert_eq!(game.receive(adjusted("r1", -200)).await, Receipt::Duplicate);
        let before = game.record().await;
        // The row is still known, also if the list now says which message it was.
        for row in [taken_back(200), taken_back_by("r1", 200)] {
            assert_eq!(game.import(row).await, Outcome::AlreadyImported);
        }
        assert_eq!(game.record().await, before);
        game.receive(adjusted("r2", -200)).await;
        game.receive(adjusted("r3", -900)).await;
        assert_eq!(game.moved(), (-300).into());
    }
}

#[tokio::test]
async fn list_that_states_a_reversal_twice_counts_it_once() {
    for rows in [
        [paid(500), taken_back(200), taken_back_by("r1", 200)],
        [taken_back_by("r1", 200), taken_back(200), paid(500)],
        [taken_back(200), paid(500), taken_back_by("r1", 200)],
    ] {
        let game = Game::new();
        game.import_run(rows).await;
        assert_eq!(game.decided().await, 300.into());
        assert_eq!(game.receive(adjusted("r1", -200)).await, Receipt::Duplicate);
        assert_eq!(game.actions(), [""; 0]);
    }
}

#[tokio::test]
async fn reversals_beyond_the_payment_take_back_no_more_than_it() {
    let game = Game::new();
    game.import_run([paid(500), taken_back_by("r1", 400), taken_back_by("r2", 400)]).await;
    assert_eq!(game.decided().await, 0.into());
    game.receive(pending(500)).await;
    game.receive(adjusted("r3", -9)).await;
    assert_eq!(game.actions(), ["nothing", "nothing"]);
}

#[tokio::test]
async fn row_without_player_matches_any_player() {
    let game = Game::new();
    let row = PastCallback::paid(id("o1"), 500.into());
    game.import(row).await;
    assert_eq!(game.record().await.unwrap().lookup_player(), None);
    assert_eq!(game.receive(completed(500)).await, Receipt::Duplicate);
    game.receive(reconciled(500)).await;
    assert_eq!(game.moved(), (-500).into());
    // A known player is taken over into the row.
    let game = Game::new();
    game.receive(pending(500)).await;
    let row = PastCallback::paid(id("o1"), 500.into());
    assert_eq!(game.import(row).await, Outcome::Imported);
    let record = game.record().await.unwrap();
    assert_eq!(record.entries()[1].event().player, "p1");
    assert!(!record.entries()[1].is_erased());
}

#[tokio::test]
async fn unknown_amount_closes_the_conversion() {
    let game = Game::new();
    assert_eq!(game.import(paid_unknown()).await, Outcome::ImportedClosed);
    assert_eq!(game.import(paid_unknown()).await, Outcome::AlreadyImported);
    for event in [completed(500), reconciled(500), adjusted("r1", -500)] {
        let receipt = game.receive(event.clone()).await;
        assert_eq!(receipt, Receipt::Closed);
        let again = game.receive(event).await;
        assert_eq!(again, Receipt::Duplicate);
    }
    // Whatever else is imported is kept, and moves nothing either.
    for row in [taken_back_by("r9", 500), paid(70).milestone(Milestone::StartBonus)] {
        assert_eq!(game.import(row.clone()).await, Outcome::ImportedClosed);
        assert_eq!(game.import(row).await, Outcome::AlreadyImported);
    }
    assert_eq!(game.actions(), [""; 0]);
    assert_eq!(game.decided().await, 0.into());
    assert_eq!(game.record().await.unwrap().lookup_player(), Some(&player("p1")));
}

#[tokio::test]
async fn import_leaves_nothing_pending_and_keeps_its_dates() {
    let game = Game::new();
    let old = Timestamp::from_millis(1_000);
    game.import_run([paid(500).at(old), taken_back(200).at(old)]).await;
    let record = game.record().await.unwrap();
    assert!(!record.is_pending());
    assert!(record.entries().iter().all(Entry::is_imported));
    assert_eq!(record.last_change(), old);
    assert_eq!(record.balance(), 300.into());
    assert_eq!(game.actions(), [""; 0]);
}

// ---------------------------------------------------------------------------------------------- callbacks, then import

#[tokio::test]
async fn message_dealt_with_here_as_well_is_reported() {
    let game = Game::new();
    game.receive(completed(500)).await;
    game.receive(adjusted("r1", -200)).await;
    let before = game.record().await;
    let conflict = Outcome::Conflict;
    for (row, outcome) in [
        (paid(500), Outcome::AlreadyReceived),
        (taken_back(200), Outcome::AlreadyReceived),
        (taken_back_by("r1", 200), Outcome::AlreadyReceived),
        (paid_unknown(), Outcome::AlreadyReceived),
        (paid(600), conflict(ConflictKind::ContentMismatch)),
        (taken_back_by("r1", 300), conflict(ConflictKind::ContentMismatch)),
        (paid(500).player(player("p2")), conflict(ConflictKind::PlayerMismatch)),
        (paid(-5).milestone(Milestone::Screenout), conflict(ConflictKind::NegativeReward)),
    ] {
        assert_eq!(game.import(row).await, outcome);
        assert!(outcome.needs_attention());
    }
    assert_eq!(game.importer().finish().await.unwrap(), []);
    assert_eq!(game.record().await, before);
    assert_eq!(game.moved(), 300.into());
}

#[tokio::test]
async fn later_row_may_explain_an_early_reversal() {
    // The earlier receiver took it back, too; here there was nothing to take back.
    for row in [taken_back_by("r1", 200), taken_back(200)] {
        let game = Game::new();
        game.receive(adjusted("r1", -200)).await;
        game.import_run([paid(500), row]).await;
        assert_eq!(game.decided().await, 300.into());
        assert_eq!(game.moved(), 0.into());
        assert_eq!(game.receive(adjusted("r1", -200)).await, Receipt::Duplicate);
    }
}

#[tokio::test]
async fn late_row_restores_what_was_taken_back_too_much() {
    let game = Game::new();
    game.import_run([paid(500)]).await;
    game.receive(reconciled(500)).await;
    // 200 of them were taken back before.
    game.import_run([taken_back_by("r1", 200)]).await;
    assert_eq!(game.actions(), ["reversal", "reward"]);
    assert_eq!(game.moved(), (-300).into());
    assert_eq!(game.decided().await, 0.into());
    let last = game.wallet.decisions.lock().unwrap().last().cloned();
    assert!(matches!(last.unwrap().action(), Action::Reward(reward) if reward.is_restored()));
}

#[tokio::test]
async fn row_is_about_the_reversal_that_moved_nothing() {
    let game = Game::new();
    game.receive(completed(200)).await;
    game.receive(adjusted("r1", -200)).await;
    assert_eq!(game.import(taken_back(200)).await, Outcome::AlreadyReceived);
    game.receive(adjusted("r2", -200)).await;
    assert_eq!(game.import(taken_back(200)).await, Outcome::Imported);
}

#[tokio::test]
async fn correction_of_an_erased_callback_goes_to_its_player() {
    let game = Game::new();
    game.import_run([paid(500)]).await;
    game.receive(reconciled(500)).await;
    erase_player(&game.store, &player("p1")).await.unwrap();
    game.import_run([taken_back_by("r1", 200)]).await;
    assert_eq!(game.actions(), ["reversal", "reward"]);
    let decisions = game.wallet.decisions.lock().unwrap();
    assert_eq!(*decisions[1].player(), "p1");
}

#[tokio::test]
async fn correction_is_about_a_callback_of_its_direction() {
    let game = Game::new();
    game.import_run([paid(500).milestone(Milestone::Complete)]).await;
    game.receive(completed_as("START_BONUS", 70)).await;
    game.receive(reconciled(570)).await;
    game.import_run([taken_back_by("r1", 200)]).await;
    let decisions = game.wallet.decisions.lock().unwrap();
    let changes: Vec<_> = decisions.iter().map(Decision::balance_change).collect();
    assert_eq!(changes, [70, -570, 200].map(Decimal::from));
    assert_eq!(decisions[2].event().kind, decisions[0].event().kind);
}

#[tokio::test]
async fn difference_left_by_an_interrupted_import_is_settled_later() {
    let game = Game::new();
    game.receive(adjusted("r1", -500)).await;
    game.import(paid(500)).await;
    // The program ends here. A pending or unknown callback moves no money meanwhile.
    game.receive(pending(500)).await;
    let unknown = common::ignored("o1", "NEW", IgnoreReason::UnknownState);
    game.receive(unknown).await;
    assert_eq!(game.moved(), 0.into());
    game.import_run([paid(500)]).await;
    assert_eq!(game.moved(), (-500).into());
}

#[tokio::test]
async fn pending_decision_or_declined_conversion_is_left_alone() {
    let game = Game::new();
    let verified = genuine(completed(500));
    game.receiver.accept(verified).await.unwrap();
    for row in [taken_back(500), paid(5).milestone(Milestone::Screenout)] {
        assert_eq!(game.import(row).await, Outcome::Pending);
    }
    assert_eq!(game.import(paid(500)).await, Outcome::AlreadyReceived);
    *game.wallet.declines.lock().unwrap() = true;
    game.receiver.recover().await.unwrap();
    let before = game.record().await;
    for row in [taken_back(500), shown(5)] {
        assert_eq!(game.import(row).await, Outcome::Closed);
    }
    game.importer().finish().await.unwrap();
    assert_eq!(game.record().await, before);
}

// ---------------------------------------------------------------------------------------------- many rows

fn list() -> impl Iterator<Item = Result<PastCallback, std::io::Error>> {
    (0..100).map(|number| Ok(PastCallback::paid(id(&format!("o{number}")), 5.into())))
}

#[tokio::test]
async fn rows_are_reported_in_order_and_read_as_needed() {
    let game = Game::new();
    let read = Arc::new(Mutex::new(0));
    let rows = list().inspect(|_| *read.lock().unwrap() += 1);
    let mut numbers = Vec::new();
    let importer = game.importer().concurrency(8);
    let summary = importer
        .import_all(rows, |row, outcome| {
            assert_eq!(outcome, Outcome::Imported);
            numbers.push(row);
            assert!(*read.lock().unwrap() <= row + 8);
        })
        .await
        .unwrap();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!((summary.imported, summary.rows()), (100, 100));
    let again = importer.import_all(list(), |_, _| ()).await.unwrap();
    assert_eq!((again.already_imported, again.rows()), (100, 100));
}

#[tokio::test]
async fn unreadable_row_ends_the_import_after_the_rows_before_it() {
    let game = Game::new();
    let rows = list().enumerate().map(|(number, row)| match number {
        37 => Err(std::io::Error::other("cut off")),
        _ => row,
    });
    let mut last = 0;
    let error = game.importer().import_all(rows, |row, _| last = row).await;
    let Err(ImportError::Row { row, source }) = error else { panic!("a row was unreadable") };
    assert_eq!((row, last, source.to_string()), (38, 37, "cut off".into()));
}

#[tokio::test]
async fn import_goes_on_after_the_store_failed() {
    let swaps = Arc::new(Mutex::new(45_u32));
    let left = Arc::clone(&swaps);
    let store = common::HookedStore::new(move |operation, _| {
        let mut left = left.lock().unwrap();
        if operation == "swap" {
            *left = left.checked_sub(1).ok_or(StoreError::Closed)?;
        }
        Ok(())
    });
    let importer = importer(&store).concurrency(10);
    let mut last = 0;
    let error = importer.import_all(list(), |row, _| last = row).await;
    let Err(ImportError::Store { done, .. }) = error else { panic!("the store failed") };
    assert_eq!((done, last), (45, 45));
    *swaps.lock().unwrap() = 1_000;
    let all = importer.import_all(list(), |_, _| ()).await.unwrap();
    assert_eq!((all.imported + all.already_imported, all.rows()), (100, 100));
    assert!(all.already_imported >= 45);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn import_beside_a_running_receiver_ends_at_the_same_balance() {
    let game = Game::new();
    let all: Vec<String> = (0..50).map(|number| format!("o{number}")).collect();
    let rows: Vec<PastCallback> = all
        .iter()
        .flat_map(|original| {
            let reversal = id(&format!("a{original}"));
            [
                PastCallback::taken_back_by(reversal, id(original), 100.into()),
                PastCallback::paid(id(original), 500.into()),
            ]
        })
        .collect();
    let (importer, first) = (game.importer(), rows.clone());
    let first = first.into_iter().map(Ok::<_, Infallible>);
    let import = tokio::spawn(async move { importer.import_all(first, |_, _| ()).await });
    let receiving = all.iter().map(|original| {
        let reversal = common::adjustment(&format!("b{original}"), original, "-300");
        let receiver = game.receiver.clone();
        tokio::spawn(async move { receiver.receive(genuine(reversal)).await })
    });
    for received in receiving.collect::<Vec<_>>() {
        received.await.unwrap().unwrap();
    }
    // A row that met a pending decision is imported again.
    import.await.unwrap().unwrap();
    game.receiver.recover().await.unwrap();
    game.import_run(rows).await;
    assert_eq!(game.moved(), (-300 * 50).into());
}

#[tokio::test]
async fn dry_run_writes_nothing_and_shows_what_is_left_open() {
    let game = Game::new();
    game.receive(adjusted("r1", -500)).await;
    let before = game.record().await;
    let p1 = || player("p1");
    let rows = [
        paid(500),
        PastCallback::paid(id("o2"), 5.into()).player(p1()).milestone(Milestone::StartBonus),
        PastCallback::paid(id("o3"), 5.into()),
        PastCallback::paid_unknown_amount(id("o4")).player(p1()),
        PastCallback::taken_back_by(id("r5"), id("o5"), 5.into()).player(p1()),
        PastCallback::pending(id("o6"), "PENDING", None).player(p1()),
        // A later row of the same run sees the earlier one.
        PastCallback::paid(id("o6"), 5.into()).player(p1()),
        PastCallback::paid(id("o6"), 5.into()).player(p1()),
        PastCallback::paid(id("o7"), 0.into()).player(p1()),
    ];
    let importer = game.importer().dry_run();
    let summary = importer.import_all(rows.map(Ok::<_, Infallible>), |_, _| ()).await.unwrap();
    let counts = (summary.imported, summary.imported_closed, summary.already_imported);
    assert_eq!(counts, (7, 1, 1));
    let [correction] = summary.corrections.as_slice() else { panic!("one correction") };
    assert_eq!(correction.balance_change(), (-500).into());
    let key = |transaction: &str| {
        let key = format!("bitlabs/game/conversion/{transaction}");
        key.parse::<RecordKey>().unwrap()
    };
    let exposures = [
        (key("o2"), Exposure::OtherMilestones),
        (key("o3"), Exposure::AnyPlayer),
        (key("o4"), Exposure::NoReversal),
        (key("o5"), Exposure::Unpaid),
        (key("o7"), Exposure::Unpaid),
    ];
    assert_eq!(importer.exposures(), exposures);
    assert_eq!(game.record().await, before);
    assert_eq!(game.store.load(&key("o2")).await.unwrap(), None);
    assert_eq!(game.importer().exposures(), []);
}

// ---------------------------------------------------------------------------------------------- any order

/// One message of conversion `o1`, as the network says it.
#[derive(Debug, Clone, PartialEq)]
enum Message {
    Pending,
    Completed(&'static str, i64),
    /// With a transaction of its own.
    Adjusted(usize, i64),
    Reconciled(i64),
    Revoked,
}

impl Message {
    fn event(&self) -> Event {
        match self {
            Self::Pending => pending(1),
            Self::Completed(milestone, amount) => completed_as(milestone, *amount),
            Self::Adjusted(number, by) => adjusted(&format!("r{number}"), *by),
            Self::Reconciled(amount) => reconciled(*amount),
            Self::Revoked => revoked(),
        }
    }

    /// The row of an earlier receiver's list about it, if there can be one.
    fn row(&self, knows_transaction: bool) -> Option<PastCallback> {
        Some(match self {
            Self::Pending => shown(1),
            Self::Completed(milestone, amount) => paid(*amount).milestone(milestone.parse().ok()?),
            Self::Adjusted(_, by) if *by > 0 => return None,
            Self::Adjusted(_, by) if !knows_transaction => taken_back(-by),
            Self::Adjusted(number, by) => taken_back_by(&format!("r{number}"), -by),
            Self::Reconciled(amount) => taken_back(*amount),
            Self::Revoked => return None,
        })
    }
}

/// What is due for a set of messages, written down again.
fn target<'a>(messages: impl IntoIterator<Item = &'a Message>) -> i64 {
    let (mut paid, mut changed, mut is_revoked) = (0, 0, false);
    for message in messages {
        match message {
            Message::Pending => {}
            Message::Completed(_, amount) => paid += amount,
            Message::Adjusted(_, by) => changed += by,
            Message::Reconciled(amount) => changed -= amount,
            Message::Revoked => is_revoked = true,
        }
    }
    if is_revoked { 0 } else { (paid + changed).clamp(0, paid) }
}

/// The messages of one conversion, each once. Adjustments differ in their amounts, so that an imported one without a
/// transaction of its own can only be one of them.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let adjustments = proptest::collection::vec(-80..30_i64, 0..4).prop_map(|amounts| {
        let numbered = amounts.into_iter().enumerate();
        numbered
            .map(|(number, by)| Message::Adjusted(number, by * 4 + i64::try_from(number).unwrap()))
            .filter(|message| !matches!(message, Message::Adjusted(_, 0)))
            .collect()
    });
    let reconciled = (1..300_i64).prop_map(|amount| vec![Message::Reconciled(amount)]);
    let changes = prop_oneof![4 => adjustments, 1 => reconciled, 1 => Just(vec![Message::Revoked])];
    (any::<bool>(), proptest::option::weighted(0.9, 0..300_i64), proptest::option::weighted(0.3, 1..30_i64), changes)
        .prop_map(|(is_pending, complete, screenout, changes)| {
            let pending = is_pending.then_some(Message::Pending);
            let complete = complete.map(|amount| Message::Completed("COMPLETE", amount));
            let screenout = screenout.map(|amount| Message::Completed("SCREENOUT", amount));
            let all = pending.into_iter().chain(complete).chain(screenout);
            all.chain(changes).collect()
        })
        .prop_filter("no message", |messages: &Vec<Message>| !messages.is_empty())
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Import(usize),
    Receive(usize),
    Accept(usize),
    Recover,
    Finish,
}

/// A conversion; for each message, whether the earlier receiver dealt with it; the number of the message whose row does
/// not know its transaction; and steps that contain every message at least once, some of them repeatedly.
fn history() -> impl Strategy<Value = (Vec<Message>, Vec<bool>, usize, Vec<Step>)> {
    messages().prop_flat_map(|messages| {
        let count = messages.len();
        (
            Just(messages),
            proptest::collection::vec(any::<bool>(), count),
            0..count,
            proptest::collection::vec((0..count, 0..6_u8), 0..12),
        )
            .prop_flat_map(|(messages, is_past, anonymous, extra)| {
                let steps: Vec<Step> = (0..messages.len())
                    .map(|number| (number, u8::from(!is_past[number])))
                    .chain(extra)
                    .map(|(number, kind)| match kind {
                        0 => Step::Import(number),
                        1 | 2 => Step::Receive(number),
                        3 => Step::Accept(number),
                        4 => Step::Recover,
                        _ => Step::Finish,
                    })
                    .collect();
                let steps = Just(steps).prop_shuffle();
                (Just(messages), Just(is_past), Just(anonymous), steps)
            })
    })
}

/// Whether money moved here because of a message, or it is not about money.
fn may_have_moved_twice(record: &Record, message: &Message) -> bool {
    let kind = message.event().kind;
    let is_about_money = !matches!(message, Message::Pending | Message::Completed(_, 0));
    let mut received = record.entries().iter().filter(|entry| {
        let decision = entry.decision(record.key());
        let moved = decision.is_some_and(|decision| !decision.balance_change().is_zero());
        entry.event().kind == kind && !entry.is_imported() && (moved || !is_about_money)
    });
    received.next().is_some()
}

fn check_invariants(record: &Record) -> Result<(), TestCaseError> {
    let numbers = record.entries().iter().map(Entry::number);
    prop_assert!(numbers.zip(1..).all(|(number, expected)| number == expected));
    let all = record.entries().iter().filter_map(|entry| entry.decision(record.key()));
    let decided: Decimal = all.map(|decision| decision.balance_change()).sum();
    prop_assert_eq!(record.decided(), decided);
    prop_assert_eq!(record.pending().count() > 0, record.is_pending());
    let json = postback::store::json::write(record).unwrap();
    let read = postback::store::json::read(record.key(), 1, json.as_bytes()).unwrap();
    prop_assert_eq!(&read.record, record);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the earlier receiver moved plus what is moved here is what is due, for any split and any order. Rows about
    /// messages that moved money here as well are reported, and only those.
    #[test]
    fn any_order_of_import_and_callbacks_ends_at_the_target(
        (messages, is_past, anonymous, steps) in history()
    ) {
        run(async {
            let game = Game::new();
            let importer = game.importer();
            let has_row = |number: usize| {
                is_past[number] && messages[number].row(true).is_some()
            };
            let row = |number: usize| {
                has_row(number).then(|| messages[number].row(number != anonymous))?
            };
            let mut last = vec![None; messages.len()];
            let every = (0..messages.len()).flat_map(|number| {
                // A message without a row was not dealt with before, so it is received here.
                let live = (!has_row(number)).then_some(Step::Receive(number));
                live.into_iter().chain([Step::Recover, Step::Import(number)])
            });
            let end = [Step::Finish, Step::Recover];
            let steps = steps.iter().copied().chain(every.clone()).chain(end);
            for step in steps {
                let verified = |number: usize| genuine(messages[number].event());
                match step {
                    Step::Import(number) => {
                        if let Some(row) = row(number) {
                            let outcome = importer.import(&row).await.unwrap();
                            let is_known = matches!(
                                outcome,
                                Outcome::Imported | Outcome::AlreadyImported
                                    | Outcome::AlreadyReceived | Outcome::Pending
                            );
                            prop_assert!(is_known, "{:?}", outcome);
                            if outcome == Outcome::AlreadyReceived {
                                let record = game.record().await.unwrap();
                                prop_assert!(may_have_moved_twice(&record, &messages[number]));
                            }
                            last[number] = Some(outcome);
                        }
                    }
                    Step::Receive(number) => {
                        game.receiver.receive(verified(number)).await.unwrap();
                    }
                    Step::Accept(number) => {
                        game.receiver.accept(verified(number)).await.unwrap();
                    }
                    Step::Recover => drop(game.receiver.recover().await.unwrap()),
                    Step::Finish => drop(importer.finish().await.unwrap()),
                }
                if let Some(record) = game.record().await {
                    check_invariants(&record)?;
                }
            }
            let is_imported = |number: usize| {
                matches!(last[number], Some(Outcome::Imported | Outcome::AlreadyImported))
            };
            let imported = (0..messages.len()).filter(|number| is_imported(*number));
            let before = target(imported.map(|number| &messages[number]));
            let record = game.record().await.unwrap();
            prop_assert_eq!(game.moved() + Decimal::from(before), Decimal::from(target(&messages)));
            prop_assert_eq!(record.decided(), Decimal::from(target(&messages)));

            // Nothing that is repeated changes anything.
            for step in every {
                match step {
                    Step::Import(number) => {
                        if let Some(row) = row(number) {
                            let outcome = importer.import(&row).await.unwrap();
                            prop_assert!(outcome != Outcome::Imported);
                        }
                    }
                    Step::Receive(number) => {
                        let verified = genuine(messages[number].event());
                        let receipt = game.receiver.receive(verified).await.unwrap();
                        prop_assert_eq!(receipt, Receipt::Duplicate);
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(importer.finish().await.unwrap(), []);
            prop_assert_eq!(game.record().await.unwrap(), record);
            Ok(())
        })?;
    }

    /// Without an amount nothing moves, whatever comes.
    #[test]
    fn nothing_moves_after_a_payment_of_unknown_amount((messages, _, _, steps) in history()) {
        run(async {
            let game = Game::new();
            game.import(paid_unknown()).await;
            for step in steps {
                if let Step::Receive(number) | Step::Accept(number) | Step::Import(number) = step {
                    game.receive(messages[number].event()).await;
                }
            }
            game.importer().finish().await.unwrap();
            prop_assert_eq!(game.actions(), [""; 0]);
            Ok(())
        })?;
    }
}
