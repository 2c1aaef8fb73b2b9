//! The server's own mail server: ThingsBoard's settings of the key `mail`.
//!
//! A tenant's node says to whom, what, and who gets the answers. Server, login and sender are the administrator's: whoever receives a mail
//! holds it against the sender's address, so no tenant writes in another's name.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use egress::{Credentials, Delivery, Egress, EgressError, Protocol, Proxy, Publish, Scheme, Secret, Smtp, Target};
use model::TenantId;
use serde_json::{Value as Json, json};

use super::Kept;
use super::fields::Fields;
use crate::way;

/// What tenants are told instead of its address.
const CALLED: &str = "the server's mail server";
/// Milliseconds for a mail: if nobody says, and at most.
const TIMEOUT_MS: u32 = 10_000;
const TIMEOUT_MS_MAX: u32 = 300_000;
/// For connecting and logging in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever tries the settings waits for the answer.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings. Their text shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct MailSettings {
    mail_from: String,
    scheme: Scheme,
    host: String,
    port: u16,
    timeout_ms: u32,
    enable_tls: bool,
    tls_version: Option<String>,
    username: String,
    password: String,
    proxy: Option<Way>,
}

/// A proxy, and who is logged in there; nobody: an empty name.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    host: String,
    port: u16,
    user: String,
    password: String,
}

impl Way {
    fn read(fields: &Fields<'_>, kept: Option<&Self>) -> Result<Option<Self>, String> {
        if !fields.flag("enableProxy")? {
            return Ok(None);
        }
        let (host, user) = (fields.some_text("proxyHost")?, fields.text("proxyUser")?.unwrap_or_default());
        let kept = kept.map(|kept| (kept.host.as_str(), kept.user.as_str(), kept.password.as_str()));
        Ok(Some(Way {
            host: host.to_owned(),
            port: port(fields, "proxyPort")?,
            user: user.to_owned(),
            password: password(fields, ["proxyPassword", "proxyHost", "proxyUser"], (host, user), kept)?,
        }))
    }

    fn proxy(&self, called: Option<&'static str>) -> Result<Proxy, EgressError> {
        let target = Target::named(Scheme::Http, &self.host, self.port.into())?.of_administrator(called);
        let login = (!self.user.is_empty()).then_some((self.user.as_str(), self.password.as_str()));
        way::proxy(target, login)
    }
}

fn port(fields: &Fields<'_>, name: &str) -> Result<u16, String> {
    match fields.number(name, u16::MAX.into())?.map(u16::try_from) {
        Some(Ok(port @ 1..)) => Ok(port),
        _ => Err(format!("{name} is no number between 1 and 65535")),
    }
}

/// The password that is given, or the one that is kept for the same user at the same host: nobody gets it sent elsewhere. Names are those of the
/// password, of its host, and of its user.
fn password(
    fields: &Fields<'_>,
    [name, host_name, user_name]: [&str; 3],
    (host, user): (&str, &str),
    kept: Option<(&str, &str, &str)>,
) -> Result<String, String> {
    match (fields.text(name)?, kept) {
        (Some(given), _) => Ok(given.to_owned()),
        (None, Some((.., password))) if password.is_empty() || user.is_empty() => Ok(String::new()),
        (None, Some((kept_host, kept_user, password))) if (kept_host, kept_user) == (host, user) => Ok(password.to_owned()),
        (None, Some(_)) => Err(format!(
            "{name}: the one that is kept is for another {host_name} or {user_name}; say it again, or an empty one for none"
        )),
        (None, None) => Ok(String::new()),
    }
}

impl fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailSettings")
    }
}

/// What a node has of a mail.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// Receivers, with commas between them.
    pub to: String,
    /// Who gets it, too.
    pub cc: String,
    /// Who gets it, and nobody sees that.
    pub bcc: String,
    /// Who gets the answers; empty: whoever the settings name as the sender.
    pub from: String,
    /// One line.
    pub subject: String,
    /// Whether the body is HTML.
    pub html: bool,
    /// Its text.
    pub body: Bytes,
}

impl Kept for MailSettings {
    const NAME: &'static str = "server.mail";

    fn sealed(&self) -> Json {
        let mut json = self.shown();
        json["password"] = json!(self.password);
        if let Some(way) = &self.proxy {
            json["proxyPassword"] = json!(way.password);
        }
        json
    }

    fn unsealed(json: &Json) -> Result<Self, String> {
        Self::read(json, None)
    }
}

impl MailSettings {
    /// Reads settings. Without a password, the one of `kept` stays, if it is for the same user at the same host: nobody gets it sent elsewhere.
    ///
    /// # Errors
    /// What is wrong, in words. No value is quoted but host and sender.
    pub fn read(given: &Json, kept: Option<&Self>) -> Result<Self, String> {
        let fields = Fields::of(given)?;
        if fields.flag("enableOauth2")? {
            return Err("enableOauth2: the server logs in by user name and password".to_owned());
        }
        let scheme = match fields.text("smtpProtocol")? {
            None | Some("smtp" | "") => Scheme::Smtp,
            Some("smtps") => Scheme::Smtps,
            Some(_) => return Err("smtpProtocol: there are smtp and smtps".to_owned()),
        };
        let timeout_ms = fields.number("timeout", TIMEOUT_MS_MAX)?.filter(|given| *given > 0);
        let (host, username) = (fields.some_text("smtpHost")?, fields.text("username")?.unwrap_or_default());
        let known = kept.map(|kept| (kept.host.as_str(), kept.username.as_str(), kept.password.as_str()));
        let settings = MailSettings {
            mail_from: fields.some_text("mailFrom")?.to_owned(),
            scheme,
            host: host.to_owned(),
            port: port(&fields, "smtpPort")?,
            timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS),
            enable_tls: fields.flag("enableTls")?,
            tls_version: fields.text("tlsVersion")?.map(str::to_owned),
            username: username.to_owned(),
            password: password(&fields, ["password", "smtpHost", "username"], (host, username), known)?,
            proxy: Way::read(&fields, kept.and_then(|kept| kept.proxy.as_ref()))?,
        };
        // As good as the first mail would tell.
        let trial = Mail {
            to: "postmaster@localhost".to_owned(),
            ..Mail::default()
        };
        let trial = settings.letter(&trial, None).and_then(|letter| letter.check());
        trial.map(|()| settings).map_err(|error| error.to_string())
    }

    /// What may be shown: everything but the passwords.
    pub fn shown(&self) -> Json {
        let mut shown = json!({
            "mailFrom": self.mail_from,
            "smtpProtocol": self.scheme.as_str(),
            "smtpHost": self.host,
            "smtpPort": self.port,
            "timeout": self.timeout_ms,
            "enableTls": self.enable_tls,
            "tlsVersion": self.tls_version,
            "username": self.username,
            "enableProxy": self.proxy.is_some(),
        });
        if let Some(way) = &self.proxy {
            shown["proxyHost"] = json!(way.host);
            shown["proxyPort"] = json!(way.port);
            shown["proxyUser"] = json!(way.user);
        }
        shown
    }

    /// A mail for whoever wants to know whether the settings are right.
    ///
    /// # Errors
    /// Why they are not. Meant for the administrator: it names the server.
    pub async fn test(&self, egress: &Egress, to: &str) -> Result<Delivery, EgressError> {
        let mail = Mail {
            to: to.to_owned(),
            subject: "Test message from Pacificsoft".to_owned(),
            body: "The mail settings of this server work.\n".into(),
            ..Mail::default()
        };
        let mut letter = self.letter(&mail, None)?;
        letter.timeout = letter.timeout.min(TEST_TIMEOUT);
        egress.publish(TenantId::SYSTEM, letter).await
    }

    /// A mail of a tenant's, which is told nothing of the server.
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(crate) fn of_tenant(&self, mail: &Mail) -> Result<Publish, EgressError> {
        self.letter(mail, Some(CALLED))
    }

    fn letter(&self, mail: &Mail, called: Option<&'static str>) -> Result<Publish, EgressError> {
        let target = Target::named(self.scheme, &self.host, self.port.into())?.of_administrator(called);
        let credentials = (!self.username.is_empty()).then(|| Credentials {
            username: Secret(self.username.clone()),
            password: Some(Secret(self.password.clone())).filter(|Secret(text)| !text.is_empty()),
        });
        let smtp = Smtp {
            from: self.mail_from.clone(),
            reply_to: Some(mail.from.trim())
                .filter(|from| *from != self.mail_from)
                .unwrap_or_default()
                .to_owned(),
            cc: mail.cc.clone(),
            bcc: mail.bcc.clone(),
            subject: mail.subject.clone(),
            html: mail.html,
            // Over smtps it is secret already.
            start_tls: self.enable_tls && self.scheme == Scheme::Smtp,
        };
        Ok(Publish {
            target,
            credentials,
            topic: mail.to.clone(),
            payload: mail.body.clone(),
            protocol: Protocol::Smtp(smtp),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: Duration::from_millis(self.timeout_ms.into()),
            tls: None,
            proxy: self.proxy.as_ref().map(|way| way.proxy(called)).transpose()?,
        })
    }
}
