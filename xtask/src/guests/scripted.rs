//! The examples in JavaScript and Python: components, and their own tests. Both take seconds, so a hash over the sources decides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use guest_build::javascript::JavaScript;
use guest_build::program::{progress, quietly};
use guest_build::python::Python;

use super::hash;
use crate::build;

/// An example: its folder, its entrance, its SDK, its component.
struct Example {
    folder: &'static str,
    app: &'static str,
    sdk: &'static str,
    component: &'static str,
}

const JAVASCRIPT: [Example; 2] = [
    Example {
        folder: "examples/unit-converter-js",
        app: "src/index.js",
        sdk: "sdk/js",
        component: "scripted/unit-converter.wasm",
    },
    Example {
        folder: "examples/silence-js",
        app: "src/index.js",
        sdk: "sdk/js",
        component: "scripted/silence.wasm",
    },
];

const PYTHON: Example = Example {
    folder: "examples/geofence-python",
    app: "app.py",
    sdk: "sdk/python",
    component: "scripted/geofence.wasm",
};

/// Where tools of npm and PyPI are.
pub fn tools(root: &Path) -> PathBuf {
    build::target(root).join("tools")
}

/// Builds and tests what has changed; answers the components' paths.
///
/// # Errors
/// When a tool is missing, a test fails, or an example does not build.
pub fn build_all(root: &Path) -> Result<Vec<PathBuf>> {
    let mut components = Vec::new();
    for example in &JAVASCRIPT {
        components.push(built(root, example, |component| javascript(root, example, component))?);
    }
    components.push(built(root, &PYTHON, |component| python(root, component))?);
    Ok(components)
}

fn built(root: &Path, example: &Example, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let component = root.join("target/components").join(example.component);
    let stamp_path = component.with_extension("stamp");
    let stamp = hash(root, &["wit", example.sdk, example.folder], &[], "")?;
    if fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) && component.exists() {
        return Ok(component);
    }
    if let Some(parent) = component.parent() {
        fs::create_dir_all(parent)?;
    }
    make(&component).with_context(|| format!("{} is not well", example.folder))?;
    let size = fs::metadata(&component)?.len().div_ceil(1024);
    eprintln!("guests: {} ({size} kB)", example.component);
    fs::write(&stamp_path, hash(root, &["wit", example.sdk, example.folder], &[], "")?)?;
    Ok(component)
}

fn javascript(root: &Path, Example { folder, app, sdk, .. }: &Example, component: &Path) -> Result<()> {
    let (folder, sdk) = (root.join(folder), root.join(sdk));
    let tools = JavaScript::install(&tools(root))?;
    JavaScript::link(&folder, &sdk)?;
    for tested in [&sdk, &folder] {
        quietly(Command::new("node").arg("--test").current_dir(tested))?;
    }
    progress("guests: building an example in JavaScript", || {
        tools.build(&sdk, &root.join("wit"), &folder.join(app), component)
    })
}

fn python(root: &Path, component: &Path) -> Result<()> {
    let Example { folder, app, sdk, .. } = PYTHON;
    let (folder, sdk) = (root.join(folder), root.join(sdk));
    let tools = Python::install(&tools(root))?;
    let types = root.join("target/tests/python-types");
    tools.types(&sdk, &root.join("wit"), &types)?;
    let path = std::env::join_paths([&sdk, &types])?;
    for tested in [&sdk.join("tests"), &folder] {
        let mut tests = Command::new(tools.interpreter());
        tests.env("PYTHONPATH", &path).env("PYTHONDONTWRITEBYTECODE", "1");
        quietly(tests.args(["-m", "unittest", "discover", "-p", "test_*.py", "-s"]).arg(tested))?;
    }
    progress("guests: building the example in Python", || {
        tools.build(&sdk, &root.join("wit"), &folder.join(app), component)
    })
}
