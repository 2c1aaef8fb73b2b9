//! The key that seals all secrets: 32 bytes in a file that only the server's own user reads. Servers of one cluster share it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;
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

    /// The key of a file; where there is none, a new one is made and kept there. Of several that do so at once one makes it for all.
    ///
    /// # Errors
    /// [`SecretError::Key`] when the file cannot be read or written, is no key, or may be read by others.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        let about = |reason: String| SecretError::Key {
            path: path.to_owned(),
            reason,
        };
        if !path.exists() {
            keep(&Self::generate(), path).map_err(|error| about(error.to_string()))?;
        }
        read(path).map_err(about)
    }

    /// Another key, for another purpose: from one nothing is learned about the other.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        // HMAC takes keys of any length; the error cannot happen and would only mean an empty key.
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// Durable before it is used: what is sealed with a lost key is lost. A file that is there by now stays; nobody sees one half written.
fn keep(key: &Key, path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // For its owner alone, as the library makes them.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&*key.0)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all(),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error),
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

    #[test]
    fn of_many_who_make_it_at_once_all_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..16).map(|_| scope.spawn(|| *Key::open(&path).unwrap().0)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = Key::generate();
        assert_eq!(key.derive("one"), key.clone().derive("one"));
        assert_ne!(key.derive("one"), key.derive("two"));
        assert_ne!(key.derive("one"), Key::generate().derive("one"));
        assert_ne!(*key.derive("one"), *key.0);
    }
}
