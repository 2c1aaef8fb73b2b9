//! The folder of a component. Its `pacificsoft.toml` says its name and language.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The file that makes a folder a project.
pub const MANIFEST: &str = "pacificsoft.toml";

/// What a component is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// JavaScript or TypeScript.
    Js,
    /// Python.
    Python,
}

/// What `pacificsoft.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the component, in kebab case.
    pub name: String,
    /// What it is written in.
    pub language: Language,
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Project {
    /// The project of this folder, or of the nearest above it.
    ///
    /// # Errors
    /// When there is none.
    pub fn here() -> Result<Self> {
        let here = std::env::current_dir()?;
        let folder = here.ancestors().find(|folder| folder.join(MANIFEST).is_file());
        let folder = folder.with_context(|| {
            format!("there is no {MANIFEST} here or above: go to a project, or make one with `pacificsoft plugin new --lang rust|js|python NAME`")
        })?;
        Project::open(folder)
    }

    /// The project of a folder.
    ///
    /// # Errors
    /// When its manifest is missing or not understood.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest: Manifest = toml::from_str(&text).with_context(|| format!("{} is not understood", path.display()))?;
        check_name(&manifest.name)?;
        Ok(Project {
            folder: folder.to_owned(),
            manifest,
        })
    }

    /// Where its component is put.
    pub fn component(&self) -> PathBuf {
        self.folder.join(".pacificsoft").join(&self.manifest.name).with_extension("wasm")
    }

    /// Where tools of npm and PyPI are: the folder in `PACIFICSOFT_TOOLS`, which projects may share, or one of its own.
    pub fn tools(&self) -> PathBuf {
        std::env::var_os("PACIFICSOFT_TOOLS").map_or_else(|| self.folder.join(".pacificsoft/tools"), PathBuf::from)
    }

    /// Its files of messages.
    ///
    /// # Errors
    /// When there are none.
    pub fn cases(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder.join("tests");
        let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        if files.is_empty() {
            bail!("there are no messages in {}: see any new project for their form", folder.display());
        }
        Ok(files)
    }
}

/// Checks the name of a project.
///
/// # Errors
/// When it is not in kebab case.
pub fn check_name(name: &str) -> Result<()> {
    let good = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !good {
        bail!("{name:?} is no name: it looks like too-hot, with lower-case letters, digits and hyphens");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_are_in_kebab_case() {
        for good in ["a", "too-hot", "x2-y"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Too", "2x", "a-", "a--b", "a_b", "../up", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
