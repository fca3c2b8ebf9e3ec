//! Delivers pending decisions to the backend.
//!
//! All state that matters is in the store: which decisions are pending, how often each was tried, and who works on it.
//! In memory there are only the deliveries that run now (at most the configured concurrency), a bounded queue of
//! conversions that were just accepted, and one page of keys. So a dead backend costs no memory, and several servers
//! share a store without knowing of each other.
//!
//! New decisions are delivered as they are accepted. Everything else is found by scanning the store's pending records:
//! at startup, after an outage, and whenever a retry is due.

use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use postback::store::{Record, StoreError, Stored};
use postback::{
    Clock as _, DedupStore as _, Receipt, ReceiveError, Receiver, RecordKey, SystemClock, Timestamp, Timing,
};
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::shutdown::Shutdown;
use crate::store::AnyStore;
use crate::webhook::{BackendError, HAS_RESPONDED, WebhookSender};

pub(crate) type ServerReceiver = Receiver<AnyStore, WebhookSender>;

/// How many accepted conversions wait in the channel, and as many again in the dispatcher. Beyond that, the next scan
/// finds them.
const QUEUE: usize = 1024;

/// The number of keys listed at a time.
const PAGE: usize = 256;

/// How often the store is scanned if nothing is due earlier: for what another server left behind.
const SCAN_INTERVAL: Duration = Duration::from_secs(5);

/// The least pause between scans, for every record that was looked at and not due.
const PAUSE_PER_WAITING: Duration = Duration::from_micros(500);

const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(600);

/// The longest wait between two probes of a backend that does not respond.
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// The pause before the next probe if one did not reach the backend.
const NEXT_PROBE: Duration = Duration::from_millis(100);

/// How many records must time out, with no response to any, before the backend counts as down. A refused connection
/// counts at once.
const TIMEOUTS_TO_OPEN: usize = 3;

/// How many records are remembered that timed out while the backend responded to others.
const MAX_STUCK: usize = 1024;

/// While the backend counts as down: how often a decision that was just accepted is sent, and how many of them wait for
/// that in memory.
const FRESH_INTERVAL: Duration = Duration::from_secs(1);
const MAX_FRESH: usize = 64;

/// How many unreadable records are remembered.
const MAX_UNREADABLE: usize = 1024;

/// How many pending records are counted at most, and how often.
const MAX_COUNTED: usize = 10_000;
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// The running delivery. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Delivery {
    queue: mpsc::Sender<RecordKey>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Starts a scan.
    wake: Notify,
    /// Failures before this moment are not waited for any more, in milliseconds.
    released: AtomicU64,
    status: Mutex<DeliveryStatus>,
}

/// How delivery is going, for people.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct DeliveryStatus {
    /// Whether the backend is believed to respond.
    pub(crate) backend_up: bool,
    /// Deliveries that run now.
    pub(crate) running: usize,
    /// Records with pending decisions; at most 10,000 are counted.
    pub(crate) pending: usize,
    /// Since this process started.
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) last_success: Option<String>,
    pub(crate) last_error: Option<String>,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, DeliveryStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn released(&self) -> Timestamp {
        Timestamp::from_millis(self.released.load(Ordering::SeqCst))
    }

    fn release(&self) {
        self.released.store(SystemClock.now().as_millis(), Ordering::SeqCst);
    }
}

impl Delivery {
    /// Starts delivering in the background. It ends after `shutdown` is requested; the returned task then waits for
    /// the deliveries that run.
    pub(crate) fn start(
        receiver: ServerReceiver,
        concurrency: usize,
        patience: Duration,
        shutdown: Shutdown,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, incoming) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            wake: Notify::new(),
            released: AtomicU64::new(SystemClock.now().as_millis()),
            status: Mutex::new(DeliveryStatus { backend_up: true, ..DeliveryStatus::default() }),
        });
        tokio::spawn(count_pending(receiver.store().clone(), Arc::clone(&shared), shutdown.clone()));
        let dispatcher = Dispatcher {
            receiver,
            concurrency: concurrency.max(1),
            patience,
            incoming,
            accepted: VecDeque::new(),
            queued: HashSet::new(),
            shared: Arc::clone(&shared),
            running: JoinSet::new(),
            scanned: 0,
            in_flight: HashMap::new(),
            scan: Some(Scan::default()),
            scan_again: false,
            scan_ended: Instant::now(),
            waiting: 0,
            next_due: Instant::now(),
            breaker: Breaker::Closed,
            timed_out: HashSet::new(),
            stuck: HashSet::new(),
            fresh: Vec::new(),
            fresh_at: Instant::now(),
            probe_after: None,
            unreadable: HashSet::new(),
        };
        let task = tokio::spawn(dispatcher.run(shutdown));
        (Self { queue, shared }, task)
    }

    /// Says that a decision was accepted.
    pub(crate) fn accepted(&self, key: RecordKey) {
        if self.queue.try_send(key).is_err() {
            self.shared.wake.notify_one();
        }
    }

    /// Retries everything pending now, whatever the backoff says.
    pub(crate) fn retry_all(&self) {
        self.shared.release();
        self.shared.wake.notify_one();
    }

    /// Looks for pending records now.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    pub(crate) fn status(&self) -> DeliveryStatus {
        self.shared.status().clone()
    }
}

/// How long to wait after this many failed attempts: doubles from 1 s to 10 min, with up to a quarter added at random,
/// so that what failed together is not retried together.
pub(crate) fn backoff(key: &RecordKey, attempts: u32) -> Duration {
    let doubled = MIN_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let full = doubled.min(MAX_BACKOFF * 4 / 5);
    let spread = RandomState::new().hash_one((key, attempts)) % 256;
    let jitter = full.saturating_mul(u32::try_from(spread).unwrap_or_default()) / 1024;
    full.saturating_add(jitter).min(MAX_BACKOFF)
}

/// What became of one record.
enum Outcome {
    /// The backend took what was pending.
    Delivered,
    /// Nothing was pending: another server delivered it. That says nothing about the backend.
    NothingPending,
    /// It failed recently, or another server works on it.
    Waiting {
        left: Duration,
    },
    Failed {
        error: String,
        outage: Outage,
    },
    /// The record cannot be read.
    Unreadable {
        error: StoreError,
    },
    StoreFailed,
}

/// What a failure says about the backend as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// It responded: the failure is about one decision.
    No,
    /// It did not respond to this one.
    Perhaps,
    /// It cannot be reached.
    Yes,
    /// The failure is this server's own, and says nothing.
    Unknown,
}

/// One pass over the pending records.
#[derive(Default)]
struct Scan {
    after: Option<RecordKey>,
    page: std::vec::IntoIter<RecordKey>,
    is_last_page: bool,
}

enum Breaker {
    /// The backend responds.
    Closed,
    /// It does not: nothing is sent but one probe at a time, and the latest accepted decisions.
    Open { probe_at: Instant, wait: Duration, probe: Option<RecordKey> },
}

/// A delivery that runs.
struct Work {
    check: Check,
    /// Whether something was accepted for the record meanwhile.
    again: bool,
}

struct Dispatcher {
    receiver: ServerReceiver,
    concurrency: usize,
    /// How long running deliveries may take at shutdown.
    patience: Duration,
    incoming: mpsc::Receiver<RecordKey>,
    /// What was accepted and not started yet, and the same as a set: scans leave it out.
    accepted: VecDeque<RecordKey>,
    queued: HashSet<RecordKey>,
    shared: Arc<Shared>,
    running: JoinSet<(RecordKey, Outcome)>,
    /// How many of the running deliveries a scan started.
    scanned: usize,
    /// The records that are worked on.
    in_flight: HashMap<RecordKey, Work>,
    scan: Option<Scan>,
    /// Whether another scan follows the present one.
    scan_again: bool,
    scan_ended: Instant,
    /// How many records of the last scan were not due.
    waiting: u32,
    next_due: Instant,
    breaker: Breaker,
    /// Records that timed out since the backend's last response.
    timed_out: HashSet<RecordKey>,
    /// Records that timed out before a response to others: their timeouts say nothing about the backend.
    stuck: HashSet<RecordKey>,
    /// What was accepted while the backend counts as down, the latest last. A decision that was never sent is the best
    /// probe: it waits for none that keep failing.
    fresh: Vec<RecordKey>,
    fresh_at: Instant,
    /// Probes take turns, so that one decision that always fails does not keep the breaker open.
    probe_after: Option<RecordKey>,
    /// Records that were logged as unreadable.
    unreadable: HashSet<RecordKey>,
}

impl Dispatcher {
    async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            // The store may hang.
            tokio::select! {
                () = shutdown.requested() => break,
                () = self.advance_scan() => {}
            }
            self.start_accepted();
            self.shared.status().running = self.running.len();
            let wakeup = self.next_wakeup();
            tokio::select! {
                () = shutdown.requested() => break,
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    if let Ok((key, outcome)) = ended {
                        self.on_outcome(key, outcome);
                    }
                }
                Some(key) = self.incoming.recv(), if self.accepted.len() < QUEUE => {
                    if self.queued.insert(key.clone()) {
                        self.accepted.push_back(key);
                    }
                }
                () = self.shared.wake.notified() => {
                    if self.scan.is_some() {
                        self.scan_again = true;
                    } else {
                        self.begin_scan();
                    }
                }
                () = tokio::time::sleep_until(wakeup) => tokio::select! {
                    () = shutdown.requested() => break,
                    () = self.on_timer() => {}
                },
            }
        }
        let rest = async { while self.running.join_next().await.is_some() {} };
        // What is not done by then stays leased, and is retried after that.
        let _ = tokio::time::timeout(self.patience, rest).await;
    }

    fn is_closed(&self) -> bool {
        matches!(self.breaker, Breaker::Closed)
    }

    fn next_wakeup(&self) -> Instant {
        let wakeup = match &self.breaker {
            Breaker::Open { probe: None, probe_at, .. } => *probe_at,
            Breaker::Closed if self.scan.is_none() => {
                let pause = PAUSE_PER_WAITING.saturating_mul(self.waiting);
                self.next_due.max(self.scan_ended + pause)
            }
            _ => Instant::now() + SCAN_INTERVAL,
        };
        if self.may_start_fresh() { wakeup.min(self.fresh_at) } else { wakeup }
    }

    fn may_start_fresh(&self) -> bool {
        !self.is_closed() && !self.fresh.is_empty() && self.running.len() < self.concurrency
    }

    async fn on_timer(&mut self) {
        let now = Instant::now();
        if self.may_start_fresh() && self.fresh_at <= now {
            self.fresh_at = now + FRESH_INTERVAL;
            if let Some(key) = self.fresh.pop() {
                self.start(key, Check::None);
            }
        }
        match &self.breaker {
            Breaker::Closed => self.begin_scan(),
            Breaker::Open { probe: None, probe_at, .. } if *probe_at <= now => self.probe().await,
            Breaker::Open { .. } => {}
        }
    }

    fn begin_scan(&mut self) {
        if self.is_closed() {
            self.scan = Some(Scan::default());
            self.scan_again = false;
            self.waiting = 0;
            self.next_due = Instant::now() + SCAN_INTERVAL;
        } else if let Breaker::Open { probe_at, .. } = &mut self.breaker {
            // Somebody asked for a retry.
            *probe_at = Instant::now();
        }
    }

    /// While a scan runs, it and what is accepted meanwhile leave each other a quarter of the deliveries.
    fn share(&self) -> usize {
        (self.concurrency - self.concurrency / 4).max(1)
    }

    /// Starts the next of what was accepted.
    fn start_accepted(&mut self) {
        let limit = if self.scan.is_some() { self.share() } else { self.concurrency };
        loop {
            let others = self.running.len().saturating_sub(self.scanned);
            if self.is_closed() && (self.running.len() >= self.concurrency || others >= limit) {
                return;
            }
            let Some(key) = self.accepted.pop_front() else { return };
            self.queued.remove(&key);
            if self.is_closed() {
                self.start(key, Check::None);
                continue;
            }
            // It waits in the store, too.
            if self.fresh.len() == MAX_FRESH {
                self.fresh.remove(0);
            }
            self.fresh.push(key);
        }
    }

    /// Starts the next records of the scan.
    async fn advance_scan(&mut self) {
        while self.is_closed() && self.running.len() < self.concurrency && self.scanned < self.share() {
            let Some(scan) = &mut self.scan else { return };
            if let Some(key) = scan.page.next() {
                // What waits in the queue is left to its own share, if there is one.
                if self.share() == self.concurrency || !self.queued.contains(&key) {
                    self.start(key, Check::Due);
                }
                continue;
            }
            if scan.is_last_page {
                self.scan = None;
                self.scan_ended = Instant::now();
                if !self.scan_again {
                    return;
                }
                self.begin_scan();
                continue;
            }
            match self.receiver.store().list_pending(scan.after.as_ref(), PAGE).await {
                Ok(keys) => {
                    scan.is_last_page = keys.len() < PAGE;
                    scan.after = keys.last().cloned();
                    scan.page = keys.into_iter();
                }
                Err(error) => {
                    log_store_failed(&error);
                    self.scan = None;
                    self.scan_ended = Instant::now();
                    self.due_in(MIN_BACKOFF);
                    return;
                }
            }
        }
    }

    fn due_in(&mut self, left: Duration) {
        self.next_due = self.next_due.min(Instant::now() + left);
    }

    fn start(&mut self, key: RecordKey, check: Check) {
        if let Some(work) = self.in_flight.get_mut(&key) {
            work.again |= check == Check::None;
            return;
        }
        if check == Check::Due {
            self.scanned += 1;
        }
        self.in_flight.insert(key.clone(), Work { check, again: false });
        let receiver = self.receiver.clone();
        let released = self.shared.released();
        self.running.spawn(async move {
            let work = deliver(&receiver, &key, check, released);
            // A panic of a store must not lose the key.
            let outcome = AssertUnwindSafe(work).catch_unwind().await;
            (key, outcome.unwrap_or(Outcome::StoreFailed))
        });
    }

    fn on_outcome(&mut self, key: RecordKey, outcome: Outcome) {
        let was_probe = self.end_probe(&key);
        let work = self.in_flight.remove(&key);
        if work.as_ref().is_some_and(|work| work.check == Check::Due) {
            self.scanned = self.scanned.saturating_sub(1);
        }
        match outcome {
            Outcome::Delivered => {
                self.timed_out.remove(&key);
                self.stuck.remove(&key);
                self.on_success();
            }
            Outcome::NothingPending => {
                self.timed_out.remove(&key);
                self.stuck.remove(&key);
                if was_probe {
                    self.set_probe_at(NEXT_PROBE);
                }
            }
            Outcome::Waiting { left } => {
                self.waiting = self.waiting.saturating_add(1);
                self.due_in(left);
                if was_probe {
                    // Another server probes with this one: take the next.
                    self.set_probe_at(NEXT_PROBE);
                }
            }
            Outcome::Failed { error, outage } => self.on_failure(&key, &error, outage, was_probe),
            Outcome::Unreadable { error } => {
                self.log_unreadable(&key, &error);
                if was_probe {
                    self.set_probe_at(NEXT_PROBE);
                }
            }
            Outcome::StoreFailed => {
                self.due_in(MIN_BACKOFF);
                if was_probe {
                    self.set_probe_at(MIN_BACKOFF);
                }
            }
        }
        if work.is_some_and(|work| work.again) && self.is_closed() {
            self.start(key, Check::None);
        }
    }

    fn on_success(&mut self) {
        {
            let mut status = self.shared.status();
            status.delivered = status.delivered.saturating_add(1);
            status.last_success = Some(crate::text::rfc3339(SystemClock.now()));
        }
        self.on_response();
    }

    fn on_failure(&mut self, key: &RecordKey, error: &str, outage: Outage, was_probe: bool) {
        {
            let mut status = self.shared.status();
            status.failed = status.failed.saturating_add(1);
            status.last_error = Some(error.to_owned());
        }
        if outage == Outage::Perhaps && !self.stuck.contains(key) && self.timed_out.len() < MAX_STUCK {
            self.timed_out.insert(key.clone());
        }
        match (&mut self.breaker, outage) {
            (_, Outage::No) => self.on_response(),
            (_, Outage::Unknown) => {
                if was_probe {
                    self.set_probe_at(MIN_BACKOFF);
                }
            }
            (Breaker::Closed, Outage::Perhaps) if self.timed_out.len() < TIMEOUTS_TO_OPEN => {}
            (Breaker::Closed, _) => self.open(error),
            (Breaker::Open { wait, .. }, _) if was_probe => {
                let wait = wait.saturating_mul(2).min(MAX_PROBE_INTERVAL);
                self.breaker = Breaker::Open { probe_at: Instant::now() + wait, wait, probe: None };
            }
            (Breaker::Open { .. }, _) => {}
        }
        self.due_in(MIN_BACKOFF);
    }

    /// The backend responded to something, so what timed out before did so for reasons of its own.
    fn on_response(&mut self) {
        let free = MAX_STUCK.saturating_sub(self.stuck.len());
        self.stuck.extend(self.timed_out.drain().take(free));
        self.fresh.clear();
        if !self.is_closed() {
            self.breaker = Breaker::Closed;
            self.on_backend_up();
        }
    }

    fn open(&mut self, error: &str) {
        tracing::error!(target: "postback::delivery", error, "backend is down: decisions wait in the store");
        metrics::gauge!("postback_backend_up").set(0.0);
        self.shared.status().backend_up = false;
        self.scan = None;
        self.scan_ended = Instant::now();
        self.breaker = Breaker::Open { probe_at: Instant::now() + MIN_BACKOFF, wait: MIN_BACKOFF, probe: None };
    }

    /// Everything that failed before now is due at once.
    fn on_backend_up(&mut self) {
        tracing::info!(target: "postback::delivery", "backend responds again: pending decisions are delivered now");
        metrics::gauge!("postback_backend_up").set(1.0);
        self.shared.status().backend_up = true;
        self.shared.release();
        self.begin_scan();
    }

    /// Sends one pending decision to a backend that is believed to be down.
    async fn probe(&mut self) {
        let store = self.receiver.store();
        let mut listed = store.list_pending(self.probe_after.as_ref(), PAGE).await;
        if self.probe_after.is_some() && listed.as_ref().is_ok_and(Vec::is_empty) {
            listed = store.list_pending(None, PAGE).await;
        }
        let key = match listed {
            // Rather one that did not time out itself.
            Ok(keys) => {
                let other = keys.iter().find(|key| !self.timed_out.contains(*key) && !self.stuck.contains(*key));
                other.or(keys.first()).cloned()
            }
            Err(error) => {
                log_store_failed(&error);
                return self.set_probe_at(MIN_BACKOFF);
            }
        };
        self.probe_after.clone_from(&key);
        let Some(key) = key else {
            // Nothing is pending, so nothing says that the backend is down.
            self.breaker = Breaker::Closed;
            self.timed_out.clear();
            self.shared.status().backend_up = true;
            metrics::gauge!("postback_backend_up").set(1.0);
            return self.begin_scan();
        };
        if self.in_flight.contains_key(&key) {
            return self.set_probe_at(NEXT_PROBE);
        }
        if let Breaker::Open { probe, .. } = &mut self.breaker {
            *probe = Some(key.clone());
        }
        self.start(key, Check::Lease);
    }

    /// Whether the delivery that ended was the probe.
    fn end_probe(&mut self, key: &RecordKey) -> bool {
        match &mut self.breaker {
            Breaker::Open { probe, .. } if probe.as_ref() == Some(key) => {
                *probe = None;
                true
            }
            _ => false,
        }
    }

    /// Once for each record: it stays pending until somebody repairs it, and every scan finds it again.
    fn log_unreadable(&mut self, key: &RecordKey, error: &StoreError) {
        if self.unreadable.len() < MAX_UNREADABLE && self.unreadable.insert(key.clone()) {
            log_store_failed(error);
        }
    }

    fn set_probe_at(&mut self, left: Duration) {
        if let Breaker::Open { probe_at, .. } = &mut self.breaker {
            *probe_at = Instant::now() + left;
        }
    }
}

/// What to check before a record is delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// It was just accepted.
    None,
    /// Whether its retry is due, and whether somebody else works on it.
    Due,
    /// Only whether somebody else works on it.
    Lease,
}

async fn deliver(receiver: &ServerReceiver, key: &RecordKey, check: Check, released: Timestamp) -> Outcome {
    let stored = match receiver.store().load(key).await {
        Ok(Some(stored)) if stored.record.is_pending() => stored,
        Ok(_) => return Outcome::NothingPending,
        Err(error) => return store_failed(error),
    };
    if check != Check::None
        && let Some(left) = wait_for(&stored.record, check, released)
    {
        return Outcome::Waiting { left };
    }
    deliver_stored(receiver, stored).await
}

async fn deliver_stored(receiver: &ServerReceiver, stored: Stored) -> Outcome {
    let work = async { (receiver.deliver_loaded(stored).await, HAS_RESPONDED.get().get()) };
    let (result, has_responded) = HAS_RESPONDED.scope(Cell::new(false), work).await;
    match result {
        Ok(Receipt::NothingPending) if has_responded => Outcome::Delivered,
        // Another server was faster.
        Ok(Receipt::NothingPending) => Outcome::NothingPending,
        Ok(_) => Outcome::Waiting { left: MIN_BACKOFF },
        Err(ReceiveError::Busy { retry_after }) => Outcome::Waiting { left: retry_after },
        Err(ReceiveError::Handler { source, .. }) => {
            let outage = match source.downcast_ref::<BackendError>() {
                Some(BackendError::Unreachable { was_connected: false, .. }) => Outage::Yes,
                Some(error) if error.is_outage() => Outage::Perhaps,
                Some(_) => Outage::No,
                None => Outage::Unknown,
            };
            Outcome::Failed { error: source.to_string(), outage }
        }
        Err(ReceiveError::Store(error)) => store_failed(error),
        Err(_) => Outcome::StoreFailed,
    }
}

/// How long a record must wait: for another server's lease, or for its next attempt. Longer waits than possible were
/// written by a clock that was ahead, and are not believed. A release later than now was before the clock was set back:
/// it would cover all failures to come.
fn wait_for(record: &Record, check: Check, released: Timestamp) -> Option<Duration> {
    let now = SystemClock.now();
    let leased = record.lease().map_or(Duration::ZERO, |lease| now.until(lease.until()));
    if !leased.is_zero() && leased <= Timing::default().max_lease {
        return Some(leased);
    }
    let retry = record.retry().filter(|retry| check == Check::Due && (retry.failed_at > released || released > now))?;
    let left = now.until(retry.failed_at.after(backoff(record.key(), retry.attempts)));
    (!left.is_zero() && left <= MAX_BACKOFF).then_some(left)
}

fn store_failed(error: StoreError) -> Outcome {
    if error.is_about_one_record() {
        return Outcome::Unreadable { error };
    }
    log_store_failed(&error);
    Outcome::StoreFailed
}

fn log_store_failed(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(target: "postback::delivery", %error, error.source = source, "store failed: delivery is retried");
}

/// Counts what is pending from time to time, for the page and the metrics. If the store fails, the last count stands.
async fn count_pending(store: AnyStore, shared: Arc<Shared>, mut shutdown: Shutdown) {
    loop {
        let counted = tokio::select! {
            counted = pending(&store) => counted,
            () = shutdown.requested() => return,
        };
        if let Ok(count) = counted {
            shared.status().pending = count;
            metrics::gauge!("postback_decisions_pending").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        tokio::select! {
            () = tokio::time::sleep(COUNT_INTERVAL) => {}
            () = shutdown.requested() => return,
        }
    }
}

async fn pending(store: &AnyStore) -> Result<usize, StoreError> {
    let (mut count, mut after) = (0, None);
    while count < MAX_COUNTED {
        let keys = store.list_pending(after.as_ref(), PAGE).await?;
        count += keys.len();
        after = keys.last().cloned();
        if keys.len() < PAGE {
            break;
        }
    }
    Ok(count.min(MAX_COUNTED))
}

#[cfg(test)]
mod tests {
    use postback::store::MemoryStore;
    use postback::testing::bitlabs::Signer;
    use postback::verify::Request;
    use postback::{Decision, HandlerError, bitlabs};

    use super::*;
    use crate::webhook::{Backend, SigningSecret};

    const SECRET: &str = "a-secret-of-the-app";
    const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

    /// A receiver with one pending decision and no backend.
    async fn receiver() -> (ServerReceiver, Stored) {
        let backend = Backend {
            url: "http://127.0.0.1:1/".parse().unwrap(),
            secrets: vec![SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
            timeout: Duration::from_secs(1),
            concurrency: 1,
        };
        let store = AnyStore::Memory(MemoryStore::new());
        let receiver = Receiver::new(store, WebhookSender::new(backend).unwrap()).without_recovery().deferred();
        let endpoint = bitlabs::App::new("my-game", SECRET).unwrap().offers(OFFERS).unwrap();
        let values = [("player", "p1"), ("tx", "o1"), ("gems", "5"), ("state", "COMPLETED")];
        let callback = Signer::new(SECRET, OFFERS).sign(&values);
        receiver.handle(&endpoint, &Request::get(&callback.target())).await.unwrap();
        let keys = receiver.store().list_pending(None, 1).await.unwrap();
        let stored = receiver.store().load(&keys[0]).await.unwrap().unwrap();
        (receiver, stored)
    }

    #[tokio::test]
    async fn what_another_server_delivered_meanwhile_is_no_response() {
        let (receiver, stored) = receiver().await;
        let other = Receiver::new(receiver.store().clone(), |_: Decision| async { Ok::<_, HandlerError>(()) });
        other.without_recovery().deliver_loaded(stored.clone()).await.unwrap();
        assert!(matches!(deliver_stored(&receiver, stored).await, Outcome::NothingPending));
    }

    #[tokio::test]
    async fn attempt_that_was_not_started_is_no_response() {
        let (receiver, stored) = receiver().await;
        let receiver = receiver.timing(Timing::default().lease(Duration::ZERO));
        let outcome = deliver_stored(&receiver, stored).await;
        assert!(matches!(outcome, Outcome::Failed { outage: Outage::Unknown, .. }));
    }

    #[tokio::test]
    async fn backoff_outlives_a_clock_that_is_set_back() {
        let (receiver, stored) = receiver().await;
        // The wait has grown to half a minute.
        for _ in 0..6 {
            deliver(&receiver, stored.record.key(), Check::None, Timestamp::from_millis(0)).await;
        }
        let failed = receiver.store().load(stored.record.key()).await.unwrap().unwrap().record;
        let now = SystemClock.now();
        assert!(wait_for(&failed, Check::Due, now.after(Duration::from_secs(3600))).is_some());
        assert!(wait_for(&failed, Check::Due, now).is_none());
        assert!(wait_for(&failed, Check::Due, Timestamp::from_millis(0)).is_some());
    }
}
