//! From a component on this machine to one that serves: uploaded, its verdict shown, its permissions granted, activated, and waited for.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::chain::{self, Place};
use crate::client::Client;
use crate::project::Project;
use crate::told::{Component, Permission, Version, short};

/// How long a version may take to serve after it was activated.
const SERVES: Duration = Duration::from_secs(60);

/// What becomes of what is pushed.
#[derive(Clone, Debug, Default, Args)]
pub struct PushOptions {
    /// Grants a permission that has to be granted; may be given several times. `all` grants all
    #[arg(long, value_name = "PERMISSION")]
    pub grant: Vec<String>,
    /// Brings the version before back by itself when the new one keeps failing
    #[arg(long)]
    pub auto_rollback: bool,
    /// Puts a node of it into a rule chain, before the node with this name, unless there is one already
    #[arg(long, value_name = "NODE")]
    pub before: Option<String>,
    /// Which rule chain that is [default: the root chain]
    #[arg(long, value_name = "NAME", requires = "before")]
    pub chain: Option<String>,
}

/// The name under which a component is known to the server: that of the project, or of the file.
///
/// # Errors
/// When there is neither.
pub fn name_of(given: Option<String>, component: Option<&Path>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name);
    }
    match component {
        None => Ok(Project::here()?.manifest.name),
        Some(path) => {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            stem.context("the component has no name: say it with --name")
        }
    }
}

/// Pushes; `activate`: lets it serve.
///
/// # Errors
/// Why the server does not take it, or why it does not serve; then the version before goes on.
pub fn push(client: &Client, name: &str, path: &PathBuf, options: &PushOptions, activate: bool) -> Result<()> {
    check_name(name)?;
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let place = options.before.as_ref().map(|before| Place {
        chain: options.chain.clone(),
        before: before.clone(),
    });
    if let Some(place) = &place {
        chain::check(client, place)?;
    }
    let started = Instant::now();
    let component = client.upload(name, &bytes, options.auto_rollback)?;
    let uploaded = component.uploaded.clone().context("the server does not say which version it is")?;
    println!("{}", component.verdict(&uploaded));
    let version = component
        .version(&uploaded.version)
        .context("the server does not know the version")?;
    let grants = to_grant(&version.permissions, &options.grant, ask)?;
    if !grants.is_empty() {
        client.grant(name, &grants)?;
        println!("granted: {}", grants.join(", "));
    }
    if !activate {
        println!("it does not serve yet: push it without --no-activate to let it");
        return Ok(());
    }
    client.activate(name, &uploaded.version)?;
    let instances = serving(client, name, &uploaded.version)?;
    let took = started.elapsed();
    println!(
        "{name} {} serves, {} ms after the upload began",
        short(&uploaded.version),
        took.as_millis()
    );
    if let Some(place) = &place {
        println!("{}", chain::put(client, place, only_type(version)?)?);
    } else if instances == 0 && !version.node_types.is_empty() {
        println!("no node of a rule chain has it at work: put one in with --before NODE");
    }
    Ok(())
}

/// Waits until a version serves; answers how many instances are at work.
fn serving(client: &Client, name: &str, version: &str) -> Result<usize> {
    let until = Instant::now() + SERVES;
    loop {
        let Component {
            active,
            suspended,
            versions,
            ..
        } = client.component(name)?;
        if let Some(suspended) = suspended {
            bail!("the version was stopped at once: {}", suspended.reason);
        }
        let metrics = versions
            .iter()
            .find(|one| one.version == version)
            .and_then(|one| one.metrics.as_ref());
        match (active.as_deref() == Some(version), metrics) {
            (true, Some(metrics)) => return Ok(metrics.instances),
            _ if Instant::now() > until => bail!("the version does not serve after {} s", SERVES.as_secs()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn only_type(version: &Version) -> Result<&crate::told::NodeType> {
    match &version.node_types[..] {
        [only] => Ok(only),
        [] => bail!("the component is an adapter: it has no node to put into a rule chain"),
        _ => bail!("the component has several node types: put them into the rule chain over REST"),
    }
}

/// The permissions to grant now. Those that are asked for and not granted are left to `ask`.
fn to_grant(permissions: &[Permission], granted: &[String], ask: impl Fn(&Permission) -> Result<bool>) -> Result<Vec<String>> {
    let mut grants = Vec::new();
    for permission in permissions.iter().filter(|permission| permission.state != "granted") {
        let said = granted.iter().any(|name| *name == permission.name || name == "all");
        if !said && !ask(permission)? {
            bail!(
                "it needs the permission {0:?} ({1}): grant it with --grant {0}",
                permission.name,
                permission.words
            );
        }
        grants.push(permission.name.clone());
    }
    Ok(grants)
}

/// Asks a person, if there is one.
fn ask(permission: &Permission) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let denied = if permission.state == "denied" {
        " (somebody denied it)"
    } else {
        ""
    };
    print!("it {}{denied}: grant that? [y/N] ", permission.words);
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Names stand in addresses.
fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(fine) {
        bail!("{name:?} is no name of a component: it looks like too-hot; say it with --name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn permission(name: &str, state: &str) -> Permission {
        Permission {
            name: name.to_owned(),
            words: format!("uses {name}"),
            state: state.to_owned(),
        }
    }

    #[test]
    fn what_has_to_be_granted_is_granted_or_asked_for() {
        let needed = [
            permission("log", "granted"),
            permission("secrets", "asked"),
            permission("clock", "denied"),
        ];
        let refuse = |_: &Permission| Ok(false);
        let accept = |_: &Permission| Ok(true);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(to_grant(&needed[..1], &[], refuse).unwrap(), names(&[]));
        assert_eq!(to_grant(&needed, &names(&["all"]), refuse).unwrap(), names(&["secrets", "clock"]));
        assert_eq!(
            to_grant(&needed, &names(&["clock", "secrets"]), refuse).unwrap(),
            names(&["secrets", "clock"])
        );
        assert_eq!(to_grant(&needed, &[], accept).unwrap(), names(&["secrets", "clock"]));
        let refused = to_grant(&needed, &names(&["clock"]), refuse).unwrap_err().to_string();
        assert!(refused.contains("--grant secrets") && refused.contains("uses secrets"), "{refused}");
    }

    #[test]
    fn names_are_those_of_the_file_if_nothing_else_is_said() {
        let of = |given: Option<&str>, path: &str| name_of(given.map(str::to_owned), Some(Path::new(path))).unwrap();
        assert_eq!(of(None, "a/too-hot.wasm"), "too-hot");
        assert_eq!(of(Some("mine"), "a/too-hot.wasm"), "mine");
        assert!(check_name("too-hot").is_ok() && check_name("a/b").is_err() && check_name("a&b").is_err() && check_name("").is_err());
    }
}
