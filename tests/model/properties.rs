//! What must hold, written from the callbacks alone.

use postback::decision::DecisionKind;
use postback::event::{Effect, Event, EventKind};
use postback::guard::Entry;
use postback::steps::{Answer, Step};
use rust_decimal::Decimal;
use stateright::{Model, Property};

use crate::actions::Action;
use crate::setting::{Senders, Setting, WalletKind};
use crate::world::{Database, World};

pub(crate) const UNEARNED: &str = "nothing is paid without a completed event";
pub(crate) const BOUNDS: &str = "the balance is never below zero, nor above what was completed";
pub(crate) const ONCE: &str = "no decision takes effect twice";
pub(crate) const AGREE: &str = "wallet and record agree, but for the decision that is open";
pub(crate) const TARGET: &str = "what is settled is what is due";
pub(crate) const ANSWERED: &str = "what was answered well is settled";
pub(crate) const ANSWER_COMES: &str = "an answer comes within so many steps";
pub(crate) const DEADLOCK: &str =
    "where nothing can happen any more, nobody waits and nothing is open";
pub(crate) const REST: &str = "where nothing can happen any more, the balance is what is due";

/// No delivery takes more than so many steps: as each of them can only begin so often, every way ends.
const MOST_TURNS: u8 = 24;

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

    /// Whoever takes too many steps has been found out, and is not followed any further.
    fn within_boundary(&self, world: &World) -> bool {
        let turns = world.receivers.iter().flatten().map(|work| work.turns);
        turns.max().unwrap_or_default() <= MOST_TURNS + 1
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties: Vec<Property<Self>> = vec![
            Property::always(UNEARNED, |setting: &Self, world: &World| {
                let mut sent = setting
                    .messages
                    .iter()
                    .zip(&world.senders)
                    .filter(|(_, sender)| sender.is_sent);
                balance(world).is_zero() || sent.any(|(event, _)| completed_amount(event).is_some())
            }),
            Property::always(BOUNDS, |setting: &Self, world: &World| {
                let completed: Decimal = setting.messages.iter().filter_map(completed_amount).sum();
                balance(world) >= Decimal::ZERO && balance(world) <= completed
            }),
            Property::always(ONCE, |_: &Self, world: &World| {
                !world.committed.wallet.paid_twice
            }),
            Property::always(AGREE, |setting: &Self, world: &World| {
                is_agreed(setting, &world.committed)
            }),
            Property::always(TARGET, |_: &Self, world: &World| {
                is_settled_as_due(&world.committed)
            }),
            Property::always(ANSWERED, |setting: &Self, world: &World| {
                let mut answered = setting
                    .messages
                    .iter()
                    .zip(&world.senders)
                    .filter(|(_, sender)| sender.is_answered);
                answered.all(|(event, _)| is_settled(&world.committed, event))
            }),
            Property::always(ANSWER_COMES, |_: &Self, world: &World| {
                world
                    .receivers
                    .iter()
                    .flatten()
                    .all(|work| work.turns <= MOST_TURNS)
            }),
            Property::always(DEADLOCK, |setting: &Self, world: &World| {
                setting.goes_on(world) || is_at_rest(setting, world)
            }),
            Property::always(REST, |setting: &Self, world: &World| {
                setting.goes_on(world)
                    || is_closed(&world.committed)
                    || balance(world) == due(setting, world)
            }),
        ];
        properties.extend(self.reached());
        properties
    }
}

impl Setting {
    fn goes_on(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        self.possible(world, &mut actions);
        !actions.is_empty()
    }

    /// What must come about somewhere, or the setting tries less than it says.
    fn reached(&self) -> Vec<Property<Self>> {
        let mut reached: Vec<Property<Self>> = vec![
            Property::sometimes("a reward is paid", |_: &Self, world: &World| {
                !balance(world).is_zero()
            }),
            Property::sometimes("what was paid is taken back", |_: &Self, world: &World| {
                settled_kinds(&world.committed).contains(&DecisionKind::Reversal)
            }),
        ];
        let intent_first = self.wallet != WalletKind::StoreTransaction;
        if intent_first {
            reached.push(Property::sometimes(
                "a claim is won without a look",
                |_: &Self, world: &World| {
                    let mut works = world.receivers.iter().flatten();
                    works.any(|work| work.turns == 1 && matches!(work.step, Step::Handle(_)))
                },
            ));
        }
        if intent_first && self.receivers > 1 {
            reached.push(Property::sometimes(
                "somebody is told to come again",
                |_: &Self, world: &World| {
                    world
                        .receivers
                        .iter()
                        .flatten()
                        .any(|work| matches!(work.step, Step::Answer(Answer::Busy { .. })))
                },
            ));
        }
        if intent_first && self.receivers > 1 && self.troubles.sleeps > 0 {
            reached.push(Property::sometimes(
                "a sleeper is overtaken",
                |_: &Self, world: &World| {
                    let held = world
                        .receivers
                        .iter()
                        .flatten()
                        .filter_map(|work| work.settlement.as_ref());
                    held.into_iter()
                        .any(|(expected, _)| *expected != world.committed.version())
                },
            ));
        }
        if self.wallet == WalletKind::Idempotent
            && self.troubles.crashes + self.troubles.failures > 0
        {
            reached.push(Property::sometimes(
                "a decision is repeated that took effect",
                |_: &Self, world: &World| {
                    let is_current = |expected| expected == world.committed.version();
                    world.receivers.iter().flatten().any(|work| {
                        match (&work.step, &work.settlement) {
                            (Step::Handle(decision), Some((expected, _))) => {
                                is_current(*expected)
                                    && world.committed.wallet.carried_out.contains(decision.id())
                            }
                            _ => false,
                        }
                    })
                },
            ));
        }
        if self.troubles.refusals > 0 {
            reached.push(Property::sometimes(
                "the conversion is closed",
                |_: &Self, world: &World| is_closed(&world.committed),
            ));
        }
        reached
    }
}

fn balance(world: &World) -> Decimal {
    world.committed.wallet.balance
}

fn completed_amount(event: &Event) -> Option<Decimal> {
    match &event.kind {
        EventKind::Conversion {
            effect: Effect::Completed { amount, .. },
            ..
        } => Some(*amount),
        _ => None,
    }
}

/// What should have been paid for these messages, written the plain way.
fn target<'a>(events: impl Iterator<Item = &'a Event> + Clone) -> Decimal {
    let Some(completed) = events.clone().find_map(completed_amount) else {
        return Decimal::ZERO;
    };
    let is_revoked = |event: &Event| {
        matches!(
            &event.kind,
            EventKind::Conversion {
                effect: Effect::Revoked,
                ..
            }
        )
    };
    if events.clone().any(is_revoked) {
        return Decimal::ZERO;
    }
    let adjusted = events.filter_map(|event| match &event.kind {
        EventKind::Conversion {
            effect: Effect::Adjusted { by, .. },
            ..
        } => Some(*by),
        _ => None,
    });
    (completed + adjusted.sum::<Decimal>())
        .max(Decimal::ZERO)
        .min(completed)
}

/// The target of every message that the record holds or that was answered well.
fn due(setting: &Setting, world: &World) -> Decimal {
    let messages = setting.messages.iter().zip(&world.senders);
    let known = messages
        .filter(|(event, sender)| sender.is_answered || is_recorded(&world.committed, event));
    target(known.map(|(event, _)| event))
}

fn is_recorded(database: &Database, event: &Event) -> bool {
    let entries = database
        .record
        .iter()
        .flat_map(|stored| stored.record.entries());
    entries
        .into_iter()
        .any(|entry| entry.event().kind == event.kind)
}

fn is_settled(database: &Database, event: &Event) -> bool {
    let Some(stored) = &database.record else {
        return false;
    };
    let entry = stored
        .record
        .entries()
        .iter()
        .find(|entry| entry.event().kind == event.kind);
    entry.is_some_and(|entry| entry.settled().is_some() || is_closed(database))
}

fn is_closed(database: &Database) -> bool {
    database
        .record
        .as_ref()
        .is_some_and(|stored| stored.record.closed().is_some())
}

fn settled_kinds(database: &Database) -> Vec<DecisionKind> {
    let Some(stored) = &database.record else {
        return Vec::new();
    };
    let settled = stored
        .record
        .entries()
        .iter()
        .filter(|entry| entry.settled().is_some());
    settled
        .filter_map(|entry| Some(entry.decision(stored.record.key())?.kind()))
        .collect()
}

fn is_agreed(setting: &Setting, database: &Database) -> bool {
    let Some(stored) = &database.record else {
        return database.wallet.balance.is_zero();
    };
    let (settled, balance) = (stored.record.settled(), database.wallet.balance);
    let change = stored
        .record
        .open_decision()
        .map(|decision| decision.balance_change());
    // In one transaction with the record, the wallet is never ahead of it.
    let may_be_ahead = setting.wallet == WalletKind::Idempotent;
    balance == settled || (may_be_ahead && change.is_some_and(|change| balance == settled + change))
}

fn is_settled_as_due(database: &Database) -> bool {
    let Some(stored) = &database.record else {
        return true;
    };
    if is_closed(database) {
        return true;
    }
    let entries = stored.record.entries().iter();
    stored.record.settled()
        == target(
            entries
                .filter(|entry| entry.settled().is_some())
                .map(Entry::event),
        )
}

fn is_at_rest(setting: &Setting, world: &World) -> bool {
    world.receivers.iter().all(Option::is_none)
        && world.transaction.is_none()
        && world
            .committed
            .record
            .as_ref()
            .is_none_or(|stored| stored.record.open().is_none())
        && (setting.senders == Senders::GiveUp
            || world.senders.iter().all(|sender| sender.is_answered))
}
