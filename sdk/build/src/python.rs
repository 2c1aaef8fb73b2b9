//! Components from Python. `componentize-py` comes from PyPI, into an environment that many projects may share; the SDK's
//! `pacificsoft_build.py` does the work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program::{is_there, progress, quietly};

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
        let venv = tools.join("python");
        let python = venv.join("bin/python");
        let stamp = venv.join("packages");
        let wanted = PACKAGES.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Python { python });
        }
        if !is_there("python3") {
            bail!("python3 is missing: install Python 3.11 or later");
        }
        progress("installing componentize-py from PyPI", || {
            quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv)).context("missing: python3-venv (Debian package)")?;
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(PACKAGES);
            quietly(&mut pip)
        })?;
        fs::write(stamp, wanted)?;
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
