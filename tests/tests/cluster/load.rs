//! Load on a cluster: the generator's devices, spread over all servers, and which server owns which of them.

use std::process::Child;

use serde_json::Value as Json;
use tests::cluster::Cluster;
use tests::generator::{acknowledged, spread, verify};
use tests::rest::Rest;

use crate::text;

/// Load on three servers, spread over them.
pub(crate) struct Load {
    child: Child,
    log: std::path::PathBuf,
}

impl Load {
    /// Devices at work.
    const DEVICES: usize = 300;

    /// Begins it, for so many seconds, and waits until messages flow.
    pub(crate) fn start(cluster: &Cluster, seconds: u32) -> Self {
        let log = cluster.folder().join("acknowledged");
        let latencies = cluster.folder().join("latencies").display().to_string();
        let more = [
            "--provision",
            "--reconnect",
            "--keep-alive",
            "4",
            "--drain-seconds",
            "30",
            "--latencies",
            &latencies,
        ];
        let shape = [&*Self::DEVICES.to_string(), "300", &*seconds.to_string()];
        let child = spread(cluster.server(0), &cluster.mqtt_addresses(), &log, shape, &more);
        let load = Load { child, log };
        tests::until("messages flow", || load.acknowledged() > 1_000);
        load
    }

    /// How many messages are acknowledged by now.
    pub(crate) fn acknowledged(&self) -> usize {
        acknowledged(&self.log)
    }

    /// Waits until it has sent everything; then all of it is stored, in order, and nothing else.
    pub(crate) fn end(self, cluster: &Cluster, server: usize) {
        let done = self.child.wait_with_output().unwrap();
        eprintln!("{}", text(&done));
        let report: Json = serde_json::from_slice(&done.stdout).unwrap_or_default();
        assert_eq!(report["sent"], report["acknowledged"], "{report}");
        verify(cluster.server(server), &self.log);
    }
}

/// The owners of the load's devices, in one order.
pub(crate) struct Owners {
    tenant: String,
    devices: Vec<String>,
}

impl Owners {
    /// Of the load that has begun.
    pub(crate) fn of(tenant: &Rest) -> Self {
        let found = tenant.get(&format!("/api/tenant/devices?page=0&pageSize={}", 2 * Load::DEVICES));
        let found = found["data"].as_array().unwrap();
        let id = |device: &Json, of: &str| device[of]["id"].as_str().unwrap().to_owned();
        assert!(found.len() >= Load::DEVICES, "{}", found.len());
        Owners {
            tenant: id(&found[0], "tenantId"),
            devices: found.iter().map(|device| id(device, "id")).collect(),
        }
    }

    /// The places of the servers that own them now.
    pub(crate) fn now(&self, cluster: &Cluster) -> Vec<usize> {
        cluster.owners(&self.tenant, self.devices.iter().map(String::as_str))
    }
}
