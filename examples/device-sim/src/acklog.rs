//! The file of acknowledgements: one line `device seq ts` for each, which survives the death of this process or of the server.
//!
//! Lines of one batch leave in one append to the file, so the system holds them whatever happens to the process; a power cut is not
//! covered. A later run with the same file goes on counting where the file ends, so the whole file stays checkable. Knows no network.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::check::Sent;
use crate::error::SimError;
use crate::payload::put_number;

/// The longest line: three numbers of twenty digits.
const LINE_MAX: u64 = 64;
/// Lines read from a file at most; a line takes 24 bytes of memory.
const LINES_MAX: usize = 200_000_000;

/// An open log, shared by all devices.
#[derive(Debug)]
pub struct AckLog {
    file: Mutex<File>,
    path: PathBuf,
}

impl AckLog {
    /// Opens `path` for appending and creates it if needed. A line cut by an earlier death is removed.
    ///
    /// # Errors
    /// [`SimError::File`].
    pub fn open(path: &Path) -> Result<AckLog, SimError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(SimError::file(path))?;
        let whole = whole_lines(&mut file).map_err(SimError::file(path))?;
        file.set_len(whole).map_err(SimError::file(path))?;
        Ok(AckLog {
            file: Mutex::new(file),
            path: path.to_owned(),
        })
    }

    /// Appends lines made by [`put_line`] with one write.
    ///
    /// # Errors
    /// [`SimError::File`].
    pub fn append(&self, lines: &[u8]) -> Result<(), SimError> {
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(lines).map_err(SimError::file(&self.path))
    }
}

/// Appends one line to a batch.
pub fn put_line(out: &mut Vec<u8>, device: usize, seq: u64, ts: u64) {
    put_number(out, device as u64);
    out.push(b' ');
    put_number(out, seq);
    out.push(b' ');
    put_number(out, ts);
    out.push(b'\n');
}

/// Up to where the file consists of whole lines.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let length = file.metadata()?.len();
    let tail_start = length.saturating_sub(LINE_MAX);
    file.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    file.take(LINE_MAX).read_to_end(&mut tail)?;
    Ok(match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(place) => tail_start + place as u64 + 1,
        None if tail_start == 0 => 0,
        None => length,
    })
}

/// Reads a log: for each device its acknowledged messages by rising number. A cut last line is ignored; a line that stands twice counts
/// once.
///
/// # Errors
/// [`SimError::File`], [`SimError::Malformed`] for a line that is not three numbers.
pub fn read(path: &Path) -> Result<BTreeMap<usize, Vec<Sent>>, SimError> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path).map_err(SimError::file(path))?);
    let mut devices: BTreeMap<usize, Vec<Sent>> = BTreeMap::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        (&mut reader)
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .map_err(SimError::file(path))?;
        if line.last() != Some(&b'\n') && (line.len() as u64) < LINE_MAX {
            break;
        }
        let parsed = parse(&line).filter(|_| number <= LINES_MAX);
        let Some((device, sent)) = parsed else {
            return Err(SimError::Malformed(format!(
                "{}, line {number}: not `device seq ts`",
                path.display()
            )));
        };
        devices.entry(device).or_default().push(sent);
    }
    for messages in devices.values_mut() {
        messages.sort_by_key(|sent| (sent.seq, sent.ts));
        messages.dedup();
    }
    Ok(devices)
}

fn parse(line: &[u8]) -> Option<(usize, Sent)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut words = text.split(' ');
    let device = words.next()?.parse().ok()?;
    let sent = Sent {
        seq: words.next()?.parse().ok()?,
        ts: words.next()?.parse().ok()?,
        acknowledged: true,
    };
    words.next().is_none().then_some((device, sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(device: usize, seq: u64, ts: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_line(&mut out, device, seq, ts);
        out
    }

    #[test]
    fn what_is_appended_is_read_by_device_and_number() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("acked");
        let log = AckLog::open(&path).expect("open");
        log.append(&[line(1, 1, 11), line(0, 0, 5), line(1, 0, 10)].concat())
            .expect("append");
        log.append(&line(1, 1, 11)).expect("append");
        let devices = read(&path).expect("read");
        let seqs: Vec<_> = devices
            .iter()
            .map(|(device, list)| (*device, list.iter().map(|sent| (sent.seq, sent.ts)).collect::<Vec<_>>()))
            .collect();
        assert_eq!(seqs, [(0, vec![(0, 5)]), (1, vec![(0, 10), (1, 11)])]);
    }

    #[test]
    fn a_cut_line_is_ignored_and_removed_before_going_on() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("acked");
        for cut in ["0", "0 1", "0 1 100", ""] {
            std::fs::write(&path, format!("0 0 5\n{cut}")).expect("write");
            assert_eq!(read(&path).expect("read")[&0].len(), 1);
            AckLog::open(&path).expect("open").append(&line(0, 1, 6)).expect("append");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), "0 0 5\n0 1 6\n");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("other");
        for text in ["a b c\n", "1 2\n", "1 2 3 4\n", "-1 2 3\n", &"1".repeat(100)] {
            std::fs::write(&path, text).expect("write");
            assert!(matches!(read(&path), Err(SimError::Malformed(_))), "{text}");
        }
        assert!(matches!(read(&folder.path().join("none")), Err(SimError::File { .. })));
    }
}
