//! From the bytes of a component to something that can be instantiated: checked, compiled, asked to describe itself.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use model::{SystemClock, TenantId};
use serde_json::Value as Json;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::bindings::payload_adapter::PayloadAdapterPre;
use crate::bindings::rule_node::exports::pacificsoft::plugin::nodes::Descriptor;
use crate::bindings::rule_node::{RuleNode, RuleNodePre};
use crate::budget::{Budget, allow};
use crate::capability;
use crate::capability::foreign::{is_foreign, with_stubs};
use crate::engine::Host;
use crate::error::LoadError;
use crate::figures::Figures;
use crate::guest::{Current, Guest, LogBudget, explain, store};
use crate::limits::{Limiter, Limits};
use crate::memory::SharedMemory;
use crate::outcome::EffectKinds;
use crate::stream::StreamComponent;

/// Node types of one component at most.
const TYPES_MAX: usize = 64;
/// Relations, class ids or effects of a node type at most.
const NAMES_MAX: usize = 100;
/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a help text or schema at most.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A component of one of the worlds.
#[derive(Clone, Debug)]
pub enum LoadedComponent {
    /// A package of rule-node types.
    Rules(RuleComponent),
    /// A payload adapter.
    Adapter(AdapterComponent),
    /// A stream adapter.
    Stream(StreamComponent),
}

/// A node type, in its own words, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDescriptor {
    /// Name inside the component.
    pub type_name: String,
    /// Ids that rule chains use; the first one is written.
    pub class_ids: Vec<String>,
    /// Name for people.
    pub title: String,
    /// `FILTER`, `ENRICHMENT`, `TRANSFORMATION`, `ACTION`, `EXTERNAL` or `FLOW`.
    pub family: String,
    /// One sentence.
    pub description: String,
    /// More help.
    pub details: String,
    /// Name of a Material icon, or empty.
    pub icon: String,
    /// Relations messages can leave along.
    pub relations: Vec<Arc<str>>,
    /// Whether a configuration can add relations.
    pub custom_relations: bool,
    /// JSON Schema of the configuration.
    pub configuration_schema: Json,
    /// Configuration of a new node.
    pub default_configuration: Json,
    /// Version of the configuration's form.
    pub version: u32,
    /// Effects it may ask for.
    pub effects: EffectKinds,
    /// The form of what it keeps; empty: it keeps nothing.
    pub state_schema: Arc<str>,
    /// The timer that is due when a node begins to serve with none.
    pub start_timer: Option<Arc<str>>,
    /// Whether it is handed no message before the effects are done that nodes of such types have asked for with the messages of the same
    /// originator before it.
    pub in_turn: bool,
    /// Whether connections may lead to its nodes.
    pub takes_messages: bool,
}

/// A payload adapter, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterDescriptor {
    /// Name in kebab case.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// One sentence.
    pub description: String,
}

/// A package of node types, ready to be instantiated.
#[derive(Clone)]
pub struct RuleComponent(pub(crate) Arc<RuleInner>);

pub(crate) struct RuleInner {
    pub(crate) host: Host,
    pub(crate) pre: RuleNodePre<Guest>,
    /// How it is instantiated where what it reads has to be waited for; none: it reads nothing.
    pub(crate) awaiting: Option<InstancePre<Guest>>,
    types: Vec<Arc<NodeDescriptor>>,
}

/// A payload adapter, ready to be instantiated.
#[derive(Clone)]
pub struct AdapterComponent(pub(crate) Arc<AdapterInner>);

pub(crate) struct AdapterInner {
    pub(crate) host: Host,
    pub(crate) pre: PayloadAdapterPre<Guest>,
    descriptor: AdapterDescriptor,
}

impl Host {
    /// Takes a component: checks its size and form, compiles it, fits it to the contract, asks what it is. Blocks for the time of
    /// compiling; call it where that does no harm.
    ///
    /// # Errors
    /// [`LoadError`], in words for the component's author.
    pub fn load(&self, bytes: &[u8]) -> Result<LoadedComponent, LoadError> {
        self.of_class(bytes)?.load_here(bytes)
    }

    /// What a component imports, by name: its request for permissions. Blocks as [`Host::load`] does, if it was not loaded before.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn imports(&self, bytes: &[u8]) -> Result<Vec<String>, LoadError> {
        let host = self.of_class(bytes)?;
        let component = host.compiled(bytes)?;
        let imports = component.component_type();
        Ok(imports.imports(&host.0.engine).map(|(name, _)| name.to_owned()).collect())
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        let compiled = match &self.0.cache {
            Some(cache) => cache.component(&self.0.engine, bytes),
            None => Component::new(&self.0.engine, bytes),
        };
        compiled.map_err(|error| LoadError::Invalid(format!("{error:#}")))
    }

    /// The host for a component, by its size: what is larger than the limit of small ones carries an interpreter.
    pub(crate) fn of_class(&self, bytes: &[u8]) -> Result<&Host, LoadError> {
        if bytes.len() <= self.limits().component_bytes_max {
            return Ok(self);
        }
        let scripted = self.scripted()?;
        match scripted.limits().component_bytes_max {
            max if bytes.len() > max => Err(LoadError::TooLarge { len: bytes.len(), max }),
            _ => Ok(scripted),
        }
    }

    fn load_here(&self, bytes: &[u8]) -> Result<LoadedComponent, LoadError> {
        let component = self.compiled(bytes)?;
        match exported(&self.0.engine, &component).as_deref() {
            Some("nodes") => self.rules(&component).map(LoadedComponent::Rules),
            Some("adapter") => self.adapter(&component).map(LoadedComponent::Adapter),
            Some("protocol") => self.stream(&component).map(LoadedComponent::Stream),
            _ => Err(LoadError::Contract(
                "it exports none of pacificsoft:plugin/nodes@0.1, pacificsoft:plugin/adapter@0.1, pacificsoft:plugin/protocol@0.1"
                    .to_owned(),
            )),
        }
    }

    /// A component with its imports resolved: what the contract offers, and stubs for what other toolchains import by habit.
    fn prepared(&self, linker: &Linker<Guest>, component: &Component) -> wasmtime::Result<InstancePre<Guest>> {
        if !is_foreign(&self.0.engine, component) {
            return linker.instantiate_pre(component);
        }
        with_stubs(linker, &self.0.engine, component)?.instantiate_pre(component)
    }

    fn rules(&self, component: &Component) -> Result<RuleComponent, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let pre = RuleNodePre::new(self.prepared(&self.0.rule_linker, component).map_err(misfit)?).map_err(misfit)?;
        let (instance, mut store) = self.instantiate_rules(&pre, self.anonymous())?;
        let told = instance.pacificsoft_plugin_nodes().call_describe(&mut store);
        let told = told.map_err(|error| explain(&error, store.data(), self.limits(), self.limits().open_ms))?;
        let types = descriptors(told).map_err(LoadError::Description)?;
        let awaiting = if reads(&self.0.engine, component) {
            Some(self.prepared(&self.0.awaiting_linker, component).map_err(misfit)?)
        } else {
            None
        };
        Ok(RuleComponent(Arc::new(RuleInner {
            host: self.clone(),
            pre,
            awaiting,
            types,
        })))
    }

    fn adapter(&self, component: &Component) -> Result<AdapterComponent, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let pre = PayloadAdapterPre::new(self.prepared(&self.0.adapter_linker, component).map_err(misfit)?).map_err(misfit)?;
        let mut store = store(&self.0.engine, self.anonymous(), self.limits());
        allow(&mut store, self.limits().open_ms);
        let described = pre
            .instantiate(&mut store)
            .and_then(|instance| instance.pacificsoft_plugin_adapter().call_describe(&mut store));
        let told = described.map_err(|error| explain(&error, store.data(), self.limits(), self.limits().open_ms))?;
        let name = name_of("the adapter's name", told.name).map_err(LoadError::Description)?;
        let descriptor = AdapterDescriptor {
            name,
            title: told.title,
            description: told.description,
        };
        Ok(AdapterComponent(Arc::new(AdapterInner {
            host: self.clone(),
            pre,
            descriptor,
        })))
    }

    pub(crate) fn instantiate_rules(&self, pre: &RuleNodePre<Guest>, guest: Guest) -> Result<(RuleNode, Store<Guest>), crate::Fault> {
        let mut store = store(&self.0.engine, guest, self.limits());
        allow(&mut store, self.limits().open_ms);
        match pre.instantiate(&mut store) {
            Ok(instance) => Ok((instance, store)),
            Err(error) => Err(explain(&error, store.data(), self.limits(), self.limits().open_ms)),
        }
    }

    /// A guest that works for nobody: it may describe and check, not read.
    pub(crate) fn anonymous(&self) -> Guest {
        Guest {
            limiter: Limiter::new(self.limits()),
            current: Current::Nothing,
            answer: None,
            budget: Budget::default(),
            tenant: TenantId::SYSTEM,
            name: "".into(),
            readings: None,
            log: None,
            clock: Arc::new(SystemClock),
            log_budget: LogBudget::new(self.limits()),
            memory: SharedMemory::default(),
            memory_touched: false,
            about: None,
            figures: Figures::default(),
        }
    }
}

impl RuleComponent {
    /// Its node types.
    pub fn types(&self) -> &[Arc<NodeDescriptor>] {
        &self.0.types
    }

    /// Whether both are the same loaded component.
    pub fn is_same(&self, other: &RuleComponent) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Limits of its instances.
    pub fn limits(&self) -> &Limits {
        self.0.host.limits()
    }
}

impl AdapterComponent {
    /// What it says of itself.
    pub fn descriptor(&self) -> &AdapterDescriptor {
        &self.0.descriptor
    }

    /// Whether both are the same loaded component.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for RuleComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.types.iter().map(|descriptor| &descriptor.type_name))
            .finish()
    }
}

impl fmt::Debug for AdapterComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdapterComponent").field(&self.0.descriptor.name).finish()
    }
}

/// Which interface of the contract a component exports.
fn exported(engine: &Engine, component: &Component) -> Option<String> {
    component.component_type().exports(engine).find_map(|(name, item)| match item.ty {
        ComponentItem::ComponentInstance(_) => {
            let (interface, version) = name.strip_prefix("pacificsoft:plugin/")?.split_once('@')?;
            version.starts_with("0.1.").then(|| interface.to_owned())
        }
        _ => None,
    })
}

/// Whether a component imports anything that may have to be waited for.
fn reads(engine: &Engine, component: &Component) -> bool {
    let told = component.component_type();
    told.imports(engine).any(|(name, _)| {
        let interface = name.strip_prefix("pacificsoft:plugin/").and_then(|name| name.split('@').next());
        interface.is_some_and(|interface| capability::WAITING.contains(&interface))
    })
}

fn descriptors(told: Vec<Descriptor>) -> Result<Vec<Arc<NodeDescriptor>>, String> {
    if told.is_empty() || told.len() > TYPES_MAX {
        return Err(format!("{} node types are not between 1 and {TYPES_MAX}", told.len()));
    }
    let mut names = HashSet::new();
    let mut types = Vec::with_capacity(told.len());
    for one in told {
        let descriptor = descriptor(one)?;
        if !names.insert(descriptor.type_name.clone()) {
            return Err(format!("there are two node types {:?}", descriptor.type_name));
        }
        types.push(Arc::new(descriptor));
    }
    Ok(types)
}

fn descriptor(told: Descriptor) -> Result<NodeDescriptor, String> {
    let type_name = name_of("the type name", told.type_name)?;
    let of = |what: &str| format!("{what} of {type_name:?}");
    for (what, count) in [
        ("relations", told.relations.len()),
        ("class ids", told.class_ids.len()),
        ("effects", told.effects.len()),
    ] {
        if count > NAMES_MAX {
            return Err(format!("{count} {} are more than the {NAMES_MAX} allowed", of(what)));
        }
    }
    for (what, text) in [
        ("the title", &told.title),
        ("the description", &told.description),
        ("the details", &told.details),
        ("the icon", &told.icon),
        ("the configuration schema", &told.configuration_schema),
        ("the default configuration", &told.default_configuration),
    ] {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("{} has more than {TEXT_BYTES_MAX} bytes", of(what)));
        }
    }
    if !["FILTER", "ENRICHMENT", "TRANSFORMATION", "ACTION", "EXTERNAL", "FLOW"].contains(&&*told.family) {
        return Err(format!(
            "{} is none of FILTER, ENRICHMENT, TRANSFORMATION, ACTION, EXTERNAL, FLOW",
            of("the family")
        ));
    }
    if told.state_schema.len() > NAME_BYTES_MAX {
        return Err(format!("{} has more than {NAME_BYTES_MAX} bytes", of("the state schema")));
    }
    let mut extensions: BTreeMap<String, String> = told.extensions.into_iter().collect();
    let start_timer = extensions.remove("start-timer");
    let start_timer = start_timer.map(|name| name_of("the start timer's name", name)).transpose()?;
    if start_timer.is_some() && told.state_schema.is_empty() {
        return Err(format!("{} is for types that have a state schema", of("the start timer")));
    }
    let in_turn = extensions.remove("in-turn");
    if in_turn.as_deref().is_some_and(|by| by != "originator") {
        return Err(format!("{} is not by the originator, and there is no other", of("the turn")));
    }
    let input = extensions.remove("input");
    if input.as_deref().is_some_and(|input| input != "none") {
        return Err(format!("{} is not none, and is said only where it is", of("the input")));
    }
    if told.class_ids.is_empty() {
        return Err(format!("{} are missing", of("the class ids")));
    }
    let json = |what: &str, text: &str| serde_json::from_str::<Json>(text).map_err(|error| format!("{} is not JSON: {error}", of(what)));
    Ok(NodeDescriptor {
        configuration_schema: json("the configuration schema", &told.configuration_schema)?,
        default_configuration: json("the default configuration", &told.default_configuration)?,
        effects: EffectKinds::named(&told.effects).map_err(|name| format!("{} has no effect {name:?}", of("the contract")))?,
        class_ids: told
            .class_ids
            .into_iter()
            .map(|id| name_of("a class id", id))
            .collect::<Result<_, _>>()?,
        relations: told
            .relations
            .into_iter()
            .map(|name| name_of("a relation", name).map(Arc::from))
            .collect::<Result<_, _>>()?,
        title: told.title,
        family: told.family,
        description: told.description,
        details: told.details,
        icon: told.icon,
        custom_relations: told.custom_relations,
        version: told.version,
        state_schema: told.state_schema.into(),
        start_timer: start_timer.map(Arc::from),
        in_turn: in_turn.is_some(),
        takes_messages: input.is_none(),
        type_name,
    })
}

pub(crate) fn name_of(what: &str, name: String) -> Result<String, String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("{what} has {} bytes, not between 1 and {NAME_BYTES_MAX}", name.len()));
    }
    Ok(name)
}
