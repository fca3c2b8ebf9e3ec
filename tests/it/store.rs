//! The conformance suite itself, and what is built on stores.

use std::error::Error as _;
use std::sync::Arc;

use postback::store::{
    DedupStore, Erased, KeptCallback, KeptId, MemoryTransaction, Retention, StoreError, Transaction, TransactionWork,
    TransactionalStore, erase_player, json, prune,
};
use postback::store::{Record, Stored, SwapOutcome, Version};
use postback::testing::conformance;
use postback::testing::protocol::HandlerResult;
use postback::{BanStatus, Decision, HandlerError, MemoryStore, PlayerId, Receiver, RecordKey, Timestamp};

use crate::common::{Game, ban, completed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_store_conforms() {
    let open = async || MemoryStore::new();
    conformance::plain(open).await;
    conformance::retention(open).await;
    let store = MemoryStore::new();
    conformance::shared(&store, &store.clone()).await;
}

/// One promise that a store breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    ReplacesAnyVersion,
    LosesWithoutTheCurrentRecord,
    ForgetsRecords,
    ConfusesCase,
    ListsBackward,
    ListsSettled,
    ListsShortPages,
    KeepsTheLatest,
    KeepsTooMany,
    RemovesAnyVersion,
    ListsEverything,
    ListsOtherPlayers,
    KeepsWhatFailed,
    CommitsWhatFailed,
    RollsBackTooMuch,
}

/// A store that breaks a promise.
#[derive(Clone)]
struct BrokenStore {
    inner: MemoryStore,
    fault: Fault,
}

impl BrokenStore {
    fn new(fault: Fault) -> Self {
        Self { inner: MemoryStore::new(), fault }
    }

    async fn list_all(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let end = Timestamp::from_millis(u64::MAX);
        let settled = self.inner.list_unchanged_since(end, after, limit).await?;
        let pending = self.inner.list_pending(after, limit).await?;
        let mut all = [settled, pending].concat();
        all.sort();
        all.truncate(limit);
        Ok(all)
    }
}

impl DedupStore for BrokenStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let stored = self.inner.load(key).await?;
        if self.fault == Fault::ConfusesCase && stored.is_none() {
            return self.inner.load(&key.as_str().to_lowercase().parse().unwrap()).await;
        }
        Ok(stored.filter(|stored| self.fault != Fault::ForgetsRecords || stored.record.entries().len() < 100))
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let outcome = self.inner.swap(expected, record).await?;
        Ok(match (outcome, self.fault) {
            (SwapOutcome::Conflict(Some(current)), Fault::ReplacesAnyVersion) => {
                self.inner.swap(Some(current.version), record).await?
            }
            (SwapOutcome::Conflict(_), Fault::LosesWithoutTheCurrentRecord) => SwapOutcome::Conflict(None),
            (outcome, _) => outcome,
        })
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        match self.fault {
            Fault::ListsSettled => self.list_all(after, limit).await,
            Fault::ListsBackward => {
                let mut keys = self.inner.list_pending(after, limit).await?;
                keys.reverse();
                Ok(keys)
            }
            Fault::ListsShortPages => self.inner.list_pending(after, limit.min(9)).await,
            _ => self.inner.list_pending(after, limit).await,
        }
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        match self.fault {
            Fault::KeepsTheLatest => {
                self.inner.remove_unusable(&kept.id).await?;
                self.inner.keep_unusable(kept).await
            }
            Fault::KeepsTooMany => {
                let listed = self.inner.list_unusable(None, 1).await?;
                let removed = self.inner.keep_unusable(kept).await?;
                if removed > 0 {
                    self.inner.keep_unusable(&listed[0]).await?;
                }
                Ok(0)
            }
            _ => self.inner.keep_unusable(kept).await,
        }
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        self.inner.list_unusable(after, limit).await
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        self.inner.remove_unusable(id).await
    }
}

impl Retention for BrokenStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let version = match self.inner.load(key).await? {
            Some(stored) if self.fault == Fault::RemovesAnyVersion => stored.version,
            _ => expected,
        };
        self.inner.remove(key, version).await
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        if self.fault == Fault::ListsEverything {
            return self.list_all(after, limit).await;
        }
        self.inner.list_unchanged_since(moment, after, limit).await
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let other = player.as_str().to_lowercase().parse().unwrap();
        let player = if self.fault == Fault::ListsOtherPlayers { &other } else { player };
        self.inner.list_by_player(player, after, limit).await
    }
}

impl TransactionalStore for BrokenStore {
    type Handler = <MemoryStore as TransactionalStore>::Handler;

    async fn transact<W: TransactionWork>(
        &self,
        key: &RecordKey,
        handler: &Arc<Self::Handler>,
        work: W,
    ) -> Result<W::Output, StoreError> {
        let fault = self.fault;
        let work = BrokenWork { work, fault };
        self.inner.transact(key, handler, work).await?
    }
}

struct BrokenWork<W> {
    work: W,
    fault: Fault,
}

impl<W: TransactionWork> TransactionWork for BrokenWork<W> {
    type Output = Result<W::Output, StoreError>;

    async fn run<T: Transaction>(&self, inner: &mut T) -> Result<Self::Output, StoreError> {
        let fault = self.fault;
        let result = self.work.run(&mut BrokenTransaction { inner, fault }).await;
        match fault {
            Fault::CommitsWhatFailed => Ok(result),
            _ => result.map(Ok),
        }
    }
}

struct BrokenTransaction<'a, T> {
    inner: &'a mut T,
    fault: Fault,
}

impl<T: Transaction> Transaction for BrokenTransaction<'_, T> {
    async fn load(&mut self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.inner.load(key).await
    }

    async fn swap(
        &mut self,
        expected: Option<Version>,
        record: &Record,
        json: &str,
    ) -> Result<SwapOutcome, StoreError> {
        self.inner.swap(expected, record, json).await
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        // The first savepoint of a transaction of the memory store is its beginning.
        if self.fault == Fault::RollsBackTooMuch {
            return Ok(());
        }
        self.inner.savepoint().await
    }

    async fn release_savepoint(&mut self) -> Result<(), StoreError> {
        self.inner.release_savepoint().await
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        if self.fault == Fault::KeepsWhatFailed {
            return Ok(());
        }
        self.inner.rollback_to_savepoint().await
    }

    async fn handle(&mut self, decision: &Decision) -> Result<(), HandlerError> {
        self.inner.handle(decision).await
    }
}

/// Runs the suites in a thread of its own. Returns the message with which they fail.
fn failure_of(fault: Fault) -> String {
    let open = async move || BrokenStore::new(fault);
    let suites = async move {
        use Fault::*;
        match fault {
            RemovesAnyVersion | ListsEverything | ListsOtherPlayers => {
                conformance::retention(open).await;
            }
            KeepsWhatFailed | CommitsWhatFailed | RollsBackTooMuch => {
                conformance::transactional(
                    open,
                    |store, script| {
                        let pay = move |tx: &mut MemoryTransaction, decision: &Decision| {
                            tx.add(decision.player(), decision.balance_change());
                            script.end()
                        };
                        Receiver::in_transaction(store.clone(), Arc::new(pay))
                    },
                    async |store, player| store.inner.balance(player).await,
                )
                .await;
            }
            _ => conformance::plain(open).await,
        }
    };
    let run = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(suites);
    };
    let panic = std::thread::spawn(run).join();
    let panic = panic.expect_err(&format!("{fault:?} is not found"));
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap().to_owned()
}

#[test]
fn conformance_suite_names_the_broken_promise() {
    for (fault, promise) in [
        (Fault::ReplacesAnyVersion, "a lost swap must"),
        (Fault::LosesWithoutTheCurrentRecord, "must return the current record"),
        (Fault::ForgetsRecords, "a stored record must not be absent"),
        (Fault::ConfusesCase, "similar keys must not be confused"),
        (Fault::ListsBackward, "in the order of their bytes"),
        (Fault::ListsSettled, "exactly the records with a pending decision"),
        (Fault::ListsShortPages, "in the order of their bytes"),
        (Fault::KeepsTheLatest, "as first kept"),
        (Fault::KeepsTooMany, "the number of removed callbacks"),
        (Fault::RemovesAnyVersion, "another version than the stored one"),
        (Fault::ListsEverything, "settled records that did not change"),
        (Fault::ListsOtherPlayers, "must be listed"),
        (Fault::KeepsWhatFailed, "what a failed handler did must be undone"),
        (Fault::CommitsWhatFailed, "failed work must be rolled back"),
        (Fault::RollsBackTooMuch, "the first swap"),
    ] {
        let message = failure_of(fault);
        assert!(message.contains(promise), "{fault:?}: {message}");
    }
}

#[tokio::test]
async fn pruning_leaves_what_changed_after_it_was_listed() {
    let moment = Timestamp::from_millis(50_000);
    let store = BrokenStore::new(Fault::ListsEverything);
    let mut keys = Vec::new();
    for (transaction, changed, result) in [
        ("old", 49_999, HandlerResult::Done),
        ("at-the-moment", 50_000, HandlerResult::Done),
        ("later", 50_001, HandlerResult::Done),
        ("old-and-pending", 49_999, HandlerResult::TimedOut),
    ] {
        let mut game = Game { now: Timestamp::from_millis(changed), ..Game::default() };
        game.receive_with(&completed(transaction, "5"), |_, _| result.clone());
        store.swap(None, game.record()).await.unwrap();
        keys.push(game.record().key().clone());
    }
    let pruned = prune(&store, moment).await.unwrap();
    assert_eq!((pruned.removed, pruned.unusable), (1, 0));
    for key in &keys[1..] {
        assert!(store.load(key).await.unwrap().is_some(), "{key}");
    }
}

#[tokio::test]
async fn erasing_leaves_what_belongs_to_another_player_by_then() {
    let store = BrokenStore::new(Fault::ListsOtherPlayers);
    let mut records = Vec::new();
    for (event, result) in [
        (completed("settled", "5"), HandlerResult::Done),
        (completed("pending", "5"), HandlerResult::TimedOut),
        (ban(BanStatus::Banned), HandlerResult::Done),
    ] {
        let mut game = Game::default();
        game.receive_with(&event, |_, _| result.clone());
        store.swap(None, game.record()).await.unwrap();
        records.push(game.record().clone());
    }
    // It lists the records of `p1`.
    let erased = erase_player(&store, &"P1".parse().unwrap()).await.unwrap();
    assert_eq!(erased, Erased::default());
    for record in &records {
        assert_eq!(store.load(record.key()).await.unwrap().unwrap().record, *record);
    }
}

#[test]
fn error_of_an_unreadable_record_contains_none_of_its_values() {
    let mut game = Game::default();
    game.receive(&completed("o1", "5"));
    let (key, intact) = (game.record().key(), json::write(game.record()).unwrap());
    for (value, damage) in [("\"p1\"", "4915112345678"), ("\"p1\"", "\"49151\\u000012345678\""), ("\"p1\"", "[\"49151")]
    {
        let damaged = intact.replace(value, damage);
        assert_ne!(damaged, intact);
        let error = json::read(key, 1, damaged.as_bytes()).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains("line 1 column"), "{source}");
        assert!(!format!("{error:?}").contains("49151"), "{error:?}");
    }
}
