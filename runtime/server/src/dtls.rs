//! What CoAP over DTLS is served with: read from files when the server starts, and again when they change, or when asked to. What cannot be
//! used is not taken, and the keys before stay. Clients whose handshake is over go on as they began.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Notify;
use transport::{DtlsKeys, ServedKeys};

use crate::config::Coaps;

/// How often the files are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// The files, and what is served of them. Clones share it.
#[derive(Clone)]
pub struct DtlsFiles(Arc<Inner>);

struct Inner {
    coaps: Coaps,
    served: ServedKeys,
    read: Mutex<Contents>,
    asked: Notify,
}

/// What stood in the files.
#[derive(PartialEq, Eq)]
struct Contents {
    keys: Option<String>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
}

impl DtlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// When a file cannot be read, or there is nothing in it to serve.
    pub fn load(coaps: Coaps) -> Result<Self> {
        let read = Contents::of(&coaps)?;
        let served = read.keys(&coaps)?.into();
        Ok(DtlsFiles(Arc::new(Inner {
            coaps,
            served,
            read: Mutex::new(read),
            asked: Notify::new(),
        })))
    }

    /// What is served now, and later.
    pub fn served(&self) -> ServedKeys {
        self.0.served.clone()
    }

    /// Asks [`DtlsFiles::watch`] to look at once.
    pub fn look(&self) {
        self.0.asked.notify_one();
    }

    /// Looks at the files from time to time, and when asked to. Ends never.
    pub async fn watch(self) {
        let mut failing = false;
        loop {
            let asked = tokio::time::timeout(LOOK_PAUSE, self.0.asked.notified()).await.is_ok();
            match self.reload() {
                Ok(true) => tracing::info!("other keys are served over DTLS"),
                Ok(false) => {}
                // A file that is being written is not whole: said once, tried again.
                Err(error) if !failing || asked => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the keys of DTLS on disk are not taken, those before are served"
                    );
                    failing = true;
                    continue;
                }
                Err(_) => continue,
            }
            failing = false;
        }
    }

    /// False: nothing is new.
    fn reload(&self) -> Result<bool> {
        let read = Contents::of(&self.0.coaps)?;
        let mut before = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == read {
            return Ok(false);
        }
        self.0.served.replace(read.keys(&self.0.coaps)?);
        *before = read;
        Ok(true)
    }
}

impl Contents {
    fn of(coaps: &Coaps) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
        let text = |path: &Path| String::from_utf8(read(path)?).with_context(|| format!("the keys in {} are not taken", path.display()));
        let certificate = coaps.certificate.as_ref();
        Ok(Contents {
            keys: coaps.keys.as_deref().map(text).transpose()?,
            certificate: certificate
                .map(|files| Ok::<_, anyhow::Error>((read(&files.certificate)?, read(&files.key)?)))
                .transpose()?,
        })
    }

    fn keys(&self, coaps: &Coaps) -> Result<DtlsKeys> {
        let mut all = DtlsKeys::default();
        if let (Some(text), Some(path)) = (&self.keys, &coaps.keys) {
            all = DtlsKeys::pre_shared(text).with_context(|| format!("the keys in {} are not taken", path.display()))?;
        }
        let Some((certificate, key)) = &self.certificate else {
            return Ok(all);
        };
        match DtlsKeys::certified(certificate, key) {
            Ok(certified) => Ok(all.and(certified)),
            // A server with another certificate goes on serving devices that have keys.
            Err(error) if coaps.keys.is_some() => {
                tracing::warn!(%error, "CoAP over DTLS is served with pre-shared keys alone");
                Ok(all)
            }
            Err(error) => Err(error).context("CoAP over DTLS cannot be served"),
        }
    }
}
