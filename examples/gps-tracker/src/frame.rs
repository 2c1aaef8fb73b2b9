//! From bytes to frames and back.
//!
//! `50 54 | length (2) | kind (1) | number (2) | body | checksum (2)`: big-endian; the length counts kind, number and body; the checksum is
//! CRC-16/CCITT-FALSE over everything between the mark and itself.

/// Every frame begins with it.
pub const MARK: [u8; 2] = *b"PT";
/// Kind, number and body at most.
pub const LENGTH_MAX: usize = 512;
/// Kind and number.
const LENGTH_MIN: usize = 3;
/// Mark and length.
const HEAD: usize = 4;
/// Checksum.
const TAIL: usize = 2;

/// A frame whose checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// Chosen by the sender; an answer has that of its question.
    pub number: u16,
    /// By kind.
    pub body: Vec<u8>,
}

impl Frame {
    /// Its bytes. A body that is too long is cut off: nothing written here has one.
    pub fn bytes(&self) -> Vec<u8> {
        let body = &self.body[..self.body.len().min(LENGTH_MAX - LENGTH_MIN)];
        let mut bytes = Vec::with_capacity(HEAD + LENGTH_MIN + body.len() + TAIL);
        bytes.extend(MARK);
        bytes.extend(u16::try_from(LENGTH_MIN + body.len()).unwrap_or(0).to_be_bytes());
        bytes.push(self.kind);
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(body);
        let sum = checksum(&bytes[MARK.len()..]);
        bytes.extend(sum.to_be_bytes());
        bytes
    }
}

/// Finds frames in bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Bytes that belonged to no frame.
    pub skipped: u64,
}

impl Reader {
    /// Takes more bytes; answers the frames that are complete.
    pub fn read(&mut self, more: &[u8]) -> Vec<Frame> {
        self.bytes.extend(more);
        let mut frames = Vec::new();
        let mut at = 0;
        loop {
            match take(&self.bytes[at..]) {
                Found::Frame(frame, len) => {
                    frames.push(frame);
                    at += len;
                }
                Found::Noise(len) => {
                    self.skipped += len as u64;
                    at += len;
                }
                Found::Incomplete => break,
            }
        }
        // What is left is shorter than the longest frame.
        self.bytes.drain(..at);
        frames
    }

    /// Forgets what is incomplete: datagrams do not go on in the next one.
    pub fn end(&mut self) {
        self.skipped += self.bytes.len() as u64;
        self.bytes.clear();
    }
}

enum Found {
    Frame(Frame, usize),
    /// So many bytes are the beginning of no frame.
    Noise(usize),
    Incomplete,
}

fn take(bytes: &[u8]) -> Found {
    if bytes.is_empty() {
        return Found::Incomplete;
    }
    if bytes[0] != MARK[0] || bytes.get(1).is_some_and(|second| *second != MARK[1]) {
        let next = bytes[1..].iter().position(|byte| *byte == MARK[0]);
        return Found::Noise(next.map_or(bytes.len(), |next| next + 1));
    }
    let Some(length) = bytes.get(2..HEAD) else {
        return Found::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
        return Found::Noise(1);
    }
    let Some(whole) = bytes.get(..HEAD + length + TAIL) else {
        return Found::Incomplete;
    };
    let (content, sum) = whole[MARK.len()..].split_at(2 + length);
    if checksum(content).to_be_bytes() != sum {
        return Found::Noise(1);
    }
    let frame = Frame {
        kind: content[2],
        number: u16::from_be_bytes([content[3], content[4]]),
        body: content[5..].to_vec(),
    };
    Found::Frame(frame, whole.len())
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, begins with 0xFFFF.
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            (sum << 1) ^ if sum & 0x8000 != 0 { 0x1021 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u16, body: &[u8]) -> Frame {
        Frame {
            kind: 2,
            number,
            body: body.to_vec(),
        }
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(checksum(b"123456789"), 0x29B1);
    }

    #[test]
    fn frames_arrive_in_pieces_of_any_size() {
        let frames: Vec<Frame> = (0..20).map(|number| frame(number, &vec![b'P'; usize::from(number)])).collect();
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        for size in 1..=bytes.len() {
            let mut reader = Reader::default();
            let read: Vec<Frame> = bytes.chunks(size).flat_map(|chunk| reader.read(chunk)).collect();
            assert_eq!((read, reader.skipped), (frames.clone(), 0), "in pieces of {size}");
        }
    }

    #[test]
    fn a_broken_byte_costs_one_frame_at_most() {
        let bytes: Vec<u8> = (1..=3).flat_map(|number| frame(number, b"abc").bytes()).collect();
        for broken in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[broken] ^= 1 << bit;
                // Enough for a length that says too much.
                bytes.extend(frame(4, &[0; LENGTH_MAX - LENGTH_MIN]).bytes());
                bytes.extend(frame(5, &[0; LENGTH_MAX - LENGTH_MIN]).bytes());
                let numbers: Vec<u16> = Reader::default().read(&bytes).iter().map(|frame| frame.number).collect();
                let hit = u16::try_from(broken / 12).unwrap_or(0) + 1;
                let expected: Vec<u16> = (1..=5).filter(|number| *number != hit).collect();
                assert_eq!(numbers, expected, "byte {broken}, bit {bit}");
            }
        }
    }

    #[test]
    fn noise_is_skipped_and_kept_by_nobody() {
        let mut reader = Reader::default();
        let mut noise: u32 = 1;
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..100)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    noise.to_be_bytes()[0]
                })
                .collect();
            assert!(reader.read(&bytes).is_empty());
            assert!(reader.bytes.len() <= HEAD + LENGTH_MAX + TAIL);
        }
        reader.end();
        assert_eq!(reader.skipped, 200_000);
    }
}
