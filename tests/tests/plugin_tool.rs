//! What an author of components does: a new project in each language, its messages run, one line changed, and the difference seen.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;

use tests::server::binary;

/// Runs `pacificsoft plugin …` in a folder; answers whether it went well, and what it said.
fn plugin(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary())
        .arg("plugin")
        .args(arguments)
        .current_dir(folder)
        .env("PACIFICSOFT_TOOLS", tests::target().join("tools"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.success(), text)
}

/// From nothing to a component that passes its messages, and fails them once `source` says something else.
fn goes_as_described(language: &str, source: &str, before: &str, after: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (made, text) = plugin(folder.path(), &["new", "--lang", language, "too-hot"]);
    assert!(made, "{text}");
    let project = folder.path().join("too-hot");
    let (passed, text) = plugin(&project, &["test"]);
    assert!(
        passed && text.contains("3 passed, 0 failed") && text.contains("ns for each"),
        "{text}"
    );
    let (good, text) = plugin(&project, &["check"]);
    assert!(
        good && text.contains("pacificsoft:plugin 0.1.0") && text.contains("too-hot (filter)"),
        "{text}"
    );
    assert!(
        !text.contains("attributes") && !text.contains("WASI"),
        "what is not used is not asked for: {text}"
    );
    let path = project.join(source);
    let changed = std::fs::read_to_string(&path).unwrap().replace(before, after);
    std::fs::write(&path, changed).unwrap();
    let (passed, text) = plugin(&project, &["test"]);
    assert!(!passed && text.contains("expected"), "{text}");
}

#[test]
fn a_node_in_rust_goes_as_described() {
    goes_as_described("rust", "src/lib.rs", "value > self.limit", "value < self.limit");
}

#[test]
fn a_node_in_javascript_goes_as_described() {
    goes_as_described("js", "src/index.js", "value > limit", "value < limit");
}

#[test]
fn a_node_in_python_goes_as_described() {
    goes_as_described("python", "app.py", "value > self", "value < self");
}

#[test]
fn the_example_in_rust_passes_its_messages() {
    let component = tests::root().join("target/components/examples/anomaly-detector.wasm");
    let messages = tests::root().join("examples/anomaly-detector/tests/spikes.json");
    let arguments = ["test", "--component", component.to_str().unwrap(), messages.to_str().unwrap()];
    let (passed, text) = plugin(&tests::root(), &arguments);
    assert!(passed && text.contains("7 passed, 0 failed"), "{text}");
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, says) in [
        (&["new", "Too_Hot"][..], "is no name"),
        (&["build"][..], "plugin new"),
        (&["check", "nothing.wasm"][..], "nothing.wasm is not there"),
    ] {
        let (good, text) = plugin(folder.path(), arguments);
        assert!(!good && text.contains(says), "{text}");
    }
}
