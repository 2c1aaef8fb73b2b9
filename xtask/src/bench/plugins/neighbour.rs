//! One tenant runs every misbehaving node in turn, and has a stream adapter misbehave in every way; what another tenant's devices wait
//! meanwhile, beside what they waited alone just before: machines have better and worse minutes. Several rounds are told as one: the messages
//! of all its turns beside a guest, and those of all its turns alone. A turn of three seconds has thirty messages above its p99, which says
//! little; how far the turns are apart is told with it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use super::super::latencies::Latencies;
use super::super::load::{Load, Shape};
use super::super::process::median;
use super::super::rest::{Rest, SYSADMIN, TENANT, node};
use super::super::server::{Protocol, Server};
use super::{Options, lines};

/// Devices of the tenant that is measured, one connection each.
const DEVICES: u32 = 50;
/// Devices of the other one.
const EVIL_DEVICES: u32 = 10;

/// What misbehaves.
enum Evil {
    /// A node of this class.
    Node(String),
    /// A stream adapter that is told this.
    Line(&'static str),
}

impl Evil {
    fn name(&self) -> String {
        match self {
            Evil::Node(class) => class.trim_start_matches("test.evil.").to_owned(),
            Evil::Line(word) => format!("line {word}"),
        }
    }
}

/// All turns beside one of them.
#[derive(Default)]
struct Turns {
    alone: Latencies,
    beside: Latencies,
    /// p99 beside it by p99 alone, of each turn.
    ratios: Vec<f64>,
    evil_rates: Vec<f64>,
    /// Of the tenant that is measured, beside it.
    lost: u64,
}

/// Measures.
///
/// # Errors
/// When something fails, or the measured tenant loses a message.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let components = root.join("target/components/test").display().to_string();
    let server = Server::start_with(root, &["--components", &components, "--stream-ports", "1024-65535"])?;
    server.three_nodes()?;
    let (evil, name, password) = server.login(SYSADMIN)?.tenant("evil")?;
    let rate = options.rate / 5;
    let good_load = Shape {
        devices: DEVICES,
        seconds: options.seconds,
        window: 64,
        rate,
    };
    // Begins before, and ends after.
    let evil_load = Shape {
        devices: EVIL_DEVICES,
        seconds: options.seconds + 3,
        window: 64,
        rate: options.evil_rate,
    };
    let file = server.folder().join("latencies");
    let file_name = file.display().to_string();
    let more = ["--verify", "--latencies", &file_name];
    let solo = || -> Result<(Load, Latencies)> {
        let load = server.load_of(TENANT, Protocol::Mqtt, &good_load, "good-", &more)?;
        Ok((load, Latencies::read(&file)?))
    };
    solo()?;
    let mut rows: Vec<(Evil, Turns)> = every(&evil, &options.only)?
        .into_iter()
        .map(|one| (one, Turns::default()))
        .collect();
    // Each has a listener of its own: one that fails often takes nobody new for a while, and the next word would not be heard.
    let words = rows.iter().filter_map(|(one, _)| match one {
        Evil::Line(word) => Some(*word),
        Evil::Node(_) => None,
    });
    let ports: HashMap<&str, u16> = words.map(|word| Ok((word, lines::listen(&evil, word)?))).collect::<Result<_>>()?;
    for turn in 0..options.rounds.max(1) as usize * rows.len() {
        let at = turn % rows.len();
        let (one, turns) = &mut rows[at];
        if let Evil::Node(class) = one {
            let nodes = json!([node("evil", class, &json!({ "ms": 10 }))]);
            if !evil.root_chain(&nodes, &json!([]))? {
                // Its node does not even open.
                continue;
            }
        }
        let (_, alone) = solo()?;
        let (good, evil) = std::thread::scope(|scope| {
            let load = scope.spawn(|| match one {
                Evil::Node(_) => {
                    let load = server.load_of((&name, password), Protocol::Mqtt, &evil_load, "evil-", &[]);
                    load.map_or(f64::NAN, |load| load.rate)
                }
                Evil::Line(word) => lines::say(ports[&**word], word, evil_load.rate, evil_load.seconds).unwrap_or(f64::NAN),
            });
            std::thread::sleep(std::time::Duration::from_millis(1_500));
            let good = solo();
            (good, load.join())
        });
        let evil = evil.map_err(|_| anyhow::anyhow!("the load generator's thread failed"))?;
        let (load, beside) = good?;
        turns.lost += load.sent.saturating_sub(load.stored.unwrap_or(0));
        turns.ratios.push(beside.all().p99_ms / alone.all().p99_ms);
        turns.evil_rates.push(evil);
        turns.alone.add(alone);
        turns.beside.add(beside);
    }
    println!(
        "# neighbour: {rate} msg/s of {DEVICES} devices through three nodes; beside it {} msg/s into one node, or lines/s to an adapter",
        options.evil_rate
    );
    println!(
        "| the other tenant runs | it gets through msg/s | p50 ms alone | beside | p99 ms alone | beside | p99 beside / alone | of single turns |\n|---|---|---|---|---|---|---|---|"
    );
    for (one, turns) in rows.iter_mut().filter(|(_, turns)| !turns.ratios.is_empty()) {
        let (alone, beside) = (turns.alone.all(), turns.beside.all());
        turns.ratios.sort_by(f64::total_cmp);
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            one.name(),
            rate_told(median(turns.evil_rates.clone())),
            alone.p50_ms,
            beside.p50_ms,
            alone.p99_ms,
            beside.p99_ms,
            beside.p99_ms / alone.p99_ms,
            turns.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" ")
        );
    }
    if rows.iter().any(|(_, turns)| turns.lost > 0) {
        bail!("messages were lost");
    }
    let usage = evil.get("/api/plugins/usage")?;
    println!("every message of the tenant is stored, in order; the other one's usage: {usage}");
    Ok(())
}

/// A rate, or that so little was done within the time for it that the generator gave up.
fn rate_told(rate: f64) -> String {
    match rate.is_nan() {
        true => "does not keep up".to_owned(),
        false => format!("{rate:.0}"),
    }
}

/// Everything that misbehaves – all of it, or these – and the node that does not first.
fn every(rest: &Rest, only: &[String]) -> Result<Vec<Evil>> {
    let types = rest.get("/api/components?componentTypes=ACTION")?;
    let classes = types.as_array().context("no node types")?.iter();
    let mut classes: Vec<String> = classes
        .filter_map(|one| one["clazz"].as_str().filter(|class| class.starts_with("test.evil.")))
        .map(str::to_owned)
        .collect();
    classes.sort_by_key(|class| (class != "test.evil.pass", class.clone()));
    if classes.len() < 10 {
        bail!("too few: {}", Json::from(classes));
    }
    let nodes = classes.into_iter().map(Evil::Node);
    let mut every: Vec<Evil> = nodes.chain(lines::WORDS.map(Evil::Line)).collect();
    every.retain(|one| only.is_empty() || only.contains(&one.name()));
    Ok(every)
}
