//! The rules of the house that a machine can check. Each says where it is broken.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a file at most, without its tests.
const LINES_MAX: usize = 500;

/// Every file under version control, and those about to be.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(tests::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "the tests run in a clone");
    let names = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<_> = names
        .lines()
        .map(PathBuf::from)
        .filter(|path| tests::root().join(path).is_file())
        .collect();
    files.sort();
    assert!(files.len() > 100, "{}", files.len());
    files
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(tests::root().join(path)).unwrap_or_default()
}

fn none(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Folder of each member, in the order of the root manifest.
fn members() -> Vec<String> {
    let manifest = read(Path::new("Cargo.toml"));
    let list = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    list.lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.split('"').next()?.to_owned()))
        .collect()
}

#[test]
fn a_crate_depends_only_on_crates_written_below_it() {
    let members = members();
    let name = |folder: &String| {
        let manifest = read(&Path::new(folder).join("Cargo.toml"));
        manifest
            .lines()
            .find_map(|line| Some(line.strip_prefix("name = \"")?.trim_end_matches('"').to_owned()))
            .unwrap()
    };
    let position: HashMap<String, usize> = members.iter().map(name).zip(0..).collect();
    let mut broken = Vec::new();
    for (index, folder) in members.iter().enumerate() {
        let manifest = read(&Path::new(folder).join("Cargo.toml"));
        let dependencies = manifest.lines().skip_while(|line| !line.starts_with("[dependencies]")).skip(1);
        for line in dependencies.take_while(|line| !line.starts_with('[')) {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if position.get(dependency).is_some_and(|other| *other <= index) {
                broken.push(format!("{folder} depends on {dependency}, which is written above it"));
            }
        }
    }
    none(broken);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut broken = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > LINES_MAX {
            broken.push(format!("{}: {lines} lines are more than {LINES_MAX}", path.display()));
        }
        if !text.starts_with("//!") {
            broken.push(format!("{}: does not begin by saying what it is", path.display()));
        }
        if path.ends_with("mod.rs") {
            broken.push(format!("{}: modules are named foo.rs", path.display()));
        }
    }
    none(broken);
}

#[test]
fn unsafe_code_stands_in_one_file() {
    let keyword = ["un", "safe {"].concat();
    let allowed = Path::new("runtime/plugins/src/cache.rs");
    let found = rust_files()
        .into_iter()
        .filter(|(path, text)| text.contains(&keyword) && path != allowed);
    none(found.map(|(path, _)| path.display().to_string()).collect());
}

#[test]
fn queues_are_bounded_and_tasks_have_names() {
    let banned = [
        ["unbounded", "_channel"].concat(),
        ["Mailbox::", "unbounded"].concat(),
        ["mpsc::", "unbounded"].concat(),
    ];
    let bare = ["tokio::", "spawn("].concat();
    let mut broken = Vec::new();
    for (path, text) in rust_files() {
        for word in &banned {
            if text.contains(word) {
                broken.push(format!("{}: {word}", path.display()));
            }
        }
        let runtime = path.starts_with("runtime")
            && !path
                .components()
                .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "examples")));
        let own_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
        if runtime && own_tests.contains(&bare) && path != Path::new("runtime/actor/src/supervise.rs") {
            broken.push(format!("{}: {bare}", path.display()));
        }
    }
    none(broken);
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut broken = Vec::new();
    for path in files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
    {
        let text = read(&path);
        let mut before = "";
        for line in text.lines().map(str::trim) {
            let opens = ["interface ", "world ", "record ", "variant ", "resource "]
                .iter()
                .any(|word| line.starts_with(word));
            if opens && !before.starts_with("///") && !before.is_empty() {
                broken.push(format!("{}: {line}", path.display()));
            }
            before = line;
        }
    }
    none(broken);
}

#[test]
fn no_component_is_committed() {
    none(
        files()
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .map(|path| path.display().to_string())
            .collect(),
    );
}

#[test]
fn the_text_names_no_machine() {
    let homes = [["/ro", "ot/"].concat(), ["/wo", "rk/"].concat(), ["/ho", "me/"].concat()];
    let mut broken = Vec::new();
    for path in files() {
        let text = read(&path);
        for home in &homes {
            if text.contains(home.as_str()) {
                broken.push(format!("{}: {home}", path.display()));
            }
        }
    }
    none(broken);
}

#[test]
fn documents_point_to_files_that_are_there() {
    let mut broken = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md", "CHANGELOG.md"] {
        let text = read(Path::new(document));
        assert!(!text.is_empty(), "{document} is missing");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !tests::root().join(file).exists() {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    none(broken);
}

#[test]
fn statements_name_tests_that_are_there() {
    let mut tests = std::collections::HashSet::new();
    for (_, text) in rust_files() {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if !(line == "#[test]" || line.starts_with("#[tokio::test")) {
                continue;
            }
            let name = lines.find_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
            tests.extend(name.and_then(|rest| rest.split('(').next()).map(str::to_owned));
        }
    }
    let document = read(Path::new("tests/STATEMENTS.md"));
    let (mut rows, mut broken) = (0, Vec::new());
    for row in document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains(" | shown by |"))
    {
        let shown = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
        let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        rows += 1;
        if named.is_empty() && !shown.contains("not offered") && !shown.contains("*not covered*") {
            broken.push(format!("nothing shows it: {row}"));
        }
        broken.extend(
            named
                .iter()
                .filter(|name| !tests.contains(**name))
                .map(|name| format!("there is no test {name}")),
        );
    }
    assert!(rows > 100, "{rows} rows");
    none(broken);
}
