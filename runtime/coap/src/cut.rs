//! Cuts a response to what may be sent: whole, or a block of it (RFC 7959, 2.4).

use crate::block::{Block, SZX_MAX};
use crate::bodies::etag;
use crate::option::{self, write_uint};
use crate::{Code, Kind, Message, Response, Token};

/// Bytes of a payload in one message at most; larger ones go in blocks (RFC 7252, 4.6).
const PAYLOAD_BYTES_MAX: usize = 1_024;

/// What a response has to fit to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) token: Token,
    /// The block of the request's body that this response is for.
    pub(crate) block1: Option<Block>,
    /// The block that the client asked for.
    pub(crate) block2: Option<Block>,
    /// The number of a notification.
    pub(crate) sequence: Option<u32>,
}

/// A message without kind and id, and whether there is more of the response than it holds.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) message: Message,
    pub(crate) more: bool,
}

/// None: so few bytes hold no response.
pub(crate) fn cut(response: &Response, frame: Frame, bytes_max: usize) -> Option<Cut> {
    let mut message = Message::new(Kind::NonConfirmable, response.code, 0, frame.token);
    if let Some(sequence) = frame.sequence {
        message = message.with(option::OBSERVE, write_uint(sequence));
    }
    if let Some(seconds) = response.retry_s {
        message = message.with(option::MAX_AGE, write_uint(seconds));
    }
    if let Some(block1) = frame.block1 {
        message = message.with(option::BLOCK1, block1.write());
    }
    let bare = message.clone();
    if let Some(format) = response.format {
        message = message.with(option::CONTENT_FORMAT, write_uint(u32::from(format)));
    }
    let payload = &response.payload;
    let wanted = frame.block2.map_or(PAYLOAD_BYTES_MAX, Block::size);
    let first = frame.block2.is_none_or(|block| block.number == 0);
    if first && payload.len() <= wanted {
        let mut whole = message.clone();
        whole.payload = payload.clone();
        if let Some(block2) = frame.block2 {
            whole = whole.with(option::BLOCK2, Block { more: false, ..block2 }.write());
        }
        if whole.write().len() <= bytes_max {
            return Some(Cut {
                message: whole,
                more: false,
            });
        }
    }
    if !response.code.is_success() {
        // A diagnostic text is dropped rather than cut.
        return (bare.write().len() <= bytes_max).then_some(Cut {
            message: bare,
            more: false,
        });
    }
    let message = message.with(option::ETAG, etag(payload));
    block(response, frame.block2, &message, bytes_max)
}

fn block(response: &Response, asked: Option<Block>, message: &Message, bytes_max: usize) -> Option<Cut> {
    let payload = &response.payload;
    let offset = asked.map_or(0, Block::offset);
    if offset >= payload.len() {
        let code = if payload.is_empty() { response.code } else { Code::BAD_REQUEST };
        return Some(Cut {
            message: Message::new(message.kind, code, 0, message.token),
            more: false,
        });
    }
    let size = write_uint(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    let of = |exponent: u8| {
        let length = (16 << exponent).min(payload.len() - offset);
        let block = Block {
            number: u32::try_from(offset / (16 << exponent)).unwrap_or(u32::MAX),
            more: offset + length < payload.len(),
            exponent,
        };
        let mut part = message.clone().with(option::BLOCK2, block.write());
        if offset == 0 {
            part = part.with(option::SIZE2, size.clone());
        }
        part.payload = payload.slice(offset..offset + length);
        Cut {
            message: part,
            more: block.more,
        }
    };
    let largest = asked.map_or(SZX_MAX, |block| block.exponent);
    (0..=largest).rev().map(of).find(|cut| cut.message.write().len() <= bytes_max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(length: usize, block2: Option<(u32, u8)>, bytes_max: usize) -> Option<(usize, Option<Block>, bool)> {
        let response = Response::json(Code::CONTENT, vec![b'x'; length].into());
        let frame = Frame {
            block2: block2.map(|(number, exponent)| Block {
                number,
                more: false,
                exponent,
            }),
            ..Frame::default()
        };
        let Cut { message, more } = cut(&response, frame, bytes_max)?;
        assert!(message.write().len() <= bytes_max);
        let block = message.option(option::BLOCK2).map(|value| Block::read(value).unwrap());
        assert!(block.is_none_or(|block| block.more == more));
        Some((message.payload.len(), block, more))
    }

    fn at(number: u32, more: bool, exponent: u8) -> Option<Block> {
        Some(Block { number, more, exponent })
    }

    #[test]
    fn responses_are_cut_to_what_was_asked_for_and_may_be_sent() {
        for (length, block2, bytes_max, expected) in [
            (0, None, 100, (0, None, false)),
            (1_024, None, 2_000, (1_024, None, false)),
            (1_025, None, 2_000, (1_024, at(0, true, 6), true)),
            (1_025, Some((1, 6)), 2_000, (1, at(1, false, 6), false)),
            // The client wants smaller ones.
            (100, Some((0, 2)), 2_000, (64, at(0, true, 2), true)),
            (60, Some((0, 2)), 2_000, (60, at(0, false, 2), false)),
            // Less may be sent.
            (100, None, 60, (32, at(0, true, 1), true)),
            (100, Some((1, 2)), 40, (16, at(4, true, 0), true)),
        ] {
            assert_eq!(of(length, block2, bytes_max), Some(expected), "{length} {block2:?} {bytes_max}");
        }
        assert_eq!(of(100, None, 20), None);
    }

    #[test]
    fn a_block_behind_the_end_is_refused() {
        let response = Response::json(Code::CONTENT, vec![b'x'; 10].into());
        let frame = Frame {
            block2: at(1, false, 0),
            ..Frame::default()
        };
        assert_eq!(cut(&response, frame, 100).unwrap().message.code, Code::BAD_REQUEST);
    }

    #[test]
    fn a_refusal_loses_its_text_rather_than_its_code() {
        let response = Response::refusal(Code::BAD_REQUEST, "a rather long explanation");
        assert_eq!(cut(&response, Frame::default(), 100).unwrap().message.payload.len(), 25);
        let Cut { message, more } = cut(&response, Frame::default(), 10).unwrap();
        assert_eq!((message.payload.len(), message.code, more), (0, Code::BAD_REQUEST, false));
    }
}
