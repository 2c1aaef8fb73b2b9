//! What is published, by protocol, and what a broker must be told correctly before it is asked. Pure.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use mqtt::client::{TEXT_BYTES_MAX, is_topic};
use mqtt::packet::{Secret, Version};

use super::{aws, azure, pubsub, smpp, smtp};
use crate::egress::REQUEST_BYTES_MAX;
use crate::error::EgressError;
use crate::proxy::Proxy;
use crate::target::{Scheme, Target};
use crate::tls::Tls;

/// Bytes of a Kafka topic's name at most, as brokers have it.
const KAFKA_TOPIC_BYTES_MAX: usize = 249;
/// Bytes of what AMQP calls a short string.
const SHORT_BYTES_MAX: usize = 255;
/// Headers of a payload at most, and bytes of them together.
const HEADERS_MAX: usize = 256;
const HEADERS_BYTES_MAX: usize = 256 * 1024;

/// Whom a broker lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: Secret,
    /// Goes with it.
    pub password: Option<Secret>,
}

/// What is published. Its text shows nothing that may be secret.
#[derive(Clone)]
pub struct Publish {
    /// As read by [`Target::brokers`].
    pub target: Target,
    /// Who publishes.
    pub credentials: Option<Credentials>,
    /// Where to: a topic without wildcards, of AMQP a routing key.
    pub topic: String,
    /// What; at most [`REQUEST_BYTES_MAX`].
    pub payload: Bytes,
    /// What the target's protocol has beyond that.
    pub protocol: Protocol,
    /// Time to connect and to log in; at most [`super::CONNECT_TIMEOUT_MAX`].
    pub connect_timeout: Duration,
    /// Time for all of it, from waiting to the acknowledgement; at most [`crate::egress::TIMEOUT_MAX`].
    pub timeout: Duration,
    /// TLS of its own, for a target over TLS; none: the server's. Services that are asked over HTTP have none.
    pub tls: Option<Tls>,
    /// By which way; none: straight to the target.
    pub proxy: Option<Proxy>,
}

/// How a broker is spoken to.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// With quality 1.
    Mqtt(Mqtt),
    /// One record.
    Kafka(Kafka),
    /// AMQP 0-9-1 with confirmations, as RabbitMQ has them.
    Amqp(Amqp),
    /// A mail.
    Smtp(Smtp),
    /// A text for a telephone, whose number is the topic: user name and password are what SMPP calls system id and password.
    Smpp(Smpp),
    /// A message for a service of Amazon's: user name and password are its access key.
    Aws(Aws),
    /// A message for a topic of Google's: the password is the text of a service account's key file (JSON).
    PubSub(PubSub),
}

/// What MQTT has.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// Under which name; empty: one that this connection has alone.
    pub client_id: String,
    /// Whether this server adds an ending of its own to it: two servers under one name put each other out.
    pub client_id_suffix: bool,
    /// Whether the broker forgets what it knows under the name.
    pub clean_session: bool,
    /// 5, 3.1.1 or 3.1.
    pub version: Version,
    /// Whether the broker keeps it for those who come later.
    pub retain: bool,
    /// How the user shows that he is it.
    pub proof: Proof,
}

/// How a user shows to a broker of MQTT that he is it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// By the password.
    #[default]
    Password,
    /// By a token, as an Azure IoT Hub wants it of its devices: the password is the device's key in base64, and is not shown to the hub.
    AzureSas,
}

/// What Kafka has.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Brokers that are asked for the others when the target is not reached.
    pub more: Vec<Target>,
    /// What the client calls itself; empty: as the platform.
    pub client_id: String,
    /// What the partition follows from.
    pub key: Option<String>,
    /// What the partition follows from without a key: payloads with the same number stay in order.
    pub spread: u64,
    /// Values are UTF-8.
    pub headers: Vec<(String, String)>,
    /// Whether all replicas in step have it when it is acknowledged; else the partition's leader has.
    pub all_replicas: bool,
    /// How the record is made smaller.
    pub compression: Compression,
    /// How the user shows that he is it.
    pub mechanism: Mechanism,
}

/// How a record for Kafka is made smaller: the ways that its own clients have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard, which brokers take since 2.1.
    Zstd,
}

/// How a user shows to Kafka that he is it (SASL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// By the password.
    #[default]
    Plain,
    /// By knowing it, SCRAM over SHA-256.
    ScramSha256,
    /// By knowing it, SCRAM over SHA-512.
    ScramSha512,
}

/// What AMQP 0-9-1 has.
#[derive(Clone, Debug, Default)]
pub struct Amqp {
    /// Empty: the default one, in which a routing key is a queue's name.
    pub exchange: String,
    /// Usually `/`.
    pub virtual_host: String,
    /// As the consumer is told it; empty: it is told none.
    pub content_type: String,
    /// Whether queues that are kept keep it; none: it is not said.
    pub persistent: Option<bool>,
    /// 0 to 255; none: it is not said.
    pub priority: Option<u8>,
    /// Values are text.
    pub headers: Vec<(String, String)>,
    /// What the broker shows of this client.
    pub client_properties: Vec<(String, String)>,
}

/// What a mail has beside its receivers, who are the topic, and its text.
#[derive(Clone, Debug, Default)]
pub struct Smtp {
    /// Who sends it: an address, or `Name <address>`.
    pub from: String,
    /// Who gets the answers, as `from` is written; empty: who sends it.
    pub reply_to: String,
    /// Who gets it, too; separated by commas, as the receivers are.
    pub cc: String,
    /// Who gets it, and nobody sees that.
    pub bcc: String,
    /// One line.
    pub subject: String,
    /// Whether its text is HTML.
    pub html: bool,
    /// Whether the conversation becomes secret before anything is said; only over `smtp`.
    pub start_tls: bool,
}

/// What a text over SMPP has beside its number and the login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smpp {
    /// 3.3 or 3.4.
    pub version: SmppVersion,
    /// What this side logs in as.
    pub bind: SmppBind,
    /// Which kind of system logs in, as the center calls it; empty: it is not said.
    pub system_type: String,
    /// Numbers that are this side's own; empty: it is not said.
    pub address_range: String,
    /// Empty: the center's usual one.
    pub service_type: String,
    /// Who sends it, a number or a name; empty: whoever the center puts there.
    pub source: String,
    /// How that is meant.
    pub source_numbering: Numbering,
    /// How the number that it is for is meant.
    pub destination_numbering: Numbering,
    /// How its letters are written.
    pub alphabet: Alphabet,
}

/// Versions of SMPP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmppVersion {
    /// 3.3: a text has 254 octets at most.
    V33,
    /// 3.4.
    #[default]
    V34,
}

/// What a client logs in as at a center. (A receiver sends nothing.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmppBind {
    /// One that sends.
    #[default]
    Transmitter,
    /// One that sends and receives; what it receives nobody reads.
    Transceiver,
}

/// How a number is meant: its type (TON) and its plan (NPI), by the numbers of SMPP 3.4, sections 5.2.5 and 5.2.6. Zeros: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// 1 is international, 5 alphanumeric.
    pub ton: u8,
    /// 1 is that of telephones (E.164).
    pub npi: u8,
}

/// How letters of a text are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alphabet {
    /// As the center has it: GSM 03.38, an octet for each of its letters.
    #[default]
    Gsm,
    /// ASCII.
    Ascii,
    /// ISO 8859-1.
    Latin1,
    /// UCS-2, where a letter beyond it has two places, as telephones read it (UTF-16).
    Ucs2,
}

/// A service of Amazon's.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Where it is, such as `eu-west-1`.
    pub region: String,
    /// Which.
    pub service: Service,
}

/// Amazon's services that take a message.
#[derive(Clone, Debug)]
pub enum Service {
    /// The topic is a queue's URL.
    Sqs(Sqs),
    /// The topic is a topic's name (ARN).
    Sns,
    /// The topic is a function's name.
    Lambda(Lambda),
}

/// What a message in a queue has.
#[derive(Clone, Debug, Default)]
pub struct Sqs {
    /// Seconds before anybody sees it.
    pub delay_s: Option<u16>,
    /// For a queue that keeps the order: those it is in order with, and what it is known by if it comes again.
    pub group: Option<(String, String)>,
    /// Values are text.
    pub attributes: Vec<(String, String)>,
}

/// What a call of a function has.
#[derive(Clone, Debug, Default)]
pub struct Lambda {
    /// A version or a name of one; empty: the newest.
    pub qualifier: String,
    /// Whether a function's own failure is one.
    pub fails_with_function: bool,
}

/// What a message for Google Pub/Sub has.
#[derive(Clone, Debug, Default)]
pub struct PubSub {
    /// Whose the topic is.
    pub project: String,
    /// Values are text.
    pub attributes: Vec<(String, String)>,
}

impl Smtp {
    /// How many get it.
    pub fn receivers(&self, to: &str) -> usize {
        smtp::receivers(to, self).count()
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PUBLISH {:?}", self.target)
    }
}

/// A publish that a broker has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By whom: scheme, host and port.
    pub broker: String,
    /// Where it lies there, by names of metadata.
    pub place: Vec<(&'static str, String)>,
    /// What it said, where that is more than an acknowledgement.
    pub answer: Option<Bytes>,
}

impl Publish {
    /// Whether it can be said at all.
    ///
    /// # Errors
    /// [`EgressError::Invalid`]: what is wrong, in words.
    pub fn check(&self) -> Result<(), EgressError> {
        if self.payload.len() > REQUEST_BYTES_MAX {
            return invalid(format!(
                "the payload has {} bytes, more than the {REQUEST_BYTES_MAX} allowed",
                self.payload.len()
            ));
        }
        let mut texts = Vec::new();
        if let Some(Credentials { username, password }) = &self.credentials {
            texts.push(&username.0);
            texts.extend(password.iter().map(|Secret(text)| text));
        }
        let scheme = self.target.scheme;
        match &self.protocol {
            Protocol::Mqtt(mqtt) if matches!(scheme, Scheme::Mqtt | Scheme::Mqtts) => {
                if !is_topic(&self.topic) {
                    return invalid("the topic is empty, too long, or has a wildcard".to_owned());
                }
                azure::Device::of(self, mqtt)?;
                texts.push(&mqtt.client_id);
            }
            Protocol::Kafka(kafka) if matches!(scheme, Scheme::Kafka | Scheme::Kafkas) => {
                check_kafka(kafka, &self.topic)?;
                texts.push(&kafka.client_id);
            }
            Protocol::Amqp(amqp) if matches!(scheme, Scheme::Amqp | Scheme::Amqps) => check_amqp(amqp, &self.topic)?,
            Protocol::Smtp(mail) if scheme == Scheme::Smtp || (scheme == Scheme::Smtps && !mail.start_tls) => {
                smtp::check(&self.topic, mail)?;
            }
            Protocol::Smpp(text) if matches!(scheme, Scheme::Smpp | Scheme::Smpps) => smpp::check(self, text)?,
            Protocol::Aws(one) if matches!(scheme, Scheme::Http | Scheme::Https) => aws::check(one, &self.topic)?,
            Protocol::PubSub(one) if matches!(scheme, Scheme::Http | Scheme::Https) => pubsub::check(one, &self.topic)?,
            _ => return invalid(format!("{} is spoken to in another way", self.target.origin())),
        }
        if let Some(tls) = &self.tls {
            self.check_tls(tls)?;
        }
        if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX || text.contains('\0')) {
            return invalid("client id, user name or password are too long, or contain a zero".to_owned());
        }
        Ok(())
    }

    fn check_tls(&self, tls: &Tls) -> Result<(), EgressError> {
        let becomes_secret = match &self.protocol {
            Protocol::Aws(_) | Protocol::PubSub(_) => {
                return invalid("a service that is asked over HTTP takes no certificates of one's own: take them out".to_owned());
            }
            Protocol::Smtp(mail) => mail.start_tls,
            Protocol::Mqtt(_) | Protocol::Kafka(_) | Protocol::Amqp(_) | Protocol::Smpp(_) => false,
        };
        let more = match &self.protocol {
            Protocol::Kafka(kafka) => &kafka.more[..],
            _ => &[],
        };
        [&self.target].into_iter().chain(more).try_for_each(|target| {
            let is_tls = target.scheme.is_tls() || becomes_secret;
            tls.check(&target.origin(), is_tls)
        })
    }
}

fn invalid<T>(text: String) -> Result<T, EgressError> {
    Err(EgressError::Invalid(text))
}

fn check_kafka(kafka: &Kafka, topic: &str) -> Result<(), EgressError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=KAFKA_TOPIC_BYTES_MAX).contains(&topic.len()) || !topic.bytes().all(fine) || [".", ".."].contains(&topic) {
        return invalid("the topic is empty or too long, or has other characters than letters, digits, . _ and -".to_owned());
    }
    check_headers(&kafka.headers, usize::MAX)
}

fn check_amqp(amqp: &Amqp, routing_key: &str) -> Result<(), EgressError> {
    let short = [&amqp.exchange, &amqp.virtual_host, &amqp.content_type, routing_key];
    if short.iter().any(|text| text.len() > SHORT_BYTES_MAX || text.contains('\0')) {
        return invalid(format!(
            "the exchange, the routing key, the virtual host or the content type is longer than {SHORT_BYTES_MAX} bytes, or contains a zero"
        ));
    }
    check_headers(&amqp.headers, SHORT_BYTES_MAX)?;
    check_headers(&amqp.client_properties, SHORT_BYTES_MAX)
}

fn check_headers(headers: &[(String, String)], name_bytes_max: usize) -> Result<(), EgressError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        return invalid(format!(
            "{} headers of {bytes} bytes are more than the {HEADERS_MAX} of {HEADERS_BYTES_MAX} bytes allowed",
            headers.len()
        ));
    }
    match headers.iter().all(|(name, _)| name.len() <= name_bytes_max) {
        true => Ok(()),
        false => invalid(format!("the name of a header is longer than {name_bytes_max} bytes")),
    }
}
