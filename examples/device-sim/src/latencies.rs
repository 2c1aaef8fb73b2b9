//! The latency of each measured message with the time it was due: what a distribution over the whole run cannot tell is how long messages
//! took around one moment.
//!
//! Knows no network.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::SimError;

/// Messages kept at most; further ones are in the distributions only.
const LATENCIES_MAX: usize = 20_000_000;

/// Latencies in the order of their acknowledgements.
#[derive(Debug, Default)]
pub struct Latencies {
    /// When the message was due, in nanoseconds since the start, and its latency in microseconds.
    each: Vec<(u64, u64)>,
}

impl Latencies {
    /// Notes one.
    pub fn record(&mut self, due_ns: u64, latency_us: u64) {
        if self.each.len() < LATENCIES_MAX {
            self.each.push((due_ns, latency_us));
        }
    }

    /// Adds those of another worker.
    pub fn merge(&mut self, other: Latencies) {
        let room = LATENCIES_MAX - self.each.len();
        self.each.extend(other.each.into_iter().take(room));
    }

    /// Writes one line `due latency` for each: milliseconds since 1970, and microseconds. `started_ms` is when the run began.
    ///
    /// # Errors
    /// [`SimError::File`].
    pub fn write(&self, path: &Path, started_ms: u64) -> Result<(), SimError> {
        let write = || {
            let mut file = BufWriter::new(File::create(path)?);
            for (due_ns, latency_us) in &self.each {
                writeln!(file, "{} {latency_us}", started_ms + due_ns / 1_000_000)?;
            }
            file.flush()
        };
        write().map_err(SimError::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_all_workers_come_with_the_time_of_day() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("latencies");
        let (mut one, mut two) = (Latencies::default(), Latencies::default());
        one.record(1_999_999, 250);
        two.record(3_000_000, 7);
        one.merge(two);
        one.write(&path, 1_000).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "1001 250\n1003 7\n");
    }
}
