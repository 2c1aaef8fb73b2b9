//! The certificates that a client presents, as they stand in its handshake: the library tells the first alone, whose key is proved.
//! What stands behind it is proved by nobody here; whoever makes something of it looks whether it was signed.
//!
//! A client's certificates go as they are (RFC 6347, 4.2.3; RFC 5246, 7.4.6): they are read beside the library, which goes on to check
//! that nobody changed the handshake. Bounded, as anybody may begin one: more than fits is left out, and so are all behind the first.

/// Certificates that are looked at.
const CERTIFICATES_MAX: usize = 6;
/// Bytes of all together at most, and of the fragments they come in.
const BYTES_MAX: usize = 8 << 10;
/// Fragments at most.
const FRAGMENTS_MAX: usize = 32;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_RECORD: u8 = 22;
const MESSAGE_HEADER: usize = 12;
const CERTIFICATE_MESSAGE: u8 = 11;

/// What has come of the message with the certificates.
#[derive(Default)]
pub(super) struct Presented {
    /// Bytes of the whole message, as its first fragment says.
    total: usize,
    kept: usize,
    /// Where they belong, and what they say.
    fragments: Vec<(usize, Box<[u8]>)>,
}

impl Presented {
    /// Takes a datagram of a handshake.
    pub(super) fn datagram(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        while let Some((header, after)) = rest.split_at_checked(RECORD_HEADER) {
            let Some((content, after)) = after.split_at_checked(number(&header[11..13])) else {
                return;
            };
            // Epoch 0: not encrypted.
            if header[0] == HANDSHAKE_RECORD && header[3..5] == [0, 0] {
                self.record(content);
            }
            rest = after;
        }
    }

    /// The certificates (DER), if the first is this one; else it alone.
    pub(super) fn behind(self, own: &[u8]) -> Vec<Vec<u8>> {
        let chain = self.message().and_then(|message| certificates(&message));
        chain
            .filter(|chain| chain.first().is_some_and(|first| first == own))
            .unwrap_or_else(|| vec![own.to_vec()])
    }

    fn record(&mut self, content: &[u8]) {
        let mut rest = content;
        while let Some((header, after)) = rest.split_at_checked(MESSAGE_HEADER) {
            let (total, offset, length) = (number(&header[1..4]), number(&header[6..9]), number(&header[9..12]));
            let Some((fragment, after)) = after.split_at_checked(length) else {
                return;
            };
            if header[0] == CERTIFICATE_MESSAGE {
                self.fragment(total, offset, fragment);
            }
            rest = after;
        }
    }

    fn fragment(&mut self, total: usize, offset: usize, fragment: &[u8]) {
        if self.fragments.is_empty() {
            self.total = total;
        }
        let known = |(at, bytes): &(usize, Box<[u8]>)| *at == offset && bytes.len() == fragment.len();
        let fits = total == self.total && self.kept + fragment.len() <= BYTES_MAX && self.fragments.len() < FRAGMENTS_MAX;
        if fits && !self.fragments.iter().any(known) {
            self.kept += fragment.len();
            self.fragments.push((offset, fragment.into()));
        }
    }

    /// The whole message. None: something is missing.
    fn message(mut self) -> Option<Vec<u8>> {
        self.fragments.sort_unstable_by_key(|(offset, _)| *offset);
        let mut message = Vec::with_capacity(self.kept);
        for (offset, bytes) in &self.fragments {
            let known = message.len().checked_sub(*offset)?;
            message.extend_from_slice(bytes.get(known..).unwrap_or_default());
        }
        (message.len() == self.total).then_some(message)
    }
}

/// The list of a message (RFC 5246, 7.4.2), as far as it is looked at. None: it is none.
fn certificates(message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (length, mut rest) = message.split_at_checked(3)?;
    if number(length) != rest.len() {
        return None;
    }
    let mut found = Vec::new();
    while !rest.is_empty() && found.len() < CERTIFICATES_MAX {
        let (length, after) = rest.split_at_checked(3)?;
        let (certificate, after) = after.split_at_checked(number(length))?;
        found.push(certificate.to_vec());
        rest = after;
    }
    Some(found)
}

/// An unsigned number, the most significant byte first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn three(number: usize) -> [u8; 3] {
        u32::try_from(number).unwrap().to_be_bytes()[1..].try_into().unwrap()
    }

    fn message(certificates: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = certificates.iter().flat_map(|one| [&three(one.len())[..], one].concat()).collect();
        [&three(list.len())[..], &list].concat()
    }

    /// A record with the bytes of a message from one place to another.
    fn record(message: &[u8], from: usize, to: usize) -> Vec<u8> {
        let head = [
            &[CERTIFICATE_MESSAGE][..],
            &three(message.len()),
            &[0, 2],
            &three(from),
            &three(to - from),
        ];
        let content = [&head.concat()[..], &message[from..to]].concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE_RECORD, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 7][..], &length, &content].concat()
    }

    fn presented(datagrams: &[Vec<u8>], own: &[u8]) -> Vec<Vec<u8>> {
        let mut presented = Presented::default();
        datagrams.iter().for_each(|datagram| presented.datagram(datagram));
        presented.behind(own)
    }

    #[test]
    fn what_comes_in_any_order_and_twice_is_put_together() {
        let whole = message(&[b"own", b"above"]);
        let chain = vec![b"own".to_vec(), b"above".to_vec()];
        let end = whole.len();
        let (first, middle, last) = (record(&whole, 0, 5), record(&whole, 4, 9), record(&whole, 9, end));
        for datagrams in [
            vec![record(&whole, 0, end)],
            vec![first.clone(), middle.clone(), last.clone()],
            vec![last.clone(), first.clone(), last.clone(), middle.clone(), first.clone()],
            vec![[first.clone(), middle.clone(), last.clone()].concat()],
        ] {
            assert_eq!(presented(&datagrams, b"own"), chain);
            assert_eq!(presented(&datagrams, b"other"), [b"other"], "its key was not proved");
        }
        // With a part missing, cut anywhere, or encrypted: the first alone.
        let alone = [b"own".to_vec()];
        assert_eq!(presented(&[first, last], b"own"), alone);
        let datagram = record(&whole, 0, end);
        for cut in 0..datagram.len() {
            assert_eq!(presented(&[datagram[..cut].to_vec()], b"own"), alone, "{cut}");
        }
        let mut encrypted = datagram;
        encrypted[4] = 1;
        assert_eq!(presented(&[encrypted], b"own"), alone);
    }

    #[test]
    fn there_is_a_limit_to_everything() {
        let alone = [b"own".to_vec()];
        let many = message(&[&b"own"[..]; 9]);
        assert_eq!(
            presented(&[record(&many, 0, many.len())], b"own"),
            vec![b"own".to_vec(); CERTIFICATES_MAX]
        );
        let large = message(&[b"own", &[1; BYTES_MAX]]);
        assert_eq!(presented(&[record(&large, 0, large.len())], b"own"), alone);
        let whole = message(&[b"own", &[1; 2 * FRAGMENTS_MAX]]);
        let bytewise: Vec<_> = (0..whole.len()).map(|at| record(&whole, at, at + 1)).collect();
        assert_eq!(presented(&bytewise, b"own"), alone);
        // A list that says something else of its length, and none.
        let mut wrong = message(&[b"own"]);
        wrong[2] += 1;
        assert_eq!(presented(&[record(&wrong, 0, wrong.len())], b"own"), alone);
        assert_eq!(presented(&[record(&[0, 0, 0], 0, 3)], b"own"), alone);
        assert_eq!(presented(&[], b"own"), alone);
    }
}
