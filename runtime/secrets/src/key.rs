//! The key that seals all secrets: 32 bytes in a file that only the server's own user reads. Servers of one cluster share it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::SecretError;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The key. Overwritten when it is dropped; never shown.
#[derive(Clone)]
pub struct Key(pub(crate) Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A new key, kept nowhere.
    pub fn generate() -> Self {
        Key(Zeroizing::new(rand::random()))
    }

    /// The key of a file; where there is none, a new one is made and kept there.
    ///
    /// # Errors
    /// [`SecretError::Key`] when the file cannot be read or written, is no key, or may be read by others.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        let about = |reason: String| SecretError::Key {
            path: path.to_owned(),
            reason,
        };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => {
                let key = Self::generate();
                keep(file, &key, path).map_err(|error| about(error.to_string()))?;
                Ok(key)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path).map_err(about),
            Err(error) => Err(about(error.to_string())),
        }
    }
}

/// Durable before it is used: what is sealed with a lost key is lost.
fn keep(mut file: File, key: &Key, path: &Path) -> std::io::Result<()> {
    file.write_all(&*key.0)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Key, String> {
    let told = |error: std::io::Error| error.to_string();
    let file = File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("others may read it (mode {:o}): chmod 600", mode & 0o777));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    let key: [u8; KEY_BYTES] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| format!("it has not the {KEY_BYTES} bytes of a key"))?;
    Ok(Key(Zeroizing::new(key)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        let made = Key::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(*Key::open(&path).unwrap().0, *made.0);
        assert_ne!(*made.0, [0; KEY_BYTES]);
        assert_eq!(format!("{made:?}"), "Key");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::open(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for bytes in [0, KEY_BYTES - 1, KEY_BYTES + 1] {
            fs::write(&path, vec![1; bytes]).unwrap();
            assert!(Key::open(&path).unwrap_err().to_string().contains("32 bytes"), "{bytes}");
        }
        assert!(Key::open(&folder.path().join("nowhere/key")).is_err());
    }
}
