//! What a component is and asks for, in plain words.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use plugins::{LoadedComponent, NodeDescriptor};

use crate::run::load;

/// Says it.
///
/// # Errors
/// Why a server would refuse the component.
pub fn print(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let host = crate::run::host(path)?;
    let loaded = load(&host, &bytes)?;
    println!("{}: {} kB", path.display(), bytes.len().div_ceil(1024));
    let imports = host.imports(&bytes)?;
    let of_contract = |name: &&String| name.starts_with("pacificsoft:plugin/");
    let version = imports
        .iter()
        .find(of_contract)
        .and_then(|name| name.split('@').nth(1))
        .unwrap_or("0.1");
    println!("contract: pacificsoft:plugin {version}");
    let limits = match &loaded {
        LoadedComponent::Rules(component) => component.limits().clone(),
        LoadedComponent::Adapter(_) | LoadedComponent::Stream(_) => host.limits().clone(),
    };
    println!(
        "limits: {} MiB of memory, {} ms of processor time for a message",
        limits.memory_bytes_max >> 20,
        limits.process_ms
    );
    println!("it may:");
    let mut asked: Vec<String> = imports.iter().filter_map(|name| permission(name)).collect();
    asked.dedup();
    for line in &asked {
        println!("  {line}");
    }
    match loaded {
        LoadedComponent::Rules(component) => {
            for one in component.types() {
                node(one);
            }
        }
        LoadedComponent::Adapter(adapter) => println!(
            "payload adapter {}: {}",
            adapter.descriptor().name,
            adapter.descriptor().description
        ),
        LoadedComponent::Stream(adapter) => println!("stream adapter {}: {}", adapter.descriptor().name, adapter.descriptor().description),
    }
    if let Some(foreign) = imports.iter().find(|name| permission(name).is_none() && !is_plumbing(name)) {
        bail!("it imports {foreign}, which is not offered");
    }
    Ok(())
}

fn node(one: &NodeDescriptor) {
    println!("node type {} ({}): {}", one.type_name, one.family.to_lowercase(), one.description);
    println!("  relations: {}", one.relations.join(", "));
    for effect in one.effects.names() {
        println!("  asks the platform to {}", effect.replace('-', " "));
    }
}

/// Interfaces that hold types only.
fn is_plumbing(name: &str) -> bool {
    ["entity", "json", "outcome", "uplink"].contains(&interface(name))
}

fn interface(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    name.strip_prefix("pacificsoft:plugin/").unwrap_or(name)
}

/// What an import allows, in plain words; none for types, and for what is not offered.
fn permission(name: &str) -> Option<String> {
    Some(match interface(name) {
        "message" => "read the messages it is given".to_owned(),
        "answer" => "say where messages go, and ask for the effects of its node types".to_owned(),
        "log" => "write lines to the tenant's log".to_owned(),
        "clock" => "read the time of day".to_owned(),
        "readings" => "read attributes and latest values of the tenant's entities".to_owned(),
        foreign if foreign.starts_with("wasi:") => "call WASI, of which it gets time and random numbers only".to_owned(),
        other if name.starts_with("pacificsoft:plugin/") && !is_plumbing(name) => format!("use the interface {other}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_said_in_plain_words() {
        assert_eq!(
            permission("pacificsoft:plugin/clock@0.1.0").as_deref(),
            Some("read the time of day")
        );
        assert_eq!(permission("pacificsoft:plugin/entity@0.1.0"), None);
        assert_eq!(permission("other:files/types@1.0.0"), None);
        assert!(permission("wasi:cli/stdout@0.2.0").is_some_and(|text| text.contains("WASI")));
    }
}
