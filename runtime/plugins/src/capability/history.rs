//! Interface `history`: time series as they were.

use crate::bindings::history::{Host, Span as Asked};
use crate::bindings::{entity, history};
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::Span;

/// Readings of one answer at most.
const READINGS_MAX: u32 = 1_000;

impl Host for Guest {
    fn series(&mut self, named: entity::EntityId, key: String, asked: Asked) -> wasmtime::Result<Vec<(i64, String)>> {
        let entity = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let found = readings.series(entity, &key, &span(asked)).map_err(Unanswered::end)?;
        let shown = found
            .into_iter()
            .map(|reading| (reading.ts_ms, reading.value.to_json().to_string()));
        Ok(shown.collect())
    }
}

fn span(asked: history::Span) -> Span {
    Span {
        from_ms: asked.from_ms,
        to_ms: asked.to_ms,
        limit: asked.limit.clamp(1, READINGS_MAX),
        newest_first: asked.newest_first,
    }
}
