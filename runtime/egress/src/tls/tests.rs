//! Certificates and keys of every form, the limits of both, and that no error shows them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::*;

/// A key of a service account's that is good for nothing else (RSA, 2048 bits, PKCS#8).
const ACCOUNT: &str = include_str!("../broker/pubsub/tests/account.json");

/// A certificate of version 1, and its key.
const VERSION_1: &str = include_str!("tests/version1.pem");

fn rsa() -> KeyPair {
    let account: serde_json::Value = serde_json::from_str(ACCOUNT).expect("JSON");
    KeyPair::from_pem(account["private_key"].as_str().expect("a key")).expect("a key")
}

/// What follows what PKCS#8 puts before a key of an older form, whose length is that of its kind.
fn older(key: &KeyPair, name: &str, before: usize) -> String {
    let der = &key.serialize_der()[before..];
    assert_eq!(der[0], 0x30, "a sequence");
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", STANDARD.encode(der))
}

fn certificate(key: &KeyPair) -> String {
    let params = CertificateParams::new(["client.test".to_owned()]).expect("a name");
    params.self_signed(key).expect("signed").pem()
}

fn identity(certificates: &str, key: &str) -> Tls {
    Tls {
        authorities: None,
        identity: Some(Identity {
            certificates: Secret(certificates.to_owned()),
            key: Secret(key.to_owned()),
            password: None,
        }),
    }
}

fn with_password(certificates: &str, key: &str, password: &str) -> Tls {
    let mut tls = identity(certificates, key);
    if let Some(one) = &mut tls.identity {
        one.password = Some(Secret(password.to_owned()));
    }
    tls
}

fn believing(authorities: &str) -> Tls {
    Tls {
        authorities: Some(Secret(authorities.to_owned())),
        identity: None,
    }
}

fn told(tls: &Tls) -> Result<ClientConfig, String> {
    tls.config(&Arc::new(RootCertStore::empty())).map_err(|error| match error {
        EgressError::Invalid(text) => text,
        other => panic!("{other:?}"),
    })
}

#[test]
fn keys_of_every_kind_are_read() {
    let made = |kind| KeyPair::generate_for(kind).expect("a key");
    let (ed25519, p256, p384) = (made(&PKCS_ED25519), made(&PKCS_ECDSA_P256_SHA256), made(&PKCS_ECDSA_P384_SHA384));
    for (pair, key) in [
        (&ed25519, ed25519.serialize_pem()),
        (&p256, p256.serialize_pem()),
        (&p384, p384.serialize_pem()),
        (&p256, older(&p256, "EC PRIVATE KEY", 29)),
        (&rsa(), rsa().serialize_pem()),
        (&rsa(), older(&rsa(), "RSA PRIVATE KEY", 26)),
    ] {
        let shown = certificate(pair);
        let with_text = format!("subject=client\n{shown}{}", certificate(&made(&PKCS_ED25519)));
        for certificates in [&shown, &with_text, &format!("{key}{shown}")] {
            let config = told(&identity(certificates, &key)).expect("an identity");
            assert!(config.client_auth_cert_resolver.has_certs());
        }
    }
    assert!(
        !told(&Tls::default())
            .expect("nothing of its own")
            .client_auth_cert_resolver
            .has_certs()
    );
    told(&identity(VERSION_1, VERSION_1)).expect("an identity");
    told(&believing(VERSION_1)).expect("authorities");
    told(&believing(&format!("{}{}", certificate(&p256), certificate(&ed25519)))).expect("authorities");
}

#[test]
fn what_cannot_be_used_is_told_and_nothing_of_it() {
    let (one, two) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let (shown, key, other) = (certificate(&one), one.serialize_pem(), two.serialize_pem());
    let block = |name: &str, text: &str| format!("-----BEGIN {name}-----\n{text}\n-----END {name}-----\n");
    let hidden = STANDARD.encode("hidden, and of no use");
    let old = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{hidden}");
    for (tls, says) in [
        (believing(""), "no certificate"),
        (believing(&hidden), "no certificate"),
        (believing(&key), "no certificate"),
        (believing(&block("CERTIFICATE", &hidden)), "certificate 1 cannot be read"),
        (believing(&block("CERTIFICATE", "hidden!")), "certificate 1 cannot be read"),
        (
            believing(&format!("{shown}{}", block("CERTIFICATE", &hidden))),
            "certificate 2 cannot be read",
        ),
        (
            believing(&format!("{shown}-----BEGIN CERTIFICATE-----\n{hidden}")),
            "2 cannot be read",
        ),
        (believing(&shown.repeat(101)), "more than the 100"),
        (identity("", &key), "no certificate"),
        (identity(&block("CERTIFICATE", &hidden), &key), "certificate 1 cannot be read"),
        (
            identity(&format!("{shown}{}", block("CERTIFICATE", &hidden)), &key),
            "certificate 2 cannot be read",
        ),
        (identity(&shown.repeat(101), &key), "more than the 100"),
        (identity(&shown, ""), "no private key"),
        (identity(&shown, &shown), "no private key"),
        (identity(&shown, &block("PRIVATE KEY", "hidden!")), "no private key"),
        (identity(&shown, &block("PRIVATE KEY", &hidden)), "kind that is not known"),
        (identity(&shown, &block("ENCRYPTED PRIVATE KEY", &hidden)), "encrypted"),
        (identity(&shown, &block("RSA PRIVATE KEY", &old)), "encrypted"),
        (identity(VERSION_1, &key), "not that of its certificate"),
        (identity(&shown, &other), "not that of its certificate"),
    ] {
        let error = told(&tls).expect_err(says);
        assert!(error.contains(says), "{says}: {error}");
        let texts = format!("{error} {tls:?}");
        let parts = [&shown, &key, &other].into_iter().flat_map(|text| text.lines().skip(1).take(1));
        for part in parts.chain(["hidden", hidden.as_str()]) {
            assert!(!texts.contains(part), "{texts}");
        }
    }
}

#[test]
fn a_key_with_a_password_is_known_before_it_is_opened() {
    let forms = include_str!("key/forms.pem");
    let (plain, locked) = forms.split_once("# usual").expect("both");
    let (locked, _) = locked.split_once("# short").expect("more");
    let shown = certificate(&KeyPair::from_pem(plain).expect("a key"));
    for (tls, long, fine) in [
        (with_password(&shown, plain, "another"), false, true),
        (with_password(&shown, locked, "a word"), true, true),
        (with_password(&shown, locked, "another"), true, false),
        (with_password(VERSION_1, locked, "a word"), true, false),
        (believing(&shown), false, true),
        (Tls::default(), false, true),
    ] {
        assert_eq!((tls.takes_long(), told(&tls).is_ok()), (long, fine));
        assert!(!format!("{tls:?}").contains("a word"));
    }
}

#[test]
fn texts_have_a_size_and_a_conversation_in_the_clear_has_none() {
    let large = "x".repeat(TEXT_BYTES_MAX + 1);
    let fits = "x".repeat(TEXT_BYTES_MAX);
    for (tls, fine) in [
        (Tls::default(), true),
        (believing(&fits), true),
        (believing(&large), false),
        (identity(&large, ""), false),
        (identity("", &large), false),
        (with_password("", "", &large), false),
    ] {
        let told = tls.check("https://api.test", true).map_err(|error| error.to_string());
        assert_eq!(told.is_ok(), fine, "{told:?}");
        assert!(told.is_ok() || told.is_err_and(|text| text.contains("65536") && !text.contains("xx")));
        let clear = tls.check("http://api.test", false).expect_err("in the clear").to_string();
        assert!(clear.starts_with("http://api.test is spoken to in the clear"), "{clear}");
    }
}
