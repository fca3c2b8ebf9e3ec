//! Conversions with their callbacks, and what each is worth by a model that shares no code with the crate.

use postback::testing::bitlabs::{CallbackBuilder, Network};
use rust_decimal::Decimal;

pub(crate) const SECRET: &str = "storm-secret";
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";
pub(crate) const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &type=[%TYPE%]&ref=[%REF%]";

/// Numbers by chance, the same for the same seed (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }
}

/// One conversion's whole life.
pub(crate) struct Conversion {
    pub(crate) player: String,
    completed: Option<Decimal>,
    taken_back: Vec<Decimal>,
    callbacks: Vec<String>,
}

impl Conversion {
    pub(crate) fn draw(name: &str, chance: &mut Chance) -> Self {
        let player = format!("player-{}", chance.below(20));
        let amount =
            |chance: &mut Chance| Decimal::from(1 + chance.below(99_999)) / Decimal::from(100);
        let completed = (chance.below(10) > 0).then(|| amount(chance));
        let is_survey = chance.below(3) == 0;
        let reversals = [0, 0, 1, if is_survey { 2 } else { 1 }][chance.below(4)];
        let taken_back: Vec<Decimal> = (0..reversals)
            .map(|_| match completed {
                Some(all) if chance.below(2) == 0 => all,
                _ => amount(chance),
            })
            .collect();
        let network = Network::new(SECRET);
        let sign = |callback: CallbackBuilder| callback.sign().target().to_owned();
        let mut callbacks = Vec::new();
        if is_survey {
            let survey = |tx: String, word: &str, amount: Decimal| {
                let callback = network.callback(SURVEYS).player(&player).transaction(tx);
                callback.call_type(word).amount(amount.to_string())
            };
            if let Some(amount) = completed {
                callbacks.push(sign(survey(name.to_owned(), "COMPLETE", amount)));
            }
            for (number, amount) in taken_back.iter().enumerate() {
                let reversal = survey(format!("{name}-r{number}"), "RECONCILIATION", -*amount);
                callbacks.push(sign(reversal.original(name)));
            }
        } else {
            let offer = |state: &str, amount: Decimal| {
                let callback = network.callback(OFFERS).player(&player).transaction(name);
                sign(callback.state(state).amount(amount.to_string()))
            };
            if chance.below(2) == 0 {
                callbacks.push(offer("PENDING", amount(chance)));
            }
            callbacks.extend(completed.map(|amount| offer("COMPLETED", amount)));
            callbacks.extend(taken_back.iter().map(|amount| offer("RECONCILED", *amount)));
        }
        Self {
            player,
            completed,
            taken_back,
            callbacks,
        }
    }

    /// The callbacks in the order of their delivery: any, each at least once.
    pub(crate) fn deliveries(&self, chance: &mut Chance) -> Vec<String> {
        let mut deliveries = self.callbacks.clone();
        for callback in &self.callbacks {
            if chance.below(3) == 0 {
                deliveries.push(callback.clone());
            }
        }
        for at in (1..deliveries.len()).rev() {
            deliveries.swap(at, chance.below(at + 1));
        }
        deliveries
    }

    /// What the player has of it in the end, whatever the order: the completed amount less what was taken back, and
    /// no less than nothing.
    pub(crate) fn due(&self) -> Decimal {
        let taken_back: Decimal = self.taken_back.iter().sum();
        self.completed.map_or(Decimal::ZERO, |amount| {
            (amount - taken_back).max(Decimal::ZERO)
        })
    }
}
