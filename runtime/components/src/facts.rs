//! What was found out about a version when it was admitted; kept with it.

use plugins::{Examined, LoadedComponent, NodeDescriptor};
use serde::{Deserialize, Serialize};

/// The facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// What it is a component of.
    pub world: String,
    /// Version of the contract it was built for.
    pub contract: String,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    /// Effects its types ask for.
    pub effects: Vec<String>,
    /// Its node types.
    pub node_types: Vec<NodeTypeFacts>,
    /// Time that compiling took, milliseconds; 0: it was not compiled now.
    pub compile_ms: u64,
}

/// A node type, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeTypeFacts {
    /// Name inside the component.
    pub type_name: String,
    /// Ids that rule chains use.
    pub class_ids: Vec<String>,
    /// Name for people.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// Where it stands in the list of nodes.
    pub family: String,
    /// Relations messages leave along.
    pub relations: Vec<String>,
    /// Version of the configuration's form.
    pub configuration_version: u32,
    /// Effects it asks for.
    pub effects: Vec<String>,
}

impl Facts {
    /// Of a component that was examined and tried.
    pub fn new(examined: Examined, loaded: &LoadedComponent, compile_ms: u64) -> Self {
        let node_types: Vec<NodeTypeFacts> = match loaded {
            LoadedComponent::Rules(component) => component.types().iter().map(|descriptor| node_type(descriptor)).collect(),
            _ => Vec::new(),
        };
        let mut effects: Vec<String> = node_types.iter().flat_map(|one| one.effects.iter().cloned()).collect();
        effects.sort_unstable();
        effects.dedup();
        Facts {
            world: examined.world.as_str().to_owned(),
            contract: examined.contract,
            imports: examined.imports,
            effects,
            node_types,
            compile_ms,
        }
    }

    /// Ids that rule chains use for its types.
    pub fn class_ids(&self) -> impl Iterator<Item = &String> {
        self.node_types.iter().flat_map(|node_type| &node_type.class_ids)
    }
}

fn node_type(descriptor: &NodeDescriptor) -> NodeTypeFacts {
    NodeTypeFacts {
        type_name: descriptor.type_name.clone(),
        class_ids: descriptor.class_ids.clone(),
        title: descriptor.title.clone(),
        description: descriptor.description.clone(),
        family: descriptor.family.clone(),
        relations: descriptor.relations.iter().map(|name| name.to_string()).collect(),
        configuration_version: descriptor.version,
        effects: descriptor.effects.names().map(str::to_owned).collect(),
    }
}
