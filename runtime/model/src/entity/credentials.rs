//! How devices prove who they are: kinds of credentials, what each is found by, and what opens it. Pure.
//!
//! | kind | `credentialsId` | `credentialsValue` |
//! |---|---|---|
//! | `ACCESS_TOKEN` | the token | – |
//! | `MQTT_BASIC` | user name; or SHA3-256 of the client id; or of `client id|user name` | JSON: `clientId`, `userName`, `password` |
//! | `X509_CERTIFICATE` | SHA3-256 of the value | the certificate, DER in base64 without line breaks |
//!
//! Ids and values are ThingsBoard's. Passwords of devices are kept as they are, like their tokens: the API shows both to who may see them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};

use super::{CredentialsType, DeviceCredentials};

/// What an MQTT device presents, and what is stored of it. Empty texts are as good as none.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MqttBasic {
    /// Client id of CONNECT.
    #[serde(default, deserialize_with = "text")]
    pub client_id: Option<String>,
    /// User name of CONNECT.
    #[serde(default, deserialize_with = "text")]
    pub user_name: Option<String>,
    /// Password of CONNECT.
    #[serde(default, deserialize_with = "text")]
    pub password: Option<String>,
}

/// Bytes of a text that a device presents at most: longer ones are not looked up.
pub const TEXT_BYTES_MAX: usize = 512;

/// Credentials in the form in which they are stored, apart from whose they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// Kind.
    pub credentials_type: CredentialsType,
    /// What the device is found by.
    pub credentials_id: String,
    /// What else opens them.
    pub credentials_value: Option<String>,
}

/// Why credentials cannot be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Nothing to find the device by.
    #[error("Device credentials id should be specified!")]
    NoToken,
    /// No transport looks it up.
    #[error("Device credentials must have {TEXT_BYTES_MAX} bytes at most")]
    TooLong,
    /// It cannot stand in a path.
    #[error("An access token must not contain white space, control characters or '/'")]
    NoPath,
    /// No JSON of client id, user name and password.
    #[error("Invalid credentials body for simple mqtt credentials!")]
    Unreadable,
    /// Nothing to find the device by.
    #[error("Both mqtt client id and user name are empty!")]
    Nameless,
    /// A password that nobody could be asked for.
    #[error("Password cannot be specified along with client id")]
    PasswordWithoutName,
    /// No certificate.
    #[error("Device credentials value should be an X.509 certificate in PEM form!")]
    NoCertificate,
}

impl Proof {
    /// An access token that is known to be good.
    pub fn token(token: &str) -> Self {
        Proof {
            credentials_type: CredentialsType::AccessToken,
            credentials_id: token.to_owned(),
            credentials_value: None,
        }
    }

    /// Credentials as somebody gave them: the id counts for tokens, the value for the others.
    ///
    /// # Errors
    /// [`CredentialsError`]: no device could connect with them.
    pub fn new(kind: CredentialsType, id: &str, value: Option<&str>) -> Result<Self, CredentialsError> {
        match kind {
            CredentialsType::AccessToken => check_token(id).map(|()| Proof::token(id)),
            CredentialsType::MqttBasic => {
                let basic = MqttBasic::parse(value.unwrap_or_default())?;
                let texts = [&basic.client_id, &basic.user_name, &basic.password];
                if texts.into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
                    return Err(CredentialsError::TooLong);
                }
                Ok(Proof {
                    credentials_type: kind,
                    credentials_id: basic.credentials_id(),
                    credentials_value: serde_json::to_string(&basic).ok(),
                })
            }
            CredentialsType::X509Certificate => {
                let value = certificate_value(value.unwrap_or_default())?;
                Ok(Proof {
                    credentials_type: kind,
                    credentials_id: certificate_id(&value),
                    credentials_value: Some(value),
                })
            }
        }
    }
}

fn check_token(token: &str) -> Result<(), CredentialsError> {
    if token.is_empty() {
        Err(CredentialsError::NoToken)
    } else if token.len() > TEXT_BYTES_MAX {
        Err(CredentialsError::TooLong)
    } else if token.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
        Err(CredentialsError::NoPath)
    } else {
        Ok(())
    }
}

impl MqttBasic {
    /// Reads the value of stored or given credentials.
    ///
    /// # Errors
    /// [`CredentialsError`]: nothing a device could connect with.
    pub fn parse(value: &str) -> Result<Self, CredentialsError> {
        let basic: MqttBasic = serde_json::from_str(value).map_err(|_| CredentialsError::Unreadable)?;
        match (&basic.client_id, &basic.user_name, &basic.password) {
            (None, None, _) => Err(CredentialsError::Nameless),
            (Some(_), None, Some(_)) => Err(CredentialsError::PasswordWithoutName),
            _ => Ok(basic),
        }
    }

    /// What they are found by.
    pub fn credentials_id(&self) -> String {
        match (&self.client_id, &self.user_name) {
            (Some(client), Some(name)) => both_id(client, name),
            (Some(client), None) => sha3(client),
            (None, name) => name.clone().unwrap_or_default(),
        }
    }

    /// Whether what a device presents opens these. A user name never does without the password that is set.
    pub fn opened_by(&self, client_id: &str, user_name: &str, password: Option<&str>) -> bool {
        self.client_id.as_deref().is_none_or(|stored| stored == client_id)
            && self.user_name.as_deref().unwrap_or_default() == user_name
            && self
                .password
                .as_deref()
                .is_none_or(|stored| same(stored.as_bytes(), password.unwrap_or_default().as_bytes()))
    }
}

impl DeviceCredentials {
    /// Client id, user name and password, if these are of that kind.
    pub fn mqtt_basic(&self) -> Option<MqttBasic> {
        let value = self.credentials_value.as_deref();
        value
            .filter(|_| self.credentials_type == CredentialsType::MqttBasic)
            .and_then(|value| MqttBasic::parse(value).ok())
    }
}

/// What credentials with client id and user name are found by.
pub fn both_id(client_id: &str, user_name: &str) -> String {
    sha3(&[client_id, "|", user_name].concat())
}

/// What credentials with nothing but a client id are found by.
pub fn client_id(client_id: &str) -> String {
    sha3(client_id)
}

/// The certificate that somebody gave, as it is stored: the first one of a PEM text, or bare base64.
///
/// # Errors
/// [`CredentialsError::NoCertificate`].
pub fn certificate_value(given: &str) -> Result<String, CredentialsError> {
    let body = match given.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => rest.split("-----END").next().unwrap_or_default(),
        None => given,
    };
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(body).map_err(|_| CredentialsError::NoCertificate)?;
    // A sequence (ITU-T X.690): what a certificate is at least.
    if der.first() == Some(&0x30) && der.len() > 16 {
        Ok(certificate_text(&der))
    } else {
        Err(CredentialsError::NoCertificate)
    }
}

/// A certificate that a device presents, as it is stored.
pub fn certificate_text(der: &[u8]) -> String {
    STANDARD.encode(der)
}

/// What a certificate is found by.
pub fn certificate_id(value: &str) -> String {
    sha3(value)
}

pub(super) fn sha3(text: &str) -> String {
    let hash = Sha3_256::digest(text.as_bytes());
    hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(digit).collect()
}

fn digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

/// Compares without telling by its duration how much was right.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

/// A text; an empty one is none.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_reference() {
        // `printf '%s' … | openssl dgst -sha3-256`
        assert_eq!(sha3("abc"), "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
        let basic = |value: &str| MqttBasic::parse(value).map(|basic| basic.credentials_id());
        assert_eq!(basic(r#"{"userName": "u", "password": "p"}"#), Ok("u".to_owned()));
        assert_eq!(basic(r#"{"clientId": "abc", "userName": ""}"#), Ok(sha3("abc")));
        assert_eq!(basic(r#"{"clientId": "a", "userName": "b"}"#), Ok(sha3("a|b")));
        assert_eq!(basic(r#"{"clientId": null}"#), Err(CredentialsError::Nameless));
        assert_eq!(
            basic(r#"{"clientId": "a", "password": "p"}"#),
            Err(CredentialsError::PasswordWithoutName)
        );
        assert_eq!(basic("oops"), Err(CredentialsError::Unreadable));
    }

    #[test]
    fn tokens_are_what_devices_can_present() {
        for (token, expected) in [
            ("A1_TEST_TOKEN", Ok(())),
            ("a.b-c", Ok(())),
            ("", Err(CredentialsError::NoToken)),
            ("a b", Err(CredentialsError::NoPath)),
            ("a/b", Err(CredentialsError::NoPath)),
            ("a\n", Err(CredentialsError::NoPath)),
            (&*"x".repeat(TEXT_BYTES_MAX), Ok(())),
            (&*"x".repeat(TEXT_BYTES_MAX + 1), Err(CredentialsError::TooLong)),
        ] {
            assert_eq!(check_token(token), expected, "{token}");
        }
    }

    #[test]
    fn a_name_opens_nothing_without_its_password() {
        let stored = |client: &str, name: &str, password: &str| {
            MqttBasic::parse(&serde_json::json!({"clientId": client, "userName": name, "password": password}).to_string())
        };
        let with_password = stored("", "name", "right").expect("complete");
        for (client, name, password, opens) in [
            ("anything", "name", Some("right"), true),
            ("", "name", Some("right"), true),
            ("", "name", None, false),
            ("", "name", Some(""), false),
            ("", "name", Some("Right"), false),
            ("", "name", Some("righ"), false),
            ("", "name", Some("right "), false),
            ("", "other", Some("right"), false),
            ("", "", Some("right"), false),
        ] {
            assert_eq!(
                with_password.opened_by(client, name, password),
                opens,
                "{client} {name} {password:?}"
            );
        }
        let both = stored("client", "name", "").expect("complete");
        for (client, name, opens) in [("client", "name", true), ("other", "name", false), ("client", "", false)] {
            assert_eq!(both.opened_by(client, name, Some("ignored")), opens, "{client} {name}");
        }
        let client_only = stored("client", "", "").expect("complete");
        assert!(client_only.opened_by("client", "", None));
        assert!(
            !client_only.opened_by("client", "name", None),
            "whoever gives a name is not this one"
        );
    }

    #[test]
    fn certificates_are_kept_in_one_form() {
        let der: Vec<u8> = [0x30, 0x82].into_iter().chain(0..200).collect();
        let text = certificate_text(&der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .collect();
        let pem = |end: &str| {
            format!(
                "Bag Attributes{end}-----BEGIN CERTIFICATE-----{end}{}{end}-----END CERTIFICATE-----{end}",
                lines.join(end)
            )
        };
        for given in [pem("\n"), pem("\r\n"), pem("\n") + &pem("\n"), text.clone()] {
            assert_eq!(certificate_value(&given), Ok(text.clone()), "{given}");
        }
        for given in ["", "x", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "AAAA"] {
            assert_eq!(certificate_value(given), Err(CredentialsError::NoCertificate), "{given}");
        }
    }
}
