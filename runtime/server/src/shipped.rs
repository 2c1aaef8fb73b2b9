//! The components a server starts with: those inside the binary, and those of a folder.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use plugins::{AdapterComponent, Catalog, Host, LoadedComponent, StreamComponent};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Node types, and the adapter that devices speak through.
pub struct Shipped {
    /// Node types.
    pub catalog: Catalog,
    /// The device API.
    pub device_api: AdapterComponent,
    /// Adapters by name, the device API among them.
    pub adapters: ServerAdapters,
}

/// The adapters that every tenant may name.
#[derive(Default)]
pub struct ServerAdapters {
    pub payload: HashMap<String, AdapterComponent>,
    pub stream: HashMap<String, StreamComponent>,
}

/// Loads all components. Takes as long as compiling those that are not in the cache: some hundred milliseconds each, and seconds for the one that
/// carries an interpreter.
///
/// # Errors
/// When a component is not taken.
pub fn load(host: &Host, folder: Option<&Path>) -> Result<Shipped> {
    let mut catalog = Catalog::new();
    let mut device_api = None;
    let mut adapters = ServerAdapters::default();
    for (name, bytes) in SHIPPED {
        match host
            .load(bytes)
            .with_context(|| format!("the shipped component {name} was not loaded"))?
        {
            LoadedComponent::Rules(component) => catalog.add_shipped(&component),
            LoadedComponent::Adapter(component) => {
                adapters.payload.insert(component.descriptor().name.clone(), component.clone());
                device_api = Some(component);
            }
            LoadedComponent::Stream(component) => drop(adapters.stream.insert(component.descriptor().name.clone(), component)),
        }
    }
    if let Some(folder) = folder {
        add_folder(host, folder, &mut catalog, &mut adapters)?;
    }
    let device_api = device_api.context("the device API is not among the shipped components")?;
    Ok(Shipped {
        catalog,
        device_api,
        adapters,
    })
}

fn add_folder(host: &Host, folder: &Path, catalog: &mut Catalog, adapters: &mut ServerAdapters) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("the folder of components {} cannot be read", folder.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        match host
            .load(&bytes)
            .with_context(|| format!("the component {} was not loaded", path.display()))?
        {
            LoadedComponent::Rules(component) => {
                let refused = catalog.add(&component);
                if !refused.is_empty() {
                    bail!(
                        "the component {} claims class ids that others have: {}",
                        path.display(),
                        refused.join(", ")
                    );
                }
                tracing::info!(path = %path.display(), types = component.types().len(), "component loaded");
            }
            LoadedComponent::Adapter(component) => {
                let name = component.descriptor().name.clone();
                named(&path, &name, adapters.payload.insert(name.clone(), component).is_some())?;
            }
            LoadedComponent::Stream(component) => {
                let name = component.descriptor().name.clone();
                named(&path, &name, adapters.stream.insert(name.clone(), component).is_some())?;
            }
        }
    }
    Ok(())
}

/// An adapter has got its name; or it is one that another has.
fn named(path: &Path, name: &str, taken: bool) -> Result<()> {
    if taken {
        bail!(
            "the component {} is an adapter with a name that another has: {name}",
            path.display()
        );
    }
    tracing::info!(path = %path.display(), adapter = name, "component loaded");
    Ok(())
}
