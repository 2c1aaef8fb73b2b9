//! What `plugin login` saves: server, user and a refresh token, in a file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// Address.
    pub server: String,
    /// E-mail address.
    pub user: String,
    /// Stands for the password until the server forgets it.
    pub refresh_token: String,
    /// Certificates of the only authorities to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("server", &self.server)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// The saved login; none before `plugin login`.
    ///
    /// # Errors
    /// When it cannot be read, or others can read it.
    pub fn load() -> Result<Option<Self>> {
        match path() {
            Ok(path) if path.exists() => Profile::load_from(&path).map(Some),
            _ => Ok(None),
        }
    }

    fn load_from(path: &Path) -> Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let mode = fs::metadata(path).with_context(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("others can read {0}, and with it act as you: chmod 600 {0}", path.display());
        }
        let text = fs::read_to_string(path).with_context(unreadable)?;
        toml::from_str(&text).with_context(|| format!("{} is not understood: remove it and log in again", path.display()))
    }

    /// Saves it; answers where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<PathBuf> {
        let path = path()?;
        self.save_to(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    /// A whole file takes the place of the old one, and nobody else could ever open it.
    fn save_to(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(toml::to_string(self)?.as_bytes())?;
        fs::rename(&part, path)?;
        Ok(())
    }
}

/// `PACIFICSOFT_PROFILE`, or a file in the user's folder for configurations.
fn path() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = folder("PACIFICSOFT_PROFILE") {
        return Ok(path);
    }
    let folder = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let folder = folder.context("there is no home folder to save a login in: set PACIFICSOFT_PROFILE")?;
    Ok(folder.join("pacificsoft/profile.toml"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/profile.toml");
        let profile = Profile {
            server: "https://iot.example.org".to_owned(),
            user: "ann@example.org".to_owned(),
            refresh_token: "TOKEN".to_owned(),
            ca: None,
        };
        profile.save_to(&path).unwrap();
        profile.save_to(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Profile::load_from(&path).unwrap(), profile);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no part is left");
        assert!(!format!("{profile:?}").contains("TOKEN"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Profile::load_from(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
