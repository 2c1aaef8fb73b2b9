//! Components from Python. `componentize-py` comes from PyPI, into an environment that many projects may share; the SDK's
//! `pacificsoft_build.py` does the work.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::packages;
use crate::program::quietly;

/// Packages of PyPI, by name and version.
const PACKAGES: [&str; 1] = ["componentize-py==0.25.1"];

/// A Python environment with what builds components.
pub struct Python {
    python: PathBuf,
}

impl Python {
    /// Installs what is missing below a folder.
    ///
    /// # Errors
    /// When Python is missing, or the packages cannot be fetched.
    pub fn install(tools: &Path) -> Result<Self> {
        let python = packages::pypi(&tools.join("python"), &PACKAGES, "installing componentize-py from PyPI (120 MB)")?;
        Ok(Python { python })
    }

    /// Builds a component from a module.
    ///
    /// # Errors
    /// What Python or the SDK's builder says.
    pub fn build(&self, sdk: &Path, wit: &Path, app: &Path, out: &Path) -> Result<()> {
        let mut build = self.builder(sdk, "component", wit);
        build.arg("--app").arg(app).arg("--out").arg(out);
        quietly(&mut build).map(drop)
    }

    /// Generates the types of the contract into a folder, for tests.
    ///
    /// # Errors
    /// What the generator says.
    pub fn types(&self, sdk: &Path, wit: &Path, out: &Path) -> Result<()> {
        let mut build = self.builder(sdk, "types", wit);
        build.arg("--out").arg(out);
        quietly(&mut build).map(drop)
    }

    /// The interpreter.
    pub fn interpreter(&self) -> &Path {
        &self.python
    }

    fn builder(&self, sdk: &Path, command: &str, wit: &Path) -> Command {
        let mut python = Command::new(&self.python);
        python
            .env("PYTHONPATH", sdk)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-m", "pacificsoft_build", command, "--wit"])
            .arg(wit);
        python
    }
}
