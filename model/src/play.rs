//! What becomes of an action. Everything that decides is the library's own.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use postback::import::{Importer, Outcome};
use postback::store::DedupStore;
use postback::store::{Record, Stored, SwapOutcome, Version};
use postback::testing::protocol::{Command, HandlerResult, Input, Protocol};
use postback::{Decision, Event, EventKind, MemoryStore, Receipt, Timestamp};

use crate::actions::{Action, Calls, Commit, End, TakesEffect};
use crate::faults::{self, Fault};
use crate::setting::{Setting, TICK, WalletKind, timing};
use crate::world::{Answer, Job, Process, ProcessClock, Sender, Wallet, Work, World};

impl Setting {
    pub fn beginning(&self) -> World {
        let idle = Process { clock: ProcessClock::Right, work: None };
        let sender = |left: &u8| Sender { left: *left, answered: None };
        World {
            stored: None,
            wallet: Wallet::default(),
            senders: self.sends.iter().map(sender).collect(),
            rows: (0..self.past.len()).collect(),
            is_importing: false,
            processes: vec![idle; self.processes],
            late: Vec::new(),
            left: self.troubles,
            // Two years, so that a clock can go back by one.
            now: Timestamp::default().after(Duration::from_secs(2 * 365 * 86_400)),
            overlapped: false,
            overtook: false,
        }
    }

    pub fn play(&self, world: &mut World, action: Action) {
        match action {
            Action::Begin { on, job } => self.begin(world, on, job),
            Action::Step { on } => self.step(world, on),
            Action::Handle { on, end } => self.handle(world, on, end),
            Action::Transact { job, calls, commit } => self.transact(world, job, calls, commit),
            Action::Crash { on, took_effect } => {
                world.left.crashes -= 1;
                if let Some(work) = world.processes[on].work.take()
                    && let (true, Command::Handle { decision, .. }) = (took_effect, work.command())
                {
                    self.take_effect(world, &decision);
                }
            }
            Action::Tick => {
                world.left.ticks = world.left.ticks.saturating_sub(1);
                world.now = world.now.after(TICK);
            }
            Action::Stall => {
                world.left.stalls -= 1;
                world.now = world.lease_end(timing().max_lease).unwrap_or(world.now);
            }
            Action::Jump { on, to } => {
                world.left.jumps -= 1;
                world.processes[on].clock = to;
            }
            Action::Late { which, takes_effect } => {
                let decision = world.late.remove(which);
                if takes_effect {
                    self.take_effect(world, &decision);
                }
            }
            Action::Import { row } => self.import(world, Some(row)),
            Action::FinishImport => self.import(world, None),
        }
        world.sort();
    }

    /// Arrival and the first look are one action: in between, nobody can see that anything arrived.
    fn begin(&self, world: &mut World, on: usize, job: Job) {
        take_turn(world, job);
        if let Job::Receive(message) | Job::Accept(message) = job
            && self.is_wrongly_known(world, &self.messages[message])
        {
            world.senders[message].answered = Some(Answer::Stored);
            return;
        }
        let mut work = Work::new(job, self.protocol(job));
        if self.fault == Some(Fault::IntentDropped) {
            work.before.clone_from(&world.stored);
        }
        world.processes[on].work = Some(Arc::new(work));
        self.step(world, on);
    }

    fn protocol(&self, job: Job) -> Protocol {
        let event = |message: usize| self.messages[message].clone().into();
        let key = || self.messages[0].key();
        match (job, self.wallet) {
            (Job::Accept(message), _) => Protocol::accept(event(message), timing()),
            (Job::Receive(message), WalletKind::Idempotent) => Protocol::receive(event(message), timing()),
            (Job::Receive(message), WalletKind::Transaction) => {
                Protocol::receive(event(message), timing()).in_transaction()
            }
            (Job::Recover, WalletKind::Idempotent) => Protocol::deliver(key(), timing()),
            (Job::Recover, WalletKind::Transaction) => Protocol::deliver(key(), timing()).in_transaction(),
        }
    }

    fn step(&self, world: &mut World, on: usize) {
        let Some(mut work) = world.processes[on].work.as_deref().cloned() else {
            return;
        };
        let input = match work.command() {
            Command::Load(_) => Input::Loaded(world.stored.clone()),
            Command::Swap { expected, record } => Input::Swapped(self.swap(world, &mut work, expected, record)),
            Command::Wait(_) => Input::Waited,
            _ => return,
        };
        let now = world.processes[on].clock.read(world.now);
        work.advance(input, now);
        self.go_on(world, on, work);
    }

    /// Starts the handler as soon as it is its turn, and answers as soon as there is an answer.
    fn go_on(&self, world: &mut World, on: usize, mut work: Work) {
        let now = world.processes[on].clock.read(world.now);
        if let Command::Handle { decision, lease } = work.command() {
            let limit = if self.fault == Some(Fault::LeaseFromTheHandlersStart) {
                Some(timing().lease * 9 / 10)
            } else {
                timing().handler_limit(&lease, now)
            };
            if let Some(limit) = limit {
                let is_at_work = |other: &Work| match other.command() {
                    Command::Handle { decision: its, .. } => its.id() == decision.id(),
                    _ => false,
                };
                let others = world.processes.iter().enumerate();
                let mut others = others.filter(|(at, _)| *at != on);
                world.overlapped |= others.any(|(_, process)| process.work.as_deref().is_some_and(is_at_work));
                work.handler_until = Some(world.now.after(limit));
                work.leased = world.version();
            } else {
                work.advance(Input::Handled(HandlerResult::NotStarted), now);
            }
        }
        let command = work.command();
        let is_under_way =
            matches!(command, Command::Load(_) | Command::Swap { .. } | Command::Handle { .. } | Command::Wait(_));
        if is_under_way {
            world.processes[on].work = Some(Arc::new(work));
        } else {
            world.processes[on].work = None;
            answer(world, work.job, &command);
        }
    }

    fn swap(&self, world: &mut World, work: &mut Work, expected: Option<Version>, mut record: Record) -> SwapOutcome {
        let result = work.result.take();
        let is_current = world.version() == expected;
        match self.fault {
            Some(Fault::IntentDropped) => {
                if let Some(HandlerResult::Failed { .. } | HandlerResult::TimedOut) = result {
                    // Whatever is returned, the protocol reports that the handler failed.
                    world.stored = work.before.take();
                    return SwapOutcome::Conflict(None);
                }
            }
            Some(Fault::SettlesWithoutTheToken) if result == Some(HandlerResult::Done) => {
                if let (false, Some(stored)) = (is_current, &world.stored) {
                    let advanced = faults::advanced(stored);
                    return replace(world, advanced);
                }
            }
            Some(Fault::NoFencing) if result.is_some() => return replace(world, record),
            Some(Fault::DueFromDelivered) => {
                let known = world.stored.as_ref().map_or(0, |stored| stored.record.entries().len());
                if record.entries().len() > known && record.pending().count() > 1 {
                    record = faults::due_from_delivered(&record);
                }
            }
            Some(Fault::DeclinedNoticeCloses) if record.entries().iter().any(|entry| entry.declined().is_some()) => {
                record = faults::closed(&record);
            }
            _ => {}
        }
        if is_current { replace(world, record) } else { SwapOutcome::Conflict(world.stored.clone()) }
    }

    fn handle(&self, world: &mut World, on: usize, end: End) {
        let Some(mut work) = world.processes[on].work.as_deref().cloned() else {
            return;
        };
        let Command::Handle { mut decision, .. } = work.command() else {
            return;
        };
        if self.fault == Some(Fault::DeliversTheLastFirst)
            && let Some(stored) = &world.stored
        {
            decision = stored.record.pending().last().unwrap_or(decision);
        }
        match end {
            End::Done | End::Failed { took_effect: true } => self.take_effect(world, &decision),
            End::TimedOut { takes_effect: TakesEffect::Before } => {
                self.take_effect(world, &decision);
            }
            End::TimedOut { takes_effect: TakesEffect::PerhapsLater } => {
                world.late.push(decision);
            }
            End::Declined => {
                world.wallet.declined.insert(decision.id().clone());
            }
            End::Failed { took_effect: false } => {}
        }
        let result = match end {
            End::Done => HandlerResult::Done,
            End::Failed { .. } => failed(),
            End::TimedOut { .. } => HandlerResult::TimedOut,
            End::Declined => declined(),
        };
        match end {
            End::Failed { .. } | End::TimedOut { .. } => world.left.failures -= 1,
            End::Declined => world.left.declines = world.left.declines.saturating_sub(1),
            End::Done => {}
        }
        work.handler_until = None;
        work.result = Some(result.clone());
        let now = world.processes[on].clock.read(world.now);
        work.advance(Input::Handled(result), now);
        self.go_on(world, on, work);
    }

    fn take_effect(&self, world: &mut World, decision: &Decision) {
        if !world.wallet.carried_out.contains(decision.id()) {
            world.overtook |= !is_next(world, decision);
        }
        match self.wallet {
            WalletKind::Idempotent => world.wallet.pay_once(decision),
            WalletKind::Transaction => world.wallet.pay(decision),
        }
    }

    /// The store lets one transaction at a time work on a record, so that all of it is one action.
    fn transact(&self, world: &mut World, job: Job, calls: Calls, commit: Commit) {
        take_turn(world, job);
        match calls {
            Calls::Succeed => {}
            Calls::FirstFails | Calls::OthersFail => world.left.failures -= 1,
            Calls::FirstDeclines => world.left.declines -= 1,
        }
        if commit != Commit::Done {
            world.left.lost_commits -= 1;
        }
        if commit == Commit::Lost {
            return;
        }
        let mut protocol = self.protocol(job);
        let mut call = 0;
        let command = loop {
            let input = match protocol.command() {
                Command::Load(_) => Input::Loaded(world.stored.clone()),
                Command::Swap { expected, record } => {
                    assert_eq!(expected, world.version(), "nobody else is at work");
                    Input::Swapped(replace(world, record))
                }
                Command::SwapAndHandle { expected, record, decision } => {
                    assert_eq!(expected, world.version(), "nobody else is at work");
                    let before = world.clone();
                    replace(world, record);
                    self.take_effect(world, &decision);
                    call += 1;
                    let result = match calls {
                        Calls::FirstFails if call == 1 => failed(),
                        Calls::OthersFail if call > 1 => failed(),
                        Calls::FirstDeclines if call == 1 => declined(),
                        _ => HandlerResult::Done,
                    };
                    if result != HandlerResult::Done {
                        *world = before;
                    }
                    Input::Handled(result)
                }
                ended => break ended,
            };
            protocol.advance(input, world.now);
        };
        if commit == Commit::Done {
            answer(world, job, &command);
        }
    }

    fn is_wrongly_known(&self, world: &World, event: &Event) -> bool {
        let mut entries = world.stored.iter().flat_map(|stored| stored.record.entries());
        match self.fault {
            Some(Fault::TransactionAloneIsTheKey) => {
                entries.any(|entry| transaction(entry.event()) == transaction(event))
            }
            Some(Fault::ConflictBlocksReinstatement) => entries.any(|entry| entry.event().kind == event.kind),
            _ => false,
        }
    }

    /// Imports one row, or, after the last one, corrects what callbacks decided too early.
    fn import(&self, world: &mut World, row: Option<usize>) {
        let before = world.stored.as_ref().map(|stored| stored.record.clone());
        let key = self.messages[0].key();
        let (network, app) = (&self.messages[0].network, &self.messages[0].app);
        let done = ready(async {
            let store = MemoryStore::new();
            if let Some(record) = &before {
                store.swap(None, record).await.unwrap();
            }
            let importer = Importer::new(&store, network.clone(), app.clone(), world.now);
            let rows = row.map_or(0..self.past.len(), |row| row..row + 1);
            let mut outcome = None;
            for past in &self.past[rows] {
                outcome = Some(importer.import(past).await.unwrap());
            }
            if row.is_none() {
                importer.finish().await.unwrap();
            }
            (outcome, store.load(&key).await.unwrap())
        });
        let (outcome, stored) = done;
        if let Some(stored) = stored
            && before.as_ref() != Some(&stored.record)
        {
            replace(world, stored.record);
        }
        world.is_importing = row.is_some();
        if let Some(row) = row
            && outcome != Some(Outcome::Pending)
        {
            world.rows.remove(&row);
        }
    }
}

fn take_turn(world: &mut World, job: Job) {
    match job {
        Job::Receive(message) | Job::Accept(message) => {
            let sender = &mut world.senders[message];
            sender.left = sender.left.saturating_sub(1);
        }
        Job::Recover => world.left.recoveries = world.left.recoveries.saturating_sub(1),
    }
}

fn replace(world: &mut World, record: Record) -> SwapOutcome {
    let version = Version::after(world.version());
    world.stored = Some(Stored { version, record });
    SwapOutcome::Replaced(version)
}

/// The network takes any answer but 200 as if there had been none.
fn answer(world: &mut World, job: Job, command: &Command) {
    let Command::Finish(receipt) = command else {
        return;
    };
    let (message, answer) = match (job, receipt) {
        (Job::Recover, _) | (_, Receipt::Test) => return,
        (Job::Accept(message), _) => (message, Answer::Stored),
        (Job::Receive(message), _) => (message, Answer::Delivered),
    };
    let sender = &mut world.senders[message];
    sender.answered = sender.answered.max(Some(answer));
}

/// Whether a decision is stored and every one before it took effect or was declined.
fn is_next(world: &World, decision: &Decision) -> bool {
    let Some(Stored { record, .. }) = &world.stored else {
        return false;
    };
    for entry in record.entries().iter().filter(|entry| !entry.is_imported()) {
        let Some(earlier) = entry.decision(record.key()) else {
            continue;
        };
        if earlier.id() == decision.id() {
            return true;
        }
        let is_declined = entry.declined().is_some() || world.wallet.declined.contains(earlier.id());
        if !is_declined && !world.wallet.carried_out.contains(earlier.id()) {
            return false;
        }
    }
    false
}

fn failed() -> HandlerResult {
    HandlerResult::Failed { error: "wallet down".into() }
}

fn declined() -> HandlerResult {
    HandlerResult::Declined { reason: "no such player".into() }
}

fn transaction(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Conversion { transaction, .. } => Some(transaction.as_str()),
        _ => None,
    }
}

/// The memory store never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store waits"),
    }
}
