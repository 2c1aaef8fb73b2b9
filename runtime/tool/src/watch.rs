//! Saving a file builds, tests and pushes. What goes wrong is shown, and watching goes on.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::access::Access;
use crate::project::Project;
use crate::push::{PushOptions, push};
use crate::{make, run};

/// Editors write several times when they save; cargo and the others write when they build.
const QUIET: Duration = Duration::from_millis(300);
/// What tools write, not people.
const MADE: [&str; 8] = [
    "target",
    "vendor",
    "node_modules",
    "__pycache__",
    "Cargo.lock",
    "package-lock.json",
    "4913",
    "dist",
];

/// Watches a project until somebody ends it.
///
/// # Errors
/// When nobody can log in, or the folder cannot be watched.
pub fn watch(project: &Project, access: &mut Access, options: &PushOptions) -> Result<()> {
    // Better said now than after the first build.
    access.connect()?;
    let (saved, saves) = sync_channel(1);
    let folder = project.folder.canonicalize()?;
    let root = folder.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_save(&root, &event)) {
            // One that waits stands for all.
            let _ = saved.try_send(());
        }
    })?;
    loop {
        watch_sources(&mut watcher, &folder)?;
        let started = Instant::now();
        match round(project, access, options) {
            Ok(()) => println!(
                "done in {:.1} s; save a file for the next round, or end with Ctrl-C",
                started.elapsed().as_secs_f64()
            ),
            Err(error) => eprintln!("error: {error:#}\nnothing has changed on the server; mend it and save"),
        }
        next_save(&saves)?;
    }
}

fn round(project: &Project, access: &mut Access, options: &PushOptions) -> Result<()> {
    let component = make::component(project)?;
    run::test(&component, &project.cases()?)?;
    push(&access.connect()?, &project.manifest.name, &component, options, true)
}

/// Waits for a save, and until nothing more is saved for a moment. What is saved later, during a round, is there for the next.
fn next_save(saves: &Receiver<()>) -> Result<()> {
    saves.recv().context("the folder is watched no more")?;
    while saves.recv_timeout(QUIET).is_ok() {}
    Ok(())
}

/// The folder itself, and those below that people write in: what tools make has thousands of folders, and each would have to be watched.
fn watch_sources(watcher: &mut RecommendedWatcher, folder: &Path) -> Result<()> {
    let failed = || format!("{} cannot be watched", folder.display());
    watcher.watch(folder, RecursiveMode::NonRecursive).with_context(failed)?;
    for path in std::fs::read_dir(folder).with_context(failed)?.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.strip_prefix(folder).is_ok_and(is_source) {
            watcher.watch(&path, RecursiveMode::Recursive).with_context(failed)?;
        }
    }
    Ok(())
}

fn is_save(root: &Path, event: &Event) -> bool {
    let changes = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
    changes && event.paths.iter().any(|path| path.strip_prefix(root).is_ok_and(is_source))
}

/// Whether a path in a project is something a person writes.
fn is_source(path: &Path) -> bool {
    path.iter().all(|part| {
        let part = part.to_string_lossy();
        !MADE.contains(&&*part) && !part.starts_with('.') && !part.ends_with('~')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_tools_write_is_no_source() {
        for (path, wanted) in [
            ("src/lib.rs", true),
            ("app.py", true),
            ("tests/messages.json", true),
            ("pacificsoft.toml", true),
            ("target/guest/x", false),
            ("vendor/sdk/rust/src/lib.rs", false),
            ("node_modules/a/b.js", false),
            ("__pycache__/app.pyc", false),
            (".pacificsoft/too-hot.wasm", false),
            ("src/.lib.rs.swp", false),
            ("src/lib.rs~", false),
            ("src/4913", false),
            ("Cargo.lock", false),
        ] {
            assert_eq!(is_source(Path::new(path)), wanted, "{path}");
        }
    }

    #[test]
    fn a_saved_source_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("src")).unwrap();
        let (saved, saves) = sync_channel(1);
        let watched = root.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_save(&watched, &event)) {
                let _ = saved.try_send(());
            }
        })
        .unwrap();
        watch_sources(&mut watcher, &root).unwrap();
        std::fs::write(root.join("src/lib.rs"), "1").unwrap();
        next_save(&saves).unwrap();
    }
}
