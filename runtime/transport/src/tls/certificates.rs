//! The server's certificate and key. They are read again when asked to and when their files change; what cannot be used is not taken,
//! and the ones before stay. Connections there are go on as they began.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;

use super::{TlsError, provider};

/// How often the files are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its root, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// The certificate that is served now. Clones share it.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    now: Mutex<Served>,
    asked: Notify,
}

struct Served {
    key: Arc<CertifiedKey>,
    read: Read,
}

/// What stood in the files.
#[derive(PartialEq, Eq)]
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let read = Read::files(&files)?;
        let now = Served {
            key: Arc::new(read.certified(&files)?),
            read,
        };
        Ok(Certificates(Arc::new(Inner {
            files,
            now: Mutex::new(now),
            asked: Notify::new(),
        })))
    }

    /// Reads the files again if there is something new in them. False: there is not.
    ///
    /// # Errors
    /// [`TlsError`]: what is there cannot be used, and what was served goes on to be.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let read = Read::files(&self.0.files)?;
        if self.0.now.lock().read == read {
            return Ok(false);
        }
        let key = Arc::new(read.certified(&self.0.files)?);
        *self.0.now.lock() = Served { key, read };
        Ok(true)
    }

    /// Asks [`Certificates::watch`] to look at once.
    pub fn look(&self) {
        self.0.asked.notify_one();
    }

    /// Looks at the files from time to time, and when asked to. Ends never.
    pub async fn watch(self) {
        let mut failing = false;
        loop {
            let asked = tokio::time::timeout(LOOK_PAUSE, self.0.asked.notified()).await.is_ok();
            match self.reload() {
                Ok(true) => tracing::info!("another certificate is served"),
                Ok(false) if asked => tracing::info!("the certificate is the same as before"),
                Ok(false) => {}
                // A file that is being written is not whole: said once, tried again.
                Err(error) if !failing || asked => {
                    tracing::warn!(error = %Causes(&error), "the certificate on disk is not taken, the one before is served");
                    failing = true;
                    continue;
                }
                Err(_) => continue,
            }
            failing = false;
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.now.lock().key))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.files).finish()
    }
}

impl Read {
    fn files(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::File {
                path: path.display().to_string(),
                source,
            })
        };
        Ok(Read {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    fn certified(&self, files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
        let pem = |path: &Path, what| TlsError::Pem {
            path: path.display().to_string(),
            what,
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| pem(&files.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| pem(&files.key, "private key"))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
    }
}

/// An error with what caused it.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn write(files: &TlsFiles, name: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn files_are_read_again_and_what_cannot_be_used_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        assert!(matches!(Certificates::load(files.clone()), Err(TlsError::File { .. })));
        write(&files, "one.example");
        let certificates = Certificates::load(files.clone()).unwrap();
        let served = || certificates.0.now.lock().key.cert[0].clone();
        let first = served();
        assert!(!certificates.reload().unwrap());
        write(&files, "two.example");
        assert!(certificates.reload().unwrap());
        let second = served();
        assert_ne!(first, second);
        std::fs::write(&files.certificate, "half a certi").unwrap();
        assert!(matches!(certificates.reload(), Err(TlsError::Pem { what: "certificate", .. })));
        write(&files, "three.example");
        let key = std::fs::read(&files.key).unwrap();
        write(&files, "four.example");
        std::fs::write(&files.key, key).unwrap();
        assert!(
            matches!(certificates.reload(), Err(TlsError::Unusable(_))),
            "the key is that of another certificate"
        );
        assert_eq!(served(), second, "the last good one stays");
    }
}
