//! Programs in Java that nobody here wrote: fetched from Maven Central once, by name, with all that they need, and remembered where they
//! lie.
//!
//! Knows nothing of Pacificsoft.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use guest_build::program::{is_there, quietly};

/// How the classpath is found out.
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath";

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called.
    pub title: &'static str,
    /// Of all its parts.
    pub version: &'static str,
    /// Its parts: group and name.
    pub artifacts: &'static [(&'static str, &'static str)],
    /// Versions of Java that it starts with, the best one first.
    pub java: &'static [u32],
}

/// A broker of Kafka, and the tools that come with it.
pub const KAFKA: Program = Program {
    title: "Apache Kafka",
    version: "4.3.1",
    artifacts: &[("org.apache.kafka", "kafka_2.13"), ("org.apache.kafka", "kafka-tools")],
    java: &[17, 21, 25],
};

/// A program that can be started.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Jars, as Java takes them.
    pub classpath: String,
    /// Of this version: more may be kept in it.
    pub folder: PathBuf,
}

impl Program {
    /// Fetches what is not there yet, into a folder that may be kept.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub fn in_folder(&self, folder: &Path) -> Result<Installed> {
        self.check_java()?;
        let folder = folder.join(self.version);
        let listed = folder.join("classpath");
        if !listed.is_file() {
            self.fetch(&folder, &listed)?;
        }
        let classpath = std::fs::read_to_string(&listed)?.trim().to_owned();
        if let Some(gone) = classpath.split(':').find(|jar| !Path::new(jar).is_file()) {
            bail!("{gone} is gone: remove {}", listed.display());
        }
        Ok(Installed { classpath, folder })
    }

    fn fetch(&self, folder: &Path, listed: &Path) -> Result<()> {
        if !is_there("mvn") {
            bail!("missing: mvn (Debian package maven)");
        }
        std::fs::create_dir_all(folder)?;
        eprintln!("tools: fetching {} {} from Maven Central", self.title, self.version);
        std::fs::write(folder.join("pom.xml"), self.project())?;
        // Several may do this at one time, as tests do.
        let fresh = folder.join(format!("classpath.{}", std::process::id()));
        let mut maven = Command::new("mvn");
        maven.current_dir(folder).args(["--batch-mode", "--quiet", PLUGIN]);
        maven.arg(format!("-Dmaven.repo.local={}", folder.join("repository").display()));
        maven.arg(format!("-Dmdep.outputFile={}", fresh.display()));
        quietly(&mut maven).with_context(|| format!("{} cannot be fetched from Maven Central", self.title))?;
        std::fs::rename(fresh, listed)?;
        Ok(())
    }

    fn check_java(&self) -> Result<()> {
        let best = self.java.first().copied().unwrap_or_default();
        let missing = format!("missing: Java {best} (Debian package openjdk-{best}-jre-headless)");
        if !is_there("java") {
            bail!(missing);
        }
        let output = Command::new("java").arg("-version").output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        match self.java.iter().any(|version| told.contains(&format!("\"{version}"))) {
            true => Ok(()),
            false => bail!("{missing}; `java -version` says {}", told.lines().next().unwrap_or_default()),
        }
    }

    fn project(&self) -> String {
        let version = self.version;
        let dependency = |(group, name): &(&str, &str)| {
            format!("    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>\n")
        };
        let dependencies: String = self.artifacts.iter().map(dependency).collect();
        format!(
            r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.pacificsoft</groupId>
  <artifactId>for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}  </dependencies>
</project>
"#
        )
    }
}
