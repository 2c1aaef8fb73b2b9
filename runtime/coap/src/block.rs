//! The value of a Block1 or Block2 option (RFC 7959, 2.2): which block, whether more follow, how large blocks are.

use crate::option;

/// Largest size exponent: blocks of 1024 bytes.
pub const SZX_MAX: u8 = 6;

/// A block of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0; 20 bits.
    pub number: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// Its size is 2^(exponent + 4).
    pub exponent: u8,
}

impl Block {
    /// Bytes of a block.
    pub fn size(self) -> usize {
        16 << self.exponent
    }

    /// Where it begins in the body.
    pub fn offset(self) -> usize {
        self.number as usize * self.size()
    }

    /// Reads an option's value. None: too long, or the reserved size exponent 7.
    pub fn read(value: &[u8]) -> Option<Self> {
        let value = option::read_uint(value, 3)?;
        let exponent = (value & 7) as u8;
        (exponent <= SZX_MAX).then_some(Block {
            number: value >> 4,
            more: value & 8 != 0,
            exponent,
        })
    }

    /// The option's value.
    pub fn write(self) -> Vec<u8> {
        option::write_uint(self.number << 4 | u32::from(self.more) << 3 | u32::from(self.exponent))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn values_are_written_in_as_few_bytes_as_they_need() {
        for (number, more, exponent, bytes) in [
            (0, false, 0, vec![]),
            (0, true, 6, vec![0x0e]),
            (3, true, 6, vec![0x3e]),
            (16, false, 2, vec![0x01, 0x02]),
            (0xf_ffff, true, 6, vec![0xff, 0xff, 0xfe]),
        ] {
            let block = Block { number, more, exponent };
            assert_eq!(block.write(), bytes);
            assert_eq!(Block::read(&bytes), Some(block));
        }
        assert_eq!(Block::read(&[0x07]), None, "size exponent 7 is reserved");
        assert_eq!(Block::read(&[1, 2, 3, 4]), None);
    }

    #[test]
    fn sizes() {
        let block = Block {
            number: 3,
            more: false,
            exponent: 2,
        };
        assert_eq!((block.size(), block.offset()), (64, 192));
    }
}
