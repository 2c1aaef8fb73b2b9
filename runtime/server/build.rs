//! Embeds the shipped components that `cargo xtask guests` built.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../target/components");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut source = String::from("/// The shipped components: name and bytes.\npub static SHIPPED: &[(&str, &[u8])] = &[\n");
    for name in [
        "filter",
        "enrichment",
        "transformation",
        "action",
        "script",
        "external",
        "flow",
        "device-api",
    ] {
        let path = root.join(name).with_extension("wasm");
        let Ok(path) = path.canonicalize() else {
            println!("cargo::error=the component {name}.wasm is not built yet: run `cargo xtask guests` once");
            return;
        };
        println!("cargo::rerun-if-changed={}", path.display());
        source.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
    }
    source.push_str("];\n");
    let out = env::var("OUT_DIR").unwrap_or_default();
    if let Err(error) = fs::write(Path::new(&out).join("shipped.rs"), source) {
        println!("cargo::error=the list of components could not be written: {error}");
    }
}
