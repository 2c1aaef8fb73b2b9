//! What lies in a guest's memory when it starts: bytes, text, lists, each with its place.

use std::fmt::Write as _;

/// Below it there are zeros: an answer at 0 is empty, or good, whatever its type.
const START: usize = 1024;

/// Bytes from the start of memory.
#[derive(Clone, Debug)]
pub struct Image(Vec<u8>);

/// A list or a text: where, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where.
    pub at: u32,
    /// Elements, or bytes.
    pub len: u32,
}

impl Span {
    /// Its two words.
    pub fn words(self) -> [u8; 8] {
        let mut words = [0; 8];
        words[..4].copy_from_slice(&self.at.to_le_bytes());
        words[4..].copy_from_slice(&self.len.to_le_bytes());
        words
    }
}

impl Default for Image {
    fn default() -> Self {
        Image::new()
    }
}

impl Image {
    /// Nothing but zeros.
    pub fn new() -> Self {
        Image(vec![0; START])
    }

    /// Bytes it has.
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// It never is: there are zeros.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes that are there.
    pub fn bytes(&self, at: u32, len: usize) -> Vec<u8> {
        self.0[at as usize..][..len].to_vec()
    }

    /// Puts bytes at a place for anything; answers where.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = self.len();
        self.0.extend(bytes);
        at
    }

    /// Puts a text, or what is none.
    pub fn text(&mut self, bytes: &[u8]) -> Span {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Span { at: self.put(bytes), len }
    }

    /// Puts a list of texts.
    pub fn texts(&mut self, texts: &[Vec<u8>]) -> Span {
        let words: Vec<u8> = texts.iter().flat_map(|text| self.text(text).words()).collect();
        let len = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        Span { at: self.put(&words), len }
    }

    /// Puts the two words of a list or text; answers where they stand.
    pub fn span(&mut self, span: Span) -> u32 {
        self.put(&span.words())
    }

    /// Puts an answer that says no, with a text.
    pub fn refusal(&mut self, text: &[u8]) -> u32 {
        let text = self.text(text);
        self.put(&[&1u32.to_le_bytes()[..], &text.words()].concat())
    }

    pub(crate) fn segment(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 3 + 40);
        text.push_str("(data (i32.const 0) \"");
        for byte in &self.0 {
            let _ = write!(text, "\\{byte:02x}");
        }
        text.push_str("\")");
        text
    }
}
