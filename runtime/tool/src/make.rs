//! Components of projects.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use guest_build::javascript::JavaScript;
use guest_build::program::progress;
use guest_build::python::Python;
use guest_build::rust::Toolchain;

use crate::project::{Language, Project};

/// A component that was named, or that of the project here, built.
///
/// # Errors
/// When it is not there, or does not build.
pub fn or_given(component: Option<PathBuf>) -> Result<PathBuf> {
    match component {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => bail!("{} is not there", path.display()),
        None => component_here(),
    }
}

fn component_here() -> Result<PathBuf> {
    component(&Project::here()?)
}

/// Builds a project's component; answers where it is.
///
/// # Errors
/// When a tool is missing, or the project does not build.
pub fn component(project: &Project) -> Result<PathBuf> {
    let path = project.component();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let vendor = project.folder.join("vendor");
    let wit = vendor.join("wit");
    let building = format!("building {}", project.manifest.name);
    match project.manifest.language {
        Language::Rust => {
            let module = progress(&building, || {
                Toolchain::find(&project.folder)?.build(&project.folder, &[&project.manifest.name])
            })?;
            let module = module.first().context("nothing was built")?;
            fs::write(&path, guest_build::encode(module)?)?;
        }
        Language::Js => {
            let sdk = vendor.join("sdk/js");
            let tools = JavaScript::install(&project.tools())?;
            JavaScript::link(&project.folder, &sdk)?;
            if !sdk.join("src/contract").exists() {
                tools.types(&sdk, &wit)?;
            }
            let entrance = ["src/index.ts", "src/index.js"].map(|name| project.folder.join(name));
            let entrance = entrance.iter().find(|path| path.is_file()).context("src/index.js is not there")?;
            progress(&building, || tools.build(&sdk, &wit, entrance, &path))?;
        }
        Language::Python => {
            let sdk = vendor.join("sdk/python");
            let tools = Python::install(&project.tools())?;
            if !vendor.join("types").exists() {
                tools.types(&sdk, &wit, &vendor.join("types"))?;
            }
            progress(&building, || tools.build(&sdk, &wit, &project.folder.join("app.py"), &path))?;
        }
    }
    Ok(path)
}
