//! What is fetched for a node from Maven Central, and where it lies.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use from_maven::Program;

/// What is started. It starts with Java 11 or 17 only.
const CASSANDRA: Program = Program {
    title: "Apache Cassandra",
    version: "5.0.7",
    artifacts: &[("org.apache.cassandra", "cassandra-all")],
    java: &[17, 11],
};

/// A Cassandra that can be started.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Jars, as Java takes them.
    pub(crate) classpath: String,
    /// The agent that measures objects.
    pub(crate) agent: PathBuf,
    /// Where nodes may have their folders.
    pub(crate) folder: PathBuf,
}

impl Installed {
    /// Fetches what is not there yet, into a folder that may be kept.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let from_maven::Installed { classpath, folder } = CASSANDRA.in_folder(folder)?;
        let agent = classpath.split(':').map(Path::new).find(|jar| {
            let name = jar.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("jamm-"))
        });
        let agent = agent.context("the agent jamm is not among Cassandra's jars")?.to_owned();
        Ok(Installed { classpath, agent, folder })
    }
}
