//! What guests read while they decide: from a store in this process at once, from one behind a network by waiting, within limits.

mod local;
mod remote;

use model::entity::{Direction, RelationGroup};
use plugins::Span;
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

fn relation_query(direction: Direction, of_type: Option<&str>, limit: u32) -> RelationQuery {
    RelationQuery {
        direction,
        group: RelationGroup::Common,
        relation_type: of_type.map(str::to_owned),
        limit: limit as usize,
    }
}
