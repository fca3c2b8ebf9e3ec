//! What becomes of it. Everything that decides is the crate's own: [`Steps`] and the guard beneath it.

use std::sync::Arc;

use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::EventKind;
use postback::guard::{Intent, Record};
use postback::steps::{Answer, Handled, Happened, Step, Steps};
use postback::store::{Stored, Swapped, Version};

use crate::actions::{Action, Begins, Commit, Ends, When};
use crate::setting::{Fault, Setting, TIMING, WalletKind};
use crate::world::{Database, Job, Sender, Transaction, Work, World};

impl Setting {
    pub(crate) fn beginning(&self) -> World {
        let sender = |left: &u8| Sender {
            left: *left,
            is_sent: false,
            is_answered: false,
        };
        World {
            committed: Database::default(),
            transaction: None,
            senders: self.sends.iter().map(sender).collect(),
            receivers: vec![None; self.receivers],
            still_at_work: Vec::new(),
            left: self.troubles,
            now: Timestamp::from_millis(0),
            exact: self.exact,
        }
    }

    pub(crate) fn play(&self, world: &mut World, action: Action) {
        match action {
            Action::Deliver {
                message,
                to,
                begins,
            } => self.deliver(world, message, to, begins),
            Action::Resume { on } => self.resume(world, on),
            Action::Step { on } => self.step(world, on),
            Action::Handle { on, ends } => self.handle(world, on, ends),
            Action::PayAndSettle { on, commit } => self.pay_and_settle(world, on, commit),
            Action::Commit { on, commit } => end_transaction(world, on, commit),
            Action::Crash { on } => {
                world.left.crashes -= 1;
                world.receivers[on] = None;
                world
                    .transaction
                    .take_if(|transaction| transaction.by == on);
            }
            Action::LeaseRunsOut => {
                world.left.sleeps = world.left.sleeps.saturating_sub(1);
                let record = world.committed.record.as_ref().map(|stored| &stored.record);
                let until = record.and_then(Record::open).and_then(Intent::leased_until);
                world.now = until.unwrap_or(world.now);
            }
            Action::Forget => {
                world.left.forgets -= 1;
                // `postback::store::forget` loads and swaps until it succeeds: what counts is that swap.
                if let Some(stored) = world.committed.record.clone()
                    && let Some(record) = stored.record.without_personal_fields()
                {
                    self.swap(&mut world.committed, Some(stored.version), record);
                }
            }
            Action::TakesEffectLate { which } => {
                let decision = world.still_at_work.remove(which);
                self.pay(&mut world.committed, &decision);
            }
        }
    }

    fn deliver(&self, world: &mut World, message: usize, to: usize, begins: Begins) {
        let sender = &mut world.senders[message];
        sender.left = sender.left.saturating_sub(1);
        sender.is_sent = true;
        let event = self.messages[message].clone();
        if self.fault == Some(Fault::TransactionAloneIsTheKey)
            && is_known_transaction(&world.committed, &event.kind)
        {
            sender.is_answered = true;
            return;
        }
        let mut steps = match self.wallet {
            WalletKind::StoreTransaction => Steps::receive_in_transaction(event, TIMING),
            WalletKind::Idempotent | WalletKind::CallersTransaction => {
                Steps::receive(event, TIMING)
            }
        };
        if begins == Begins::Claiming {
            steps.claim(world.now);
        }
        self.begin(world, to, Job::Message(message), steps);
    }

    fn resume(&self, world: &mut World, on: usize) {
        world.left.resumes = world.left.resumes.saturating_sub(1);
        let key = self.messages[0].key();
        let steps = match self.wallet {
            WalletKind::StoreTransaction => Steps::resume_in_transaction(key, TIMING),
            // `Receiver::resume` does not wait for a twin either.
            _ => Steps::resume(key, TIMING.patience(std::time::Duration::ZERO)),
        };
        self.begin(world, on, Job::Resume, steps);
    }

    /// Arrival and the first look, or the claim, are one action: in between, nobody can tell that anything arrived.
    fn begin(&self, world: &mut World, on: usize, job: Job, steps: Steps) {
        if self.wallet == WalletKind::StoreTransaction {
            let database = world.committed.clone();
            world.transaction.get_or_insert(Transaction {
                by: on,
                database,
                answers: Vec::new(),
            });
        }
        world.receivers[on] = Some(Arc::new(Work::new(job, steps)));
        self.step(world, on);
    }

    fn step(&self, world: &mut World, on: usize) {
        let Some(mut work) = world.receivers[on].as_deref().cloned() else {
            return;
        };
        let now = world.now;
        let happened = match &work.step {
            Step::Load(_) => Happened::Loaded(database(world).record.clone()),
            Step::Swap { expected, record } => {
                let (expected, record) = (*expected, record.clone());
                let before = database(world).record.clone();
                let was_open = before
                    .as_ref()
                    .is_some_and(|stored| stored.record.open().is_some());
                let is_failure = work.handled == Some(Handled::Failed);
                if is_failure && self.fault == Some(Fault::IntentDropped) {
                    // Whatever it says next, it answers that the handler failed.
                    database(world).record = work.replaced.take();
                    Happened::Swapped(Swapped::Lost(None))
                } else {
                    let swapped = self.swap(database(world), expected, record);
                    if !was_open && matches!(swapped, Swapped::Done(_)) {
                        work.replaced = before;
                    }
                    let is_claim = work.turns == 0;
                    if is_claim && self.fault == Some(Fault::LostClaimCountsAsWon) {
                        Happened::Swapped(Swapped::Done(Version::following(expected)))
                    } else {
                        Happened::Swapped(swapped)
                    }
                }
            }
            Step::Wait(_) => Happened::Waited,
            Step::Handle(_) => return,
            Step::Answer(answer) => {
                let answer = answer.clone();
                world.receivers[on] = None;
                match &mut world.transaction {
                    Some(transaction) => transaction.answers.push((work.job, answer)),
                    None => give(&mut world.senders, work.job, &answer),
                }
                return;
            }
        };
        work.advance(happened, now);
        world.receivers[on] = Some(Arc::new(work));
    }

    fn swap(&self, database: &mut Database, expected: Option<Version>, record: Record) -> Swapped {
        let current = database.version();
        let ends_attempt = record
            .open()
            .is_none_or(|intent| intent.leased_until().is_none());
        let is_blind = match self.fault {
            Some(Fault::LeaseNotFenced) => ends_attempt,
            Some(Fault::VersionIgnored) => true,
            _ => false,
        };
        if current != expected && !is_blind {
            return Swapped::Lost(database.record.clone());
        }
        let version = Version::following(current);
        database.record = Some(Stored { version, record });
        Swapped::Done(version)
    }

    fn handle(&self, world: &mut World, on: usize, ends: Ends) {
        let Some(mut work) = world.receivers[on].as_deref().cloned() else {
            return;
        };
        let Step::Handle(decision) = work.step.clone() else {
            return;
        };
        let left = &mut world.left;
        match ends {
            Ends::Failed { .. } | Ends::Hung { .. } => left.failures -= 1,
            Ends::Refused => left.refusals = left.refusals.saturating_sub(1),
            Ends::Done => {}
        }
        match ends {
            Ends::Done
            | Ends::Failed { took_effect: true }
            | Ends::Hung {
                takes_effect: When::Already,
            } => self.pay(database(world), &decision),
            Ends::Hung {
                takes_effect: When::Later,
            } => world.still_at_work.push(decision),
            Ends::Refused => {
                database(world).wallet.refused.insert(decision.id().clone());
            }
            Ends::Failed { .. } | Ends::Hung { .. } => {}
        }
        let handled = match ends {
            Ends::Done => Handled::Done,
            Ends::Failed { .. } => Handled::Failed,
            Ends::Hung { .. } => Handled::Hung,
            Ends::Refused => Handled::Refused("no such player".into()),
        };
        work.advance(Happened::Handled(handled), world.now);
        world.receivers[on] = Some(Arc::new(work));
    }

    fn pay(&self, database: &mut Database, decision: &Decision) {
        match self.wallet {
            WalletKind::Idempotent if self.fault != Some(Fault::WalletForgetsIds) => {
                database.wallet.pay_once(decision);
            }
            _ => database.wallet.pay(decision),
        }
    }

    /// The wallet's change and the settled record go into one transaction; only if the record is still the
    /// expected one may that be committed.
    fn pay_and_settle(&self, world: &mut World, on: usize, commit: Commit) {
        let Some(mut work) = world.receivers[on].as_deref().cloned() else {
            return;
        };
        let (Step::Handle(decision), Some((expected, record))) =
            (&work.step, work.settlement.clone())
        else {
            return;
        };
        match commit {
            Commit::Done => {}
            Commit::DoneThenCrash => world.left.crashes -= 1,
            _ => world.left.lost_commits -= 1,
        }
        let mut database = world.committed.clone();
        self.pay(&mut database, decision);
        let is_taken_over = matches!(self.swap(&mut database, expected, record), Swapped::Lost(_));
        if !is_taken_over && !matches!(commit, Commit::Failed | Commit::Dropped) {
            world.committed = database;
        }
        let happened = match commit {
            Commit::Done if !is_taken_over => Happened::SettledOutside,
            Commit::Failed | Commit::DoneUnseen => Happened::Handled(Handled::Failed),
            // Nobody is answered, which the network takes for an error.
            _ => {
                world.receivers[on] = None;
                return;
            }
        };
        work.advance(happened, world.now);
        world.receivers[on] = Some(Arc::new(work));
    }
}

/// What a process at work sees: the transaction that it is in, or what is committed.
fn database(world: &mut World) -> &mut Database {
    match &mut world.transaction {
        Some(transaction) => &mut transaction.database,
        None => &mut world.committed,
    }
}

fn end_transaction(world: &mut World, on: usize, commit: Commit) {
    let Some(transaction) = world
        .transaction
        .take_if(|transaction| transaction.by == on)
    else {
        return;
    };
    match commit {
        Commit::Done => {}
        Commit::DoneThenCrash => world.left.crashes -= 1,
        _ => world.left.lost_commits -= 1,
    }
    if commit != Commit::Failed {
        world.committed = transaction.database;
    }
    if commit == Commit::Done {
        for (job, answer) in &transaction.answers {
            give(&mut world.senders, *job, answer);
        }
    }
}

/// The network learns the answer. Any but a good one is to it as if there had been none.
fn give(senders: &mut [Sender], job: Job, answer: &Answer) {
    if let (Job::Message(message), Answer::Receipt(_)) = (job, answer) {
        senders[message].is_answered = true;
    }
}

fn is_known_transaction(database: &Database, kind: &EventKind) -> bool {
    let transaction_of = |kind: &EventKind| match kind {
        EventKind::Conversion { transaction, .. } => Some(transaction.clone()),
        _ => None,
    };
    let entries = database
        .record
        .iter()
        .flat_map(|stored| stored.record.entries());
    entries
        .into_iter()
        .any(|entry| transaction_of(&entry.event().kind) == transaction_of(kind))
}
