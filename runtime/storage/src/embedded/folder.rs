//! The store's folder: whose it is, and how it comes to be.
//!
//! ```text
//! dir/lock     held by the one process that works here
//! dir/db       the database
//! dir/db.new   a database being created; a leftover is from a process that died while doing so, and holds nothing
//! ```
//!
//! Knows nothing of what the database holds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::StorageError;

/// A folder that belongs to this process until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    /// The operating system releases the lock with the file, also when the process is killed.
    _lock: File,
}

impl Folder {
    /// Creates the folder if need be, and takes it.
    pub(super) fn take(dir: &Path) -> Result<Self, StorageError> {
        let failed = |what: &str, error: std::io::Error| StorageError::Failed(format!("{what} {}: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(|error| failed("cannot create the folder", error))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"));
        let lock = lock.map_err(|error| failed("cannot write in the folder", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder {
                dir: dir.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Failed(format!(
                "the folder {} is in use by another process or store",
                dir.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed("cannot lock the folder", error)),
        }
    }

    /// Where the database is. If there is none yet, `create` makes one in a folder of its own, which gets its name when it is complete:
    /// a process killed meanwhile leaves nothing that looks like a database.
    pub(super) fn database(&self, create: impl FnOnce(&Path) -> Result<(), StorageError>) -> Result<PathBuf, StorageError> {
        let (database, unfinished) = (self.dir.join("db"), self.dir.join("db.new"));
        let failed = |error: std::io::Error| StorageError::Failed(format!("cannot create a database in {}: {error}", self.dir.display()));
        if database.try_exists().map_err(failed)? {
            return Ok(database);
        }
        if unfinished.try_exists().map_err(failed)? {
            fs::remove_dir_all(&unfinished).map_err(failed)?;
        }
        create(&unfinished)?;
        fs::rename(&unfinished, &database).map_err(failed)?;
        // Only the folder's own sync makes the new name durable.
        #[cfg(unix)]
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok(database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner() {
        let dir = tempfile::tempdir().expect("temp dir");
        let folder = Folder::take(&dir.path().join("a/b")).expect("free");
        let refused = Folder::take(&dir.path().join("a/b")).expect_err("taken");
        assert!(refused.to_string().contains("in use by another process"), "{refused}");
        drop(folder);
        Folder::take(&dir.path().join("a/b")).expect("free again");
    }

    #[test]
    fn an_unfinished_database_is_made_anew() {
        let dir = tempfile::tempdir().expect("temp dir");
        let folder = Folder::take(dir.path()).expect("free");
        let make = |path: &Path| fs::create_dir(path).map_err(|error| StorageError::Failed(error.to_string()));
        fs::create_dir(dir.path().join("db.new")).expect("leftover");
        fs::write(dir.path().join("db.new/junk"), "x").expect("leftover");
        let database = folder.database(make).expect("made");
        assert!(database.is_dir() && !database.join("junk").exists());
        let again = folder.database(|_| Err(StorageError::NotFound)).expect("kept");
        assert_eq!(again, database);
    }
}
