//! The server's own account at a service for text messages: ThingsBoard's settings of the key `sms`. What SMPP has of its own is in
//! [`super::smpp`].

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use egress::{Aws, Credentials, Egress, EgressError, Protocol, Publish, Request, Secret, Service, Target};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};
use model::TenantId;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value as Json, json};

use super::Kept;
use super::fields::Fields;
use super::smpp::Center;
use crate::request::RESERVED;

/// What tenants are told instead of where it is.
const CALLED: &str = "the server's service for text messages";
/// Where Twilio is.
const TWILIO: &str = "https://api.twilio.com";
/// For a text.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a service's answer, and letters of its reason, at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const REASON_LEN: usize = 200;
/// Letters of a text at most, as Twilio has it.
const TEXT_LEN_MAX: usize = 1_600;

/// The settings. Their text shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsSettings {
    provider: Provider,
    /// The account's number or key, and its secret.
    account: String,
    secret: String,
    /// Another place where the service is.
    endpoint: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Provider {
    Twilio { number_from: String },
    Sns { region: String },
    Smpp(Box<Center>),
}

impl fmt::Debug for SmsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmsSettings")
    }
}

impl Provider {
    /// Names of the type, of the account, and of its secret.
    fn names(&self) -> [&'static str; 3] {
        match self {
            Provider::Twilio { .. } => ["TWILIO", "accountSid", "accountToken"],
            Provider::Sns { .. } => ["AWS_SNS", "accessKeyId", "secretAccessKey"],
            Provider::Smpp(_) => ["SMPP", "systemId", "password"],
        }
    }

    /// Whether another one is the same service. Where those are that are not in their usual place, the endpoint says.
    fn is_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Provider::Smpp(one), Provider::Smpp(other)) => one.is_where(other),
            _ => self.names()[0] == other.names()[0],
        }
    }
}

impl Kept for SmsSettings {
    const NAME: &'static str = "server.sms";

    fn sealed(&self) -> Json {
        let mut json = self.shown();
        json[self.provider.names()[2]] = json!(self.secret);
        json
    }

    fn unsealed(json: &Json) -> Result<Self, String> {
        Self::read(json, None)
    }
}

impl SmsSettings {
    /// Reads settings. Without a secret, the one of `kept` stays, if it is for the same account at the same place.
    ///
    /// # Errors
    /// What is wrong, in words. No secret is quoted.
    pub fn read(given: &Json, kept: Option<&Self>) -> Result<Self, String> {
        let fields = Fields::of(given)?;
        let provider = match fields.text("type")? {
            Some("TWILIO") => Provider::Twilio {
                number_from: fields.some_text("numberFrom")?.to_owned(),
            },
            Some("AWS_SNS") => Provider::Sns {
                region: fields.some_text("region")?.to_owned(),
            },
            Some("SMPP") => Provider::Smpp(Box::new(Center::read(&fields)?)),
            _ => return Err("type: there are TWILIO, AWS_SNS and SMPP".to_owned()),
        };
        let [_, account, secret] = provider.names();
        let mut settings = SmsSettings {
            account: fields.some_text(account)?.to_owned(),
            secret: String::new(),
            endpoint: fields.text("endpoint")?.filter(|given| !given.is_empty()).map(str::to_owned),
            provider,
        };
        let same = |kept: &&Self| {
            kept.provider.is_where(&settings.provider) && kept.account == settings.account && kept.endpoint == settings.endpoint
        };
        settings.secret = match fields.text(secret)?.filter(|given| !given.is_empty()) {
            Some(given) => given.to_owned(),
            None => match kept.filter(same) {
                Some(kept) => kept.secret.clone(),
                None => return Err(format!("{secret} is missing")),
            },
        };
        // As good as the first text would tell.
        let trial = match &settings.provider {
            Provider::Twilio { .. } => settings.request("+12025550100", "", None).map(drop),
            Provider::Sns { region } => settings.letter(region, "+12025550100", "", None).and_then(|letter| letter.check()),
            Provider::Smpp(center) => {
                let letter = center.letter(settings.login(), "+12025550100", "", None);
                letter.and_then(|letter| letter.check())
            }
        };
        trial.map(|()| settings).map_err(|error| error.to_string())
    }

    /// What may be shown: everything but the secret.
    pub fn shown(&self) -> Json {
        let [kind, account, _] = self.provider.names();
        let mut shown = json!({"type": kind, account: self.account});
        match &self.provider {
            Provider::Twilio { number_from } => shown["numberFrom"] = json!(number_from),
            Provider::Sns { region } => shown["region"] = json!(region),
            Provider::Smpp(center) => center.show(&mut shown),
        }
        if let Some(endpoint) = &self.endpoint {
            shown["endpoint"] = json!(endpoint);
        }
        shown
    }

    /// A text for whoever wants to know whether the settings are right.
    ///
    /// # Errors
    /// Why it was not taken. Meant for the administrator: it names the service.
    pub async fn test(&self, egress: &Egress, to: &str, text: &str) -> Result<(), EgressError> {
        check(to, text)?;
        self.send(egress, TenantId::SYSTEM, to, text, None).await
    }

    /// A text of a tenant's, which is told nothing of the account.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(crate) async fn of_tenant(&self, egress: &Egress, tenant: TenantId, to: &str, text: &str) -> Result<(), EgressError> {
        self.send(egress, tenant, to, text, Some(CALLED)).await
    }

    async fn send(&self, egress: &Egress, tenant: TenantId, to: &str, text: &str, called: Option<&'static str>) -> Result<(), EgressError> {
        match &self.provider {
            Provider::Sns { region } => egress.publish(tenant, self.letter(region, to, text, called)?).await.map(drop),
            // Centers count who is logged in under one name, and have few.
            Provider::Smpp(center) => {
                let letter = center.letter(self.login(), to, text, called)?;
                egress.publish_shared(tenant, letter).await.map(drop)
            }
            Provider::Twilio { .. } => {
                let request = self.request(to, text, called)?;
                let origin = request.target.origin();
                let answer = egress.send(tenant, request).await?;
                if answer.status.is_success() {
                    return Ok(());
                }
                let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
                let said = json["message"].as_str().unwrap_or_default();
                Err(EgressError::Unacknowledged {
                    origin,
                    reason: format!("{}: {said}", answer.status).chars().take(REASON_LEN).collect(),
                })
            }
        }
    }

    fn login(&self) -> Credentials {
        Credentials {
            username: Secret(self.account.clone()),
            password: Some(Secret(self.secret.clone())),
        }
    }

    /// What Twilio is asked.
    fn request(&self, to: &str, text: &str, called: Option<&'static str>) -> Result<Request, EgressError> {
        let invalid = |text: &str| EgressError::Invalid(text.to_owned());
        let Provider::Twilio { number_from } = &self.provider else {
            return Err(invalid("the account is none of Twilio's"));
        };
        if self.account.contains(':') {
            return Err(invalid("accountSid has a colon"));
        }
        let encoded = |text: &str| utf8_percent_encode(text, &RESERVED).to_string();
        let endpoint = self.endpoint.as_deref().unwrap_or(TWILIO).trim_end_matches('/');
        let url = format!("{endpoint}/2010-04-01/Accounts/{}/Messages.json", encoded(&self.account));
        let login = STANDARD.encode(format!("{}:{}", self.account, self.secret));
        let mut login = HeaderValue::from_str(&format!("Basic {login}")).map_err(|_| invalid("the account's secret is too long"))?;
        login.set_sensitive(true);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let body = format!("To={}&From={}&Body={}", encoded(to), encoded(number_from), encoded(text));
        Ok(Request {
            method: Method::POST,
            target: Target::parse(&url)?.of_administrator(called),
            headers: HeaderMap::from_iter([(AUTHORIZATION, login), (CONTENT_TYPE, form)]),
            body: body.into(),
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
            tls: None,
            proxy: None,
        })
    }

    /// What Amazon SNS is handed.
    fn letter(&self, region: &str, to: &str, text: &str, called: Option<&'static str>) -> Result<Publish, EgressError> {
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = || format!("https://sns.{region}.amazonaws.com{end}");
        let endpoint = self.endpoint.clone().unwrap_or_else(own);
        Ok(Publish {
            target: Target::parse(&endpoint)?.of_administrator(called),
            credentials: Some(self.login()),
            topic: to.to_owned(),
            payload: Bytes::copy_from_slice(text.as_bytes()),
            protocol: Protocol::Aws(Aws {
                region: region.to_owned(),
                service: Service::Sns,
            }),
            connect_timeout: TIMEOUT,
            timeout: TIMEOUT,
            tls: None,
            proxy: None,
        })
    }
}

/// Whether a text may go to a number, which is one as E.164 writes them: a plus and 3 to 15 digits. Anything else could be a topic's name.
///
/// # Errors
/// [`EgressError::Invalid`].
pub(crate) fn check(to: &str, text: &str) -> Result<(), EgressError> {
    let digits = to.strip_prefix('+').unwrap_or_default();
    if !(3..=15).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let shown: String = to.chars().take(100).collect();
        return Err(EgressError::Invalid(format!("{shown:?} is no number such as +12025550100")));
    }
    match text.chars().count() {
        1..=TEXT_LEN_MAX => Ok(()),
        len => Err(EgressError::Invalid(format!(
            "a text has between 1 and {TEXT_LEN_MAX} letters, not {len}"
        ))),
    }
}
