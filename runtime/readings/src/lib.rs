//! What guests read while they decide: the ports of `plugins`, answered by a store. One in this process answers at once, one behind a network is
//! waited for, within limits.

mod local;
mod remote;

use plugins::{RelatedBy, Span};
use storage::{RelationQuery, SeriesQuery, StorageError};

pub use local::LocalReadings;
pub use remote::RemoteReadings;

fn told<T>(read: Result<T, StorageError>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}

fn series_query(span: &Span) -> SeriesQuery {
    SeriesQuery {
        from_ms: span.from_ms,
        to_ms: span.to_ms,
        limit: span.limit,
        descending: span.newest_first,
    }
}

fn relation_query(which: &RelatedBy<'_>) -> RelationQuery {
    RelationQuery {
        direction: which.direction,
        group: which.group,
        relation_type: which.of_type.map(str::to_owned),
        limit: which.limit as usize,
    }
}
