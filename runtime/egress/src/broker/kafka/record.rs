//! A record as it lies in a partition, in a batch of its own (format 2), and the partition that a key stands for. Pure.

use std::io;

use bytes::{BufMut, BytesMut};

use super::compression::{compressed, number};
use crate::broker::publish::Compression;

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
    pub(super) headers: &'a [(String, String)],
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) at_ms: i64,
}

/// Where in a batch the checked part begins, and its checksum before it.
const CHECKED: usize = 21;
/// Where its records begin.
const RECORDS: usize = 61;

/// A batch that holds one record.
///
/// # Errors
/// When it cannot be compressed.
pub(super) fn batch(record: &Record<'_>, codec: Compression) -> io::Result<BytesMut> {
    let mut body = BytesMut::new();
    body.put_i8(0);
    // Time and place as differences to the batch's own.
    varint(&mut body, 0);
    varint(&mut body, 0);
    match record.key {
        None => varint(&mut body, -1),
        Some(key) => piece(&mut body, key),
    }
    piece(&mut body, record.value);
    varint(&mut body, i64::try_from(record.headers.len()).unwrap_or(0));
    for (name, value) in record.headers {
        piece(&mut body, name.as_bytes());
        piece(&mut body, value.as_bytes());
    }
    let mut records = BytesMut::with_capacity(body.len() + 5);
    piece(&mut records, &body);
    let records = compressed(codec, &records)?;

    let mut out = BytesMut::with_capacity(RECORDS + records.len());
    out.put_i64(0);
    out.put_i32(0);
    out.put_i32(-1);
    out.put_i8(2);
    out.put_u32(0);
    // Attributes (the codec and nothing else), the last record's place.
    out.put_i16(number(codec));
    out.put_i32(0);
    out.put_i64(record.at_ms);
    out.put_i64(record.at_ms);
    // No producer that is known.
    out.put_i64(-1);
    out.put_i16(-1);
    out.put_i32(-1);
    out.put_i32(1);
    out.extend_from_slice(&records);
    let written = i32::try_from(out.len() - 12).unwrap_or(i32::MAX);
    out[8..12].copy_from_slice(&written.to_be_bytes());
    let sum = crc32c(&out[CHECKED..]);
    out[CHECKED - 4..CHECKED].copy_from_slice(&sum.to_be_bytes());
    Ok(out)
}

fn piece(out: &mut BytesMut, bytes: &[u8]) {
    varint(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

/// A number whose sign is its last bit, seven bits in a byte, the last ones first.
fn varint(out: &mut BytesMut, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            out.put_u8(low);
            return;
        }
        out.put_u8(low | 0x80);
    }
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), a byte at a time.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ 0x82f6_3b78 } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(u32::MAX, |sum, byte| (sum >> 8) ^ CRC32C[usize::from(sum.to_le_bytes()[0] ^ byte)])
}

/// The partition of so many that a key stands for: that of Kafka's own clients, so that records of other producers lie beside it.
pub(super) fn partition_of(key: &[u8], count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % count.max(1)
}

/// MurmurHash2 with the seed of Kafka's clients.
fn murmur2(bytes: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        let mut k = u32::from_le_bytes(*four).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::compression::decompressed;

    #[test]
    fn sums_are_those_of_everybody_else() {
        // The check value of CRC-32C, and those of RFC 3720.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn a_key_stands_for_the_partition_that_other_clients_take() {
        // Values that Kafka's own tests have.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(partition_of(b"abc", 10), 7);
        assert_eq!(partition_of(b"abc", 0), 0);
    }

    #[test]
    fn numbers_are_written_short() {
        for (number, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (-64, &[127]),
            (64, &[128, 1]),
            (300, &[216, 4]),
        ] {
            let mut out = BytesMut::new();
            varint(&mut out, number);
            assert_eq!(&out[..], bytes, "{number}");
        }
    }

    #[test]
    fn a_batch_is_as_long_as_it_says_and_its_sum_is_right() {
        let headers = [("a".to_owned(), "ä".to_owned())];
        let record = Record {
            key: Some(b"k"),
            value: b"value",
            headers: &headers,
            at_ms: 1_700_000_000_000,
        };
        for (attributes, codec) in [
            (0, Compression::None),
            (1, Compression::Gzip),
            (2, Compression::Snappy),
            (3, Compression::Lz4),
            (4, Compression::Zstd),
        ] {
            let batch = batch(&record, codec).expect("a batch");
            let len = i32::from_be_bytes(batch[8..12].try_into().expect("four bytes"));
            assert_eq!(usize::try_from(len), Ok(batch.len() - 12));
            assert_eq!(batch[17..21], crc32c(&batch[21..]).to_be_bytes());
            assert_eq!(batch[21..23], [0, attributes], "{codec:?}");
            assert_eq!(batch[57..61], [0, 0, 0, 1], "one record, which is not compressed with its number");
            let records = decompressed(codec, &batch[61..]);
            assert_eq!(records, b"\x22\0\0\0\x02k\x0avalue\x02\x02a\x04\xc3\xa4", "{codec:?}");
        }
    }
}
