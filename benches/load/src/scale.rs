//! What becomes of a shard's load when callbacks are spread over many machines: a simulation, not a measurement.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What is assumed.
#[derive(Debug, clap::Args)]
pub struct Assumptions {
    /// Callbacks a second, over all shards.
    #[arg(long, default_value_t = 1_000_000)]
    rate: u64,
    /// What one shard settles in a second: measured, not guessed.
    #[arg(long)]
    capacity: u64,
    #[arg(long, default_value_t = 64)]
    shards: usize,
    /// Keys are hashed to slots, and slots are assigned to shards.
    #[arg(long, default_value_t = 16_384)]
    slots: usize,
    /// Among whom the callbacks are spread, the n-th getting 1/n of the first one's share.
    #[arg(long, default_value_t = 1_000_000)]
    players: usize,
    /// How long one shard is down.
    #[arg(long, default_value_t = 60)]
    outage: usize,
}

/// Pauses before a network's retries, in seconds, as receivers in the field report them.
const PAUSES: [usize; 8] = [1, 4, 9, 16, 25, 60, 120, 300];
/// How long the simulated time is.
const SECONDS: usize = 3600;

pub fn simulate(assumed: &Assumptions) {
    let mean = number(assumed.rate) / number(assumed.shards as u64);
    println!("one shard's share: {mean:.0}/s of {}/s", assumed.capacity);
    println!(
        "busiest shard, by conversion: {:.2} times the mean",
        by_conversion(assumed)
    );
    println!(
        "busiest shard, by player: {:.2} times the mean",
        by_player(assumed)
    );
    let moved = 100.0 / number(assumed.shards as u64 + 1);
    println!("one more shard: {moved:.1} % of the slots move");
    let outage = Outage::of(mean, assumed);
    println!(
        "a shard down for {} s: caught up {} s later; at most {:.0} callbacks refused in a second after; {:.3} % given up on",
        assumed.outage,
        outage.caught_up,
        outage.refused,
        outage.lost * 100.0
    );
}

/// Every conversion is as busy as any other.
fn by_conversion(assumed: &Assumptions) -> f64 {
    spread(
        assumed,
        (0..assumed.rate.min(4_000_000)).map(|key| (key, 1.0)),
    )
}

fn by_player(assumed: &Assumptions) -> f64 {
    let shares = (0..assumed.players as u64).map(|player| (player, 1.0 / number(player + 1)));
    spread(assumed, shares)
}

/// The busiest shard's load over the mean.
fn spread(assumed: &Assumptions, keys: impl Iterator<Item = (u64, f64)>) -> f64 {
    let mut loads = vec![0.0; assumed.shards];
    for (key, load) in keys {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % assumed.slots as u64).unwrap_or(0);
        loads[slot % assumed.shards] += load;
    }
    let all: f64 = loads.iter().sum();
    loads.iter().copied().fold(0.0, f64::max) / (all / number(assumed.shards as u64))
}

/// How one shard comes back after it was down.
struct Outage {
    caught_up: usize,
    /// The most callbacks that it refused in one second after it was up again.
    refused: f64,
    /// Of all callbacks, those that no retry brought home.
    lost: f64,
}

impl Outage {
    /// Second by second: what the shard cannot take, the network sends again after its next pause.
    fn of(rate: f64, assumed: &Assumptions) -> Self {
        let begin = 60;
        let up = begin + assumed.outage;
        let mut retries = vec![[0.0; PAUSES.len()]; SECONDS];
        let (mut lost, mut refused, mut last_refusal) = (0.0, 0.0_f64, up);
        for second in 0..SECONDS {
            let is_down = (begin..up).contains(&second);
            let mut room = if is_down {
                0.0
            } else {
                number(assumed.capacity)
            };
            let fresh = std::iter::once((rate, 0));
            let again = retries[second].into_iter().zip(1..);
            let mut left_out = 0.0;
            for (arriving, tried) in fresh.chain(again).collect::<Vec<_>>() {
                let taken = f64::min(arriving, room);
                room -= taken;
                let over = arriving - taken;
                left_out += over;
                match PAUSES.get(tried) {
                    Some(pause) if second + pause < SECONDS => {
                        retries[second + pause][tried] += over
                    }
                    _ => lost += over,
                }
            }
            if second >= up && left_out > 0.5 {
                refused = refused.max(left_out);
                last_refusal = second;
            }
        }
        let lost = lost / (rate * number(SECONDS as u64));
        Self {
            caught_up: last_refusal - up,
            refused,
            lost,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed(capacity: u64, outage: usize) -> Assumptions {
        let (rate, shards, slots, players) = (64_000, 64, 16_384, 1000);
        Assumptions {
            rate,
            capacity,
            shards,
            slots,
            players,
            outage,
        }
    }

    #[test]
    fn conversions_spread_evenly_and_players_do_not() {
        let assumed = assumed(2000, 60);
        assert!(by_conversion(&assumed) < by_player(&assumed));
    }

    #[test]
    fn a_shard_with_room_to_spare_loses_nothing_in_a_short_outage() {
        assert!(Outage::of(1000.0, &assumed(2000, 60)).lost < 1e-9);
    }

    #[test]
    fn an_outage_longer_than_all_retries_loses_callbacks() {
        assert!(Outage::of(1000.0, &assumed(2000, 1200)).lost > 0.0);
    }
}
