//! Interface `history`: time series as they were.

use wasmtime::component::Linker;

use crate::bindings::history::{Host, Span as Asked};
use crate::bindings::{entity, history};
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::{Span, at_once};

/// Readings of one answer at most.
const READINGS_MAX: u32 = 1_000;

impl Host for Guest {
    fn series(&mut self, named: entity::EntityId, key: String, asked: Asked) -> wasmtime::Result<Vec<(i64, String)>> {
        at_once(self.series_of(named, key, asked))
    }
}

impl Guest {
    async fn series_of(&mut self, named: entity::EntityId, key: String, asked: Asked) -> wasmtime::Result<Vec<(i64, String)>> {
        let entity = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let found = readings.series(entity, &key, &span(asked)).await.map_err(Unanswered::end)?;
        let shown = found
            .into_iter()
            .map(|reading| (reading.ts_ms, reading.value.to_json().to_string()));
        Ok(shown.collect())
    }
}

/// Gives guests the interface, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/history@0.1.0")?;
    asynchronous!(interface, "series", (named: entity::EntityId, key: String, asked: Asked) => series_of);
    Ok(())
}

fn span(asked: history::Span) -> Span {
    Span {
        from_ms: asked.from_ms,
        to_ms: asked.to_ms,
        limit: asked.limit.clamp(1, READINGS_MAX),
        newest_first: asked.newest_first,
    }
}
