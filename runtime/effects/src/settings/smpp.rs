//! A center for text messages that is spoken to over SMPP: what the settings of the key `sms` have of it, by ThingsBoard's names, beside user and
//! password. `ssl` is beyond those. Pure.

use bytes::Bytes;
use egress::{Alphabet, Credentials, EgressError, Numbering, Protocol, Publish, Scheme, Smpp, SmppBind, SmppVersion, Target};
use serde_json::{Value as Json, json};

use super::fields::Fields;
use super::sms::TIMEOUT;

/// What ThingsBoard has for numbers whose type nobody says: alphanumeric.
const TON: u8 = 5;

/// Where it is, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Center {
    scheme: Scheme,
    host: String,
    port: u16,
    smpp: Smpp,
}

/// The value of a field by its name, or what there is if nobody says.
fn named<T>(fields: &Fields<'_>, name: &str, other: T, of: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    match fields.text(name)?.map(str::trim).filter(|given| !given.is_empty()) {
        Some(given) => of(given).map_err(|why| format!("{name}: {why}")),
        None => Ok(other),
    }
}

fn octet(fields: &Fields<'_>, name: &str, other: u8) -> Result<u8, String> {
    let given = fields.number(name, u8::MAX.into())?;
    Ok(given.and_then(|given| u8::try_from(given).ok()).unwrap_or(other))
}

fn text(fields: &Fields<'_>, name: &str) -> Result<String, String> {
    Ok(fields.text(name)?.map(str::trim).unwrap_or_default().to_owned())
}

impl Center {
    /// Reads what is its own.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, String> {
        let scheme = if fields.flag("ssl")? { Scheme::Smpps } else { Scheme::Smpp };
        let port = match fields.number("port", u16::MAX.into())?.map(u16::try_from) {
            None => scheme.port(),
            Some(Ok(port @ 1..)) => port,
            Some(_) => return Err("port is no number between 1 and 65535".to_owned()),
        };
        let numbering = |ton: &str, npi: &str| {
            Ok::<_, String>(Numbering {
                ton: octet(fields, ton, TON)?,
                npi: octet(fields, npi, 0)?,
            })
        };
        let coding = octet(fields, "codingScheme", Alphabet::Gsm.coding())?;
        Ok(Center {
            scheme,
            host: fields.some_text("host")?.to_owned(),
            port,
            smpp: Smpp {
                version: named(fields, "protocolVersion", SmppVersion::V33, SmppVersion::of)?,
                bind: named(fields, "bindType", SmppBind::Transmitter, SmppBind::of)?,
                system_type: text(fields, "systemType")?,
                address_range: text(fields, "addressRange")?,
                service_type: text(fields, "serviceType")?,
                source: text(fields, "sourceAddress")?,
                source_numbering: numbering("sourceTon", "sourceNpi")?,
                destination_numbering: numbering("destinationTon", "destinationNpi")?,
                alphabet: Alphabet::of(coding).map_err(|why| format!("codingScheme: {why}"))?,
            },
        })
    }

    /// Whether another one is in the same place, and no less secret on the way there.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// Adds its fields.
    pub(super) fn show(&self, shown: &mut Json) {
        let smpp = &self.smpp;
        let fields = [
            ("protocolVersion", json!(smpp.version.as_str())),
            ("host", json!(self.host)),
            ("port", json!(self.port)),
            ("ssl", json!(self.scheme == Scheme::Smpps)),
            ("systemType", json!(smpp.system_type)),
            ("bindType", json!(smpp.bind.as_str())),
            ("serviceType", json!(smpp.service_type)),
            ("sourceAddress", json!(smpp.source)),
            ("sourceTon", json!(smpp.source_numbering.ton)),
            ("sourceNpi", json!(smpp.source_numbering.npi)),
            ("destinationTon", json!(smpp.destination_numbering.ton)),
            ("destinationNpi", json!(smpp.destination_numbering.npi)),
            ("addressRange", json!(smpp.address_range)),
            ("codingScheme", json!(smpp.alphabet.coding())),
        ];
        for (name, value) in fields {
            shown[name] = value;
        }
    }

    /// What it is handed.
    pub(super) fn letter(&self, login: Credentials, to: &str, text: &str, called: Option<&'static str>) -> Result<Publish, EgressError> {
        Ok(Publish {
            target: Target::named(self.scheme, &self.host, self.port.into())?.of_administrator(called),
            credentials: Some(login),
            topic: to.to_owned(),
            payload: Bytes::copy_from_slice(text.as_bytes()),
            protocol: Protocol::Smpp(self.smpp.clone()),
            connect_timeout: TIMEOUT,
            timeout: TIMEOUT,
            tls: None,
            proxy: None,
        })
    }
}
