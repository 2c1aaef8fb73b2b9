//! Makes code of `proto/`, without any program but this one.

use std::path::Path;

const FILES: [&str; 6] = ["session", "delivery", "change", "feed", "usage", "membership"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let files: Vec<_> = FILES
        .iter()
        .map(|name| root.join("pacificsoft/peer/v1").join(name).with_extension("proto"))
        .collect();
    let contract = protox::compile(&files, [&root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(contract)?;
    println!("cargo::rerun-if-changed={}", root.display());
    Ok(())
}
