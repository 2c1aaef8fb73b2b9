//! Components from JavaScript and TypeScript. The tools come from npm, into a folder that many projects may share; the SDK's `build.js`
//! does the work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages;
use crate::program::quietly;

/// Packages of npm, by name and version.
const PACKAGES: [&str; 2] = ["@bytecodealliance/componentize-js@0.23.0", "rolldown@1.3.2"];

/// Node and packages that build components.
pub struct JavaScript {
    tools: PathBuf,
}

impl JavaScript {
    /// Installs what is missing below a folder.
    ///
    /// # Errors
    /// When Node or npm is missing, or the packages cannot be fetched.
    pub fn install(tools: &Path) -> Result<Self> {
        let tools = tools.join("javascript");
        packages::npm(&tools, &PACKAGES, "installing componentize-js and rolldown from npm (400 MB)")?;
        Ok(JavaScript { tools })
    }

    /// Builds a component from a module.
    ///
    /// # Errors
    /// What the bundler or the SDK's builder says.
    pub fn build(&self, sdk: &Path, wit: &Path, app: &Path, out: &Path) -> Result<()> {
        let mut node = self.builder(sdk, wit);
        node.arg("--app").arg(app).arg("--out").arg(out);
        quietly(&mut node).map(drop)
    }

    /// Generates the types of the contract beside the SDK's own.
    ///
    /// # Errors
    /// What the generator says.
    pub fn types(&self, sdk: &Path, wit: &Path) -> Result<()> {
        let mut node = self.builder(sdk, wit);
        node.arg("--types").arg(sdk.join("src/contract"));
        quietly(&mut node).map(drop)
    }

    /// Makes `@pacificsoft/sdk` found by Node in a project, for its tests.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn link(project: &Path, sdk: &Path) -> Result<()> {
        let place = project.join("node_modules/@pacificsoft/sdk");
        let sdk = fs::canonicalize(sdk).with_context(|| format!("{} is not there", sdk.display()))?;
        if fs::canonicalize(&place).is_ok_and(|found| found == sdk) {
            return Ok(());
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        if place.symlink_metadata().is_ok() {
            fs::remove_file(&place).with_context(|| format!("{} is in the way", place.display()))?;
        }
        std::os::unix::fs::symlink(&sdk, &place).with_context(|| format!("{} cannot be made", place.display()))
    }

    fn builder(&self, sdk: &Path, wit: &Path) -> Command {
        let mut node = Command::new("node");
        node.arg(sdk.join("build.js")).arg("--wit").arg(wit).arg("--tools").arg(&self.tools);
        node
    }
}
