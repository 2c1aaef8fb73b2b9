//! Fetches Cassandra and everything it needs from Maven Central, by name, and remembers where it lies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use guest_build::program::{is_there, quietly};

/// What is started.
const VERSION: &str = "5.0.7";
/// How the classpath is found out.
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath";

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
        java()?;
        let folder = folder.join(VERSION);
        let listed = folder.join("classpath");
        if !listed.is_file() {
            if !is_there("mvn") {
                bail!("missing: mvn (Debian package maven)");
            }
            std::fs::create_dir_all(&folder)?;
            eprintln!("tools: fetching Apache Cassandra {VERSION} from Maven Central");
            std::fs::write(folder.join("pom.xml"), project())?;
            let fresh = folder.join("classpath.new");
            let mut maven = Command::new("mvn");
            maven.current_dir(&folder).args(["--batch-mode", "--quiet", PLUGIN]);
            maven.arg(format!("-Dmaven.repo.local={}", folder.join("repository").display()));
            maven.arg(format!("-Dmdep.outputFile={}", fresh.display()));
            quietly(&mut maven).context("Apache Cassandra cannot be fetched from Maven Central")?;
            std::fs::rename(fresh, &listed)?;
        }
        let classpath = std::fs::read_to_string(&listed)?.trim().to_owned();
        let agent = classpath.split(':').map(Path::new).find(|jar| {
            let name = jar.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("jamm-"))
        });
        let agent = agent.context("the agent jamm is not among Cassandra's jars")?.to_owned();
        if !agent.is_file() {
            bail!("{} is gone: remove {}", agent.display(), listed.display());
        }
        Ok(Installed { classpath, agent, folder })
    }
}

/// Cassandra 5.0 starts with Java 11 or 17 only.
fn java() -> Result<()> {
    const MISSING: &str = "missing: Java 17 (Debian package openjdk-17-jre-headless)";
    if !is_there("java") {
        bail!(MISSING);
    }
    let output = Command::new("java").arg("-version").output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    match ["\"17", "\"11"].iter().any(|version| told.contains(version)) {
        true => Ok(()),
        false => bail!("{MISSING}; `java -version` says {}", told.lines().next().unwrap_or_default()),
    }
}

fn project() -> String {
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.pacificsoft</groupId>
  <artifactId>cassandra-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"#
    )
}
