//! The components a server starts with: those inside the binary, and those of a folder.

use std::path::Path;

use anyhow::{Context, Result, bail};
use plugins::{AdapterComponent, Catalog, Host, LoadedComponent};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Node types, and the adapter that devices speak through.
pub struct Shipped {
    /// Node types.
    pub catalog: Catalog,
    /// The device API.
    pub device_api: AdapterComponent,
}

/// Loads all components. Takes as long as compiling those that are not in the cache: some hundred milliseconds each.
///
/// # Errors
/// When a component is not taken.
pub fn load(host: &Host, folder: Option<&Path>) -> Result<Shipped> {
    let mut catalog = Catalog::new();
    let mut device_api = None;
    for (name, bytes) in SHIPPED {
        match host
            .load(bytes)
            .with_context(|| format!("the shipped component {name} was not loaded"))?
        {
            LoadedComponent::Rules(component) => drop(catalog.add(&component)),
            LoadedComponent::Adapter(component) => device_api = Some(component),
        }
    }
    if let Some(folder) = folder {
        add_folder(host, folder, &mut catalog)?;
    }
    let device_api = device_api.context("the device API is not among the shipped components")?;
    Ok(Shipped { catalog, device_api })
}

fn add_folder(host: &Host, folder: &Path, catalog: &mut Catalog) -> Result<()> {
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
            LoadedComponent::Adapter(_) => bail!("{} is an adapter: only rule nodes can be added this way", path.display()),
        }
    }
    Ok(())
}
