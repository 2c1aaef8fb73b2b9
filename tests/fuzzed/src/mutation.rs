//! Seeded mutations: the same in every run.

/// Bytes of a mutated input at most.
const BYTES_MAX: usize = 4096;

/// Numbers that look random (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    /// Some bytes changed, taken out, doubled, or brought in from elsewhere.
    pub fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        const TELLING: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'}', b'[', b'/', b'~', b'-'];
        let mut bytes = bytes.to_vec();
        for _ in 0..self.below(5) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                3 => bytes.truncate(at),
                4 => {
                    let from = self.below(other.len() + 1);
                    let until = (from + self.below(24)).min(other.len());
                    bytes.splice(at..at, other[from..until].iter().copied());
                }
                _ => {
                    let until = (at + self.below(16)).min(bytes.len());
                    let part = bytes[at.min(until)..until].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }
}
