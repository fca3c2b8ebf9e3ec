//! What can happen next.

use postback::decision::Decision;
use postback::steps::Step;

use crate::setting::{Senders, Setting, WalletKind};
use crate::world::{Transaction, Work, World};

/// How many deliveries share one commit of the store's transaction.
const GROUP: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A message reaches an idle process, which has its first look, or claims the conversion.
    Deliver {
        message: usize,
        to: usize,
        begins: Begins,
    },
    /// An idle process looks for open decisions.
    Resume { on: usize },
    /// A process does what its steps ask for: load, swap, wait, answer.
    Step { on: usize },
    /// The handler ends.
    Handle { on: usize, ends: Ends },
    /// The handler pays and settles in a transaction of its own.
    PayAndSettle { on: usize, commit: Commit },
    /// The store's transaction ends.
    Commit { on: usize, commit: Commit },
    /// A process dies and starts anew.
    Crash { on: usize },
    /// The lease of the open decision is over.
    LeaseRunsOut,
    /// The record loses its personal fields.
    Forget,
    /// A handler that was given up on takes effect after all.
    TakesEffectLate { which: usize },
}

/// What a delivery does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    Looking,
    Claiming,
}

/// How the handler ends, and what has become of the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Done,
    Failed { took_effect: bool },
    Hung { takes_effect: When },
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Never,
    Already,
    Later,
}

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    Done,
    /// Rolled back, and the caller is told.
    Failed,
    /// Rolled back; the caller drops the delivery.
    Dropped,
    /// Committed, but the caller is told that it failed.
    DoneUnseen,
    /// Committed, but the caller is told that it failed, and drops the delivery.
    DoneAndDropped,
    /// Committed; then the process dies before anybody is answered.
    DoneThenCrash,
}

impl Setting {
    pub(crate) fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        let idle = (0..world.receivers.len()).find(|index| world.receivers[*index].is_none());
        if let Some(Transaction { by, answers, .. }) = &world.transaction {
            // Whoever began the store's transaction has it to himself until it ends.
            if world.receivers[*by].is_none() {
                possible_commits(world, *by, actions);
                if answers.len() < GROUP {
                    self.possible_deliveries(world, *by, actions);
                }
            }
        } else {
            if let Some(to) = idle {
                self.possible_deliveries(world, to, actions);
            }
            possible_changes(world, actions);
        }
        for (on, work) in world.receivers.iter().enumerate() {
            if let Some(work) = work {
                self.possible_steps(world, on, work, actions);
                if world.left.crashes > 0 {
                    actions.push(Action::Crash { on });
                }
            }
        }
        actions
            .extend((0..world.still_at_work.len()).map(|which| Action::TakesEffectLate { which }));
    }

    /// Messages are sent so often, in any order. What was not answered well by then is repeated when
    /// nothing is under way any more and no lease is left, or resumed; so the exploration ends.
    fn possible_deliveries(&self, world: &World, to: usize, actions: &mut Vec<Action>) {
        let is_leased = world.committed.is_leased(world.now);
        let is_calm = is_calm(world) && is_leased != Some(true);
        for (message, sender) in world.senders.iter().enumerate() {
            let is_repeated =
                is_calm && self.senders == Senders::RepeatUntilAnswered && !sender.is_answered;
            if sender.left > 0 || is_repeated {
                let deliver = |begins| Action::Deliver {
                    message,
                    to,
                    begins,
                };
                actions.push(deliver(Begins::Looking));
                // Of the processes that share a store, some may look first and others claim.
                if self.wallet != WalletKind::StoreTransaction {
                    actions.push(deliver(Begins::Claiming));
                }
            }
        }
        let is_last_resort = is_calm && self.senders == Senders::GiveUp && world.left.resumes == 0;
        if is_leased.is_some() && (world.left.resumes > 0 || is_last_resort) {
            actions.push(Action::Resume { on: to });
        }
    }

    fn possible_steps(&self, world: &World, on: usize, work: &Work, actions: &mut Vec<Action>) {
        let Step::Handle(decision) = &work.step else {
            actions.push(Action::Step { on });
            return;
        };
        if self.wallet == WalletKind::CallersTransaction {
            actions.push(Action::PayAndSettle {
                on,
                commit: Commit::Done,
            });
            if world.left.lost_commits > 0 {
                let commits = [
                    Commit::Failed,
                    Commit::Dropped,
                    Commit::DoneUnseen,
                    Commit::DoneAndDropped,
                ];
                actions.extend(commits.map(|commit| Action::PayAndSettle { on, commit }));
            }
            if world.left.crashes > 0 {
                actions.push(Action::PayAndSettle {
                    on,
                    commit: Commit::DoneThenCrash,
                });
            }
        }
        let ends = self.possible_ends(world, decision);
        actions.extend(ends.into_iter().map(|ends| Action::Handle { on, ends }));
    }

    fn possible_ends(&self, world: &World, decision: &Decision) -> Vec<Ends> {
        let is_elsewhere = self.wallet == WalletKind::Idempotent;
        let wallet = &world.committed.wallet;
        let is_refused = is_elsewhere && wallet.refused.contains(decision.id());
        let is_paid = is_elsewhere && wallet.carried_out.contains(decision.id());
        let mut ends = Vec::new();
        if is_refused || (world.left.refusals > 0 && !is_paid) {
            ends.push(Ends::Refused);
        }
        if self.wallet != WalletKind::CallersTransaction && !is_refused {
            ends.push(Ends::Done);
        }
        if world.left.failures > 0 {
            ends.extend([
                Ends::Failed { took_effect: false },
                Ends::Hung {
                    takes_effect: When::Never,
                },
            ]);
            if is_elsewhere {
                ends.push(Ends::Failed { took_effect: true });
                ends.extend(
                    [When::Already, When::Later].map(|takes_effect| Ends::Hung { takes_effect }),
                );
            }
        }
        ends
    }
}

fn possible_commits(world: &World, on: usize, actions: &mut Vec<Action>) {
    actions.push(Action::Commit {
        on,
        commit: Commit::Done,
    });
    if world.left.lost_commits > 0 {
        actions.extend(
            [Commit::Failed, Commit::DoneUnseen].map(|commit| Action::Commit { on, commit }),
        );
    }
    if world.left.crashes > 0 {
        actions.push(Action::Commit {
            on,
            commit: Commit::DoneThenCrash,
        });
        actions.push(Action::Crash { on });
    }
}

/// What happens to the record from outside, while nobody has it locked.
fn possible_changes(world: &World, actions: &mut Vec<Action>) {
    let is_leased = world.committed.is_leased(world.now);
    if is_leased == Some(true) && (world.left.sleeps > 0 || is_calm(world)) {
        actions.push(Action::LeaseRunsOut);
    }
    if world.committed.record.is_some() && is_leased.is_none() && world.left.forgets > 0 {
        actions.push(Action::Forget);
    }
}

/// Whether nothing is under way, and nobody sends more than is needed.
fn is_calm(world: &World) -> bool {
    world.transaction.is_none()
        && world.receivers.iter().all(Option::is_none)
        && world.senders.iter().all(|sender| sender.left == 0)
        && world.still_at_work.is_empty()
}
