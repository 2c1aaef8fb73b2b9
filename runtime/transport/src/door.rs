//! A listening socket, and how fast newcomers are let in: a few, then those who are in have their turn. Whoever waits stands in the system's
//! queue, where it takes no memory and no time of this process.
//!
//! Knows no protocol.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). Whoever finds no place there tries again by
/// itself: that is TCP's.
const WAITING_MAX: u32 = 4096;
/// How long nobody is let in after a group. Timers take a millisecond more or less.
const PAUSE: Duration = Duration::from_millis(1);
/// Newcomers in a group: some ten microseconds of a core each.
const GROUP: u32 = 8;

/// Listens; nothing is accepted yet.
///
/// # Errors
/// When the address cannot be used.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// The pace of a door.
pub(crate) struct Pace {
    group: u32,
    left: u32,
}

impl Pace {
    /// For newcomers that cost little, or a handshake: a millisecond of a core each.
    pub(crate) fn new(handshakes: bool) -> Self {
        let group = if handshakes { 1 } else { GROUP };
        Pace { group, left: group }
    }

    /// After each newcomer, let in or not: others have a turn.
    pub(crate) async fn step(&mut self) {
        self.left -= 1;
        if self.left > 0 {
            tokio::task::yield_now().await;
        } else {
            self.left = self.group;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds that so many newcomers take at least.
    async fn takes_ms(handshakes: bool, newcomers: u32) -> u128 {
        let begin = tokio::time::Instant::now();
        let mut pace = Pace::new(handshakes);
        for _ in 0..newcomers {
            pace.step().await;
        }
        begin.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_knock_a_few_are_let_in_at_a_time() {
        assert_eq!(takes_ms(false, GROUP - 1).await, 0);
        assert!(takes_ms(false, GROUP * 100).await >= 100);
        assert!(takes_ms(true, 100).await >= 100);
    }

    #[tokio::test]
    async fn hundreds_wait_to_be_let_in() -> std::io::Result<()> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        for _ in 0..300 {
            waiting.push(tokio::net::TcpStream::connect(address).await?);
        }
        for _ in 0..300 {
            let _ = listener.accept().await?;
        }
        Ok(())
    }
}
