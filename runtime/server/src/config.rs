//! From options to a configuration that can be served.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use components::CompileLimits;
use ipnet::IpNet;
use session::RateLimits;
use storage_cassandra::CassandraConfig;
use transport::TlsFiles;

use crate::cli::ServeOptions;

mod peer;

pub use peer::{PeerConfig, PeerFiles, speaks};

/// Name of the file in the data folder that holds the key of all secrets.
const SECRETS_KEY: &str = "secrets.key";

/// What is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Folder for everything that is kept.
    pub data_dir: PathBuf,
    /// Folder for compiled components that is shared with others; none: one of its own in the data folder.
    pub code_dir: Option<PathBuf>,
    /// Where devices and their data are kept.
    pub storage: Storage,
    /// Other servers of a cluster; none: the server runs alone.
    pub peer: Option<PeerConfig>,
    /// The key of all secrets.
    pub secrets_key: PathBuf,
    /// REST API and HTTP device API.
    pub http: SocketAddr,
    /// MQTT.
    pub mqtt: SocketAddr,
    /// Ports that tenants' listeners may have.
    pub stream_ports: Option<RangeInclusive<u16>>,
    /// Addresses over TLS, with the files of the certificate.
    pub secure: Option<Secure>,
    /// CoAP.
    pub coap: SocketAddr,
    /// CoAP over DTLS.
    pub coaps: Option<Coaps>,
    /// How much devices may say.
    pub rate_limits: RateLimits,
    /// Further components.
    pub components: Option<PathBuf>,
    /// What compiling an uploaded component may take.
    pub compile: CompileLimits,
    /// How long a rule node without work keeps its instance.
    pub node_idle: Duration,
    /// Special networks that components may reach all the same.
    pub egress_networks: Vec<IpNet>,
    /// The proxy of the server's own.
    pub egress_proxy: Option<EgressProxy>,
    /// Certificate authorities to believe beside the system's.
    pub egress_authorities: Option<PathBuf>,
    /// What is logged.
    pub log: String,
    /// Whether demo data is created.
    pub demo: bool,
    /// Password of the system administrator, for the first start.
    pub admin_password: Option<String>,
}

/// Where devices and their data are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// In the data folder.
    Embedded,
    /// In a cluster of its own.
    Cassandra {
        /// `cassandra://…`, understood when it was read.
        url: String,
        /// Name and password.
        user: Option<(String, String)>,
    },
}

/// The proxy of the server's own, understood when it was read. Its text shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    /// `http://host:port` or `https://host:port`
    pub address: String,
    /// Name and password.
    pub login: Option<(String, String)>,
}

impl EgressProxy {
    /// As it is used.
    ///
    /// # Errors
    /// When it is none.
    pub fn proxy(&self) -> Result<egress::Proxy, egress::EgressError> {
        let login = self.login.as_ref();
        effects::server_proxy(&self.address, login.map(|(user, password)| (user.as_str(), password.as_str())))
    }
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What is served over TLS: at least one of the addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Secure {
    /// Certificate and key.
    pub files: TlsFiles,
    /// REST API and HTTP device API.
    pub https: Option<SocketAddr>,
    /// MQTT.
    pub mqtts: Option<SocketAddr>,
}

/// CoAP over DTLS, with one of the two at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Coaps {
    /// Where.
    pub address: SocketAddr,
    /// The file with pre-shared keys.
    pub keys: Option<PathBuf>,
    /// The certificate and its key.
    pub certificate: Option<TlsFiles>,
}

impl Config {
    /// Puts options, environment (both in `options`), file and defaults together.
    ///
    /// # Errors
    /// When something cannot be read, is unknown, or makes no sense.
    pub fn load(options: ServeOptions) -> Result<Self> {
        let file = match &options.config {
            Some(path) => read(path)?,
            None => ServeOptions::default(),
        };
        let environment = |name| std::env::var(name).ok();
        Config::merge(
            ServeOptions {
                admin_password: environment("PACIFICSOFT_ADMIN_PASSWORD"),
                cassandra_password: environment("PACIFICSOFT_CASSANDRA_PASSWORD"),
                egress_proxy_login: environment("PACIFICSOFT_EGRESS_PROXY_LOGIN"),
                ..options
            },
            file,
        )
    }

    fn merge(options: ServeOptions, file: ServeOptions) -> Result<Self> {
        let secure = secure(&options, &file)?;
        let demo = options.demo.or(file.demo).unwrap_or(false);
        let host = if demo { "127.0.0.1" } else { "0.0.0.0" };
        let address = |name: &str, given: Option<String>, port: u16| resolve(name, &given.unwrap_or_else(|| format!("{host}:{port}")));
        let coaps = coaps(&options, &file)?;
        let storage = storage(&options, &file)?;
        let peer = peer::peer(&options, &file, &storage)?;
        let egress_proxy = egress_proxy(&options, &file)?;
        let data_dir = options.data_dir.or(file.data_dir).unwrap_or_else(|| "pacificsoft-data".into());
        Ok(Config {
            storage,
            peer,
            secrets_key: options
                .secrets_key
                .or(file.secrets_key)
                .unwrap_or_else(|| data_dir.join(SECRETS_KEY)),
            data_dir,
            code_dir: options.code_dir.or(file.code_dir),
            http: address("http", options.http.or(file.http), 8080)?,
            mqtt: address("mqtt", options.mqtt.or(file.mqtt), 1883)?,
            stream_ports: options.stream_ports.or(file.stream_ports).map(|text| ports(&text)).transpose()?,
            secure,
            coap: address("coap", options.coap.or(file.coap), 5683)?,
            coaps,
            rate_limits: file.rate_limits.unwrap_or_default().limits()?,
            components: options.components.or(file.components),
            compile: compile_limits(
                options.compile_seconds.or(file.compile_seconds),
                options.compile_memory.or(file.compile_memory),
            ),
            node_idle: options
                .node_idle_seconds
                .or(file.node_idle_seconds)
                .map_or(rules::IDLE_AFTER, Duration::from_secs),
            egress_networks: networks(options.egress_networks.or(file.egress_networks).as_deref().unwrap_or_default())?,
            egress_proxy,
            egress_authorities: options.egress_authorities.or(file.egress_authorities),
            log: options.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            demo,
            admin_password: options
                .admin_password
                .or(file.admin_password)
                .filter(|password| !password.is_empty()),
        })
    }
}

fn storage(options: &ServeOptions, file: &ServeOptions) -> Result<Storage> {
    let given = |option: &Option<String>, file: &Option<String>| option.clone().or_else(|| file.clone());
    let user = given(&options.cassandra_user, &file.cassandra_user);
    let Some(url) = given(&options.storage, &file.storage) else {
        if user.is_some() {
            bail!("cassandra-user is for storage: give its URL, too, such as cassandra://10.0.0.1:9042/pacificsoft");
        }
        return Ok(Storage::Embedded);
    };
    url.parse::<CassandraConfig>()
        .with_context(|| format!("storage: {url:?} is not understood"))?;
    let user = match user {
        Some(name) => {
            let password = given(&options.cassandra_password, &file.cassandra_password);
            Some((name, password.context("cassandra-user needs PACIFICSOFT_CASSANDRA_PASSWORD")?))
        }
        None => None,
    };
    Ok(Storage::Cassandra { url, user })
}

fn egress_proxy(options: &ServeOptions, file: &ServeOptions) -> Result<Option<EgressProxy>> {
    let login = options.egress_proxy_login.as_ref().or(file.egress_proxy_login.as_ref());
    let login = login.filter(|login| !login.is_empty());
    let Some(address) = options.egress_proxy.as_ref().or(file.egress_proxy.as_ref()) else {
        if login.is_some() {
            bail!("egress-proxy-login is for egress-proxy: give its URL, too, such as http://proxy.example.org:3128");
        }
        return Ok(None);
    };
    let login = match login.map(|login| login.split_once(':').context("egress-proxy-login: it looks like user:password")) {
        Some(login) => Some(login?).map(|(user, password)| (user.to_owned(), password.to_owned())),
        None => None,
    };
    let proxy = EgressProxy {
        address: address.clone(),
        login,
    };
    proxy
        .proxy()
        .with_context(|| format!("egress-proxy: {address:?} is not understood"))?;
    Ok(Some(proxy))
}

fn compile_limits(seconds: Option<u64>, memory_mib: Option<u64>) -> CompileLimits {
    let default = CompileLimits::default();
    CompileLimits {
        cpu_s: seconds.unwrap_or(default.cpu_s),
        memory_bytes: memory_mib.map_or(default.memory_bytes, |mib| mib.saturating_mul(1 << 20)),
    }
}

fn tls_files(options: &ServeOptions, file: &ServeOptions) -> Option<TlsFiles> {
    let certificate = options.tls_certificate.as_ref().or(file.tls_certificate.as_ref())?.clone();
    let key = options.tls_key.as_ref().or(file.tls_key.as_ref())?.clone();
    Some(TlsFiles { certificate, key })
}

fn coaps(options: &ServeOptions, file: &ServeOptions) -> Result<Option<Coaps>> {
    let keys = options.coaps_keys.as_ref().or(file.coaps_keys.as_ref()).cloned();
    let Some(address) = options.coaps.as_ref().or(file.coaps.as_ref()) else {
        if keys.is_some() {
            bail!("coaps-keys are for coaps: give its address, too, such as 0.0.0.0:5684");
        }
        return Ok(None);
    };
    let certificate = tls_files(options, file);
    if keys.is_none() && certificate.is_none() {
        bail!("coaps needs keys: give coaps-keys, or tls-certificate and tls-key");
    }
    Ok(Some(Coaps {
        address: resolve("coaps", address)?,
        keys,
        certificate,
    }))
}

fn secure(options: &ServeOptions, file: &ServeOptions) -> Result<Option<Secure>> {
    let given = |name: &str, option: &Option<String>, file: &Option<String>| {
        let address = option.as_ref().or(file.as_ref());
        address.map(|address| resolve(name, address)).transpose()
    };
    let https = given("https", &options.https, &file.https)?;
    let mqtts = given("mqtts", &options.mqtts, &file.mqtts)?;
    if https.is_none() && mqtts.is_none() {
        return Ok(None);
    }
    let Some(files) = tls_files(options, file) else {
        bail!("https and mqtts need tls-certificate and tls-key");
    };
    Ok(Some(Secure { files, https, mqtts }))
}

fn read(path: &Path) -> Result<ServeOptions> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("the configuration file {} is not understood", path.display()))
}

/// `7000-7099`, or one port.
fn ports(text: &str) -> Result<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |part: &str| part.trim().parse::<u16>().ok().filter(|port| *port > 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => bail!("stream-ports: {text:?} is no range of ports; it looks like 7000-7099"),
    }
}

/// Networks or single addresses, with commas between them.
fn networks(text: &str) -> Result<Vec<IpNet>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let network = |part: &str| {
        let network = part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        network.with_context(|| format!("egress-networks: {part:?} is no network; it looks like 10.1.0.0/16"))
    };
    parts.map(network).collect()
}

fn resolve(name: &str, address: &str) -> Result<SocketAddr> {
    let mut found = address
        .to_socket_addrs()
        .with_context(|| format!("{name}: {address:?} is no address; it looks like 0.0.0.0:8080"))?;
    found.next().with_context(|| format!("{name}: {address:?} leads nowhere"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<ServeOptions, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_the_file_before_defaults() {
        let file = parse("http = \"127.0.0.1:1\"\nmqtt = \"127.0.0.1:2\"\ndata-dir = \"/somewhere\"").unwrap();
        let options = ServeOptions {
            http: Some("127.0.0.1:3".to_owned()),
            ..ServeOptions::default()
        };
        let config = Config::merge(options, file).unwrap();
        assert_eq!(
            (config.http.port(), config.mqtt.port(), config.data_dir.to_str()),
            (3, 2, Some("/somewhere"))
        );
        assert!(!config.demo);
    }

    #[test]
    fn a_demo_listens_on_this_machine_only_unless_told_otherwise() {
        let demo = ServeOptions {
            demo: Some(true),
            ..ServeOptions::default()
        };
        let config = Config::merge(demo.clone(), ServeOptions::default()).unwrap();
        assert!(config.http.ip().is_loopback() && config.mqtt.ip().is_loopback() && config.coap.ip().is_loopback());
        let open = ServeOptions {
            http: Some("0.0.0.0:8080".to_owned()),
            ..demo
        };
        assert!(!Config::merge(open, ServeOptions::default()).unwrap().http.ip().is_loopback());
        assert!(
            !Config::merge(ServeOptions::default(), ServeOptions::default())
                .unwrap()
                .http
                .ip()
                .is_loopback()
        );
    }

    #[test]
    fn the_servers_proxy_is_understood_when_it_is_read() {
        let read = |text: &str| Config::merge(ServeOptions::default(), parse(text).unwrap()).map(|config| config.egress_proxy);
        let proxy = read("egress-proxy = \"http://proxy.test:3128\"\negress-proxy-login = \"u:hidden:more\"");
        let proxy = proxy.unwrap().unwrap();
        assert_eq!(proxy.login, Some(("u".to_owned(), "hidden:more".to_owned())));
        assert_eq!(format!("{proxy:?}"), "http://proxy.test:3128");
        assert!(read("egress-proxy = \"https://proxy.test\"").unwrap().unwrap().login.is_none());
        assert!(read("").unwrap().is_none());
        for (text, says) in [
            ("egress-proxy = \"socks5://proxy.test\"", "not understood"),
            ("egress-proxy = \"http://proxy.test\"\negress-proxy-login = \"u\"", "user:password"),
            ("egress-proxy-login = \"u:p\"", "give its URL"),
        ] {
            let refused = format!("{:#}", read(text).unwrap_err());
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn ports_of_listeners_are_a_range() {
        for (text, expected) in [
            ("7000-7099", Some(7000..=7099)),
            ("7000", Some(7000..=7000)),
            ("7099-7000", None),
            ("0-10", None),
            ("7000-70000", None),
            ("", None),
        ] {
            assert_eq!(ports(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn networks_are_listed() {
        let told = |text: &str| networks(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        for (text, expected) in [
            ("", Some("")),
            ("10.1.0.0/16, 192.168.1.5", Some("10.1.0.0/16 192.168.1.5/32")),
            ("fd00::/8,::1,", Some("fd00::/8 ::1/128")),
            ("10.1.0.0/33", None),
            ("intranet", None),
        ] {
            assert_eq!(told(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn tls_needs_a_certificate_and_its_key() {
        let secure = |text: &str| Config::merge(ServeOptions::default(), parse(text).unwrap());
        assert_eq!(secure("tls-key = \"k\"").unwrap().secure, None);
        let refused = secure("mqtts = \"127.0.0.1:8883\"\ntls-key = \"k\"").unwrap_err().to_string();
        assert!(refused.contains("tls-certificate"), "{refused}");
        let whole = secure("mqtts = \"127.0.0.1:8883\"\ntls-key = \"k\"\ntls-certificate = \"c\"").unwrap();
        let secure = whole.secure.unwrap();
        assert_eq!((secure.mqtts.map(|address| address.port()), secure.https), (Some(8883), None));
        assert_eq!(secure.files.key.to_str(), Some("k"));
    }

    #[test]
    fn everything_is_kept_in_the_data_folder_unless_told_otherwise() {
        let storage = |text: &str| Config::merge(ServeOptions::default(), parse(text).unwrap()).map(|config| config.storage);
        assert_eq!(storage("").unwrap(), Storage::Embedded);
        let url = "cassandra://10.0.0.1:9042/pacificsoft".to_owned();
        let line = format!("storage = {url:?}\n");
        assert_eq!(
            storage(&line).unwrap(),
            Storage::Cassandra {
                url: url.clone(),
                user: None
            }
        );
        let user = Some(("ann".to_owned(), "secret".to_owned()));
        let lines = format!("{line}cassandra-user = \"ann\"\ncassandra-password = \"secret\"");
        assert_eq!(storage(&lines).unwrap(), Storage::Cassandra { url, user });
        for (text, said) in [
            ("storage = \"postgres://a/b\"", "storage"),
            ("cassandra-user = \"ann\"", "URL"),
            (&*format!("{line}cassandra-user = \"ann\""), "PACIFICSOFT_CASSANDRA_PASSWORD"),
        ] {
            let refused = storage(text).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn unknown_keys_and_what_leads_nowhere_are_refused() {
        assert!(parse("htttp = \"127.0.0.1:1\"").unwrap_err().to_string().contains("htttp"));
        let half = ServeOptions {
            coaps: Some("127.0.0.1:0".to_owned()),
            ..ServeOptions::default()
        };
        let told = Config::merge(half.clone(), ServeOptions::default()).unwrap_err().to_string();
        assert!(told.contains("coaps-keys") && told.contains("tls-key"), "{told}");
        let certified = parse("tls-certificate = \"c\"\ntls-key = \"k\"").unwrap();
        let merged = Config::merge(half.clone(), certified).unwrap();
        assert!(
            merged
                .coaps
                .is_some_and(|coaps| coaps.keys.is_none() && coaps.certificate.is_some())
        );
        let other_half = parse("coaps-keys = \"keys\"").unwrap();
        assert!(Config::merge(half, other_half.clone()).is_ok());
        assert!(Config::merge(ServeOptions::default(), other_half).is_err());
        let bad = ServeOptions {
            mqtt: Some("nowhere".to_owned()),
            ..ServeOptions::default()
        };
        assert!(
            Config::merge(bad, ServeOptions::default())
                .unwrap_err()
                .to_string()
                .contains("mqtt")
        );
    }
}
