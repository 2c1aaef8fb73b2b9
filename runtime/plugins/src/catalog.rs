//! Node types by the ids under which rule chains name them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::component::{NodeDescriptor, RuleComponent};

/// A node type of a component.
#[derive(Clone, Debug)]
pub struct NodeType {
    component: RuleComponent,
    descriptor: Arc<NodeDescriptor>,
}

impl NodeType {
    /// The component that it is part of.
    pub fn component(&self) -> &RuleComponent {
        &self.component
    }

    /// What it says of itself.
    pub fn descriptor(&self) -> &NodeDescriptor {
        &self.descriptor
    }
}

/// The node types there are.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_class: HashMap<String, NodeType>,
    /// In the order of their components.
    types: Vec<NodeType>,
}

impl Catalog {
    /// Empty.
    pub fn new() -> Self {
        Catalog::default()
    }

    /// Adds the types of a component. A class id that is known already keeps its first owner: answers those ids.
    pub fn add(&mut self, component: &RuleComponent) -> Vec<String> {
        let mut refused = Vec::new();
        for descriptor in component.types() {
            let node_type = NodeType {
                component: component.clone(),
                descriptor: Arc::clone(descriptor),
            };
            for class_id in &descriptor.class_ids {
                if self.by_class.contains_key(class_id) {
                    refused.push(class_id.clone());
                } else {
                    self.by_class.insert(class_id.clone(), node_type.clone());
                }
            }
            self.types.push(node_type);
        }
        refused
    }

    /// The type of a class id.
    pub fn resolve(&self, class_id: &str) -> Option<NodeType> {
        self.by_class.get(class_id).cloned()
    }

    /// Every type.
    pub fn node_types(&self) -> &[NodeType] {
        &self.types
    }
}
