//! Chance that repeats itself.

/// Numbers that look random and are not (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1))
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A number below `end` that depends on what it is about, and not on who asked for another one before. In what order tasks of a server
/// are woken in one moment is not in the seed's hands; what becomes of them must not depend on it.
pub fn fate(seed: u64, about: &[u64], end: u64) -> u64 {
    let mixed = about.iter().fold(seed, |mixed, part| Chance::new(mixed ^ part).below(u64::MAX));
    Chance::new(mixed).below(end)
}
