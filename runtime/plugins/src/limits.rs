//! What a component may use.

use wasmtime::ResourceLimiter;

/// Limits of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, bytes.
    pub memory_bytes_max: usize,
    /// Elements of a table.
    pub table_elements_max: usize,
    /// Memories, tables and instances that the parts of one component may have, of each as many.
    pub parts_max: usize,
    /// Bytes of a component.
    pub component_bytes_max: usize,
    /// Processor time for one message, milliseconds.
    pub process_ms: u32,
    /// Processor time for instantiating, describing and opening, milliseconds.
    pub open_ms: u32,
    /// Bytes a guest may hand over in one call or answer.
    pub output_bytes_max: usize,
    /// Messages a node may emit for one message.
    pub emissions_max: usize,
    /// Effects a node may ask for with one message.
    pub effects_max: usize,
    /// Uplinks an adapter may find in one payload.
    pub uplinks_max: usize,
    /// Log lines in a second.
    pub log_lines_per_second: u32,
    /// Bytes of a log line.
    pub log_line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes_max: 16 << 20,
            table_elements_max: 10_000,
            parts_max: 8,
            component_bytes_max: 4 << 20,
            process_ms: 20,
            open_ms: 200,
            output_bytes_max: 1 << 20,
            emissions_max: 1_000,
            effects_max: 100,
            uplinks_max: 10_000,
            log_lines_per_second: 50,
            log_line_bytes_max: 1 << 10,
        }
    }
}

impl Limits {
    /// For components that carry the interpreter of a language. JavaScript needs about 3 MiB of memory when it starts, Python 10.
    pub fn scripted() -> Self {
        Limits {
            memory_bytes_max: 96 << 20,
            table_elements_max: 50_000,
            parts_max: 64,
            component_bytes_max: 40 << 20,
            process_ms: 50,
            open_ms: 500,
            ..Limits::default()
        }
    }
}

/// Native stack of a guest call, bytes. Worker threads have four times as much.
pub const STACK_BYTES_MAX: usize = 512 << 10;

/// Refuses growth beyond the limits and remembers that it did, so that the trap that follows can be explained.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    parts_max: usize,
    pub(crate) memory_refused: bool,
    /// Linear memory it has, bytes.
    pub(crate) memory_bytes: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Limiter {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            parts_max: limits.parts_max,
            memory_refused: false,
            memory_bytes: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes_max;
        self.memory_refused |= !allowed;
        if allowed {
            self.memory_bytes += desired.saturating_sub(current);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.table_elements_max;
        self.memory_refused |= !allowed;
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        self.parts_max
    }

    fn tables(&self) -> usize {
        self.parts_max
    }

    fn memories(&self) -> usize {
        self.parts_max
    }
}
