//! Chance, repeatable from its seed.

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    /// A number from `low` to `high`, both included (xorshift64*).
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        low + number % (high - low + 1)
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.between(0, last as u64);
            list.swap(last, usize::try_from(other).unwrap());
        }
    }
}
