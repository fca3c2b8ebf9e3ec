//! What can happen next.

use postback::testing::protocol::Command;

use crate::setting::{Arrivals, Setting, TICK, WalletKind, timing};
use crate::world::{Job, ProcessClock, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A process begins a job: a message arrives, or recovery looks for what is pending. It loads the record.
    Begin { on: usize, job: Job },
    /// A process does what its protocol asks for: load, swap, wait.
    Step { on: usize },
    /// The handler ends.
    Handle { on: usize, end: End },
    /// A job is done inside one transaction of the store.
    Transact { job: Job, calls: Calls, commit: Commit },
    /// A process dies and starts anew. Its handler may just have taken effect.
    Crash { on: usize, took_effect: bool },
    /// Time passes.
    Tick,
    /// A lease expires although its holder was to end before. It did not run.
    Stall,
    /// A process's clock jumps.
    Jump { on: usize, to: ProcessClock },
    /// A handler that was given up takes effect after all, or never.
    Late { which: usize, takes_effect: bool },
    /// A row of an earlier receiver's list is imported.
    Import { row: usize },
    /// The import ends.
    FinishImport,
}

/// How a handler ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Done,
    Failed { took_effect: bool },
    TimedOut { takes_effect: TakesEffect },
    Declined,
}

/// When a handler that is stopped takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesEffect {
    Before,
    PerhapsLater,
}

/// How the handler's calls in a transaction end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    Succeed,
    /// The first one fails.
    FirstFails,
    /// All but the first one fail.
    OthersFail,
    /// The first one is declined.
    FirstDeclines,
}

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    Done,
    /// Rolled back, or the process died before.
    Lost,
    /// It took place, but the caller got no answer, or the process died after it.
    Unseen,
}

impl Setting {
    pub fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        let idle = world.processes.iter().position(|process| process.work.is_none());
        if let Some(on) = idle {
            for job in self.possible_jobs(world) {
                match (self.wallet, job) {
                    (WalletKind::Transaction, Job::Receive(_) | Job::Recover) => {
                        possible_transactions(world, job, actions);
                    }
                    _ => actions.push(Action::Begin { on, job }),
                }
            }
        }
        for (on, process) in world.processes.iter().enumerate() {
            if world.left.jumps > 0 && process.clock == ProcessClock::Right {
                let jumps = [ProcessClock::Ahead, ProcessClock::Behind];
                actions.extend(jumps.map(|to| Action::Jump { on, to }));
            }
            let Some(work) = &process.work else {
                continue;
            };
            if let Command::Handle { .. } = work.command() {
                possible_ends(world, on, actions);
            } else {
                actions.push(Action::Step { on });
            }
            if world.left.crashes > 0 {
                actions.push(Action::Crash { on, took_effect: false });
                if work.handler_until.is_some() {
                    actions.push(Action::Crash { on, took_effect: true });
                }
            }
        }
        self.possible_times(world, actions);
        for which in 0..world.late.len() {
            actions.push(Action::Late { which, takes_effect: true });
            actions.push(Action::Late { which, takes_effect: false });
        }
        // A row whose conversion has pending decisions is imported later.
        if !world.is_pending() {
            actions.extend(world.rows.iter().map(|row| Action::Import { row: *row }));
        }
        if world.is_importing && world.rows.is_empty() {
            actions.push(Action::FinishImport);
        }
    }

    /// Messages arrive as often as the setting says, in any order. What was not answered by then is repeated, and
    /// recovery runs, when nothing is under way any more, so that the exploration ends.
    fn possible_jobs(&self, world: &World) -> Vec<Job> {
        let is_calm = self.is_calm(world);
        let can_go_on = is_calm && world.lease_end(timing().max_lease).is_none();
        let mut jobs = Vec::new();
        for (message, sender) in world.senders.iter().enumerate() {
            let is_its_turn = self.is_its_turn(world, message);
            let is_repeated = can_go_on && self.repeats && sender.answered.is_none();
            if is_its_turn && (sender.left > 0 || is_repeated) {
                if self.arrivals != Arrivals::Accept {
                    jobs.push(Job::Receive(message));
                }
                if self.arrivals != Arrivals::Receive {
                    jobs.push(Job::Accept(message));
                }
            }
        }
        if world.is_pending() && (world.left.recoveries > 0 || can_go_on) {
            jobs.push(Job::Recover);
        }
        jobs
    }
}

fn possible_transactions(world: &World, job: Job, actions: &mut Vec<Action>) {
    let mut add = |calls, commit| actions.push(Action::Transact { job, calls, commit });
    add(Calls::Succeed, Commit::Done);
    if world.left.failures > 0 {
        add(Calls::FirstFails, Commit::Done);
        add(Calls::OthersFail, Commit::Done);
    }
    if world.left.declines > 0 {
        add(Calls::FirstDeclines, Commit::Done);
    }
    if world.left.lost_commits > 0 {
        add(Calls::Succeed, Commit::Lost);
        add(Calls::Succeed, Commit::Unseen);
    }
}

impl Setting {
    fn is_its_turn(&self, world: &World, message: usize) -> bool {
        let mut before = world.senders[..message].iter();
        !self.in_order || world.senders[message].answered.is_none() && before.all(|before| before.answered.is_some())
    }

    /// Whether nothing is under way and nothing is sent, unless something is repeated.
    fn is_calm(&self, world: &World) -> bool {
        let mut senders = world.senders.iter().enumerate();
        let is_silent = senders.all(|(message, sender)| sender.left == 0 || !self.is_its_turn(world, message));
        world.is_idle() && is_silent
    }

    fn possible_times(&self, world: &World, actions: &mut Vec<Action>) {
        let next = world.now.after(TICK);
        // A handler is stopped at its end, before more time passes.
        let is_stopped_first = world.works().any(|work| work.handler_until.is_some_and(|until| until <= next));
        let is_calm = self.is_calm(world);
        let is_leased = world.lease_end(timing().max_lease).is_some();
        let may_pass = world.left.ticks > 0 && !world.is_idle();
        if !is_stopped_first && (may_pass || is_calm && is_leased) {
            actions.push(Action::Tick);
        }
        if is_leased && !is_calm && world.left.stalls > 0 {
            actions.push(Action::Stall);
        }
    }
}

fn possible_ends(world: &World, on: usize, actions: &mut Vec<Action>) {
    let Some(Command::Handle { decision, .. }) = world.processes[on].work.as_ref().map(|work| work.command()) else {
        return;
    };
    let is_declined = world.wallet.declined.contains(decision.id());
    let is_paid = world.wallet.carried_out.contains(decision.id());
    let mut add = |end| actions.push(Action::Handle { on, end });
    if is_declined || (world.left.declines > 0 && !is_paid) {
        add(End::Declined);
    }
    if !is_declined {
        add(End::Done);
    }
    if world.left.failures > 0 {
        add(End::Failed { took_effect: false });
        add(End::Failed { took_effect: true });
        add(End::TimedOut { takes_effect: TakesEffect::Before });
        add(End::TimedOut { takes_effect: TakesEffect::PerhapsLater });
    }
}
