//! Letters of a text as octets: the alphabets that SMPP calls data coding (3.4, section 5.2.19). Pure.

use crate::broker::publish::Alphabet;

/// GSM 03.38: the place of a letter is its octet. The one that escapes is no letter.
const GSM: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ESCAPES, 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à', //
];
/// Its letters that stand behind an escape, and their octets there.
const GSM_ESCAPED: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];
/// What escapes in GSM 03.38.
const ESCAPE: u8 = 0x1b;
const ESCAPES: char = '\u{1b}';

impl Alphabet {
    /// The one that a data coding means.
    ///
    /// # Errors
    /// Which there are, in words.
    pub fn of(coding: u8) -> Result<Self, String> {
        match coding {
            0 => Ok(Alphabet::Gsm),
            1 => Ok(Alphabet::Ascii),
            3 => Ok(Alphabet::Latin1),
            8 => Ok(Alphabet::Ucs2),
            other => Err(format!(
                "there are 0 (the center's own: GSM 03.38), 1 (ASCII), 3 (Latin-1) and 8 (UCS-2), not {other}"
            )),
        }
    }

    /// Its data coding.
    pub fn coding(self) -> u8 {
        match self {
            Alphabet::Gsm => 0,
            Alphabet::Ascii => 1,
            Alphabet::Latin1 => 3,
            Alphabet::Ucs2 => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Alphabet::Gsm => "GSM 03.38",
            Alphabet::Ascii => "ASCII",
            Alphabet::Latin1 => "Latin-1",
            Alphabet::Ucs2 => "UCS-2",
        }
    }
}

/// A text in an alphabet. The first letter that is none of its letters is named.
pub(super) fn octets(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    for letter in text.chars() {
        let is_one = match alphabet {
            Alphabet::Gsm => gsm(letter, &mut out),
            Alphabet::Ascii => one(letter, 0x7f, &mut out),
            Alphabet::Latin1 => one(letter, 0xff, &mut out),
            Alphabet::Ucs2 => {
                for place in letter.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(&place.to_be_bytes());
                }
                true
            }
        };
        if !is_one {
            return Err(format!(
                "the text has {letter:?}, which is no letter of {} (data coding {}): UCS-2 (data coding 8) has all",
                alphabet.name(),
                alphabet.coding()
            ));
        }
    }
    Ok(out)
}

/// A letter whose number is its octet, up to a highest one.
fn one(letter: char, highest: u8, out: &mut Vec<u8>) -> bool {
    let octet = u8::try_from(u32::from(letter)).ok().filter(|octet| *octet <= highest);
    out.extend(octet);
    octet.is_some()
}

fn gsm(letter: char, out: &mut Vec<u8>) -> bool {
    let place = GSM.iter().position(|known| *known == letter).filter(|_| letter != ESCAPES);
    if let Some(octet) = place.and_then(|place| u8::try_from(place).ok()) {
        out.push(octet);
        return true;
    }
    let escaped = GSM_ESCAPED.iter().find(|(known, _)| *known == letter);
    if let Some((_, octet)) = escaped {
        out.extend([ESCAPE, *octet]);
    }
    escaped.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, alphabet: Alphabet) -> Vec<u8> {
        octets(text, alphabet).expect(text)
    }

    #[test]
    fn letters_have_the_octets_of_their_alphabet() {
        let cases: [(&str, Alphabet, &[u8]); 11] = [
            ("Hello 21", Alphabet::Gsm, b"Hello 21"),
            (
                "@£$¥èéùìòÇ\nØø\rÅå",
                Alphabet::Gsm,
                b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
            ),
            ("Δ_ΦΓΛΩΠΨΣΘΞ", Alphabet::Gsm, b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a"),
            ("ÆæßÉ¤", Alphabet::Gsm, b"\x1c\x1d\x1e\x1f\x24"),
            ("¡ÄÖÑÜ§¿äöñüà", Alphabet::Gsm, b"\x40\x5b\x5c\x5d\x5e\x5f\x60\x7b\x7c\x7d\x7e\x7f"),
            (
                "\u{c}^{}\\[~]|€",
                Alphabet::Gsm,
                b"\x1b\x0a\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x65",
            ),
            ("@[~]\x7f", Alphabet::Ascii, b"@[~]\x7f"),
            ("21 °C, Größe ÿ", Alphabet::Latin1, b"21 \xb0C, Gr\xf6\xdfe \xff"),
            ("°ж€", Alphabet::Ucs2, b"\x00\xb0\x04\x36\x20\xac"),
            ("🔥", Alphabet::Ucs2, b"\xd8\x3d\xdd\x25"),
            ("", Alphabet::Gsm, b""),
        ];
        for (text, alphabet, expected) in cases {
            assert_eq!(written(text, alphabet), expected, "{text}");
        }
    }

    #[test]
    fn every_letter_of_gsm_has_one_place() {
        let mut seen = std::collections::HashSet::new();
        let letters = GSM.into_iter().filter(|letter| *letter != ESCAPES);
        for letter in letters.chain(GSM_ESCAPED.map(|(letter, _)| letter)) {
            assert!(seen.insert(written(&letter.to_string(), Alphabet::Gsm)), "{letter:?}");
        }
        assert_eq!(seen.len(), 127 + 10);
        // Letters and digits of ASCII are where ASCII has them.
        for letter in ('a'..='z').chain('A'..='Z').chain('0'..='9') {
            assert_eq!(written(&letter.to_string(), Alphabet::Gsm), [letter as u8]);
        }
    }

    #[test]
    fn a_letter_of_no_place_is_named() {
        for (text, alphabet, letter) in [
            ("21 °C", Alphabet::Gsm, "'°'"),
            ("ç", Alphabet::Gsm, "'ç'"),
            ("\u{1b}", Alphabet::Gsm, "'\\u{1b}'"),
            ("`", Alphabet::Gsm, "'`'"),
            ("21 °C", Alphabet::Ascii, "'°'"),
            ("5 €", Alphabet::Latin1, "'€'"),
        ] {
            let told = octets(text, alphabet).expect_err(text);
            assert!(told.contains(letter) && told.contains(alphabet.name()), "{told}");
        }
    }

    #[test]
    fn a_data_coding_means_an_alphabet_or_none() {
        for coding in [0, 1, 3, 8] {
            assert_eq!(Alphabet::of(coding).map(Alphabet::coding), Ok(coding));
        }
        for coding in [2, 4, 5, 6, 7, 9, 14, 255] {
            let told = Alphabet::of(coding).expect_err("none");
            assert!(told.contains("8 (UCS-2)") && told.ends_with(&coding.to_string()), "{told}");
        }
    }
}
