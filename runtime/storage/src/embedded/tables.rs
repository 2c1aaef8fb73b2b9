//! The database and its tables (one key space each), and what can be read from them. Writes go through [`super::change`] alone.
//!
//! Knows keys and bytes, not what they mean.

use std::path::Path;
use std::sync::Arc;

use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _, Slice, Snapshot};
use model::Clock;

use super::expiry::DropExpired;
use super::folder::Folder;
use crate::StorageError;
use crate::embedded::EmbeddedConfig;

/// Rows a scan reads at most. What lies beyond is not seen, and the operator is told.
pub(super) const SCAN_ROWS_MAX: usize = 1_000_000;

/// The form of everything stored. A program reads its own form only.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";

/// One table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// `format`: form of what is stored, u32; `series_next`: number of the next new time series, u64.
    Meta,
    /// Name → bytes.
    Settings,
    /// Entity and key → number of the time series, u64.
    Series,
    /// Number of the time series and time → reading.
    Points,
    /// Entity, scope and key → attribute.
    Attributes,
    /// Entity → JSON.
    Entities,
    /// Tenant, kind and name → id.
    Names,
    /// Tenant and id → JSON.
    Alarms,
    /// Originator and type → id.
    ActiveAlarms,
    /// Entity, kind, time and id → JSON.
    Events,
    /// Credentials id → tenant, JSON.
    Credentials,
    /// Tenant and device → credentials id.
    DeviceCredentials,
    /// E-mail in lower case → JSON.
    Logins,
    /// Numbers of time series that nobody can see any more, and whose readings are still to be removed.
    Garbage,
    /// Devices that have something to do after a restart.
    Reminders,
    /// Device and id → JSON.
    Rpcs,
    /// Device and id of requests that are not over.
    OpenRpcs,
    /// Tenant and id of a request → device.
    RpcDevices,
    /// Owner and name → JSON.
    Components,
    /// Owner, name and digest → JSON.
    ComponentVersions,
    /// Owner, name, digest and position → a piece of a component's bytes.
    ComponentPieces,
    /// Rule node, part and text → what it keeps.
    NodeStates,
    /// Start, group, type and end → JSON of a relation's additional data.
    Relations,
    /// End, group, type and start → nothing: the same relations from the other side.
    RelationsTo,
}

impl Table {
    /// Every table, in the order of [`Tables::spaces`].
    pub(super) const ALL: [(Table, &'static str); Table::COUNT] = [
        (Table::Meta, "meta"),
        (Table::Settings, "settings"),
        (Table::Series, "series"),
        (Table::Points, "points"),
        (Table::Attributes, "attributes"),
        (Table::Entities, "entities"),
        (Table::Names, "names"),
        (Table::Alarms, "alarms"),
        (Table::ActiveAlarms, "active_alarms"),
        (Table::Events, "events"),
        (Table::Credentials, "credentials"),
        (Table::DeviceCredentials, "device_credentials"),
        (Table::Logins, "logins"),
        (Table::Garbage, "garbage"),
        (Table::Reminders, "reminders"),
        (Table::Rpcs, "rpcs"),
        (Table::OpenRpcs, "open_rpcs"),
        (Table::RpcDevices, "rpc_devices"),
        (Table::Components, "components"),
        (Table::ComponentVersions, "component_versions"),
        (Table::ComponentPieces, "component_pieces"),
        (Table::NodeStates, "node_states"),
        (Table::Relations, "relations"),
        (Table::RelationsTo, "relations_to"),
    ];

    /// How many there are.
    pub(super) const COUNT: usize = 24;

    fn options(self) -> KeyspaceCreateOptions {
        let options = KeyspaceCreateOptions::default();
        match self {
            // Only scanned, never looked up by key: filters would be dead weight, and large blocks pack better.
            Table::Points | Table::Events => options
                .filter_policy(FilterPolicy::disabled())
                .data_block_size_policy(BlockSizePolicy::all(16 * 1024)),
            Table::Series | Table::Attributes | Table::Entities | Table::Alarms => options,
            _ => options.max_memtable_size(8 * 1024 * 1024),
        }
    }
}

/// The open database. Clones share it; it closes with the last one.
#[derive(Clone)]
pub(super) struct Tables {
    spaces: Arc<[Keyspace]>,
    db: Database,
    /// After the database: the folder is free only when that is closed.
    _folder: Arc<Folder>,
}

impl Tables {
    /// Opens the database of a folder; creates it if there is none.
    pub(super) fn open(config: &EmbeddedConfig) -> Result<Self, StorageError> {
        let folder = Folder::take(&config.dir)?;
        let path = folder.database(|path| create(path, config))?;
        let db = database(&path, config)?;
        let meta = db.keyspace(Table::ALL[0].1, || Table::Meta.options()).map_err(failed)?;
        check_format(meta.get(FORMAT_KEY).map_err(failed)?.as_deref())?;
        let spaces = Table::ALL
            .iter()
            .map(|(table, name)| db.keyspace(name, || table.options()).map_err(failed));
        let spaces = spaces.collect::<Result<Vec<_>, _>>()?.into();
        Ok(Tables {
            spaces,
            db,
            _folder: Arc::new(folder),
        })
    }

    /// The database itself, for writing.
    pub(super) fn db(&self) -> &Database {
        &self.db
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Sync {
        let db = self.db.clone();
        Box::new(move || db.persist(PersistMode::SyncData).map_err(failed))
    }

    /// One table, for writing.
    pub(super) fn space(&self, table: Table) -> &Keyspace {
        &self.spaces[table as usize]
    }

    /// The value of a key.
    pub(super) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<Slice>, StorageError> {
        self.space(table).get(key).map_err(failed)
    }

    /// A view of all tables at one moment, for reading what belongs together.
    pub(super) fn moment(&self) -> Moment<'_> {
        Moment {
            tables: self,
            snapshot: self.db.snapshot(),
        }
    }

    /// Rows whose keys start with a prefix, in order of keys.
    pub(super) fn prefix(&self, table: Table, prefix: &[u8]) -> impl DoubleEndedIterator<Item = Row> + use<> {
        rows(self.space(table).prefix(prefix))
    }

    /// Rows with `from <= key < to`, in order of keys.
    pub(super) fn range(&self, table: Table, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = Row> + use<> {
        // The database panics when a range is upside down.
        rows(self.space(table).range(from..to.max(from)))
    }
}

/// Makes what is written durable. A value of its own, so that tests can make it fail.
pub(super) type Sync = Box<dyn FnMut() -> Result<(), StorageError> + Send>;

/// A row of a table, unless reading it fails.
pub(super) type Row = Result<(Slice, Slice), StorageError>;

/// All tables at one moment.
pub(super) struct Moment<'a> {
    tables: &'a Tables,
    snapshot: Snapshot,
}

impl Moment<'_> {
    /// The value of a key.
    pub(super) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<Slice>, StorageError> {
        self.snapshot.get(self.tables.space(table), key).map_err(failed)
    }
}

/// Cuts a scan at [`SCAN_ROWS_MAX`] rows.
pub(super) fn capped<T>(what: &'static str, rows: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    rows.enumerate()
        .take_while(move |(at, _)| {
            if *at == SCAN_ROWS_MAX {
                tracing::warn!(
                    what,
                    rows = SCAN_ROWS_MAX,
                    "a list is too long to be read as a whole: its end is left out"
                );
            }
            *at < SCAN_ROWS_MAX
        })
        .map(|(_, row)| row)
}

/// What a failure of the database means to the caller.
pub(super) fn failed(error: fjall::Error) -> StorageError {
    use fjall::Error;
    match error {
        Error::Io(error) => StorageError::Failed(error.to_string()),
        Error::Storage(fjall::LsmError::Io(error)) => StorageError::Failed(error.to_string()),
        Error::Poisoned => StorageError::Failed("an earlier write failed; restart when the disk is well".into()),
        Error::KeyspaceDeleted => StorageError::Failed("a table is gone".into()),
        Error::Locked => StorageError::Failed("the database is in use by another process".into()),
        other => StorageError::Corrupt(format!("{other:?}")),
    }
}

fn rows(iter: fjall::Iter) -> impl DoubleEndedIterator<Item = Row> {
    iter.map(|guard| guard.into_inner().map_err(failed))
}

fn database(path: &Path, config: &EmbeddedConfig) -> Result<Database, StorageError> {
    let clock: Arc<dyn Clock> = Arc::clone(&config.clock);
    let filters = move |space: &str| -> Option<Arc<dyn fjall::compaction::filter::Factory>> {
        (space == "points").then(|| Arc::new(DropExpired::new(Arc::clone(&clock))) as _)
    };
    Database::builder(path)
        .cache_size(config.cache_bytes)
        // The writer thread persists once for a whole group of batches.
        .manual_journal_persist(true)
        .with_compaction_filter_factories(Arc::new(filters))
        .open()
        .map_err(failed)
}

fn create(path: &Path, config: &EmbeddedConfig) -> Result<(), StorageError> {
    let db = database(path, config)?;
    let meta = db.keyspace(Table::ALL[0].1, || Table::Meta.options()).map_err(failed)?;
    meta.insert(FORMAT_KEY, FORMAT.to_be_bytes()).map_err(failed)?;
    db.persist(PersistMode::SyncAll).map_err(failed)
}

fn check_format(stored: Option<&[u8]>) -> Result<(), StorageError> {
    let Some(format) = stored.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else {
        return Err(StorageError::Corrupt("the database does not say which form it has".into()));
    };
    match format {
        FORMAT => Ok(()),
        newer if newer > FORMAT => Err(StorageError::Failed(format!(
            "the database has form {newer}, this program reads form {FORMAT}: start a newer program"
        ))),
        unknown => Err(StorageError::Failed(format!(
            "the database has the unknown form {unknown}; this program reads form {FORMAT}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_where_their_number_says() {
        for (at, (table, _)) in Table::ALL.iter().enumerate() {
            assert_eq!(*table as usize, at);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let dir = tempfile::tempdir().expect("temp dir");
        let config = EmbeddedConfig::new(dir.path());
        for (form, said) in [(FORMAT + 1, "start a newer program"), (0, "unknown form 0")] {
            let tables = Tables::open(&config).expect("opens");
            tables.space(Table::Meta).insert(FORMAT_KEY, form.to_be_bytes()).expect("writes");
            drop(tables);
            let refused = Tables::open(&config).err().expect("refused").to_string();
            assert!(refused.contains(said), "{refused}");
            std::fs::remove_dir_all(dir.path().join("db")).expect("removes");
        }
    }

    #[test]
    fn an_upside_down_range_is_empty() {
        let dir = tempfile::tempdir().expect("temp dir");
        let tables = Tables::open(&EmbeddedConfig::new(dir.path())).expect("opens");
        tables.space(Table::Points).insert("b", "").expect("writes");
        assert_eq!(tables.range(Table::Points, b"a", b"c").count(), 1);
        assert_eq!(tables.range(Table::Points, b"c", b"a").count(), 0);
    }
}
