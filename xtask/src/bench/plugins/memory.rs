//! Nodes of many tenants, which had a message each: what they take while they wait, what is left when they rest, how fast they are back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value as Json, json};

use super::super::process::median;
use super::super::rest::{Rest, SYSADMIN, node, tell};
use super::super::server::Server;
use super::{Options, VERSIONED, version};

/// After so many seconds without work a node rests.
const IDLE_S: u64 = 10;
/// Messages of each tenant while its nodes are there.
const WARM: usize = 5;

/// Measures.
///
/// # Errors
/// When something fails.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let idle = IDLE_S.to_string();
    let server = Server::start_with(root, &["--node-idle-seconds", &idle])?;
    let sysadmin = server.login(SYSADMIN)?;
    // The system's component serves every tenant.
    let file = version(root, server.folder(), 'A', '-')?;
    sysadmin.upload("calc&activate=true", &file)?;
    let mut tokens = Vec::new();
    for number in 0..options.tenants {
        let (rest, ..) = sysadmin.tenant(&format!("rests-{number}"))?;
        chain(&rest, options.nodes)?;
        let token = format!("REST_{number}");
        rest.post(
            &format!("/api/device?accessToken={token}"),
            &json!({ "name": "D", "type": "default" }),
        )?;
        tokens.push(token);
    }
    // What saving a chain tried has been given back; devices' actors are there before anything is compared.
    let tell_all = |what: &Json| {
        tokens
            .iter()
            .map(|token| tell(&server.url(), token, what))
            .collect::<Result<Vec<f64>>>()
    };
    let memory_kb = || anyhow::Ok(server.process.memory_mb()?.0 * 1024.0);
    let instances = f64::from(options.tenants * options.nodes);
    let before_kb = settled(&memory_kb)?;
    let cold = tell_all(&json!({ "n": 0 }))?;
    let open_kb = settled(&memory_kb)?;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        warm.extend(tell_all(&json!({ "n": 1 }))?);
    }
    std::thread::sleep(Duration::from_secs(IDLE_S + 5));
    let rests = server.metric("rules_node_rests_total")?;
    if rests < instances {
        bail!("only {rests} of {instances} nodes rest");
    }
    let rested_kb = settled(&memory_kb)?;
    let back = tell_all(&json!({ "n": 2 }))?;
    let each = |kb: f64| (kb - before_kb) / instances;
    let (cold, warm, back) = (median(cold), median(warm), median(back));
    println!(
        "# memory: {instances} nodes of {} tenants, of an uploaded Rust component",
        options.tenants
    );
    println!("| | resident kB for each node |\n|---|---|");
    println!(
        "| waiting for messages | {:.0} |\n| at rest | {:.0} |",
        each(open_kb),
        each(rested_kb)
    );
    println!(
        "A message through {} nodes over HTTP: {warm:.1} ms; when they rested {back:.1} ms, so a node is back within {:.2} ms; the very first {cold:.1} ms (medians)",
        options.nodes,
        (back - warm) / f64::from(options.nodes)
    );
    Ok(())
}

/// A chain of nodes one behind the other.
fn chain(rest: &Rest, nodes: u32) -> Result<()> {
    let all: Vec<Json> = (0..nodes)
        .map(|number| node(&format!("n{number}"), VERSIONED, &json!({})))
        .collect();
    let connections: Vec<Json> = (1..nodes)
        .map(|number| json!({ "fromIndex": number - 1, "toIndex": number, "type": "Success" }))
        .collect();
    if !rest.root_chain(&json!(all), &json!(connections))? {
        bail!("the chain is refused");
    }
    Ok(())
}

/// Memory when it has been the same for a while.
fn settled(memory_kb: &dyn Fn() -> Result<f64>) -> Result<f64> {
    let mut last = memory_kb()?;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(500));
        let now = memory_kb()?;
        if (now - last).abs() < 256.0 {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}
