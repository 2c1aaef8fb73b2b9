//! TLS on a stream: seals what a device says, and opens what it hears. Knows no protocol.
//!
//! As in [`crate::link`], nothing is lost by being cut short: what is sealed already waits here and leaves with the next read or write.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

use crate::error::SimError;

/// Opened bytes taken at one turn.
const OPENED_AT_ONCE: usize = 4096;

/// Whom devices trust to be a server.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Servers that one of these authorities has certified: certificates in PEM form.
    ///
    /// # Errors
    /// [`SimError::File`] if the file cannot be read, [`SimError::Options`] if no certificate of an authority is in it.
    pub fn in_authorities(file: &Path) -> Result<Trust, SimError> {
        let unreadable = |error| SimError::file(file)(io::Error::other(error));
        let mut authorities = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
            let certificate = certificate.map_err(unreadable)?;
            authorities
                .add(certificate)
                .map_err(|error| SimError::file(file)(io::Error::other(error)))?;
        }
        if authorities.is_empty() {
            return Err(SimError::Options(format!("{} has no certificate", file.display())));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SimError::Internal(error.to_string()))?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Trust(Arc::new(config)))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Sealed {
    stream: TcpStream,
    /// Held for a moment at a time, never while waiting.
    tls: Mutex<ClientConnection>,
}

impl Sealed {
    /// Shakes hands with a server that goes by this name or address.
    ///
    /// # Errors
    /// As the system says; what is wrong with the certificate, or with the name.
    pub async fn begin(stream: TcpStream, trust: &Trust, name: &str) -> io::Result<Sealed> {
        let name = ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = ClientConnection::new(Arc::clone(&trust.0), name).map_err(io::Error::other)?;
        let sealed = Sealed {
            stream,
            tls: Mutex::new(tls),
        };
        while sealed.lock().is_handshaking() {
            sealed.exchange().await?;
        }
        Ok(sealed)
    }

    /// As [`crate::link::Link::write`].
    ///
    /// # Errors
    /// As the system says.
    pub async fn write(&self, output: &mut BytesMut) -> io::Result<usize> {
        loop {
            let taken = self.seal(output)?;
            if taken > 0 {
                return Ok(taken);
            }
            self.stream.writable().await?;
        }
    }

    /// As [`crate::link::Link::read`].
    ///
    /// # Errors
    /// As the system says; what is wrong with what came.
    pub async fn read(&self, input: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.open(input) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                opened => return opened,
            }
            match self.exchange().await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                exchanged => exchanged?,
            }
        }
    }

    /// Says that nothing more comes, and hangs up.
    ///
    /// # Errors
    /// As the system says.
    pub async fn close(mut self) -> io::Result<()> {
        self.lock().send_close_notify();
        loop {
            self.flush(&mut self.lock())?;
            if !self.lock().wants_write() {
                return self.stream.shutdown().await;
            }
            self.stream.writable().await?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, ClientConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals some of what is there and sends what the system takes; how many bytes left the buffer.
    fn seal(&self, output: &mut BytesMut) -> io::Result<usize> {
        let mut tls = self.lock();
        self.flush(&mut tls)?;
        let taken = tls.writer().write(output)?;
        output.advance(taken);
        self.flush(&mut tls)?;
        Ok(taken)
    }

    /// Takes what was opened already.
    fn open(&self, input: &mut BytesMut) -> io::Result<usize> {
        let mut opened = [0; OPENED_AT_ONCE];
        let length = self.lock().reader().read(&mut opened)?;
        input.extend_from_slice(&opened[..length]);
        Ok(length)
    }

    /// Sends and takes sealed bytes; waits until there are some.
    async fn exchange(&self) -> io::Result<()> {
        loop {
            let (moved, more) = self.try_exchange()?;
            if moved {
                return Ok(());
            }
            let interest = if more {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            self.stream.ready(interest).await?;
        }
    }

    /// Whether anything moved, and whether more waits to be sent.
    fn try_exchange(&self) -> io::Result<(bool, bool)> {
        let mut tls = self.lock();
        let sent = self.flush(&mut tls)?;
        let received = match tls.read_tls(&mut Direct(&self.stream)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => return Err(error),
        };
        let processed = tls.process_new_packets().map(drop);
        // Answers, and what the server is told that is wrong.
        let answered = self.flush(&mut tls);
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok((sent | received | answered?, tls.wants_write()))
    }

    /// Sends what is sealed, as far as the system takes it; whether it took anything.
    fn flush(&self, tls: &mut ClientConnection) -> io::Result<bool> {
        let mut sent = false;
        while tls.wants_write() {
            match tls.write_tls(&mut Direct(&self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => sent = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

/// The stream, as it is now: nothing waits.
struct Direct<'a>(&'a TcpStream);

impl Read for Direct<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
