//! Where a request goes: a URL, read strictly. What is checked is what is connected to, for there is one reading only.
//!
//! Numbers that some resolvers take for addresses (`2130706433`, `0x7f.1`, `0177.0.0.1`) are neither names nor addresses here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::EgressError;

/// Bytes of a URL at most.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a host's name at most.
const NAME_BYTES_MAX: usize = 253;
/// Brokers of one cluster that are named at most.
const BROKERS_MAX: usize = 8;
/// Bytes between two dots at most.
const LABEL_BYTES_MAX: usize = 63;
/// What does not stand in a URL, and is written as its bytes. `%` stays: a guest may have written bytes already.
const NOT_IN_URLS: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Ports of services of other kinds: whoever connects there with a request of a component's making speaks to them. The list
/// is that of browsers (Fetch Standard, “port blocking”).
const PORTS_REFUSED: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
    117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601,
    636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
    10080,
];

/// Those of them that are for mails.
const PORTS_OF_MAIL: [u16; 3] = [25, 465, 587];

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
    /// A broker of MQTT, in the clear.
    Mqtt,
    /// A broker of MQTT, over TLS.
    Mqtts,
    /// A broker of Kafka, in the clear.
    Kafka,
    /// A broker of Kafka, over TLS.
    Kafkas,
    /// A broker of AMQP 0-9-1, in the clear.
    Amqp,
    /// A broker of AMQP 0-9-1, over TLS.
    Amqps,
    /// A mail server, in the clear at first.
    Smtp,
    /// A mail server, over TLS.
    Smtps,
    /// A center for text messages, in the clear.
    Smpp,
    /// A center for text messages, over TLS.
    Smpps,
}

impl Scheme {
    /// Its name in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Kafka => "kafka",
            Scheme::Kafkas => "kafkas",
            Scheme::Amqp => "amqp",
            Scheme::Amqps => "amqps",
            Scheme::Smtp => "smtp",
            Scheme::Smtps => "smtps",
            Scheme::Smpp => "smpp",
            Scheme::Smpps => "smpps",
        }
    }

    /// The port that is meant when none is written.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Mqtt => 1883,
            Scheme::Mqtts => 8883,
            Scheme::Kafka => 9092,
            Scheme::Kafkas => 9093,
            Scheme::Amqp => 5672,
            Scheme::Amqps => 5671,
            Scheme::Smtp => 587,
            Scheme::Smtps => 465,
            Scheme::Smpp => 2775,
            Scheme::Smpps => 3550,
        }
    }

    /// Whether the server has to show a certificate.
    pub(crate) fn is_tls(self) -> bool {
        matches!(
            self,
            Scheme::Https | Scheme::Mqtts | Scheme::Kafkas | Scheme::Amqps | Scheme::Smtps | Scheme::Smpps
        )
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = Scheme::WEB.into_iter().chain(Scheme::BROKERS);
        all.into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }

    /// The names of all, for whoever wrote another.
    pub(crate) fn names() -> String {
        let all = Scheme::WEB.into_iter().chain(Scheme::BROKERS);
        all.map(Scheme::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Those of web servers.
    const WEB: [Scheme; 2] = [Scheme::Http, Scheme::Https];
    /// Those of brokers.
    const BROKERS: [Scheme; 10] = [
        Scheme::Mqtt,
        Scheme::Mqtts,
        Scheme::Kafka,
        Scheme::Kafkas,
        Scheme::Amqp,
        Scheme::Amqps,
        Scheme::Smtp,
        Scheme::Smtps,
        Scheme::Smpp,
        Scheme::Smpps,
    ];
}

/// Who is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By name, in lower case.
    Name(String),
    /// By address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as URLs have it: a name, an IPv4 address in its one usual form, an IPv6 address in brackets.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(inside) = text.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(|inside| inside.parse::<Ipv6Addr>().ok());
            let address = address.ok_or_else(|| format!("{} is no IPv6 address", quoted(text)))?;
            return Ok(Host::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        let fine = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // A name whose last part is a number is what resolvers and other programs take for an address, each in its own way.
        let number = |label: &str| label.starts_with("0x") || label.starts_with("0X") || label.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > NAME_BYTES_MAX || !text.split('.').all(fine) || text.rsplit('.').next().is_none_or(number) {
            return Err(format!("{} is neither the name of a host nor an IP address", quoted(text)));
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// To whom.
    pub host: Host,
    /// Where there.
    pub port: u16,
    /// For what. May hold a secret: it is not shown.
    pub(crate) path: PathAndQuery,
    /// By whom it was chosen.
    pub(crate) chosen_by: ChosenBy,
}

/// Who has chosen a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChosenBy {
    /// A tenant: the tenant's list has to name it, and addresses inside are not reached.
    #[default]
    Tenant,
    /// The system's administrator, in the server's settings: no tenant's list counts, and it may be inside.
    Administrator {
        /// What tenants are told instead of its address, which is none of their business.
        called: Option<&'static str>,
    },
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl Target {
    /// Reads a URL. Blanks and letters beyond ASCII in path and query are written as their bytes.
    ///
    /// # Errors
    /// [`EgressError::Invalid`], [`EgressError::Refused`] for ports of other services. The text quotes nothing beyond the host.
    pub fn parse(url: &str) -> Result<Self, EgressError> {
        let invalid = |text: &str| EgressError::Invalid(text.to_owned());
        if url.len() > URL_BYTES_MAX {
            return Err(EgressError::Invalid(format!(
                "the URL has {} bytes, more than the {URL_BYTES_MAX} allowed",
                url.len()
            )));
        }
        if url.chars().any(char::is_control) {
            return Err(invalid("the URL has control characters"));
        }
        let (scheme, rest) = beginning(url, &Scheme::WEB).ok_or_else(|| invalid("the URL does not begin with http:// or https://"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(invalid("the URL has a user name: user name and password are given apart from it"));
        }
        let path = path_of(path).ok_or_else(|| invalid("the URL's path or query is not understood"))?;
        Self::at(scheme, authority, path)
    }

    /// Reads the address of a broker: scheme, host and port, such as `mqtt://host:port`, and nothing behind it.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn broker(url: &str) -> Result<Self, EgressError> {
        let (scheme, authority) = broker_of(url)?;
        Self::at(scheme, authority, PathAndQuery::from_static("/"))
    }

    /// Reads the address of a proxy: `http://host:port`, or `https://host:port` where it is spoken to over TLS, and nothing behind it.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn proxy(url: &str) -> Result<Self, EgressError> {
        let (scheme, authority) = alone(url, "proxy", &Scheme::WEB, "http:// or https://")?;
        Self::at(scheme, authority, PathAndQuery::from_static("/"))
    }

    /// Reads the address of a broker, or, of Kafka, of some brokers of a cluster: `kafka://host:port,host:port`.
    ///
    /// # Errors
    /// As [`Target::broker`].
    pub fn brokers(url: &str) -> Result<(Self, Vec<Self>), EgressError> {
        let (scheme, authority) = broker_of(url)?;
        let at = |authority| Self::at(scheme, authority, PathAndQuery::from_static("/"));
        if !matches!(scheme, Scheme::Kafka | Scheme::Kafkas) {
            return Ok((at(authority)?, Vec::new()));
        }
        let mut all = authority.split(',').map(|one| at(one.trim())).take(BROKERS_MAX + 1);
        let first = all.next().unwrap_or_else(|| at(authority))?;
        let more = all.collect::<Result<Vec<_>, _>>()?;
        if more.len() == BROKERS_MAX {
            return Err(EgressError::Invalid(format!("more than {BROKERS_MAX} brokers are named")));
        }
        Ok((first, more))
    }

    /// A server by its parts, such as one that another one has named. An IPv6 address may stand without brackets.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn named(scheme: Scheme, host: &str, port: i32) -> Result<Self, EgressError> {
        let brackets = host.contains(':') && !host.starts_with('[');
        let host = if brackets { format!("[{host}]") } else { host.to_owned() };
        Self::at(scheme, &format!("{host}:{port}"), PathAndQuery::from_static("/"))
    }

    fn at(scheme: Scheme, authority: &str, path: PathAndQuery) -> Result<Self, EgressError> {
        let (host, port) =
            split_port(authority).ok_or_else(|| EgressError::Invalid("the URL's port is no number between 1 and 65535".to_owned()))?;
        let host = Host::parse(host).map_err(EgressError::Invalid)?;
        let port = port.unwrap_or(scheme.port());
        check_port(scheme, port).map_err(EgressError::Refused)?;
        Ok(Target {
            scheme,
            host,
            port,
            path,
            chosen_by: ChosenBy::Tenant,
        })
    }

    /// The same server, chosen by the system's administrator. What a component says never comes here.
    #[must_use]
    pub fn of_administrator(self, called: Option<&'static str>) -> Self {
        Target {
            chosen_by: ChosenBy::Administrator { called },
            ..self
        }
    }

    /// What may be told of a request: scheme, host and port, or what the server is called.
    pub fn origin(&self) -> String {
        match self.chosen_by {
            ChosenBy::Administrator { called: Some(called) } => called.to_owned(),
            _ => self.address(),
        }
    }

    /// Scheme, host and port.
    pub(crate) fn address(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    /// Host, and port where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Scheme and rest of a broker's address.
fn broker_of(url: &str) -> Result<(Scheme, &str), EgressError> {
    let known = "mqtt://, mqtts://, kafka://, kafkas://, amqp://, amqps://, smtp://, smtps://, smpp:// or smpps://";
    alone(url, "broker", &Scheme::BROKERS, known)
}

/// Scheme and rest of the address of somebody who is named alone.
fn alone<'a>(url: &'a str, who: &str, schemes: &[Scheme], known: &str) -> Result<(Scheme, &'a str), EgressError> {
    let invalid = |what: String| EgressError::Invalid(format!("the {who}'s address {what}"));
    if url.len() > URL_BYTES_MAX {
        return Err(invalid("is too long".to_owned()));
    }
    let (scheme, authority) = beginning(url, schemes).ok_or_else(|| invalid(format!("does not begin with {known}")))?;
    if authority.contains(['/', '?', '#', '@']) {
        return Err(invalid(
            "is a host and a port: no path, and user name and password are given apart from it".to_owned(),
        ));
    }
    Ok((scheme, authority))
}

/// The scheme of a URL, if it is one of these, and what follows it.
fn beginning<'a>(url: &'a str, schemes: &[Scheme]) -> Option<(Scheme, &'a str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = Scheme::parse(scheme).filter(|scheme| schemes.contains(scheme))?;
    Some((scheme, rest))
}

/// Host and port of an authority without user; none when the port makes no sense.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let colon = match authority.strip_prefix('[') {
        Some(_) => authority.find(']').map(|close| close + 1).filter(|at| *at < authority.len()),
        None => authority.find(':'),
    };
    let Some(at) = colon else {
        return Some((authority, None));
    };
    let (host, port) = authority.split_at(at);
    let digits = port.strip_prefix(':')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((host, Some(digits.parse().ok().filter(|port| *port > 0)?)))
}

/// Refuses ports of other services.
///
/// # Errors
/// Text.
pub(crate) fn check_port(scheme: Scheme, port: u16) -> Result<(), String> {
    let own = matches!(scheme, Scheme::Smtp | Scheme::Smtps) && PORTS_OF_MAIL.contains(&port);
    if PORTS_REFUSED.contains(&port) && !own {
        return Err(format!("port {port} is that of a service of another kind: nothing is sent there"));
    }
    Ok(())
}

/// Path and query as they are sent; what follows `#` is not.
pub(crate) fn path_of(rest: &str) -> Option<PathAndQuery> {
    let rest = rest.split('#').next().unwrap_or_default();
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{}", utf8_percent_encode(rest, &NOT_IN_URLS));
    // Parsed as a whole URL's end, so that a path such as `//host` stays a path.
    Uri::builder().path_and_query(path).build().ok()?.into_parts().path_and_query
}

/// A word of somebody else's, short enough for an error.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(100).collect::<String>())
}

#[cfg(test)]
mod tests;
