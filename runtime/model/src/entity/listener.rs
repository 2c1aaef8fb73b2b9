//! Listeners whose bytes a stream adapter understands.

use serde::{Deserialize, Serialize};

use super::IdRef;

/// How bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Carrier {
    /// A stream.
    #[serde(alias = "tcp")]
    Tcp,
    /// Datagrams.
    #[serde(alias = "udp")]
    Udp,
}

/// A listener of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamListener {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// Unique in the tenant.
    pub name: String,
    /// Name of the stream adapter.
    pub adapter: String,
    /// How bytes arrive.
    pub transport: Carrier,
    /// Where, unique on the server.
    pub port: u16,
    /// Whether it runs.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

fn enabled() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_administrator_writes_is_understood() {
        let text = r#"{"name": "Trackers", "adapter": "gps-tracker", "transport": "tcp", "port": 7000}"#;
        let listener: StreamListener = serde_json::from_str(text).expect("understood");
        assert_eq!((listener.transport, listener.enabled), (Carrier::Tcp, true));
        let shown = serde_json::to_value(&listener).expect("JSON");
        assert_eq!(shown["transport"], "TCP");
    }
}
