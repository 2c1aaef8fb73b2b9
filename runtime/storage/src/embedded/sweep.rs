//! Removes the readings of removed time series, a little at a time, when the writer has nothing else to do.

use super::apply::REMOVED_AT_ONCE_MAX;
use super::change::Change;
use super::tables::Table;
use crate::StorageError;

/// Removes some readings. Not synced: after a crash it is simply done again.
pub(super) fn sweep(change: &mut Change) -> Result<(), StorageError> {
    let Some(first) = change.prefix(Table::Garbage, &[])?.next() else {
        change.swept();
        return Ok(());
    };
    let series = first?.0;
    let mut removed = 0;
    for row in change.prefix(Table::Points, &series)?.take(REMOVED_AT_ONCE_MAX) {
        change.remove(Table::Points, row?.0);
        removed += 1;
    }
    if removed < REMOVED_AT_ONCE_MAX {
        change.remove(Table::Garbage, series);
    }
    change.apply()
}
