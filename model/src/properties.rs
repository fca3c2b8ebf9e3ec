//! What must hold, written from the callbacks alone.

use postback::store::{Entry, Record};
use postback::testing::protocol::Command;
use postback::{Decimal, Effect, Event, EventKind};
use stateright::{Model, Property};

use crate::actions::Action;
use crate::setting::{Setting, WalletKind};
use crate::world::{Answer, ProcessClock, World};

pub const ONCE: &str = "no decision takes effect twice";
pub const ORDER: &str = "every decision is stored before it takes effect, and takes effect in order";
pub const BOUNDS: &str = "the balance stays between zero and what was completed";
pub const AGREE: &str = "wallet and record agree, but for the decision that is being delivered";
pub const TARGET: &str = "what was decided is what is due";
pub const ANSWERED: &str = "what was answered with 200 is kept, and delivered if that was promised";
pub const ALONE: &str = "no two handlers work on one decision while clocks are right";
pub const CLOSED: &str = "only declined money closes a conversion";
pub const ENDS: &str = "every callback is answered after a bounded number of steps";
pub const REST: &str = "in the end nothing is pending, and the balance is what is due";

/// No callback takes more steps than this.
const MAX_TURNS: u8 = 30;

impl Model for Setting {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        self.play(&mut world, action);
        Some(world)
    }

    /// A callback that takes too many steps was found out and is not followed any further.
    fn within_boundary(&self, world: &World) -> bool {
        world.works().all(|work| work.turns <= MAX_TURNS + 1)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties: Vec<Property<Self>> = vec![
            Property::always(ONCE, |_: &Self, world: &World| !world.wallet.paid_twice),
            Property::always(ORDER, |_: &Self, world: &World| !world.overtook),
            Property::always(BOUNDS, |setting: &Self, world: &World| {
                let balance = world.wallet.balance + world.paid_earlier();
                let completed = setting.messages.iter().map(completed_amount).sum();
                balance >= Decimal::ZERO && balance <= completed
            }),
            Property::always(AGREE, |setting: &Self, world: &World| {
                let Some(stored) = &world.stored else {
                    return world.wallet.balance.is_zero();
                };
                let record = &stored.record;
                let settled = record.balance() - world.paid_earlier();
                // In one transaction with the record, the wallet is never ahead of it.
                let may_be_ahead = setting.wallet == WalletKind::Idempotent;
                let head = record.pending().next().filter(|_| may_be_ahead);
                let ahead = head.map_or(settled, |head| settled + head.balance_change());
                world.wallet.balance == settled || world.wallet.balance == ahead
            }),
            Property::always(TARGET, |setting: &Self, world: &World| {
                let is_importing = !setting.past.is_empty();
                let stored = world.stored.as_ref().map(|stored| &stored.record);
                stored.is_none_or(|record| is_importing || record.closed().is_some() || is_decided(setting, record))
            }),
            Property::always(ANSWERED, |setting: &Self, world: &World| {
                let messages = setting.messages.iter().zip(&world.senders);
                messages
                    .into_iter()
                    .all(|(event, sender)| sender.answered.is_none_or(|answer| is_kept(world, event, answer)))
            }),
            Property::always(CLOSED, |_: &Self, world: &World| {
                let stored = world.stored.as_ref().map(|stored| &stored.record);
                stored.is_none_or(|record| record.closed().is_none() || record.entries().iter().any(is_declined_money))
            }),
            Property::always(ENDS, |_: &Self, world: &World| world.works().all(|work| work.turns <= MAX_TURNS)),
            Property::always(REST, |setting: &Self, world: &World| {
                let mut actions = Vec::new();
                setting.possible(world, &mut actions);
                !actions.is_empty() || is_as_due(setting, world)
            }),
        ];
        if self.troubles.stalls == 0 && self.troubles.jumps == 0 {
            let alone = Property::always(ALONE, |_: &Self, world: &World| !world.overlapped);
            properties.push(alone);
        }
        properties.extend(self.reached());
        properties
    }
}

impl Setting {
    /// What must come about somewhere, or the setting tries less than it says.
    fn reached(&self) -> Vec<Property<Self>> {
        let mut reached: Vec<Property<Self>> =
            vec![Property::sometimes("a reward is paid", |_: &Self, world: &World| !world.wallet.balance.is_zero())];
        if self.messages.len() > 1 && self.processes > 1 && !self.in_order && self.past.is_empty() {
            reached.push(Property::sometimes("several decisions are pending", |_: &Self, world: &World| {
                let stored = world.stored.as_ref();
                stored.is_some_and(|stored| stored.record.pending().count() > 1)
            }));
        }
        let is_leased = self.wallet == WalletKind::Idempotent && self.processes > 1;
        if is_leased && self.messages.len() > 1 && !self.in_order {
            reached.push(Property::sometimes(
                "a callback is stored while a handler runs",
                |_: &Self, world: &World| {
                    world.works().any(|work| {
                        work.leased.is_some_and(|version| Some(version) != world.version())
                            && is_held(world, &work.command())
                    })
                },
            ));
        }
        if is_leased && self.troubles.stalls > 0 {
            reached.push(Property::sometimes("a handler is overtaken", |_: &Self, world: &World| {
                world
                    .works()
                    .any(|work| matches!(work.command(), Command::Handle { .. }) && !is_held(world, &work.command()))
            }));
        }
        if self.troubles.jumps > 0 {
            reached.push(Property::sometimes(
                "a lease is written by a clock that is ahead",
                |_: &Self, world: &World| {
                    let mut processes = world.processes.iter();
                    processes.any(|process| {
                        process.clock == ProcessClock::Ahead
                            && process.work.as_ref().is_some_and(|work| work.leased.is_some())
                    })
                },
            ));
        }
        if self.wallet == WalletKind::Idempotent && self.troubles.crashes + self.troubles.failures > 0 {
            reached.push(Property::sometimes("a decision that took effect is repeated", |_: &Self, world: &World| {
                world.works().any(|work| match work.command() {
                    Command::Handle { decision, .. } => world.wallet.carried_out.contains(decision.id()),
                    _ => false,
                })
            }));
        }
        if self.troubles.declines > 0 {
            reached.push(Property::sometimes("a conversion is closed", |_: &Self, world: &World| {
                let stored = world.stored.as_ref();
                stored.is_some_and(|stored| stored.record.closed().is_some())
            }));
        }
        if !self.past.is_empty() {
            reached.push(Property::sometimes("a callback arrives before its row", |_: &Self, world: &World| {
                !world.wallet.balance.is_zero() && !world.rows.is_empty()
            }));
        }
        reached
    }
}

/// Whether the lease under which a handler runs is still the stored one.
fn is_held(world: &World, command: &Command) -> bool {
    let Command::Handle { lease, .. } = command else {
        return false;
    };
    let stored = world.stored.as_ref();
    stored.is_some_and(|stored| stored.record.lease() == Some(lease))
}

fn effect(event: &Event) -> Option<&Effect> {
    match &event.kind {
        EventKind::Conversion { effect, .. } => Some(effect),
        _ => None,
    }
}

fn completed_amount(event: &Event) -> Decimal {
    match effect(event) {
        Some(Effect::Completed { amount, .. }) => *amount,
        _ => Decimal::ZERO,
    }
}

/// What should have been paid for these messages, written the plain way.
fn target<'a>(events: impl Iterator<Item = &'a Event>) -> Decimal {
    let (mut completed, mut adjusted, mut is_revoked) = (Decimal::ZERO, Decimal::ZERO, false);
    for event in events {
        match effect(event) {
            Some(Effect::Completed { amount, .. }) => completed += amount,
            Some(Effect::Adjusted { by, .. }) => adjusted += by,
            Some(Effect::Revoked) => is_revoked = true,
            _ => {}
        }
    }
    if is_revoked { Decimal::ZERO } else { (completed + adjusted).max(Decimal::ZERO).min(completed) }
}

fn is_decided(setting: &Setting, record: &Record) -> bool {
    let entries = record.entries().iter();
    // Messages that contradict each other have no target that could be written plainly.
    setting.in_order || record.decided() == target(entries.map(|entry| &**entry.event()))
}

/// The same transaction, state and amount. An imported message differs in what does not matter.
fn is_same(a: &Event, b: &Event) -> bool {
    let key = |event: &Event| match &event.kind {
        EventKind::Conversion { transaction, effect, .. } => {
            let amount = match effect {
                Effect::Completed { amount, .. } => Some(*amount),
                Effect::Adjusted { by, .. } => Some(*by),
                _ => None,
            };
            Some((transaction.clone(), std::mem::discriminant(effect), amount))
        }
        _ => None,
    };
    key(a) == key(b)
}

fn is_kept(world: &World, event: &Event, answer: Answer) -> bool {
    let Some(stored) = &world.stored else {
        return false;
    };
    let record = &stored.record;
    let mut entries = record.entries().iter().filter(|entry| is_same(entry.event(), event));
    let is_dealt_with =
        |entry: &Entry| entry.delivered().is_some() || entry.declined().is_some() || record.closed().is_some();
    match answer {
        Answer::Stored => entries.next().is_some(),
        Answer::Delivered => entries.any(is_dealt_with),
    }
}

fn is_declined_money(entry: &Entry) -> bool {
    let change = entry.action().map(postback::Action::balance_change);
    entry.declined().is_some() && change.is_some_and(|change| !change.is_zero())
}

fn is_as_due(setting: &Setting, world: &World) -> bool {
    if !world.is_idle() || world.is_pending() {
        return false;
    }
    if setting.repeats && world.senders.iter().any(|sender| sender.answered.is_none()) {
        return false;
    }
    let Some(stored) = &world.stored else {
        return world.wallet.balance.is_zero();
    };
    if stored.record.closed().is_some() {
        return true;
    }
    let is_known = |event: &&Event| {
        let mut entries = stored.record.entries().iter();
        entries.any(|entry| is_same(entry.event(), event))
    };
    let due = setting.expected.unwrap_or_else(|| {
        let messages = setting.messages.iter();
        if setting.repeats { target(messages) } else { target(messages.filter(is_known)) }
    });
    world.wallet.balance + world.paid_earlier() == due
}
