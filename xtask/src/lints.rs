//! Lints beside the tests, which leave much of the processors' time unused: clippy takes that, and nothing of what a test wants.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::{build, shell};

/// Clippy at work. Dropped: it ends.
pub struct Lints {
    clippy: Child,
    /// Where it writes what it has to say.
    told: PathBuf,
}

impl Lints {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(root: &Path) -> Result<Self> {
        let folder = build::target(root).join("tests");
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let told = folder.join("lints.txt");
        let file = File::create(&told).with_context(|| format!("{} cannot be written", told.display()))?;
        let half = std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
        let mut clippy = shell::cargo_aside(root);
        clippy
            .args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--jobs",
                &half.to_string(),
                "--",
                "--deny",
                "warnings",
            ])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let clippy = clippy.spawn().context("cargo cannot be started")?;
        Ok(Lints { clippy, told })
    }

    /// Waits for the rest of it.
    ///
    /// # Errors
    /// When there is something to mend: what, is shown.
    pub fn finished(mut self) -> Result<()> {
        let status = self.clippy.wait()?;
        if !status.success() {
            let told = std::fs::read_to_string(&self.told).unwrap_or_default();
            bail!("clippy is not content ({status}):\n{told}");
        }
        Ok(())
    }
}

impl Drop for Lints {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.clippy.kill();
        let _ = self.clippy.wait();
    }
}
