//! Everything that can differ between two moments.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use postback::store::{Stored, Version};
use postback::testing::protocol::{Command, HandlerResult, Input, Protocol};
use postback::{Decimal, Decision, DecisionId, Timestamp};

use crate::setting::Troubles;

#[derive(Debug, Clone, PartialEq, Hash)]
pub struct World {
    /// The conversion's record.
    pub stored: Option<Stored>,
    pub wallet: Wallet,
    pub senders: Vec<Sender>,
    /// Rows that are not imported yet.
    pub rows: BTreeSet<usize>,
    /// Whether an import was begun and not finished.
    pub is_importing: bool,
    /// Interchangeable, and so kept in a canonical order.
    pub processes: Vec<Process>,
    /// Handlers that were given up and may still take effect.
    pub late: Vec<Decision>,
    /// What may still go wrong.
    pub left: Troubles,
    pub now: Timestamp,
    /// Two handlers worked on one decision at the same time.
    pub overlapped: bool,
    /// A decision took effect before an earlier one, or without being stored.
    pub overtook: bool,
}

#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct Wallet {
    pub balance: Decimal,
    pub carried_out: BTreeSet<DecisionId>,
    /// A game that declines a decision for good declines it whenever it is asked again.
    pub declined: BTreeSet<DecisionId>,
    pub paid_twice: bool,
}

/// The network's side of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    /// How often it is still sent, whatever is answered.
    pub left: u8,
    /// What it was answered with 200 for, if so.
    pub answered: Option<Answer>,
}

/// What an answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The message is stored.
    Stored,
    /// Its decision was delivered, declined or skipped.
    Delivered,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Process {
    pub clock: ProcessClock,
    pub work: Option<Arc<Work>>,
}

/// How a process's clock differs from the others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProcessClock {
    Right,
    Ahead,
    Behind,
}

impl ProcessClock {
    pub fn read(self, now: Timestamp) -> Timestamp {
        let year = Duration::from_secs(365 * 86_400);
        match self {
            Self::Right => now,
            Self::Ahead => now.after(year),
            Self::Behind => now.before(year),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// This message is received.
    Receive(usize),
    /// This message is accepted.
    Accept(usize),
    /// What is pending is delivered.
    Recover,
}

/// One callback on its way.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Work {
    pub job: Job,
    pub protocol: Protocol,
    /// The handler runs; by this time it is stopped.
    pub handler_until: Option<Timestamp>,
    /// The version that the lease was stored under.
    pub leased: Option<Version>,
    /// How the handler ended last.
    pub result: Option<HandlerResult>,
    /// What was stored before the first swap. Only a fault needs it.
    pub before: Option<Stored>,
    /// How often something has happened so far.
    pub turns: u8,
}

impl Work {
    pub fn new(job: Job, protocol: Protocol) -> Self {
        Self { job, protocol, handler_until: None, leased: None, result: None, before: None, turns: 0 }
    }

    pub fn command(&self) -> Command {
        self.protocol.command()
    }

    pub fn advance(&mut self, input: Input, now: Timestamp) {
        self.turns = self.turns.saturating_add(1);
        self.protocol.advance(input, now);
    }
}

impl Wallet {
    /// Carries a decision out, as often as asked.
    pub fn pay(&mut self, decision: &Decision) {
        self.paid_twice |= !self.carried_out.insert(decision.id().clone());
        self.balance += decision.balance_change();
    }

    /// Carries a decision out unless that was done or declined before.
    pub fn pay_once(&mut self, decision: &Decision) {
        let id = decision.id();
        if !self.carried_out.contains(id) && !self.declined.contains(id) {
            self.pay(decision);
        }
    }
}

impl World {
    pub fn version(&self) -> Option<Version> {
        self.stored.as_ref().map(|stored| stored.version)
    }

    /// What an earlier receiver paid, as far as it was imported.
    pub fn paid_earlier(&self) -> Decimal {
        let entries = self.stored.iter().flat_map(|stored| stored.record.entries());
        let imported = entries.filter(|entry| entry.is_imported());
        imported.filter_map(|entry| Some(entry.action()?.balance_change())).sum()
    }

    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.processes.iter().filter_map(|process| process.work.as_deref())
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.late.is_empty() && self.processes.iter().all(|process| process.work.is_none())
    }

    pub fn is_pending(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.record.is_pending())
    }

    /// When a lease that a right clock believes in expires.
    pub fn lease_end(&self, longest: Duration) -> Option<Timestamp> {
        let until = self.stored.as_ref()?.record.lease()?.until();
        let left = self.now.until(until);
        (!left.is_zero() && left <= longest).then_some(until)
    }

    /// Puts what is interchangeable into one order.
    pub fn sort(&mut self) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        self.processes.sort_by_cached_key(|process| hasher.hash_one(process));
        self.late.sort_by(|a, b| a.id().cmp(b.id()));
    }
}
