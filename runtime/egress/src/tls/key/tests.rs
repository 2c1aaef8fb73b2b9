//! Keys as openssl writes them, with what opens them and what does not.

use rcgen::KeyPair;

use super::*;

const FORMS: &str = include_str!("forms.pem");
const WORD: &str = "a word";

/// The key in one of its forms, with the line before it.
fn form(name: &str) -> &'static str {
    let mut all = FORMS.split("# ");
    all.find(|form| form.starts_with(&format!("{name}:"))).expect(name)
}

fn told(text: &str, password: Option<&str>) -> String {
    match read(text, password) {
        Err(EgressError::Invalid(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_password_opens_a_key() {
    let plain = KeyPair::from_pem(form("plain")).expect("a key");
    let is_it = |key: &Arc<dyn SigningKey>| {
        let public = key.public_key().expect("half of it");
        assert!(public.ends_with(plain.public_key_raw()));
    };
    for (name, locked) in [("plain", false), ("usual", true), ("short", true), ("sha512", true)] {
        assert_eq!(is_locked(form(name)), locked, "{name}");
        is_it(&read(form(name), Some(WORD)).expect(name));
    }
    // A password that is not needed, and none.
    for password in [None, Some(""), Some("another")] {
        is_it(&read(form("plain"), password).expect("a key"));
    }
    // Lines as they come, and other texts around them.
    let (usual, other) = (form("usual"), KeyPair::generate().expect("a key"));
    for text in [
        usual.replace('\n', "\r\n"),
        usual.replace("-----BEGIN", "\n  -----BEGIN").replace('\n', "\n  "),
        usual.replace('\n', " "),
        format!("{}{usual}{}", other.public_key_pem(), other.public_key_pem()),
    ] {
        is_it(&read(&text, Some(WORD)).expect(&text));
    }
}

#[test]
fn what_does_not_open_a_key_is_told_and_nothing_of_either() {
    let cut = form("usual").replace(END, "");
    let empty = format!("{BEGIN}\n{END}\n");
    let damaged = form("usual").replace("hYTZTX", "hYTZTY");
    for (text, password, says) in [
        (form("usual"), None, "give its password"),
        (form("usual"), Some(""), "give its password"),
        (form("usual"), Some("another"), "not opened by its password"),
        (form("usual"), Some("a word "), "not opened by its password"),
        (&damaged, Some(WORD), "key"),
        (
            form("many"),
            Some(WORD),
            "takes 1000001 rounds to open, more than the 1000000 allowed",
        ),
        (form("many"), Some(WORD), "-iter"),
        (form("many"), None, "more than the 1000000 allowed"),
        (form("scrypt"), Some(WORD), "scrypt"),
        (form("scrypt"), Some(WORD), "openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        (form("old"), Some(WORD), "openssl pkcs8 -topk8 -v2 aes-256-cbc"),
        (form("old"), Some(WORD), "an old form"),
        (form("sha1"), Some(WORD), "a form that is not known"),
        (form("des"), Some(WORD), "a form that is not known"),
        (form("version1"), Some(WORD), "a form that is not known"),
        (&cut, Some(WORD), "a form that is not known"),
        (&empty, Some(WORD), "a form that is not known"),
    ] {
        let error = told(text, password);
        assert!(error.contains(says), "{says}: {error}");
        for line in text.lines().filter(|line| line.len() > 40) {
            assert!(!error.contains(line), "{error}");
        }
        let secret = password.filter(|password| !password.is_empty());
        assert!(secret.is_none_or(|password| !error.contains(password)), "{error}");
    }
}

/// Whatever a byte of it is made: no way to say more rounds than may be, nor to end the process.
#[test]
fn a_key_that_was_tampered_with_is_refused() {
    let whole = between(form("short")).expect("a key");
    let plain = KeyPair::from_pem(form("plain")).expect("a key");
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0x80, 0xff, whole[at].wrapping_add(1)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            for bytes in [&bytes[..], &bytes[..at]] {
                let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(bytes));
                // What is encrypted, and what it begins with, is sealed by nothing but its form.
                let sealed = at < whole.len() - 144 - 3 - 16;
                let opened = read(&text, Some(WORD))
                    .ok()
                    .and_then(|key| key.public_key().map(|half| half.to_vec()));
                assert!(
                    !sealed || opened.is_none_or(|half| half.ends_with(plain.public_key_raw())),
                    "{at}: {value}"
                );
            }
        }
    }
}
