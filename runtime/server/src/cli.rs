//! The command line. Every option is also an environment variable and a key of the configuration file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An IoT platform whose rule nodes and protocol adapters are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "pacificsoft", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves devices and the API.
    Serve(Box<ServeOptions>),
    /// Compiles one component for a server that started it: bytes in, native code out.
    #[command(name = components::compile::COMMAND, hide = true)]
    CompileComponent {
        /// Address space, bytes.
        memory_bytes: u64,
        /// Time of a core, seconds.
        cpu_s: u64,
    },
    /// Makes, tests and measures components.
    Plugin(tool::Options),
    /// Shows and changes which servers belong to a cluster.
    Cluster(crate::members::Options),
}

/// Options of `serve`. What the command line does not say, the environment says; then the file; then the default.
#[derive(Clone, Debug, Default, Args, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeOptions {
    /// Folder for everything that is kept [default: pacificsoft-data]
    #[arg(long, env = "PACIFICSOFT_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder for compiled components, which servers on one machine may share: each component is compiled once. For this user alone; what lies
    /// there is run [default: code in the data folder]
    #[arg(long, env = "PACIFICSOFT_CODE_DIR", value_name = "DIR")]
    pub code_dir: Option<PathBuf>,
    /// Where devices, their data and everything else is kept: `cassandra://host:port,…/keyspace`, which peers share [default: the data folder]
    #[arg(long, env = "PACIFICSOFT_STORAGE", value_name = "URL")]
    pub storage: Option<String>,
    /// User name there, if it asks for one; with the password in PACIFICSOFT_CASSANDRA_PASSWORD, or `cassandra-password` in the file
    #[arg(long, env = "PACIFICSOFT_CASSANDRA_USER", value_name = "NAME")]
    pub cassandra_user: Option<String>,
    /// Not on the command line, where everybody could read it
    #[arg(skip)]
    pub cassandra_password: Option<String>,
    /// Address for the other servers of a cluster, such as 0.0.0.0:7400; needs --storage and the cluster's certificates [default: none, the
    /// server runs alone]
    #[arg(long, env = "PACIFICSOFT_PEER", value_name = "ADDR")]
    pub peer: Option<String>,
    /// Where the others reach that address, `host:port` [default: the same]
    #[arg(long, env = "PACIFICSOFT_PEER_ADDRESS", value_name = "ADDR")]
    pub peer_address: Option<String>,
    /// A server of the cluster to join at the first start, `host:port` [default: none, a cluster is founded]
    #[arg(long, env = "PACIFICSOFT_JOIN", value_name = "ADDR")]
    pub join: Option<String>,
    /// Share of the devices that this server takes, beside those of the others [default: 100]
    #[arg(long, env = "PACIFICSOFT_PEER_WEIGHT", value_name = "NUMBER")]
    pub peer_weight: Option<u32>,
    /// Speaks to the others as an older version of the program would, of those that `pacificsoft cluster status` shows, and keeps the cluster
    /// from writing what that version could not read: the way back stays open while servers are upgraded [default: the newest]
    #[arg(long, env = "PACIFICSOFT_CLUSTER_VERSION", value_name = "NUMBER")]
    pub cluster_version: Option<u32>,
    /// Certificate of this server among the others (PEM), for the name `pacificsoft-cluster`
    #[arg(long, env = "PACIFICSOFT_CLUSTER_CERTIFICATE", value_name = "FILE")]
    pub cluster_certificate: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, env = "PACIFICSOFT_CLUSTER_KEY", value_name = "FILE")]
    pub cluster_key: Option<PathBuf>,
    /// Certificate of the authority that made the certificates of all servers of the cluster, and no others (PEM)
    #[arg(long, env = "PACIFICSOFT_CLUSTER_AUTHORITY", value_name = "FILE")]
    pub cluster_authority: Option<PathBuf>,
    /// File with the key of all secrets, which servers of one cluster share [default: secrets.key in the data folder]
    #[arg(long, env = "PACIFICSOFT_SECRETS_KEY", value_name = "FILE")]
    pub secrets_key: Option<PathBuf>,
    /// Address of REST API and HTTP device API [default: 0.0.0.0:8080, with --demo 127.0.0.1:8080]
    #[arg(long, env = "PACIFICSOFT_HTTP", value_name = "ADDR")]
    pub http: Option<String>,
    /// Address of MQTT [default: 0.0.0.0:1883, with --demo 127.0.0.1:1883]
    #[arg(long, env = "PACIFICSOFT_MQTT", value_name = "ADDR")]
    pub mqtt: Option<String>,
    /// Address of REST API and HTTP device API over TLS, such as 0.0.0.0:8443 [default: not served]
    #[arg(long, env = "PACIFICSOFT_HTTPS", value_name = "ADDR")]
    pub https: Option<String>,
    /// Address of MQTT over TLS, such as 0.0.0.0:8883 [default: not served]
    #[arg(long, env = "PACIFICSOFT_MQTTS", value_name = "ADDR")]
    pub mqtts: Option<String>,
    /// Certificate of the server, and those between it and its root (PEM). Read again when the file changes, or at SIGHUP
    #[arg(long, env = "PACIFICSOFT_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, env = "PACIFICSOFT_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Address of CoAP, UDP [default: 0.0.0.0:5683, with --demo 127.0.0.1:5683]
    #[arg(long, env = "PACIFICSOFT_COAP", value_name = "ADDR")]
    pub coap: Option<String>,
    /// Ports on which tenants may have listeners of stream adapters, such as 7000-7099 [default: none]
    #[arg(long, env = "PACIFICSOFT_STREAM_PORTS", value_name = "PORTS")]
    pub stream_ports: Option<String>,
    /// Address of CoAP over DTLS, such as 0.0.0.0:5684; needs --coaps-keys, or certificate and key (P-256 or P-384) [default: not served]
    #[arg(long, env = "PACIFICSOFT_COAPS", value_name = "ADDR")]
    pub coaps: Option<String>,
    /// File with pre-shared keys for CoAP over DTLS: a line for each, `identity:key in hexadecimal digits`
    #[arg(long, env = "PACIFICSOFT_COAPS_KEYS", value_name = "FILE")]
    pub coaps_keys: Option<PathBuf>,
    /// Folder with further components (*.wasm), offered to every tenant
    #[arg(long, env = "PACIFICSOFT_COMPONENTS", value_name = "DIR")]
    pub components: Option<PathBuf>,
    /// Time of a core that compiling an uploaded component may take, seconds [default: 30]
    #[arg(long, env = "PACIFICSOFT_COMPILE_SECONDS", value_name = "SECONDS")]
    pub compile_seconds: Option<u64>,
    /// Memory that compiling an uploaded component may take, MiB [default: 2048]
    #[arg(long, env = "PACIFICSOFT_COMPILE_MEMORY", value_name = "MIB")]
    pub compile_memory: Option<u64>,
    /// How long a rule node without work keeps its memory, seconds [default: 600]
    #[arg(long, env = "PACIFICSOFT_NODE_IDLE_SECONDS", value_name = "SECONDS")]
    pub node_idle_seconds: Option<u64>,
    /// Special networks that components may send requests to all the same, such as 10.1.0.0/16,192.168.1.5 [default: none]
    #[arg(long, env = "PACIFICSOFT_EGRESS_NETWORKS", value_name = "NETWORKS")]
    pub egress_networks: Option<String>,
    /// Proxy that nodes may use by the name of the server's own, `http://host:port` or `https://host:port`, with user and password in
    /// PACIFICSOFT_EGRESS_PROXY_LOGIN (`user:password`), or `egress-proxy-login` in the file. Components come to it with names of their own
    /// choosing: it has to refuse networks inside itself [default: none]
    #[arg(long, env = "PACIFICSOFT_EGRESS_PROXY", value_name = "URL")]
    pub egress_proxy: Option<String>,
    /// Not on the command line, where everybody could read it
    #[arg(skip)]
    pub egress_proxy_login: Option<String>,
    /// Certificates (PEM) of authorities to believe beside the system's, when components send requests over https
    #[arg(long, env = "PACIFICSOFT_EGRESS_AUTHORITIES", value_name = "FILE")]
    pub egress_authorities: Option<PathBuf>,
    /// What is logged: error, warn, info, debug or trace, also by part, such as `info,rules=debug` [default: info]
    #[arg(long, env = "PACIFICSOFT_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Creates demo users, with well-known passwords, and a demo device. Listens on this machine only, unless addresses are given
    #[arg(long, env = "PACIFICSOFT_DEMO", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub demo: Option<bool>,
    /// Password of the system administrator, for the first start. Not on the command line, where everybody could read it
    #[arg(skip)]
    pub admin_password: Option<String>,
    /// How much devices may say; only in the file
    #[arg(skip)]
    pub rate_limits: Option<crate::rates::RateOptions>,
    /// Configuration file (TOML) with these options as keys
    #[arg(long, env = "PACIFICSOFT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}
