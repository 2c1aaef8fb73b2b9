//! Interface `log`: lines with a limit on length and rate; what is dropped is counted and said.

use crate::bindings::log::{Host, Level};
use crate::guest::{Guest, LogLevel};

impl Host for Guest {
    fn log(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        let Some(sink) = &self.log else { return Ok(()) };
        if !self.log_budget.take() {
            return Ok(());
        }
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let dropped = std::mem::take(&mut self.log_budget.dropped);
        if dropped > 0 {
            sink.line(
                self.tenant,
                &self.name,
                LogLevel::Warn,
                &format!("{dropped} log lines beyond the limit were dropped"),
            );
        }
        sink.line(self.tenant, &self.name, level, cut(&text, self.log_budget.line_bytes_max));
        Ok(())
    }
}

/// The beginning of a text, at most `max` bytes, at a character border.
fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("0123456789", 4), "0123");
        assert_eq!(cut("aéé", 2), "a");
        assert_eq!(cut("é", 0), "");
    }
}
