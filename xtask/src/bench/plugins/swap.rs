//! Another version takes over while messages flow; one that traps is activated and comes back by itself; a repaired one is activated.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::super::latencies::{Latencies, Window, now_ms};
use super::super::load::Shape;
use super::super::rest::{Rest, TENANT, node};
use super::super::server::{Protocol, SAVE, Server};
use super::{Options, VERSIONED, version};

/// Devices, one connection each.
const DEVICES: u32 = 50;
/// What belongs to a change besides itself: messages that were under way before, and those that waited.
const BEFORE_MS: u64 = 100;
const AFTER_MS: u64 = 900;
/// Messages of the first milliseconds are not steady yet.
const FIRST_MS: u64 = 1_500;

/// What happened, and when.
struct Change {
    name: &'static str,
    window: Window,
}

/// Measures.
///
/// # Errors
/// When something fails, or a message is lost or out of order.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let server = Server::start(root)?;
    let rest = server.login(TENANT)?;
    let nodes = json!([node("mine", VERSIONED, &json!({})), node("save", SAVE, &json!({}))]);
    let connections = json!([
        { "fromIndex": 0, "toIndex": 1, "type": "Success" },
        { "fromIndex": 0, "toIndex": 1, "type": "Failure" },
    ]);
    let files: Vec<_> = [('A', '-'), ('B', '-'), ('D', 't'), ('E', '-')]
        .into_iter()
        .map(|(name, behaviour)| version(root, server.folder(), name, behaviour))
        .collect::<Result<_>>()?;
    rest.upload("calc&activate=true&autoRollback=true", &files[0])?;
    if !rest.root_chain(&nodes, &connections)? {
        bail!("the chain is refused");
    }
    let load = Shape {
        devices: DEVICES,
        seconds: options.seconds * 9,
        window: 64,
        rate: options.rate,
    };
    let file = server.folder().join("latencies");
    let file_name = file.display().to_string();
    let more = ["--verify", "--latencies", &file_name];
    let (load, changes) = std::thread::scope(|scope| {
        let load = scope.spawn(|| server.load_of(TENANT, Protocol::Mqtt, &load, "swap-", &more));
        let changes = changes(&rest, &files, options);
        let load = load.join().map_err(|_| anyhow::anyhow!("the load generator's thread failed"))?;
        anyhow::Ok((load?, changes?))
    })?;
    let latencies = Latencies::read(&file)?;
    let windows: Vec<Window> = changes.iter().map(|change| change.window).collect();
    let steady = latencies.outside(&windows, FIRST_MS);
    println!(
        "# swap: {} msg/s of {DEVICES} devices, QoS 1, node → save time series",
        options.rate
    );
    println!("| when | length ms | messages | p50 ms | p99 ms | max ms | p99 / steady |\n|---|---|---|---|---|---|---|");
    let row = |name: &str, length: &str, of: super::super::latencies::Spread| {
        println!(
            "| {name} | {length} | {} | {:.2} | {:.2} | {:.1} | {:.2} |",
            of.count,
            of.p50_ms,
            of.p99_ms,
            of.max_ms,
            of.p99_ms / steady.p99_ms
        );
    };
    row("steady", "", steady);
    for Change { name, window } in &changes {
        row(name, &(window.1 - window.0).to_string(), latencies.within(*window));
    }
    let stored = load.stored.context("nothing was read back")?;
    println!(
        "{} sent, {} acknowledged, {stored} stored, in order for each device",
        load.sent, load.acknowledged
    );
    if stored != load.sent {
        bail!("messages were lost");
    }
    Ok(())
}

/// Waits for the load, then changes versions one after another.
fn changes(rest: &Rest, files: &[std::path::PathBuf], options: &Options) -> Result<Vec<Change>> {
    let pause = || std::thread::sleep(Duration::from_secs(u64::from(options.seconds)));
    let messages = || anyhow::Ok(rest.get("/api/plugins/components/calc/metrics")?["versions"][0]["metrics"]["messages"].as_u64());
    until("messages flow", || Ok(messages()?.is_some_and(|count| count > options.rate)))?;
    pause();
    let mut changes = Vec::new();
    let mut change = |name, act: &mut dyn FnMut() -> Result<()>| {
        let from_ms = now_ms() - BEFORE_MS;
        act()?;
        changes.push(Change {
            name,
            window: (from_ms, now_ms() + AFTER_MS),
        });
        pause();
        anyhow::Ok(())
    };
    let activate = |version: &str| {
        rest.post("/api/plugins/components/calc/activate", &json!({ "version": version }))
            .map(drop)
    };
    let active = || anyhow::Ok(rest.get("/api/plugins/components/calc")?["active"].clone());
    let (mut good, mut bad, mut repaired) = (String::new(), String::new(), String::new());
    change("a version is uploaded and compiled", &mut || {
        good = rest.upload("calc", &files[1])?;
        Ok(())
    })?;
    change("it is activated", &mut || activate(&good))?;
    bad.push_str(&rest.upload("calc", &files[2])?);
    pause();
    change("one that traps is activated, and rolled back", &mut || {
        activate(&bad)?;
        until("the trapping version is rolled back", || Ok(active()? == good.as_str()))
    })?;
    repaired.push_str(&rest.upload("calc", &files[3])?);
    pause();
    change("the repaired one is activated", &mut || activate(&repaired))?;
    change("a person rolls back", &mut || {
        rest.post("/api/plugins/components/calc/rollback", &json!({})).map(drop)
    })?;
    Ok(changes)
}

fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("it never came to be: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
