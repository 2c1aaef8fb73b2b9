//! Node types by the ids under which rule chains name them.
//!
//! Each tenant has a catalog of its own: what is shipped, what the system's administrators uploaded, what the tenant uploaded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::component::{NodeDescriptor, RuleComponent};
use crate::error::OpenError;
use crate::release::Release;

/// A node type of a component.
#[derive(Clone, Debug)]
pub struct NodeType {
    component: RuleComponent,
    descriptor: Arc<NodeDescriptor>,
    release: Option<Arc<Release>>,
    /// Of shipped components: those that take what this one refuses.
    others: Vec<NodeType>,
}

impl NodeType {
    fn new(component: &RuleComponent, descriptor: &Arc<NodeDescriptor>, release: Option<&Arc<Release>>) -> Self {
        NodeType {
            component: component.clone(),
            descriptor: Arc::clone(descriptor),
            release: release.cloned(),
            others: Vec::new(),
        }
    }

    /// The component that it is part of.
    pub fn component(&self) -> &RuleComponent {
        &self.component
    }

    /// What it says of itself.
    pub fn descriptor(&self) -> &NodeDescriptor {
        &self.descriptor
    }

    /// The uploaded version it comes from; none for what is shipped.
    pub fn release(&self) -> Option<&Arc<Release>> {
        self.release.as_ref()
    }

    /// Opens a configuration, or tries it, by this type; by the next one of its class id as long as those before refuse the configuration.
    ///
    /// # Errors
    /// Those of the last one that was asked.
    pub fn open_by<T>(&self, open: impl Fn(&NodeType) -> Result<T, OpenError>) -> Result<T, OpenError> {
        let mut opened = open(self);
        for other in &self.others {
            if !matches!(opened, Err(OpenError::Configuration(_))) {
                break;
            }
            opened = open(other);
        }
        opened
    }

    /// Whether an instance of the other one does the same work for the same version.
    pub fn is_same(&self, other: &NodeType) -> bool {
        let same_release = match (&self.release, &other.release) {
            (None, None) => true,
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        same_release && self.component.is_same(&other.component) && self.descriptor.type_name == other.descriptor.type_name
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

    /// Adds the types of a component that is shipped. Where a class id is known already, another component's type serves most of its
    /// configurations, and this one those that it refuses: what is rare may need more than what is not. They are the same to people: what the first
    /// one says of itself holds for all.
    pub fn add_shipped(&mut self, component: &RuleComponent) {
        for class_id in self.add_all(component, None) {
            let descriptor = component.types().iter().find(|one| one.class_ids.contains(&class_id));
            if let (Some(known), Some(descriptor)) = (self.by_class.get_mut(&class_id), descriptor) {
                known.others.push(NodeType::new(component, descriptor, None));
            }
        }
    }

    /// Adds the types of a component. A class id that is known already keeps its first owner: answers those ids.
    pub fn add(&mut self, component: &RuleComponent) -> Vec<String> {
        self.add_all(component, None)
    }

    /// Adds the types of a version that was uploaded. As [`Catalog::add`].
    pub fn add_release(&mut self, component: &RuleComponent, release: &Arc<Release>) -> Vec<String> {
        self.add_all(component, Some(release))
    }

    fn add_all(&mut self, component: &RuleComponent, release: Option<&Arc<Release>>) -> Vec<String> {
        let mut refused = Vec::new();
        for descriptor in component.types() {
            let node_type = NodeType::new(component, descriptor, release);
            let mut known_by_any = false;
            for class_id in &descriptor.class_ids {
                if self.by_class.contains_key(class_id) {
                    refused.push(class_id.clone());
                } else {
                    self.by_class.insert(class_id.clone(), node_type.clone());
                    known_by_any = true;
                }
            }
            if known_by_any {
                self.types.push(node_type);
            }
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
