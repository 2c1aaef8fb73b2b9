//! New projects: a template of the language, and the SDK and the contract beside it, so that nothing has to be fetched to read them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::project::{Language, MANIFEST, Manifest, check_name};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

const README: &str = include_str!("../templates/README.md");
const GITIGNORE: &str = include_str!("../templates/gitignore");
/// What the node of a new project does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Decides where messages go.
    Filter,
    /// Makes new messages of messages.
    Transform,
}

/// The SDK's own manifest takes versions from this repository; in a project it says them.
const RUST_SDK: &str = r#"[package]
name = "pacificsoft-sdk"
version = "0.1.0"
edition = "2024"

[dependencies]
pacificsoft-sdk-derive = { path = "../derive" }
wit-bindgen = { version = "=0.60.0", default-features = false, features = ["macros", "realloc", "std"] }
serde = { version = "1", features = ["derive", "rc"] }
serde_json = { version = "1", features = ["raw_value"] }
"#;

const RUST_DERIVE: &str = r#"[package]
name = "pacificsoft-sdk-derive"
version = "0.1.0"
edition = "2024"

[lib]
proc-macro = true

[dependencies]
syn = { version = "2", default-features = false, features = ["derive", "parsing", "printing", "proc-macro", "full"] }
quote = "1"
proc-macro2 = "1"
"#;

/// Makes a project in a new folder below another.
///
/// # Errors
/// When the name is none, the folder is there already, or something cannot be written.
pub fn project(parent: &Path, language: Language, kind: Kind, name: &str) -> Result<()> {
    check_name(name)?;
    let folder = parent.join(name);
    if folder.exists() {
        bail!("{} is there already: take another name, or remove it", folder.display());
    }
    let manifest = Manifest {
        name: name.to_owned(),
        language,
    };
    let (common, of_kind, sdk) = match language {
        Language::Rust => ("rust/common/", "rust/", "sdk/rust/"),
        Language::Js => ("js/common/", "js/", "sdk/js/"),
        Language::Python => ("python/common/", "python/", "sdk/python/"),
    };
    let (of_kind, messages) = match kind {
        Kind::Filter => (format!("{of_kind}filter/"), "messages/filter/"),
        Kind::Transform => (format!("{of_kind}transform/"), "messages/transform/"),
    };
    write(&folder, MANIFEST, &toml::to_string(&manifest)?)?;
    for (path, text) in TEMPLATES {
        if let Some(path) = [common, &of_kind, messages].iter().find_map(|part| path.strip_prefix(part)) {
            write(&folder, path, &filled(text, name))?;
        }
    }
    write(&folder, "README.md", &filled(README, name))?;
    write(&folder, ".gitignore", GITIGNORE)?;
    let vendor = folder.join("vendor");
    for (path, text) in VENDORED {
        let derive = language == Language::Rust && path.starts_with("sdk/derive/");
        if path.starts_with("wit/") || path.starts_with(sdk) || derive {
            write(&vendor, path, text)?;
        }
    }
    if language == Language::Rust {
        write(&vendor, "sdk/rust/Cargo.toml", RUST_SDK)?;
        write(&vendor, "sdk/derive/Cargo.toml", RUST_DERIVE)?;
    }
    println!("{name} is made. Next:\n\n  cd {name}\n  pacificsoft plugin test");
    Ok(())
}

fn write(folder: &Path, path: &str, text: &str) -> Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// A template with the names of a project.
fn filled(template: &str, name: &str) -> String {
    let words: Vec<&str> = name.split('-').collect();
    let capital = |word: &&str| word[..1].to_ascii_uppercase() + &word[1..];
    let class: String = words.iter().map(capital).collect();
    template
        .replace("{name}", name)
        .replace("{type}", &class)
        .replace("{title}", &words.join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_filled_in() {
        assert_eq!(filled("{name} {type} {title}", "too-hot-2"), "too-hot-2 TooHot2 too hot 2");
    }

    #[test]
    fn a_project_has_its_sdk_and_the_contract() {
        let parent = tempfile::tempdir().unwrap();
        for (language, name, sdk) in [
            (Language::Rust, "in-rust", "vendor/sdk/rust/src/lib.rs"),
            (Language::Js, "in-js", "vendor/sdk/js/src/index.js"),
            (Language::Python, "in-python", "vendor/sdk/python/pacificsoft_sdk/node.py"),
        ] {
            project(parent.path(), language, Kind::Filter, name).unwrap();
            let folder = parent.path().join(name);
            for path in [
                sdk,
                "vendor/wit/rule-node.wit",
                "tests/messages.json",
                "pacificsoft.toml",
                ".gitignore",
            ] {
                assert!(folder.join(path).is_file(), "{path}");
            }
            assert_eq!(crate::Project::open(&folder).unwrap().manifest.language, language);
        }
        assert!(
            project(parent.path(), Language::Rust, Kind::Transform, "in-rust").is_err(),
            "nothing is overwritten"
        );
    }
}
