//! How a configuration says who is logged in outside: as ThingsBoard's nodes have it.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Identity, Message, Piece, Tls};
use serde::Deserialize;

/// Field `credentials`. Every text may hold `${secret:name}`.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub enum Credentials {
    /// Nobody.
    #[serde(rename = "anonymous")]
    Anonymous,
    /// User name and password.
    #[serde(rename = "basic")]
    Basic {
        /// User name.
        #[serde(default)]
        username: String,
        /// Goes with it.
        #[serde(default)]
        password: String,
    },
    /// A certificate of the client's own, or of authorities.
    #[serde(rename = "cert.PEM")]
    Certificate(Certificate),
}

/// Certificates and a key, in PEM.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Authorities that are believed; none: those of the server.
    #[serde(default)]
    ca_cert: Option<String>,
    /// The client's, with those that vouch for it.
    #[serde(default)]
    cert: Option<String>,
    /// Its key.
    #[serde(default)]
    private_key: Option<String>,
    /// Of the key, where it is encrypted.
    #[serde(default)]
    password: Option<String>,
}

impl Certificate {
    /// Whether there is one of the client's own, or half of it.
    pub fn is_of_a_client(&self) -> bool {
        let some = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        some(&self.cert) || some(&self.private_key)
    }
}

/// How somebody is logged in.
#[derive(Default)]
pub struct Login {
    basic: Option<(Template, Template)>,
    authorities: Option<Template>,
    identity: Option<Shown>,
}

/// A certificate of the client's own, its key, and the key's password.
struct Shown {
    certificates: Template,
    key: Template,
    password: Option<Template>,
}

impl Login {
    /// As a configuration says; none: nobody is logged in.
    pub fn read(given: Option<Credentials>) -> Result<Self, String> {
        match given {
            None | Some(Credentials::Anonymous) => Ok(Login::default()),
            Some(Credentials::Basic { username, password }) => Ok(Login {
                basic: Some((Template::parse(&username), Template::parse(&password))),
                ..Login::default()
            }),
            Some(Credentials::Certificate(certificate)) => Login::certificate(certificate),
        }
    }

    /// By a certificate, or with authorities of one's own.
    pub fn certificate(given: Certificate) -> Result<Self, String> {
        let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let (certificate, key) = (text(given.cert), text(given.private_key));
        if certificate.is_some() != key.is_some() {
            return Err("credentials: cert and privateKey belong together".to_owned());
        }
        // Blanks are as good as other letters here.
        let password = given.password.filter(|text| !text.is_empty());
        let login = Login {
            basic: None,
            authorities: text(given.ca_cert).map(|text| Template::parse(&text)),
            identity: certificate.zip(key).map(|(certificate, key)| Shown {
                certificates: Template::parse(&certificate),
                key: Template::parse(&key),
                password: password.map(|text| Template::parse(&text)),
            }),
        };
        match login.is_over_tls() {
            true => Ok(login),
            false => Err("credentials: there is neither caCert nor cert".to_owned()),
        }
    }

    /// Nobody, with authorities of one's own; empty or none: those of the server.
    pub fn believing(authorities: Option<String>) -> Self {
        let authorities = authorities.filter(|text| !text.trim().is_empty());
        Login {
            authorities: authorities.map(|text| Template::parse(&text)),
            ..Login::default()
        }
    }

    /// The same with a user name and a password; an empty one is none.
    pub fn with_user(self, user: &str, password: &str) -> Self {
        Login {
            basic: Some((Template::parse(user), Template::parse(password))),
            ..self
        }
    }

    /// Whether there is anything about it that TLS alone has.
    pub fn is_over_tls(&self) -> bool {
        self.authorities.is_some() || self.identity.is_some()
    }

    /// User name and password.
    pub fn basic_auth(&self, message: &Message) -> Option<(Vec<Piece>, Vec<Piece>)> {
        let basic = self.basic.as_ref();
        basic.map(|(user, password)| (user.pieces(message), password.pieces(message)))
    }

    /// What the conversation has of its own.
    pub fn tls(&self, message: &Message) -> Option<Tls> {
        let identity = self.identity.as_ref();
        self.is_over_tls().then(|| Tls {
            authorities: self.authorities.as_ref().map(|text| text.pieces(message)),
            identity: identity.map(|shown| Identity {
                certificates: shown.certificates.pieces(message),
                key: shown.key.pieces(message),
                password: shown.password.as_ref().map(|text| text.pieces(message)),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    fn login(json: &str) -> Result<Login, String> {
        Login::read(Some(serde_json::from_str(json).map_err(|error| error.to_string())?))
    }

    #[test]
    fn certificates_and_keys_are_text_with_secrets_in_it() {
        let message = TestMessage::telemetry("{}");
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        let key = vec![Piece::Secret("key".to_owned())];
        let whole = r#"{"type": "cert.PEM", "caCert": "CA", "cert": "CERT", "privateKey": "${secret:key}", "password": "", "certFileName": "a.pem"}"#;
        let login_of = login(whole).expect("valid");
        let tls = login_of.tls(&message.message()).expect("its own");
        let identity = |password: Option<Vec<Piece>>| Identity {
            certificates: text("CERT"),
            key: key.clone(),
            password,
        };
        assert_eq!((tls.authorities, tls.identity), (Some(text("CA")), Some(identity(None))));
        assert_eq!(login_of.basic_auth(&message.message()), None);
        for (word, password) in [
            ("${secret:word}", Piece::Secret("word".to_owned())),
            (" ", Piece::Text(" ".to_owned())),
        ] {
            let locked = format!(r#"{{"type": "cert.PEM", "cert": "CERT", "privateKey": "${{secret:key}}", "password": "{word}"}}"#);
            let tls = login(&locked).expect("valid").tls(&message.message()).expect("its own");
            assert_eq!(tls.identity, Some(identity(Some(vec![password]))));
        }
        let authorities = login(r#"{"type": "cert.PEM", "caCert": "CA", "cert": " ", "privateKey": null}"#).expect("valid");
        assert_eq!(authorities.tls(&message.message()).expect("its own").identity, None);
        let basic = login(r#"{"type": "basic", "username": "u"}"#).expect("valid");
        assert!(basic.tls(&message.message()).is_none() && basic.basic_auth(&message.message()).is_some());
    }

    #[test]
    fn half_a_certificate_is_refused() {
        for (rest, says) in [
            (r#""cert": "C""#, "belong together"),
            (r#""privateKey": "K""#, "belong together"),
            (r#""cert": """#, "neither"),
        ] {
            let told = login(&format!(r#"{{"type": "cert.PEM", {rest}}}"#)).map(drop).expect_err(rest);
            assert!(told.contains(says), "{told}");
        }
    }
}
