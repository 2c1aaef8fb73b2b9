//! Components at work, in the host that servers have and with the limits of servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use guest_build::program::progress;
use model::{DeviceId, EntityId, EntityKind, Message, Metadata, Payload, RuleNodeId, SystemClock, TenantId};
use plugins::{
    Host, HostConfig, LoadedComponent, LogLevel, LogSink, NodeContext, NodeDescriptor, NodeInstance, NothingStored, RuleComponent,
};
use uuid::Uuid;

use crate::cases::{Case, Cases};

/// Secret of compiled code on the author's own machine, where there is nobody else to distrust.
const CACHE_KEY: &[u8] = b"the author's own";

/// Shows log lines.
struct Desk;

impl LogSink for Desk {
    fn line(&self, _: TenantId, source: &str, level: LogLevel, text: &str) {
        eprintln!("{source} {level:?}: {text}");
    }
}

/// A host that keeps compiled code beside the component.
///
/// # Errors
/// When this machine cannot run components.
pub fn host(component: &Path) -> Result<Host> {
    let folder = component.parent().unwrap_or(Path::new("."));
    Ok(Host::new(HostConfig {
        instances_max: 16,
        scripted_instances_max: 4,
        cache_dir: Some(folder.join(".code")),
        cache_key: CACHE_KEY.to_vec(),
        ..HostConfig::default()
    })?)
}

/// Loads a component, saying so.
///
/// # Errors
/// Why a server would refuse it.
pub fn load(host: &Host, bytes: &[u8]) -> Result<LoadedComponent> {
    progress("loading the component (compiling it, if it is new)", || Ok(host.load(bytes)?))
}

fn rules(path: &Path) -> Result<RuleComponent> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    match load(&host(path)?, &bytes)? {
        LoadedComponent::Rules(component) => Ok(component),
        LoadedComponent::Adapter(_) | LoadedComponent::Stream(_) => bail!("{} is an adapter: only rule nodes are run here", path.display()),
    }
}

/// A node, opened, and its messages.
struct Bench {
    node: NodeInstance,
    messages: Vec<Arc<Message>>,
}

impl Bench {
    fn open(component: &RuleComponent, cases: &Cases) -> Result<Self> {
        let descriptor = chosen(component, cases)?;
        let configuration = cases.configuration.as_ref().unwrap_or(&descriptor.default_configuration);
        let tenant = TenantId::generate();
        let context = NodeContext {
            tenant,
            node: RuleNodeId::generate(tenant),
            name: descriptor.title.as_str().into(),
            readings: Arc::new(NothingStored).into(),
            log: Arc::new(Desk),
            clock: Arc::new(SystemClock),
            memory: plugins::SharedMemory::restore(&descriptor.state_schema, None),
        };
        let device = DeviceId::generate(tenant).entity();
        Ok(Bench {
            node: NodeInstance::open(component, &descriptor.type_name, &configuration.to_string(), context)?,
            messages: cases.messages.iter().map(|case| message(case, tenant, device)).collect(),
        })
    }
}

fn chosen<'a>(component: &'a RuleComponent, cases: &Cases) -> Result<&'a NodeDescriptor> {
    let types = component.types();
    let names = || types.iter().map(|one| one.type_name.as_str()).collect::<Vec<_>>().join(", ");
    match (&cases.node, types) {
        (Some(name), _) => types
            .iter()
            .find(|one| one.type_name == *name)
            .map(|one| &**one)
            .with_context(|| format!("the component has no node type {name}; it has {}", names())),
        (None, [only]) => Ok(only),
        (None, _) => bail!("the component has several node types: say which with \"node\": {}", names()),
    }
}

fn message(case: &Case, tenant: TenantId, device: EntityId) -> Arc<Message> {
    Arc::new(Message {
        id: Uuid::now_v7(),
        kind: case.kind.as_str().into(),
        originator: case.device.map_or(device, |id| EntityId::new(tenant, EntityKind::Device, id)),
        customer: None,
        metadata: case
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect::<Metadata>(),
        payload: Payload::new(case.payload.clone()),
        ts_ms: case.timestamp,
    })
}

/// Runs files of messages and compares.
///
/// # Errors
/// When something differs.
pub fn test(path: &Path, files: &[PathBuf]) -> Result<()> {
    let component = rules(path)?;
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let cases = Cases::read(file)?;
        let mut bench = Bench::open(&component, &cases).with_context(|| format!("the node of {} is not opened", file.display()))?;
        let mut spent = Duration::ZERO;
        for (number, (case, message)) in cases.messages.iter().zip(&bench.messages).enumerate() {
            let started = Instant::now();
            let decided = bench.node.process(message);
            spent += started.elapsed();
            match case.expect.compare(&decided) {
                Ok(()) => passed += 1,
                Err(difference) => {
                    failed += 1;
                    println!("{}: message {}: {difference}", file.display(), number + 1);
                }
            }
        }
        let count = u32::try_from(cases.messages.len()).unwrap_or(u32::MAX).max(1);
        println!(
            "{}: {} messages, {} ns for each, {} kB of memory",
            file.display(),
            cases.messages.len(),
            (spent / count).as_nanos(),
            bench.node.memory_bytes().div_ceil(1024)
        );
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("not as expected: {failed} of the messages");
    }
    Ok(())
}

/// Runs the messages of files many times and says what one costs.
///
/// # Errors
/// When the component breaks.
pub fn bench(path: &Path, files: &[PathBuf], calls: u32) -> Result<()> {
    let component = rules(path)?;
    println!("| messages | best ns | mean ns | memory kB |");
    println!("|---|---|---|---|");
    for file in files {
        let cases = Cases::read(file)?;
        let mut bench = Bench::open(&component, &cases)?;
        if bench.messages.is_empty() {
            bail!("{} has no messages", file.display());
        }
        let (best, mean) = bench.measure(calls)?;
        let memory = bench.node.memory_bytes().div_ceil(1024);
        println!("| {} | {best:.0} | {mean:.0} | {memory} |", file.display());
    }
    Ok(())
}

impl Bench {
    /// Nanoseconds for a message: in the best of many slices, and on average. The machine may have other work to do: read the best.
    fn measure(&mut self, calls: u32) -> Result<(f64, f64)> {
        const SLICE: u32 = 100;
        let (mut best, mut spent) = (f64::INFINITY, 0.0);
        let slices = calls.div_ceil(SLICE).max(1);
        for _ in 0..slices {
            let started = Instant::now();
            for message in self.messages.iter().cycle().take(SLICE as usize) {
                // A message that fails is an answer too; a component that breaks is not.
                if let Err(plugins::ProcessError::Broken(fault)) = self.node.process(message) {
                    return Err(fault.into());
                }
            }
            let ns = started.elapsed().as_nanos() as f64;
            best = best.min(ns / f64::from(SLICE));
            spent += ns;
        }
        Ok((best, spent / f64::from(slices * SLICE)))
    }
}
