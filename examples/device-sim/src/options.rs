//! The command line, and what it means for a run.
//!
//! Checks everything that can be checked before the first connection. Knows no protocol.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::codec::Protocol;
use crate::error::SimError;
use crate::http::Url;
use crate::inflight::WINDOW_MAX;
use crate::plan::Plan;
use crate::rest::Account;
use crate::verify::Named;

/// Devices of one run at most.
const DEVICES_MAX: usize = 100_000;
/// The largest token file, in bytes.
const TOKENS_MAX: u64 = 64 * 1024 * 1024;
/// The longest token where it stands in an option of a datagram, in bytes.
pub const COAP_TOKEN_MAX: usize = 255;
/// Values of a message that is one datagram, at most.
const KEYS_MAX_COAP: usize = 32;
/// File handles a run needs besides its connections.
const OTHER_FILES: usize = 32;

/// Open-loop MQTT load: latency counts from the time a message was due, so a stalled broker cannot hide.
#[derive(Parser)]
#[command(name = "device-sim", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Exit codes: 0 complete, 1 could not run, 2 messages unsent or unacknowledged, 3 points missing or invented.")]
pub struct Cli {
    /// Something else than a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The run.
    #[command(flatten)]
    pub run: RunOptions,
}

/// What can be done besides a run.
#[derive(Subcommand)]
pub enum Command {
    /// Check that every message of a log of acknowledgements is stored, and nothing that was never sent.
    Verify(VerifyOptions),
    /// Create devices, and nothing else.
    Create(CreateOptions),
    /// Ask a device over REST, again and again, and measure how long its answers take.
    Ask(AskOptions),
    /// Knock as fast as possible with tokens that nobody has.
    Storm(StormOptions),
}

/// MQTT quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Qos {
    /// Fire and forget.
    #[value(name = "0")]
    AtMostOnce,
    /// Acknowledged.
    #[value(name = "1")]
    AtLeastOnce,
}

/// Which devices.
#[derive(Args, Clone)]
pub struct TokenOptions {
    /// File with one token a line, for device 0, 1, …
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Without a file, the token of device i is this and i
    #[arg(long, value_name = "TEXT", default_value = "sim-", conflicts_with = "tokens")]
    pub token_prefix: String,
    /// Name device i on the server this and i [default: its name is its token]
    #[arg(long, value_name = "TEXT")]
    pub name_prefix: Option<String>,
}

/// The REST server.
#[derive(Args, Clone)]
pub struct RestOptions {
    /// REST server, for --provision and --verify
    #[arg(long, value_name = "URL")]
    pub http: Option<String>,
    /// Tenant administrator
    #[arg(long, default_value = "tenant@pacificsoft.org")]
    pub username: String,
    /// Password of the tenant administrator
    #[arg(
        long,
        env = "DEVICE_SIM_PASSWORD",
        hide_env_values = true,
        default_value = "tenant",
        hide_default_value = true
    )]
    pub password: String,
    /// How long acknowledged points may take to become visible
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub verify_wait_seconds: u64,
}

/// A run.
#[derive(Args, Clone)]
pub struct RunOptions {
    /// Broker; several, with commas between them, are servers of one cluster: devices spread over them, and go on to the next when they lose one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// CoAP server, instead of a broker
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["mqtt", "topic", "keep_alive"])]
    pub coap: Option<String>,
    /// HTTP server, instead of a broker
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["mqtt", "coap", "topic", "keep_alive"])]
    pub device_http: Option<String>,
    /// Over TLS, to servers that these authorities have certified (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "coap")]
    pub tls_authorities: Option<PathBuf>,
    /// Number of devices, one connection each [default: all of --tokens, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX as i64))]
    pub devices: Option<u32>,
    /// Which devices.
    #[command(flatten)]
    pub names: TokenOptions,
    /// Messages a second over all devices; 0: as fast as acknowledgements allow
    #[arg(long, value_name = "R", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    pub rate: u64,
    /// Length of the measurement
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub seconds: u64,
    /// Sent before the measurement begins
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub warmup_seconds: u64,
    /// How long to wait for the last acknowledgements
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub drain_seconds: u64,
    /// Quality of service
    #[arg(long, value_enum, default_value = "1")]
    pub qos: Qos,
    /// Unacknowledged publishes a device may have
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=WINDOW_MAX as i64))]
    pub window: u32,
    /// Topic
    #[arg(long, default_value = "v1/devices/me/telemetry")]
    pub topic: String,
    /// Values in a message: seq, temperature, key3, …
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub keys: u32,
    /// MQTT keep-alive in seconds; 0: none
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub keep_alive: u16,
    /// Threads that send
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// Come back after a lost connection and send unacknowledged messages again
    #[arg(long)]
    pub reconnect: bool,
    /// Append `device seq ts` for every acknowledged message; an existing file is continued
    #[arg(long, value_name = "FILE")]
    pub acked_log: Option<PathBuf>,
    /// Write a line `due latency` for every measured message: milliseconds since 1970, microseconds
    #[arg(long, value_name = "FILE")]
    pub latencies: Option<PathBuf>,
    /// REST.
    #[command(flatten)]
    pub rest: RestOptions,
    /// Create the devices before the run
    #[arg(long, requires = "http")]
    pub provision: bool,
    /// Read all points back after the run
    #[arg(long, requires = "http")]
    pub verify: bool,
    /// One line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A check of a log.
#[derive(Args, Clone)]
pub struct VerifyOptions {
    /// The log that a run wrote
    #[arg(long, value_name = "FILE")]
    pub acked_log: PathBuf,
    /// Which devices.
    #[command(flatten)]
    pub names: TokenOptions,
    /// REST.
    #[command(flatten)]
    pub rest: RestOptions,
    /// The run's --window: so many messages may have been sent after the last acknowledged one
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=WINDOW_MAX as i64))]
    pub window: u32,
    /// One line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Devices to be created.
#[derive(Args, Clone)]
pub struct CreateOptions {
    /// Number of devices [default: all of --tokens, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX as i64))]
    pub devices: Option<u32>,
    /// Which devices.
    #[command(flatten)]
    pub names: TokenOptions,
    /// REST.
    #[command(flatten)]
    pub rest: RestOptions,
}

/// Requests to a device.
#[derive(Args, Clone)]
pub struct AskOptions {
    /// Broker
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Token and name of the device; it is created if it is not there
    #[arg(long, value_name = "TEXT", default_value = "sim-asked")]
    pub token: String,
    /// Requests, one after the other
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// Between an answer and the next request
    #[arg(long, value_name = "MS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub pause_ms: u64,
    /// REST.
    #[command(flatten)]
    pub rest: RestOptions,
    /// One line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A storm.
#[derive(Args, Clone)]
pub struct StormOptions {
    /// Broker
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Address of this machine that strangers come from [default: as the system chooses]
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<std::net::IpAddr>,
    /// Connections at one time
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub parallel: u32,
    /// How long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Tokens are this and a number
    #[arg(long, value_name = "TEXT", default_value = "nobody-")]
    pub token_prefix: String,
    /// One line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

impl RestOptions {
    /// Where and as whom to log in.
    ///
    /// # Errors
    /// [`SimError::Options`] without or with an impossible address.
    pub fn account(&self) -> Result<Account, SimError> {
        let url = self.http.as_deref().ok_or_else(|| SimError::Options("--http is needed".into()))?;
        Ok(Account {
            url: Url::parse(url)?,
            username: self.username.clone(),
            password: self.password.clone(),
        })
    }

    /// How long a check waits for points.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.verify_wait_seconds)
    }
}

impl TokenOptions {
    /// Devices 0 to `count`, or all of the token file if `count` is not given.
    ///
    /// # Errors
    /// [`SimError::Options`] if the file has too few tokens, [`SimError::File`] if it cannot be read.
    pub fn devices(&self, count: Option<usize>) -> Result<Vec<Named>, SimError> {
        let tokens: Vec<String> = match &self.tokens {
            None => (0..count.unwrap_or(1))
                .map(|index| format!("{}{index}", self.token_prefix))
                .collect(),
            Some(path) => {
                let length = std::fs::metadata(path).map_err(SimError::file(path))?.len();
                if length > TOKENS_MAX {
                    return Err(SimError::Options(format!("{} has more than {TOKENS_MAX} bytes", path.display())));
                }
                let text = std::fs::read_to_string(path).map_err(SimError::file(path))?;
                let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
                tokens.take(count.unwrap_or(DEVICES_MAX)).collect()
            }
        };
        let wanted = count.unwrap_or(1);
        if tokens.len() < wanted {
            return Err(SimError::Options(format!("{wanted} devices, but only {} tokens", tokens.len())));
        }
        if tokens.iter().any(|token| token.len() > usize::from(u16::MAX)) {
            return Err(SimError::Options("a token is longer than 65535 bytes".into()));
        }
        let name = |index: usize, token: &str| {
            self.name_prefix
                .as_ref()
                .map_or_else(|| token.to_owned(), |prefix| format!("{prefix}{index}"))
        };
        Ok(tokens
            .into_iter()
            .enumerate()
            .map(|(index, token)| Named {
                index,
                name: name(index, &token),
                token,
            })
            .collect())
    }
}

impl RunOptions {
    /// How devices speak, and with whom.
    pub fn server(&self) -> (Protocol, &str) {
        match (&self.coap, &self.device_http) {
            (Some(address), _) => (Protocol::Coap, address),
            (None, Some(address)) => (Protocol::Http, address),
            (None, None) => (Protocol::Mqtt, &self.mqtt),
        }
    }

    /// The timetable for `devices` devices.
    ///
    /// # Errors
    /// [`SimError::Options`] for options that do not go together.
    pub fn plan(&self, devices: usize) -> Result<Plan, SimError> {
        let qos = if self.qos == Qos::AtLeastOnce { 1 } else { 0 };
        if qos == 0 && self.acked_log.is_some() {
            return Err(SimError::Options("--acked-log needs --qos 1: nothing else is acknowledged".into()));
        }
        if self.topic.is_empty() || self.topic.len() > 1024 || self.topic.contains(['#', '+', '\0']) {
            return Err(SimError::Options("--topic must be 1 to 1024 bytes without # and +".into()));
        }
        let (protocol, _) = self.server();
        if protocol != Protocol::Mqtt && qos == 0 {
            return Err(SimError::Options("--qos 0 is for MQTT: everything else is acknowledged".into()));
        }
        if protocol == Protocol::Coap && self.keys as usize > KEYS_MAX_COAP {
            return Err(SimError::Options(format!(
                "--keys is {KEYS_MAX_COAP} at most over CoAP: a message is one datagram"
            )));
        }
        Ok(Plan {
            protocol,
            devices,
            rate: self.rate,
            warmup: Duration::from_secs(self.warmup_seconds),
            measured: Duration::from_secs(self.seconds),
            drain: Duration::from_secs(self.drain_seconds),
            window: self.window as usize,
            qos,
            keys: self.keys as usize,
            topic: self.topic.clone(),
            reconnect: self.reconnect,
            keep_alive: self.keep_alive,
        })
    }
}

/// Refuses more devices than the system lets a process have connections. Says nothing where the limit cannot be read.
///
/// # Errors
/// [`SimError::Options`].
pub fn check_open_files(devices: usize) -> Result<(), SimError> {
    let limit = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text));
    match limit {
        Some(limit) if limit < devices + OTHER_FILES => Err(SimError::Options(format!(
            "{devices} devices, but only {limit} open files are allowed: raise it with ulimit -n"
        ))),
        _ => Ok(()),
    }
}

/// The soft limit of open files in the text of `/proc/self/limits`.
fn open_files(limits: &str) -> Option<usize> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn command_lines_are_runs_or_checks() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        assert!(cli("device-sim").expect("defaults").command.is_none());
        let check = cli("device-sim verify --acked-log f --http http://h --window 9").expect("check");
        assert!(matches!(check.command, Some(Command::Verify(VerifyOptions { window: 9, .. }))));
        let wrong = [
            "--verify",
            "--provision",
            "--qos 2",
            "--window 0",
            "--window 70000",
            "--devices 0",
            "--seconds 0",
            "--keys 0",
            "--tokens f --token-prefix x",
        ];
        for wrong in wrong {
            assert!(cli(&format!("device-sim {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn plans_follow_the_options() {
        let run = cli("device-sim --rate 100 --seconds 3 --warmup-seconds 2 --qos 0 --keys 5 --reconnect")
            .expect("run")
            .run;
        let plan = run.plan(7).expect("plan");
        assert_eq!(
            (plan.devices, plan.scheduled(), plan.qos, plan.keys, plan.reconnect),
            (7, 500, 0, 5, true)
        );
        let wrong = [
            "--qos 0 --acked-log f",
            "--topic a/#",
            "--topic a/+/b",
            "--coap h:1 --qos 0",
            "--coap h:1 --keys 40",
        ];
        for wrong in wrong {
            let run = cli(&format!("device-sim {wrong}")).expect("run").run;
            assert!(matches!(run.plan(1), Err(SimError::Options(_))), "{wrong}");
        }
    }

    #[test]
    fn there_is_one_server() {
        for (line, protocol, address) in [
            ("device-sim", Protocol::Mqtt, "127.0.0.1:1883"),
            ("device-sim --mqtt h:1", Protocol::Mqtt, "h:1"),
            ("device-sim --coap h:2", Protocol::Coap, "h:2"),
            ("device-sim --device-http h:3", Protocol::Http, "h:3"),
        ] {
            let run = cli(line).expect(line).run;
            assert_eq!(run.server(), (protocol, address));
            assert_eq!(run.plan(1).expect(line).protocol, protocol);
        }
        assert!(cli("device-sim --coap h:2 --mqtt h:1").is_err() && cli("device-sim --coap h:2 --device-http h:1").is_err());
    }

    #[test]
    fn tokens_come_from_a_prefix_or_a_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, "a\n\n  b \nc").expect("write");
        let prefix = TokenOptions {
            tokens: None,
            token_prefix: "t".into(),
            name_prefix: None,
        };
        let file = TokenOptions {
            tokens: Some(path),
            name_prefix: Some("n".into()),
            ..prefix.clone()
        };
        let list = |options: &TokenOptions, count| {
            let devices = options.devices(count).expect("devices");
            devices
                .into_iter()
                .map(|device| format!("{}={}", device.name, device.token))
                .collect::<Vec<_>>()
        };
        assert_eq!(list(&prefix, Some(2)), ["t0=t0", "t1=t1"]);
        assert_eq!(list(&prefix, None), ["t0=t0"]);
        assert_eq!(list(&file, None), ["n0=a", "n1=b", "n2=c"]);
        assert_eq!(list(&file, Some(2)), ["n0=a", "n1=b"]);
        assert!(matches!(file.devices(Some(4)), Err(SimError::Options(_))));
    }

    #[test]
    fn the_limit_of_open_files_is_read() {
        let text = "Limit Soft Hard Units\nMax processes 5 6 processes\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(open_files("Max open files unlimited unlimited files"), None);
        assert!(check_open_files(usize::MAX / 2).is_err() || !std::path::Path::new("/proc/self/limits").exists());
    }
}
