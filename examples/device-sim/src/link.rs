//! The socket of a connection: a stream, or datagrams that stand in the buffers behind their lengths ([`crate::codec::coap`]).
//!
//! Whatever is cut short loses nothing: bytes leave a buffer when the system has taken them. Knows no protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::codec::coap::{DATAGRAM_MAX, LENGTH_BYTES};
use crate::sealed::{Sealed, Trust};

/// Datagrams taken at one turn.
const DATAGRAMS_AT_ONCE: usize = 64;

/// See the module.
#[derive(Debug)]
pub enum Link {
    /// TCP.
    Stream(TcpStream),
    /// TLS.
    Sealed(Box<Sealed>),
    /// UDP, connected to one address.
    Datagrams(UdpSocket),
}

impl Link {
    /// Over TCP; the addresses are tried in order. From an address of this machine: only the first.
    ///
    /// # Errors
    /// As the system says.
    pub async fn stream(addresses: &[SocketAddr], from: Option<IpAddr>) -> io::Result<Link> {
        let stream = match (from, addresses.first()) {
            (Some(from), Some(to)) => {
                let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.bind((from, 0).into())?;
                socket.connect(*to).await?
            }
            _ => TcpStream::connect(addresses).await?,
        };
        stream.set_nodelay(true)?;
        Ok(Link::Stream(stream))
    }

    /// The same, with TLS on a stream.
    ///
    /// # Errors
    /// As the system says; what is wrong with the server's certificate.
    pub async fn sealed(self, trust: &Trust, name: &str) -> io::Result<Link> {
        match self {
            Link::Stream(stream) => Ok(Link::Sealed(Box::new(Sealed::begin(stream, trust, name).await?))),
            other => Ok(other),
        }
    }

    /// Over UDP, to the first address.
    ///
    /// # Errors
    /// As the system says.
    pub async fn datagrams(addresses: &[SocketAddr]) -> io::Result<Link> {
        let to = addresses.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let any: SocketAddr = if to.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0_u16; 8], 0).into()
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(to).await?;
        Ok(Link::Datagrams(socket))
    }

    /// Sends some of what is there; how many bytes left the buffer. 0: nothing is taken any more.
    ///
    /// # Errors
    /// As the system says.
    pub async fn write(&self, output: &mut BytesMut) -> io::Result<usize> {
        loop {
            let written = match self {
                Link::Stream(stream) => {
                    stream.writable().await?;
                    stream.try_write(output)
                }
                Link::Sealed(sealed) => return sealed.write(output).await,
                Link::Datagrams(socket) => {
                    socket.writable().await?;
                    send_some(socket, output)
                }
            };
            match written {
                Ok(written) => {
                    if matches!(self, Link::Stream(_)) {
                        output.advance(written);
                    }
                    return Ok(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what has come; how many bytes. 0: nothing comes any more.
    ///
    /// # Errors
    /// As the system says.
    pub async fn read(&self, input: &mut BytesMut) -> io::Result<usize> {
        loop {
            let read = match self {
                Link::Stream(stream) => {
                    stream.readable().await?;
                    stream.try_read_buf(input)
                }
                Link::Sealed(sealed) => return sealed.read(input).await,
                Link::Datagrams(socket) => {
                    socket.readable().await?;
                    receive_some(socket, input)
                }
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Sends what is there over a stream, and hangs up. Datagrams are not sent any more.
    ///
    /// # Errors
    /// As the system says.
    pub async fn close(self, output: &mut BytesMut) -> io::Result<()> {
        match self {
            Link::Stream(mut stream) => {
                stream.write_all_buf(output).await?;
                stream.shutdown().await
            }
            Link::Sealed(sealed) => {
                while !output.is_empty() {
                    sealed.write(output).await?;
                }
                sealed.close().await
            }
            Link::Datagrams(_) => Ok(()),
        }
    }
}

fn send_some(socket: &UdpSocket, output: &mut BytesMut) -> io::Result<usize> {
    let mut sent = 0;
    while let Some((length, rest)) = output.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        match socket.try_send(&rest[..length]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
            Err(error) => return Err(error),
        }
        output.advance(LENGTH_BYTES + length);
        sent += LENGTH_BYTES + length;
    }
    Ok(sent)
}

fn receive_some(socket: &UdpSocket, input: &mut BytesMut) -> io::Result<usize> {
    let mut datagram = [0; DATAGRAM_MAX];
    let mut received = 0;
    for _ in 0..DATAGRAMS_AT_ONCE {
        match socket.try_recv(&mut datagram) {
            Ok(length) => {
                input.extend_from_slice(&(length as u16).to_be_bytes());
                input.extend_from_slice(&datagram[..length]);
                received += LENGTH_BYTES + length;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && received > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_keep_their_borders() {
        let far = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        let link = Link::datagrams(&[far.local_addr().expect("address")]).await.expect("link");
        let mut output = BytesMut::from(&b"\0\x01a\0\x02bc"[..]);
        assert_eq!(link.write(&mut output).await.expect("sent"), 7);
        assert!(output.is_empty());
        let mut buffer = [0; 16];
        for expected in [&b"a"[..], b"bc"] {
            let (length, from) = far.recv_from(&mut buffer).await.expect("received");
            assert_eq!(&buffer[..length], expected);
            far.send_to(expected, from).await.expect("sent");
        }
        let mut input = BytesMut::new();
        while input.len() < 7 {
            link.read(&mut input).await.expect("received");
        }
        assert_eq!(&input[..], b"\0\x01a\0\x02bc");
    }
}
