//! Options of a publish by their names in the contract: each way of speaking takes its own, and what nobody takes is refused. Pure.

use std::cell::RefCell;

use egress::{
    Alphabet, Amqp, Aws, Compression, Kafka, Lambda, Mechanism, Mqtt, MqttVersion, Numbering, Proof, Protocol, PubSub, Scheme, Service,
    Smpp, SmppBind, SmppVersion, Smtp, Sqs, Target,
};

use uuid::Uuid;

use crate::EffectError;
use crate::settings::Mail;

/// Time to connect and to log in, where the node does not say.
const CONNECT_TIMEOUT_MS: u32 = 10_000;

/// What was given.
struct Options<'a> {
    given: &'a [(String, String)],
    taken: RefCell<Vec<bool>>,
}

impl<'a> Options<'a> {
    fn of(given: &'a [(String, String)]) -> Self {
        Options {
            given,
            taken: RefCell::new(vec![false; given.len()]),
        }
    }

    /// The one of a name; the last of several.
    fn take(&self, name: &str) -> Option<&'a str> {
        let mut found = None;
        for ((given, value), taken) in self.given.iter().zip(self.taken.borrow_mut().iter_mut()) {
            if given == name {
                (found, *taken) = (Some(value.as_str()), true);
            }
        }
        found
    }

    fn text(&self, name: &str) -> String {
        self.take(name).unwrap_or_default().to_owned()
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, EffectError> {
        match self.take(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => invalid(format!("the option {name} is true or false")),
        }
    }

    /// A number of one octet; 0 where it is not said.
    fn octet(&self, name: &str) -> Result<u8, EffectError> {
        let given = self.take(name).map(str::parse).transpose();
        let given: Option<u8> = given.or_else(|_| invalid(format!("the option {name} is a number between 0 and 255")))?;
        Ok(given.unwrap_or_default())
    }

    /// All whose names begin so, without that.
    fn below(&self, beginning: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for ((given, value), taken) in self.given.iter().zip(self.taken.borrow_mut().iter_mut()) {
            if let Some(name) = given.strip_prefix(beginning).filter(|name| !name.is_empty()) {
                found.push((name.to_owned(), value.clone()));
                *taken = true;
            }
        }
        found
    }

    fn connect_timeout_ms(&self) -> Result<u32, EffectError> {
        let Some(given) = self.take("connect-timeout-ms") else {
            return Ok(CONNECT_TIMEOUT_MS);
        };
        match given.parse() {
            Ok(given) if given > 0 => Ok(given),
            _ => invalid("the option connect-timeout-ms is a number of milliseconds".to_owned()),
        }
    }

    /// Whether all were taken.
    fn end(&self, way: &str) -> Result<(), EffectError> {
        let taken = self.taken.borrow();
        let left = self.given.iter().zip(&*taken).find(|(_, taken)| !**taken);
        match left {
            None => Ok(()),
            Some(((name, _), _)) => invalid(format!(
                "there is no option {:?} for {way}",
                name.chars().take(100).collect::<String>()
            )),
        }
    }
}

fn invalid<T>(text: String) -> Result<T, EffectError> {
    Err(EffectError::Invalid(text))
}

/// What a payload comes from.
pub(super) struct Source {
    /// Payloads with the same number stay in order.
    pub(super) spread: u64,
    /// Those of the same stay in order.
    pub(super) originator: Uuid,
    /// The same when it is sent again.
    pub(super) message: Uuid,
}

/// How a broker is to be spoken to, and the milliseconds in which it has to let this server in.
pub(super) fn read(
    target: &Target,
    more: Vec<Target>,
    given: &[(String, String)],
    source: &Source,
) -> Result<(Protocol, u32), EffectError> {
    let options = Options::of(given);
    let connect_timeout_ms = options.connect_timeout_ms()?;
    let (protocol, way) = match target.scheme {
        Scheme::Kafka | Scheme::Kafkas => (Protocol::Kafka(kafka(&options, more, source.spread)?), "Kafka"),
        Scheme::Amqp | Scheme::Amqps => (Protocol::Amqp(amqp(&options)?), "AMQP"),
        Scheme::Http | Scheme::Https => service(&options, source)?,
        Scheme::Smtp | Scheme::Smtps => (Protocol::Smtp(smtp(&options)?), "SMTP"),
        Scheme::Smpp | Scheme::Smpps => (Protocol::Smpp(smpp(&options)?), "SMPP"),
        Scheme::Mqtt | Scheme::Mqtts => (Protocol::Mqtt(mqtt(&options)?), "MQTT"),
    };
    options.end(way)?;
    Ok((protocol, connect_timeout_ms))
}

fn mqtt(options: &Options<'_>) -> Result<Mqtt, EffectError> {
    Ok(Mqtt {
        client_id: options.text("client-id"),
        client_id_suffix: options.flag("client-id-suffix")?.unwrap_or(false),
        clean_session: options.flag("clean-session")?.unwrap_or(true),
        retain: options.flag("retain")?.unwrap_or(false),
        version: match options.take("version") {
            None | Some("3.1.1") => MqttVersion::V311,
            Some("3.1") => MqttVersion::V31,
            Some("5") => MqttVersion::V5,
            Some(_) => return invalid("the option version is 3.1.1, 3.1 or 5".to_owned()),
        },
        proof: match options.take("proof") {
            None | Some("password") => Proof::Password,
            Some("azure-sas") => Proof::AzureSas,
            Some(_) => return invalid("the option proof is password or azure-sas".to_owned()),
        },
    })
}

fn kafka(options: &Options<'_>, more: Vec<Target>, spread: u64) -> Result<Kafka, EffectError> {
    Ok(Kafka {
        more,
        client_id: options.text("client-id"),
        key: options.take("key").map(str::to_owned),
        spread,
        headers: options.below("header."),
        all_replicas: match options.take("acks") {
            None | Some("all") => true,
            Some("1") => false,
            Some(_) => return invalid("the option acks is all or 1".to_owned()),
        },
        compression: match options.take("compression") {
            None | Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("snappy") => Compression::Snappy,
            Some("lz4") => Compression::Lz4,
            Some("zstd") => Compression::Zstd,
            Some(_) => return invalid("the option compression is none, gzip, snappy, lz4 or zstd".to_owned()),
        },
        mechanism: match options.take("sasl-mechanism") {
            None | Some("PLAIN") => Mechanism::Plain,
            Some("SCRAM-SHA-256") => Mechanism::ScramSha256,
            Some("SCRAM-SHA-512") => Mechanism::ScramSha512,
            Some(_) => return invalid("the option sasl-mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512".to_owned()),
        },
    })
}

fn amqp(options: &Options<'_>) -> Result<Amqp, EffectError> {
    let priority = options.take("priority").map(str::parse).transpose();
    Ok(Amqp {
        exchange: options.text("exchange"),
        virtual_host: options.take("virtual-host").unwrap_or("/").to_owned(),
        content_type: options.text("content-type"),
        persistent: options.flag("persistent")?,
        priority: priority.or_else(|_| invalid("the option priority is a number between 0 and 255".to_owned()))?,
        headers: options.below("header."),
        client_properties: options.below("client-property."),
    })
}

fn smtp(options: &Options<'_>) -> Result<Smtp, EffectError> {
    Ok(Smtp {
        from: options.text("from"),
        reply_to: String::new(),
        cc: options.text("cc"),
        bcc: options.text("bcc"),
        subject: options.text("subject"),
        html: options.flag("html")?.unwrap_or(false),
        start_tls: options.flag("start-tls")?.unwrap_or(false),
    })
}

fn smpp(options: &Options<'_>) -> Result<Smpp, EffectError> {
    let wrong = |name: &str, why: String| EffectError::Invalid(format!("the option {name}: {why}"));
    let numbering = |ton: &str, npi: &str| {
        Ok::<_, EffectError>(Numbering {
            ton: options.octet(ton)?,
            npi: options.octet(npi)?,
        })
    };
    let version = options.take("version").map(SmppVersion::of).transpose();
    let bind = options.take("bind").map(SmppBind::of).transpose();
    Ok(Smpp {
        version: version.map_err(|why| wrong("version", why))?.unwrap_or_default(),
        bind: bind.map_err(|why| wrong("bind", why))?.unwrap_or_default(),
        system_type: options.text("system-type"),
        address_range: options.text("address-range"),
        service_type: options.text("service-type"),
        source: options.text("source"),
        source_numbering: numbering("source-ton", "source-npi")?,
        destination_numbering: numbering("destination-ton", "destination-npi")?,
        alphabet: Alphabet::of(options.octet("coding")?).map_err(|why| wrong("coding", why))?,
    })
}

/// What a mail has that goes over the server's own mail server: how that is spoken to is not the node's to say.
pub(super) fn mail(given: &[(String, String)]) -> Result<Mail, EffectError> {
    let options = Options::of(given);
    let mail = Mail {
        from: options.text("from"),
        cc: options.text("cc"),
        bcc: options.text("bcc"),
        subject: options.text("subject"),
        html: options.flag("html")?.unwrap_or(false),
        ..Mail::default()
    };
    options.end("the server's mail server")?;
    Ok(mail)
}

/// A service that is asked over HTTP, and what errors call it.
fn service(options: &Options<'_>, source: &Source) -> Result<(Protocol, &'static str), EffectError> {
    let service = match options.take("service") {
        Some("pubsub") => return Ok((Protocol::PubSub(pubsub(options)), "Google Pub/Sub")),
        Some("sqs") => Service::Sqs(sqs(options, source)?),
        Some("sns") => Service::Sns,
        Some("lambda") => Service::Lambda(Lambda {
            qualifier: options.text("qualifier"),
            fails_with_function: options.flag("fails-with-function")?.unwrap_or(false),
        }),
        _ => return invalid("over http and https, the option service is sqs, sns, lambda or pubsub".to_owned()),
    };
    let region = options.text("region");
    Ok((Protocol::Aws(Aws { region, service }), "services of Amazon's"))
}

fn pubsub(options: &Options<'_>) -> PubSub {
    PubSub {
        project: options.text("project"),
        attributes: options.below("attribute."),
    }
}

fn sqs(options: &Options<'_>, source: &Source) -> Result<Sqs, EffectError> {
    let delay_s = options.take("delay-seconds").map(str::parse).transpose();
    let fifo = options.flag("fifo")?.unwrap_or(false);
    Ok(Sqs {
        delay_s: delay_s.or_else(|_| invalid("the option delay-seconds is a number of seconds".to_owned()))?,
        group: fifo.then(|| (source.originator.to_string(), source.message.to_string())),
        attributes: options.below("attribute."),
    })
}
