//! What this process uses, as Linux tells. For measurements of several servers in one process: run in a network of its own
//! (`unshare -rn`), the loopback's bytes are theirs alone.

use std::fs::read_to_string;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

/// Clock ticks of a second, in which Linux tells processor time (`proc(5)`).
const TICKS: f64 = 100.0;

/// At one time.
#[derive(Clone, Copy)]
pub struct Usage {
    at: Instant,
    cpu_seconds: f64,
    /// Bytes.
    pub resident: f64,
    loopback_bytes: f64,
}

/// In a second, between two times.
pub struct Rate {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Bytes that came over the loopback.
    pub bytes: f64,
}

impl Usage {
    /// Of now.
    pub fn now() -> Self {
        let stat = read_to_string("/proc/self/stat").unwrap();
        // What follows the name of the process, which may have spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
        let status = read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let devices = read_to_string("/proc/self/net/dev").unwrap();
        let loopback = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
        Usage {
            at: Instant::now(),
            cpu_seconds: ticks / TICKS,
            resident: first(resident) * 1024.0,
            loopback_bytes: first(loopback),
        }
    }

    /// What is used in so many seconds from now.
    pub async fn during(seconds: u64) -> Rate {
        let before = Usage::now();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let after = Usage::now();
        let lasted = (after.at - before.at).as_secs_f64();
        Rate {
            cpu: (after.cpu_seconds - before.cpu_seconds) / lasted,
            bytes: (after.loopback_bytes - before.loopback_bytes) / lasted,
        }
    }
}

fn first(text: &str) -> f64 {
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// The number of servers to measure, if this process is to; otherwise each of these is measured in a process of its own.
pub fn servers(all: &[u64]) -> Option<u64> {
    if let Some(count) = std::env::args().nth(1) {
        return Some(count.parse().unwrap());
    }
    for count in all {
        let measured = Command::new(std::env::current_exe().unwrap()).arg(count.to_string()).status();
        assert!(measured.unwrap().success());
    }
    None
}
