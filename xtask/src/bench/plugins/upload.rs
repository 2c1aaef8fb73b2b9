//! From an upload to the first message that it serves: compiled by a process of its own, admitted, activated.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;

use super::super::process::median;
use super::super::rest::{TENANT, node, tell};
use super::super::server::{SAVE, Server};
use super::{VERSIONED, version};

/// Measures.
///
/// # Errors
/// When something fails.
pub fn run(root: &Path) -> Result<()> {
    let server = Server::start(root)?;
    let rest = server.login(TENANT)?;
    let first = version(root, server.folder(), 'A', '-')?;
    rest.upload("calc&activate=true", &first)?;
    let nodes = json!([node("mine", VERSIONED, &json!({})), node("save", SAVE, &json!({}))]);
    if !rest.root_chain(&nodes, &json!([{ "fromIndex": 0, "toIndex": 1, "type": "Success" }]))? {
        bail!("the chain is refused");
    }
    let device = rest.get("/api/tenant/devices?deviceName=Demo%20device")?;
    let device = device["id"]["id"].as_str().unwrap_or_default().to_owned();
    let latest = format!("/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=version");
    tell(&server.url(), "A1_TEST_TOKEN", &json!({ "n": 0 }))?;
    let mut took_ms = Vec::new();
    for name in 'B'..='H' {
        let file = version(root, server.folder(), name, '-')?;
        let began = Instant::now();
        rest.upload("calc&activate=true", &file)?;
        // Nodes switch at a message border: the first message after the answer may still be the old version's.
        loop {
            tell(&server.url(), "A1_TEST_TOKEN", &json!({ "n": 1 }))?;
            if rest.get(&latest)?["version"][0]["value"] == json!(name.to_string()) {
                break;
            }
        }
        took_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let most = took_ms.iter().copied().fold(0.0, f64::max);
    println!("# upload: a Rust component of {} kB", std::fs::metadata(&first)?.len() / 1024);
    println!(
        "upload to the first message it served: {:.0} ms (median of {}), {most:.0} ms at most",
        median(took_ms.clone()),
        took_ms.len()
    );
    Ok(())
}
