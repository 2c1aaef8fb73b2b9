//! Where compiled components are kept, and the key that tells this server's own from what somebody else put there.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use secrets::Key;
use storage::Store;

use crate::config::Config;
use crate::store::{create, secret};
use crate::wire::blocking;

/// Name of the key in a folder that servers share.
const KEY: &str = "key";

/// The folder and its key. In the data folder the store keeps the key; servers that share a folder have the key there.
pub async fn place(config: &Config, store: &dyn Store) -> Result<(PathBuf, Vec<u8>)> {
    match config.code_dir.clone() {
        None => Ok((config.data_dir.join("code"), secret(store, "code-cache-key").await?)),
        Some(dir) => blocking(move || shared(&dir).map(|key| (dir, key))).await?,
    }
}

/// What lies there is run: so nobody else may have had a hand in it.
fn shared(dir: &Path) -> Result<Vec<u8>> {
    create(dir)?;
    ours(dir)?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
        .with_context(|| format!("code-dir {} cannot be closed to others", dir.display()))?;
    let path = dir.join(KEY);
    let key = Key::open(&path).with_context(|| format!("code-dir {} cannot be used", dir.display()))?;
    ours(&path)?;
    Ok(key.derive("code").to_vec())
}

fn ours(path: &Path) -> Result<()> {
    let owner = path
        .metadata()
        .with_context(|| format!("code-dir: {} cannot be looked at", path.display()))?
        .uid();
    if owner != rustix::process::geteuid().as_raw() {
        bail!(
            "code-dir: {} belongs to another user, who could have put code there; name a folder of one's own",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn a_shared_folder_has_one_key_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("code");
        let key = shared(&dir).unwrap();
        assert_eq!(shared(&dir).unwrap(), key);
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        // Only root may give a file away.
        if chown(dir.join(KEY), Some(65_534), None).is_ok() {
            let refused = format!("{:#}", shared(&dir).unwrap_err());
            assert!(refused.contains("another user"), "{refused}");
            chown(dir.join(KEY), Some(0), None).unwrap();
            chown(&dir, Some(65_534), None).unwrap();
            assert!(format!("{:#}", shared(&dir).unwrap_err()).contains("another user"));
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(shared(&folder.path().join("file")).is_err());
    }
}
