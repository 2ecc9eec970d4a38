//! Random choices that a seed and a step decide alone.

/// A generator of choices (SplitMix64). A clone makes the same choices again.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The choices of one step.
    pub fn new(seed: u64, step: u64) -> Self {
        let mut dice =
            Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step.wrapping_mul(0xd1b5_4a32_d192_ed03));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number of `from..=to`.
    ///
    /// # Panics
    /// If `to` is below `from`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1) as u64) as i64
    }

    /// True in `percent` of the cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// If there are none.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// One of `usual`, seldom one of `odd`.
    pub fn mostly<T: Copy>(&mut self, usual: &[T], odd: &[T]) -> T {
        if self.percent(12) { self.of(odd) } else { self.of(usual) }
    }

    /// None to `most` things.
    pub fn several<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = if self.percent(60) { 1 } else { self.below(most + 1) };
        (0..count).map(|_| one(self)).collect()
    }
}
