//! Components at work, part by part. Each prints a table that goes into `BENCHMARKS.md`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::guests;

mod lines;
mod memory;
mod neighbour;
mod swap;
mod upload;

/// What to measure of components.
#[derive(Args, Clone)]
pub struct Options {
    /// Parts; none: all of them.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Messages a second while versions change, and while a neighbour misbehaves a fifth of them.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Messages a second of the tenant that misbehaves.
    #[arg(long, default_value_t = 1_000)]
    evil_rate: u64,
    /// Seconds between two changes of version, and of each turn beside a neighbour.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Turns of each misbehaving node or line beside a neighbour: medians are shown, as one hiccup of the machine makes a p99.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only these misbehaving nodes and lines beside a neighbour: `loop,trap`. None: all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Tenants whose nodes rest.
    #[arg(long, default_value_t = 50)]
    tenants: u32,
    /// Nodes of each.
    #[arg(long, default_value_t = 20)]
    nodes: u32,
}

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Calls, instances, compiling and loading, in one process, in three languages.
    Costs,
    /// From an upload to the first message that it serves.
    Upload,
    /// Another version, one that fails, and a repaired one, while messages flow.
    Swap,
    /// A tenant beside one that runs every misbehaving node, and has a stream adapter misbehave in every way.
    Neighbour,
    /// Nodes of many tenants at rest.
    Memory,
}

/// Measures.
///
/// # Errors
/// When something does not build or start, or messages are lost.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let all = [Part::Costs, Part::Upload, Part::Swap, Part::Neighbour, Part::Memory];
    let parts = if options.parts.is_empty() { &all[..] } else { &options.parts };
    for part in parts {
        match part {
            Part::Costs => costs(root)?,
            Part::Upload => upload::run(root)?,
            Part::Swap => swap::run(root, options)?,
            Part::Neighbour => neighbour::run(root, options)?,
            Part::Memory => memory::run(root, options)?,
        }
    }
    Ok(())
}

fn costs(root: &Path) -> Result<()> {
    guests::build_all(root)?;
    super::example(root, "plugin_bench")
}

/// The class of the node of [`version`].
const VERSIONED: &str = "test.plugin.versioned";

/// A version of the test's component, in a file: what it calls itself, and how it behaves (`-` well; `t`: it traps).
fn version(root: &Path, folder: &Path, name: char, behaviour: char) -> Result<PathBuf> {
    let mut bytes = std::fs::read(root.join("target/components/test/plugin-guest.wasm"))?;
    let mark = b"pacificsoft-test-version:";
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)
        .context("the component has no mark")?;
    let (Ok(name_byte), Ok(behaviour)) = (u8::try_from(name), u8::try_from(behaviour)) else {
        bail!("versions have names of one byte");
    };
    bytes[at + mark.len()..][..2].copy_from_slice(&[name_byte, behaviour]);
    let path = folder.join(format!("version-{name}.wasm"));
    std::fs::write(&path, bytes)?;
    Ok(path)
}
