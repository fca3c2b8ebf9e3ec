//! Whether worlds that count as the same really are.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use stateright::Model;

use crate::setting::Setting;
use crate::world::World;

/// Explores the setting with worlds told apart by every field, and says how many there are, and how many
/// once those that count as the same are taken together.
///
/// # Panics
/// When two worlds that count as the same lead to different ones, or a property tells them apart.
pub(crate) fn assert_the_same_go_the_same_ways(setting: &Setting) -> (usize, usize) {
    let mut seen = HashSet::new();
    let mut classes = HashMap::new();
    let mut waiting = VecDeque::from(setting.init_states());
    while let Some(world) = waiting.pop_front() {
        if !seen.insert(fingerprint(&world, true)) {
            continue;
        }
        let next = setting.next_states(&world);
        let mut ways: Vec<_> = next.iter().map(|next| fingerprint(next, false)).collect();
        ways.sort_unstable();
        ways.dedup();
        let properties = setting.properties();
        let verdicts: Vec<_> = properties
            .iter()
            .map(|property| (property.condition)(setting, &world))
            .collect();
        let (first, first_ways, first_verdicts) = classes
            .entry(fingerprint(&world, false))
            .or_insert_with(|| (world.clone(), ways.clone(), verdicts.clone()));
        assert!(
            (&ways, &verdicts) == (first_ways, first_verdicts),
            "these count as the same and are not:\n{first:#?}\n{world:#?}"
        );
        waiting.extend(next);
    }
    (seen.len(), classes.len())
}

fn fingerprint(world: &World, exact: bool) -> u64 {
    let world = World {
        exact,
        ..world.clone()
    };
    BuildHasherDefault::<DefaultHasher>::default().hash_one(world)
}
