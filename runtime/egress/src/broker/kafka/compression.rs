//! How records are made smaller: the codecs of Kafka, each in the form that its own clients write and read. Pure.
//!
//! What comes out is hardly larger than what went in, and takes a time that goes with it.

use std::borrow::Cow;
use std::io::{self, Write as _};

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::broker::publish::Compression;

/// Snappy has no form for streams of its own. Kafka's clients have that of snappy-java: this beginning – a mark, a version, and the oldest one
/// that reads it – and then blocks, each with its length before it.
const SNAPPY: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes of such a block before it is compressed, as snappy-java has them.
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;

/// The number of a codec in a batch's attributes (“record batch”, documentation of Kafka's message format).
pub(super) fn number(codec: Compression) -> i16 {
    match codec {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Snappy => 2,
        Compression::Lz4 => 3,
        Compression::Zstd => 4,
    }
}

/// The records of a batch as they stand in it.
///
/// # Errors
/// Of a codec, such as for want of memory.
pub(super) fn compressed(codec: Compression, records: &[u8]) -> io::Result<Cow<'_, [u8]>> {
    Ok(Cow::Owned(match codec {
        Compression::None => return Ok(Cow::Borrowed(records)),
        Compression::Gzip => gzip(records)?,
        Compression::Snappy => snappy(records)?,
        Compression::Lz4 => lz4(records)?,
        Compression::Zstd => zstd::bulk::compress(records, zstd::DEFAULT_COMPRESSION_LEVEL)?,
    }))
}

fn gzip(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(records)?;
    encoder.finish()
}

fn snappy(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = SNAPPY.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in records.chunks(SNAPPY_BLOCK_BYTES) {
        let block = encoder.compress_vec(block)?;
        out.extend(u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(block);
    }
    Ok(out)
}

fn lz4(records: &[u8]) -> io::Result<Vec<u8>> {
    // Kafka's clients read no blocks that refer to those before them.
    let form = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(form, Vec::new());
    encoder.write_all(records)?;
    Ok(encoder.finish()?)
}

/// What stood in a batch before it was compressed.
#[cfg(test)]
pub(super) fn decompressed(codec: Compression, records: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn io::Read + '_> = match codec {
        Compression::None => Box::new(records),
        Compression::Gzip => Box::new(flate2::read::GzDecoder::new(records)),
        Compression::Snappy => Box::new(io::Cursor::new(unsnapped(records))),
        Compression::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(records)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(records).expect("a decoder")),
    };
    let mut out = Vec::new();
    reader.read_to_end(&mut out).expect("a whole stream");
    out
}

#[cfg(test)]
fn unsnapped(records: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = records.strip_prefix(SNAPPY).expect("how it begins");
    while let Some((len, blocks)) = rest.split_first_chunk() {
        let (block, others) = blocks.split_at(u32::from_be_bytes(*len) as usize);
        out.extend(snap::raw::Decoder::new().decompress_vec(block).expect("a block"));
        rest = others;
    }
    assert!(rest.is_empty(), "{rest:?}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// Bytes that nothing makes smaller.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| byte()).collect()
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let (text, noise) = (br#"{"temperature":21.5}"#.repeat(60_000), noise(1 << 20));
        for codec in ALL {
            // Around the ends of blocks of each codec.
            for len in [0, 1, 20, 32_767, 32_768, 32_769, 65_536, 65_537, 131_072, 131_073, 1 << 20] {
                for bytes in [&text[..len], &noise[..len]] {
                    let small = compressed(codec, bytes).expect("compressed");
                    assert!(decompressed(codec, &small) == bytes, "{codec:?}, {len} bytes");
                    assert!(small.len() <= len + len / 100 + 64, "{codec:?}: {} of {len} bytes", small.len());
                }
            }
            let small = compressed(codec, &text).expect("compressed").len();
            assert_eq!(small < text.len() / 10, codec != Compression::None, "{codec:?}: {small} bytes");
        }
    }

    /// What other clients look at before they read on.
    #[test]
    fn streams_begin_as_other_clients_expect_it() {
        let begins = |codec, beginning: &[u8]| {
            let bytes = compressed(codec, b"record").expect("compressed").into_owned();
            assert!(bytes.starts_with(beginning), "{codec:?}: {bytes:02x?}");
            bytes
        };
        begins(Compression::Gzip, b"\x1f\x8b\x08\0");
        let snappy = begins(Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0");
        assert_eq!(usize::from(snappy[19]), snappy.len() - 20, "one block");
        // Version 1, blocks that stand alone, no sums but that of the header, which is right; 64 KiB.
        let lz4 = begins(Compression::Lz4, b"\x04\x22\x4d\x18\x60\x40\x82");
        assert!(lz4.ends_with(&[0; 4]), "the mark of the end");
        begins(Compression::Zstd, b"\x28\xb5\x2f\xfd");
        assert_eq!(ALL.map(number), [0, 1, 2, 3, 4]);
    }
}
