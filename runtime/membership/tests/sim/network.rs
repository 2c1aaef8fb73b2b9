//! Chance, and a network that is late, loses and reorders.

use std::collections::BTreeMap;

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

/// Messages on their way between peers, which are numbered from 0.
pub struct Network<M> {
    on_their_way: BTreeMap<(u64, u64), (usize, M)>,
    sent: u64,
    /// Who is on which side of a partition.
    sides: Vec<u8>,
}

impl<M> Network<M> {
    pub fn new(peers: usize) -> Self {
        Network {
            on_their_way: BTreeMap::new(),
            sent: 0,
            sides: vec![0; peers],
        }
    }

    pub fn part(&mut self, chance: &mut Chance) {
        self.sides.iter_mut().for_each(|side| *side = chance.below(2) as u8);
    }

    pub fn heal(&mut self) {
        self.sides.fill(0);
    }

    pub fn reaches(&self, from: usize, to: usize) -> bool {
        self.sides[from] == self.sides[to]
    }

    /// Most are quick, some are slow, some never arrive.
    pub fn send(&mut self, now_ms: u64, from: usize, to: usize, message: M, chance: &mut Chance) {
        if !self.reaches(from, to) || (from != to && chance.once_in(40)) {
            return;
        }
        let slow = if chance.once_in(20) { chance.below(900) } else { 0 };
        self.sent += 1;
        let at_ms = now_ms + u64::from(from != to) * (1 + chance.below(15) + slow);
        self.on_their_way.insert((at_ms, self.sent), (to, message));
    }

    pub fn arrived(&mut self, now_ms: u64) -> Vec<(usize, M)> {
        let later = self.on_their_way.split_off(&(now_ms + 1, 0));
        std::mem::replace(&mut self.on_their_way, later).into_values().collect()
    }
}
