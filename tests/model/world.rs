//! Everything that can differ between two moments.

use std::collections::BTreeSet;
use std::sync::Arc;

use postback::clock::Timestamp;
use postback::decision::{Decision, DecisionId};
use postback::guard::Record;
use postback::steps::{Answer, Handled, Happened, Step, Steps};
use postback::store::{Stored, Version};
use rust_decimal::Decimal;

use crate::setting::Troubles;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) committed: Database,
    /// A transaction that is not committed yet. Whoever began it locks everybody else out.
    pub(crate) transaction: Option<Transaction>,
    pub(crate) senders: Vec<Sender>,
    /// What each process is at work on.
    pub(crate) receivers: Vec<Option<Arc<Work>>>,
    /// Handlers that were given up on and may still take effect.
    pub(crate) still_at_work: Vec<Decision>,
    /// What may still go wrong.
    pub(crate) left: Troubles,
    pub(crate) now: Timestamp,
    pub(crate) exact: bool,
}

/// The conversion's record and the game's wallet.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Database {
    pub(crate) record: Option<Stored>,
    pub(crate) wallet: Wallet,
}

impl Database {
    pub(crate) fn version(&self) -> Option<Version> {
        self.record.as_ref().map(|stored| stored.version)
    }

    /// How much longer somebody is at work on an open decision, if one is open.
    pub(crate) fn is_leased(&self, now: Timestamp) -> Option<bool> {
        let intent = self.record.as_ref()?.record.open()?;
        Some(intent.busy_for(now).is_some())
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Wallet {
    pub(crate) balance: Decimal,
    pub(crate) carried_out: BTreeSet<DecisionId>,
    /// A game that refuses a decision for good refuses it whenever it is asked again.
    pub(crate) refused: BTreeSet<DecisionId>,
    /// Whether a decision took effect more than once.
    pub(crate) paid_twice: bool,
}

impl Wallet {
    /// Carries a decision out, as often as asked.
    pub(crate) fn pay(&mut self, decision: &Decision) {
        self.paid_twice |= !self.carried_out.insert(decision.id().clone());
        self.balance += decision.balance_change();
    }

    /// Carries a decision out unless that was done before.
    pub(crate) fn pay_once(&mut self, decision: &Decision) {
        if !self.carried_out.contains(decision.id()) && !self.refused.contains(decision.id()) {
            self.pay(decision);
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transaction {
    /// The process that began it.
    pub(crate) by: usize,
    /// What will be, once it is committed.
    pub(crate) database: Database,
    /// What will be answered then.
    pub(crate) answers: Vec<(Job, Answer)>,
}

/// The network's side of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sender {
    /// How often it is sent yet, whatever is answered.
    pub(crate) left: u8,
    /// Whether it was sent at all.
    pub(crate) is_sent: bool,
    /// Whether it was answered well.
    pub(crate) is_answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// This message arrived.
    Message(usize),
    Resume,
}

/// One delivery on its way: the crate's own steps, and what they ask for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    pub(crate) job: Job,
    pub(crate) steps: Steps,
    /// What is to be done now.
    pub(crate) step: Step,
    /// What would settle the decision that the handler is at work on.
    pub(crate) settlement: Option<(Option<Version>, Record)>,
    /// How often something has happened so far.
    pub(crate) turns: u8,
    /// How often it has waited for a twin.
    pub(crate) waits: u8,
    /// How the handler ended last.
    pub(crate) handled: Option<Handled>,
    /// What an intent of this delivery replaced. Only [`Fault::IntentDropped`](crate::setting::Fault) reads it.
    pub(crate) replaced: Option<Stored>,
}

impl Work {
    pub(crate) fn new(job: Job, steps: Steps) -> Self {
        let step = steps.step();
        Self {
            job,
            steps,
            step,
            settlement: None,
            turns: 0,
            waits: 0,
            handled: None,
            replaced: None,
        }
    }

    /// Tells the steps what happened.
    pub(crate) fn advance(&mut self, happened: Happened, now: Timestamp) {
        if let Happened::Handled(handled) = &happened {
            self.handled = Some(handled.clone());
        }
        self.waits += u8::from(matches!(happened, Happened::Waited));
        self.step = self.steps.advance(happened, now);
        self.settlement = self.steps.settlement(now);
        self.turns += 1;
    }
}
