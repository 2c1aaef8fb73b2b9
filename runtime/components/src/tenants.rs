//! What is at work for a tenant: its catalog of node types and its active components. Composing them is pure.

use std::sync::Arc;

use model::{Digest, TenantId};
use plugins::{Catalog, LoadedComponent, Places, Release, ReleaseId, Watch};

/// An active version, loaded.
#[derive(Clone, Debug)]
pub struct Active {
    /// What it can be instantiated from.
    pub loaded: LoadedComponent,
    /// Who it is, and how it fares.
    pub release: Arc<Release>,
}

impl Active {
    /// Its component's name.
    pub fn name(&self) -> &str {
        &self.release.id().component
    }

    /// Which version it is.
    pub fn digest(&self) -> Digest {
        self.release.id().digest
    }
}

/// What is at work for a tenant.
#[derive(Clone, Debug)]
pub(crate) struct TenantSet {
    pub(crate) catalog: Arc<Catalog>,
    /// Its own components, by name.
    pub(crate) own: Vec<Active>,
    /// The system's, as this tenant uses them.
    pub(crate) system: Vec<Active>,
    pub(crate) places: Arc<Places>,
}

impl TenantSet {
    /// With one of the tenant's own components replaced, added or (none) left out.
    pub(crate) fn with_own(&self, shipped: &Catalog, name: &str, active: Option<Active>) -> TenantSet {
        let own = replaced(&self.own, name, active);
        TenantSet {
            catalog: Arc::new(compose(shipped, &own, &self.system)),
            own,
            ..self.clone()
        }
    }

    /// With one of the system's components replaced, added or (none) left out.
    pub(crate) fn with_system(&self, shipped: &Catalog, name: &str, active: Option<Active>) -> TenantSet {
        let system = replaced(&self.system, name, active);
        TenantSet {
            catalog: Arc::new(compose(shipped, &self.own, &system)),
            system,
            ..self.clone()
        }
    }

    /// A class id of a version that somebody else has, and who, in words: it must not be taken over.
    pub(crate) fn taken(&self, active: &Active) -> Option<(String, String)> {
        let LoadedComponent::Rules(component) = &active.loaded else {
            return None;
        };
        let id = active.release.id();
        component.types().iter().flat_map(|known| &known.class_ids).find_map(|class_id| {
            let known = self.catalog.resolve(class_id)?;
            match known.release().map(|release| release.id()) {
                Some(owner) if owner.owner == id.owner && owner.component == id.component => None,
                Some(owner) => Some((class_id.clone(), format!("the component {:?}", owner.component))),
                None => Some((class_id.clone(), "a shipped component".to_owned())),
            }
        })
    }

    /// The version of a component that is at work: the tenant's own, else the system's.
    pub(crate) fn active(&self, name: &str) -> Option<&Active> {
        let mut all = self.own.iter().chain(&self.system);
        all.find(|active| active.name() == name)
    }

    /// The version of a component of an owner.
    pub(crate) fn active_of(&self, owner: TenantId, name: &str) -> Option<&Active> {
        let mut all = self.own.iter().chain(&self.system);
        all.find(|active| active.release.id().owner == owner && active.name() == name)
    }
}

/// A system's component as a tenant uses it: with counts and a breaker of its own.
pub(crate) fn used_by(system: &Active, tenant: TenantId, places: &Arc<Places>, watch: &Arc<dyn Watch>) -> Active {
    let id: ReleaseId = system.release.id().clone();
    let release = Release::new(id, tenant, Arc::clone(places), Some(Arc::clone(watch)));
    release.permit_secrets(system.release.secrets());
    Active {
        loaded: system.loaded.clone(),
        release,
    }
}

/// Node types of a tenant. What is shipped comes first; the tenant's own come before the system's, which may be newer: nobody's nodes
/// change because somebody else uploads something.
pub(crate) fn compose(shipped: &Catalog, own: &[Active], system: &[Active]) -> Catalog {
    let mut catalog = shipped.clone();
    for active in own.iter().chain(system) {
        let LoadedComponent::Rules(component) = &active.loaded else {
            continue;
        };
        for class_id in catalog.add_release(component, &active.release) {
            tracing::warn!(tenant = %active.release.tenant(), component = active.name(), class_id, "a class id has two owners; the first one keeps it");
        }
    }
    catalog
}

fn replaced(all: &[Active], name: &str, active: Option<Active>) -> Vec<Active> {
    let mut all: Vec<Active> = all.iter().filter(|one| one.name() != name).cloned().collect();
    all.extend(active);
    all.sort_by(|one, other| one.name().cmp(other.name()));
    all
}
