//! The one place that configures wasmtime, and the thread that keeps guests' time.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::{
    alarms, answer, clock, credentials, customers, entities, history, log, metrics, readings, relations, state, timers, uplink,
};
use crate::cache::CodeCache;
use crate::capability;
use crate::error::LoadError;
use crate::guest::Guest;
use crate::limits::{Limits, STACK_BYTES_MAX};

/// How often guests' clock ticks, milliseconds.
pub(crate) const TICK_MS: u32 = 2;

/// What a host is made from.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Limits of every instance.
    pub limits: Limits,
    /// Instances there may be at one time.
    pub instances_max: u32,
    /// Limits of instances of components that carry an interpreter.
    pub scripted_limits: Limits,
    /// Instances of these there may be at one time, apart from the others.
    pub scripted_instances_max: u32,
    /// Folder for native code; none: components are compiled each time.
    pub cache_dir: Option<PathBuf>,
    /// Secret that authenticates what is in the folder.
    pub cache_key: Vec<u8>,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            limits: Limits::default(),
            instances_max: 4_000,
            scripted_limits: Limits::scripted(),
            scripted_instances_max: 500,
            cache_dir: None,
            cache_key: Vec::new(),
        }
    }
}

/// Loads and runs components. Clones share everything.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<HostInner>);

pub(crate) struct HostInner {
    pub(crate) engine: Engine,
    pub(crate) rule_linker: Linker<Guest>,
    /// The same, for guests that are put aside while an answer is on its way.
    pub(crate) awaiting_linker: Linker<Guest>,
    pub(crate) adapter_linker: Linker<Guest>,
    pub(crate) stream_linker: Linker<Guest>,
    pub(crate) limits: Limits,
    pub(crate) cache: Option<CodeCache>,
    /// The host of scripted components; made when the first one comes.
    scripted: OnceLock<Host>,
    config: HostConfig,
}

impl Host {
    /// Makes the engine and starts its clock.
    ///
    /// # Errors
    /// [`LoadError::Host`] when the machine cannot run components.
    pub fn new(config: HostConfig) -> Result<Self, LoadError> {
        let failed = |error: wasmtime::Error| LoadError::Host(format!("{error:#}"));
        let engine = engine(&config).map_err(failed)?;
        let mut rule_linker = Linker::new(&engine);
        offer_to_nodes(&mut rule_linker).map_err(failed)?;
        offer_at_once(&mut rule_linker).map_err(failed)?;
        let mut awaiting_linker = Linker::new(&engine);
        offer_to_nodes(&mut awaiting_linker).map_err(failed)?;
        capability::awaited(&mut awaiting_linker).map_err(failed)?;
        let mut adapter_linker = Linker::new(&engine);
        offer_to_adapters(&mut adapter_linker).map_err(failed)?;
        let mut stream_linker = Linker::new(&engine);
        offer_to_adapters(&mut stream_linker).map_err(failed)?;
        let cache = match config.cache_dir.clone() {
            None => None,
            Some(dir) => Some(CodeCache::open(dir, &config.cache_key).map_err(|error| LoadError::Host(error.to_string()))?),
        };
        start_clock(&engine)?;
        Ok(Host(Arc::new(HostInner {
            engine,
            rule_linker,
            awaiting_linker,
            adapter_linker,
            stream_linker,
            limits: config.limits.clone(),
            cache,
            scripted: OnceLock::new(),
            config,
        })))
    }

    /// The host that takes components carrying an interpreter: with other limits, and a pool of instances of its own, so that these
    /// cannot take the places of the small ones.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn scripted(&self) -> Result<&Host, LoadError> {
        if let Some(host) = self.0.scripted.get() {
            return Ok(host);
        }
        let config = &self.0.config;
        let host = Host::new(HostConfig {
            limits: config.scripted_limits.clone(),
            instances_max: config.scripted_instances_max,
            ..config.clone()
        })?;
        Ok(self.0.scripted.get_or_init(|| host))
    }

    /// The limits of every instance.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// What rule nodes may import, but for what they read.
fn offer_to_nodes(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    log::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    answer::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    state::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    timers::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    metrics::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    capability::message::add_to_linker(linker)
}

/// What rule nodes may read, where every answer is there at once.
fn offer_at_once(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    readings::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    history::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    entities::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    customers::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    relations::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    alarms::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    credentials::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

/// What payload adapters and stream adapters may import.
fn offer_to_adapters(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    log::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    uplink::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

/// An engine with the pooling allocator; where the machine does not give that much address space, with plain allocation.
fn engine(config: &HostConfig) -> wasmtime::Result<Engine> {
    let mut pooled = base_config();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    Engine::new(&pooled).or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "no pool of instances; allocating one by one");
        Engine::new(&base_config())
    })
}

/// What the compiler's process works with: the same code comes out, and no address space is reserved for instances.
pub(crate) fn compiler_config() -> Config {
    base_config()
}

fn base_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_gc(false)
        .wasm_exceptions(false)
        .wasm_function_references(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(2 * STACK_BYTES_MAX)
        .memory_init_cow(true)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16));
    config
}

fn pool(config: &HostConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    let parts = u32::try_from(config.limits.parts_max).unwrap_or(u32::MAX);
    // Small components have two core instances each; those that carry an interpreter have some tens, which share their memory.
    let cores = config.instances_max.saturating_mul(if parts > 8 { parts } else { 2 });
    pool.total_component_instances(config.instances_max)
        .total_core_instances(cores)
        .total_memories(config.instances_max)
        .total_tables(config.instances_max.saturating_mul(2))
        .total_stacks(config.instances_max)
        .max_core_instances_per_component(parts)
        .max_memories_per_component(parts)
        .max_tables_per_component(parts)
        .max_memory_size(config.limits.memory_bytes_max)
        .table_elements(config.limits.table_elements_max)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(64)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Ticks for as long as the engine lives. A thread of its own: a guest that spins on every worker must not stop the clock.
fn start_clock(engine: &Engine) -> Result<(), LoadError> {
    let weak: EngineWeak = engine.weak();
    let tick = Duration::from_millis(u64::from(TICK_MS));
    std::thread::Builder::new()
        .name("guest clock".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        })
        .map(drop)
        .map_err(|error| LoadError::Host(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{DefaultHasher, Hash, Hasher};

    #[test]
    fn code_of_the_compiler_fits_the_engine_that_runs_it() {
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let running = engine(&HostConfig::default()).expect("an engine");
        let compiling = Engine::new(&compiler_config()).expect("an engine");
        assert_eq!(hash(&running), hash(&compiling));
    }
}
