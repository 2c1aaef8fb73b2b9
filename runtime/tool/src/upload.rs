//! How far an upload is, for whoever waits: bytes first, then the server's own work.

use std::io::{IsTerminal, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Reads bytes and counts them.
pub struct Counted<'a> {
    bytes: &'a [u8],
    sent: &'a AtomicUsize,
}

impl<'a> Counted<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8], sent: &'a AtomicUsize) -> Self {
        Counted { bytes, sent }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.sent.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

/// Sends, and says how far it is: often on a terminal, every five seconds elsewhere.
pub fn watched<T>(total: usize, send: impl FnOnce(&AtomicUsize) -> T) -> T {
    let sent = AtomicUsize::new(0);
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let pause = if terminal {
        Duration::from_millis(200)
    } else {
        Duration::from_secs(5)
    };
    eprintln!("uploading {} kB …", total.div_ceil(1024));
    std::thread::scope(|scope| {
        let (finished, done) = sync_channel::<()>(1);
        let sent_so_far = &sent;
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(pause) {
                let line = line(sent_so_far.load(Ordering::Relaxed), total, started.elapsed());
                if terminal {
                    eprint!("\r{line}\x1b[K");
                } else {
                    eprintln!("{line}");
                }
            }
            if terminal {
                eprint!("\r\x1b[K");
            }
        });
        let answer = send(&sent);
        drop(finished);
        answer
    })
}

fn line(sent: usize, total: usize, elapsed: Duration) -> String {
    if sent < total {
        return format!("uploading … {} %", sent * 100 / total);
    }
    format!("uploaded; the server compiles and tries it … {} s", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_read_is_counted() {
        let sent = AtomicUsize::new(0);
        let mut read = Vec::new();
        Counted::new(&[7; 100], &sent).read_to_end(&mut read).unwrap();
        assert_eq!((read.len(), sent.into_inner()), (100, 100));
        assert_eq!(line(50, 200, Duration::ZERO), "uploading … 25 %");
        assert!(line(200, 200, Duration::from_secs(3)).contains("3 s"));
        assert!(!line(0, 0, Duration::ZERO).is_empty());
    }
}
