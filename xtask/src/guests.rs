//! Building guests: rule nodes and adapters become components under `target/components`.
//!
//! What is built is decided by a hash over the sources and the toolchain, so that a second call does nothing.

mod scripted;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use guest_build::rust::{self, Toolchain};
use sha2::{Digest, Sha256};

/// A crate that becomes a component.
struct Guest {
    /// Name of the package.
    package: &'static str,
    /// Its folder.
    folder: &'static str,
    /// Path of the component below `target/components`.
    component: &'static str,
}

const GUESTS: [Guest; 15] = [
    Guest {
        package: "node-filter",
        folder: "rule-nodes/filter",
        component: "filter.wasm",
    },
    Guest {
        package: "node-enrichment",
        folder: "rule-nodes/enrichment",
        component: "enrichment.wasm",
    },
    Guest {
        package: "node-transformation",
        folder: "rule-nodes/transformation",
        component: "transformation.wasm",
    },
    Guest {
        package: "node-action",
        folder: "rule-nodes/action",
        component: "action.wasm",
    },
    Guest {
        package: "node-script",
        folder: "rule-nodes/script",
        component: "script.wasm",
    },
    Guest {
        package: "node-external",
        folder: "rule-nodes/external",
        component: "external.wasm",
    },
    Guest {
        package: "node-flow",
        folder: "rule-nodes/flow",
        component: "flow.wasm",
    },
    Guest {
        package: "node-adapters",
        folder: "rule-nodes/adapters",
        component: "device-api.wasm",
    },
    Guest {
        package: "evil-guests",
        folder: "tests/guests",
        component: "test/evil-guests.wasm",
    },
    Guest {
        package: "plugin-guest",
        folder: "tests/guests-plugin",
        component: "test/plugin-guest.wasm",
    },
    Guest {
        package: "egress-guest",
        folder: "tests/guests-egress",
        component: "test/egress-guest.wasm",
    },
    Guest {
        package: "evil-stream",
        folder: "tests/evil-stream",
        component: "test/evil-stream.wasm",
    },
    Guest {
        package: "gps-tracker",
        folder: "examples/gps-tracker",
        component: "examples/gps-tracker.wasm",
    },
    Guest {
        package: "compact-sensor",
        folder: "examples/compact-sensor",
        component: "examples/compact-sensor.wasm",
    },
    Guest {
        package: "anomaly-detector",
        folder: "examples/anomaly-detector",
        component: "examples/anomaly-detector.wasm",
    },
];

/// Builds every guest that has changed, the examples in JavaScript and Python too; answers the components' paths.
///
/// # Errors
/// When there is no toolchain for guests, or a guest does not build.
pub fn build_all(root: &Path) -> Result<Vec<PathBuf>> {
    let mut components = build_rust(root)?;
    components.extend(scripted::build_all(root)?);
    Ok(components)
}

/// Builds the guests in Rust that have changed: all that a server needs.
///
/// # Errors
/// When there is no toolchain for guests, or a guest does not build.
pub fn build_rust(root: &Path) -> Result<Vec<PathBuf>> {
    let stamp_path = root.join("target/components/stamp");
    let components: Vec<PathBuf> = GUESTS
        .iter()
        .map(|guest| root.join("target/components").join(guest.component))
        .collect();
    let stamp = stamp(root)?;
    if fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) && components.iter().all(|path| path.exists()) {
        return Ok(components);
    }
    let toolchain = Toolchain::find(root)?;
    eprintln!("guests: building with {toolchain}");
    let modules = toolchain.build(root, &GUESTS.map(|guest| guest.package))?;
    for ((guest, module), path) in GUESTS.iter().zip(modules).zip(&components) {
        let bytes = guest_build::encode(&module).with_context(|| format!("{} does not become a component", guest.package))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, &bytes)?;
        eprintln!("guests: {} ({} kB)", guest.component, bytes.len().div_ceil(1024));
    }
    fs::write(&stamp_path, stamp)?;
    Ok(components)
}

/// A hash over everything a component is made of.
fn stamp(root: &Path) -> Result<String> {
    let folders: Vec<&str> = ["wit", "sdk/rust", "sdk/derive", "rule-nodes/scriptable"]
        .into_iter()
        .chain(GUESTS.iter().map(|guest| guest.folder))
        .collect();
    let choice = std::env::var(rust::CHOICE).unwrap_or_default();
    hash(root, &folders, &["Cargo.lock", "Cargo.toml", ".cargo/config.toml"], &choice)
}

/// A hash over the files of folders, some more files, and a text.
fn hash(root: &Path, folders: &[&str], more: &[&str], text: &str) -> Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files)?;
    }
    files.extend(more.iter().map(|name| root.join(name)));
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.strip_prefix(root).unwrap_or(&file).to_string_lossy().as_bytes());
        hash.update(fs::read(&file)?);
    }
    hash.update(text);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        bail!("{} is not there", folder.display());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Made by tools, not by people.
        if ["__pycache__", "node_modules", "contract"].iter().any(|made| path.ends_with(made)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
