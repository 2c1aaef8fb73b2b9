//! Lines that make the stream adapter of the tests misbehave, one on each connection: most connections end with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::super::process::free_port;
use super::super::rest::Rest;

/// What the adapter understands, and does badly.
pub const WORDS: [&str; 10] = [
    "flood", "foreign", "guess", "huge", "loop", "many", "memory", "no-json", "timers", "trap",
];

/// Connections at one time.
const CONNECTIONS: u32 = 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listener of a tenant, for a word, that its adapter serves; answers its port.
///
/// # Errors
/// When the server refuses.
pub fn listen(rest: &Rest, word: &str) -> Result<u16> {
    let port = free_port()?;
    let body = json!({ "name": format!("evil-{word}"), "adapter": "evil-stream", "transport": "tcp", "port": port });
    rest.post("/api/plugins/listeners", &body)?;
    Ok(port)
}

/// Says a word so many times a second, for so many seconds; answers how often it was said and heard in a second. Fewer: the server did not
/// keep up.
///
/// # Errors
/// When no connection is possible.
pub fn say(port: u16, word: &str, rate: u64, seconds: u32) -> Result<f64> {
    let began = Instant::now();
    let until = began + Duration::from_secs(u64::from(seconds));
    let pause = Duration::from_secs(1) * CONNECTIONS / u32::try_from(rate.max(1))?;
    let line = format!("{word}\n");
    let heard = std::thread::scope(|scope| {
        let speakers: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| speak(port, line.as_bytes(), pause, until)))
            .collect();
        speakers.into_iter().map(|one| one.join().unwrap_or(0)).sum::<u32>()
    });
    anyhow::ensure!(heard > 0, "nobody was heard");
    Ok(f64::from(heard) / began.elapsed().as_secs_f64())
}

/// Answers how often it was heard.
fn speak(port: u16, line: &[u8], pause: Duration, until: Instant) -> u32 {
    let (mut heard, mut next) = (0, Instant::now());
    while Instant::now() < until {
        heard += u32::from(once(port, line).is_ok());
        next += pause;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    heard
}

/// One connection, until the server ends it or has answered.
fn once(port: u16, line: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("no connection")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    stream.write_all(line)?;
    // A connection that ends early may be reset.
    let _ = stream.read(&mut [0; 64]);
    Ok(())
}
