//! Embeds what a new project is made of: the contract, the SDKs and the templates.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../..");
    let mut source = String::new();
    for (name, folder, below) in [
        (
            "VENDORED",
            root.clone(),
            &["wit", "sdk/rust/src", "sdk/derive/src", "sdk/js", "sdk/python"][..],
        ),
        ("TEMPLATES", here.join("templates"), &["rust", "js", "python", "messages"][..]),
    ] {
        let mut files = Vec::new();
        for part in below {
            println!("cargo::rerun-if-changed={}", folder.join(part).display());
            collect(&folder.join(part), &mut files);
        }
        files.sort();
        let _ = writeln!(source, "/// Files, by path.\npub static {name}: &[(&str, &str)] = &[");
        for file in files {
            let path = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
            let _ = writeln!(source, "    ({path:?}, include_str!({:?})),", file.display().to_string());
        }
        source.push_str("];\n");
    }
    let out = env::var("OUT_DIR").unwrap_or_default();
    if let Err(error) = fs::write(Path::new(&out).join("embedded.rs"), source) {
        println!("cargo::error=the list of files could not be written: {error}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let made = ["__pycache__", "node_modules", "contract", "test", "tests"];
        let template = folder.components().any(|part| part.as_os_str() == "templates");
        if path.is_dir() && (template || !made.iter().any(|name| path.ends_with(name))) {
            collect(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}
