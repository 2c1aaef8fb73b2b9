//! TLS of one's own: whose certificates a conversation believes, and which one it shows. Pure: texts to a configuration.
//!
//! Every configuration is made anew, and remembers no conversation: nothing of one tenant's is in another's. No error quotes a text.

mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mqtt::packet::Secret;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, Error, RootCertStore, WantsVerifier};

use crate::error::EgressError;

/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Certificates in a text at most.
const CERTIFICATES_MAX: usize = 100;

/// What texts are called.
const AUTHORITIES: &str = "the authorities";
const CERTIFICATE: &str = "the client's certificate";

/// What a conversation over TLS has of its own. Its text shows nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whose certificates are believed, PEM, and nobody else's; none: those that the server believes.
    pub authorities: Option<Secret>,
    /// Who the client is; none: it does not show.
    pub identity: Option<Identity>,
}

/// Who a client is. Its text shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's certificate, then those that vouch for it, PEM.
    pub certificates: Secret,
    /// The key of the first one, PEM: PKCS#8, PKCS#1 or SEC1; with a password, PKCS#8.
    pub key: Secret,
    /// Of the key, where it has one.
    pub password: Option<Secret>,
}

impl Tls {
    /// Its texts, each under its name.
    pub(crate) fn texts(&self) -> [(&'static str, Option<&str>); 4] {
        let identity = self.identity.as_ref();
        [
            (AUTHORITIES, self.authorities.as_ref().map(|text| text.0.as_str())),
            (CERTIFICATE, identity.map(|one| one.certificates.0.as_str())),
            ("the client's key", identity.map(|one| one.key.0.as_str())),
            ("the password of the client's key", identity.and_then(Identity::password)),
        ]
    }

    /// Whether making its configuration takes a processor for a while: a key has to be opened.
    pub(crate) fn takes_long(&self) -> bool {
        self.identity.as_ref().is_some_and(|one| key::is_locked(&one.key.0))
    }

    /// Whether it can be for a conversation; what its texts hold is not looked at.
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(crate) fn check(&self, origin: &str, is_tls: bool) -> Result<(), EgressError> {
        if !is_tls {
            return invalid(format!(
                "{origin} is spoken to in the clear, where nobody shows certificates: use its address for TLS, or take them out"
            ));
        }
        for (name, text) in self.texts() {
            let bytes = text.map_or(0, str::len);
            if bytes > TEXT_BYTES_MAX {
                return invalid(format!("{name} has {bytes} bytes, more than the {TEXT_BYTES_MAX} allowed"));
            }
        }
        Ok(())
    }

    /// The configuration for it. `believed` are the authorities where it names none. May take long.
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(crate) fn config(&self, believed: &Arc<RootCertStore>) -> Result<ClientConfig, EgressError> {
        let roots = match &self.authorities {
            None => Arc::clone(believed),
            Some(Secret(text)) => Arc::new(anchors(AUTHORITIES, &certificates(AUTHORITIES, text)?)?),
        };
        let builder = builder().map_err(|error| EgressError::Invalid(error.to_string()))?;
        let builder = builder.with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.read()?))),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl Identity {
    fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|text| text.0.as_str())
    }

    fn read(&self) -> Result<CertifiedKey, EgressError> {
        let chain = certificates(CERTIFICATE, &self.certificates.0)?;
        // Certificates of version 1 are read here, which the library's own way refuses: many clients have one.
        let read = anchors(CERTIFICATE, &chain)?;
        let key = key::read(&self.key.0, self.password())?;
        // The certificate's half stands without the frame that the key's has.
        let (shown, own) = (read.roots.first(), key.public_key());
        let fits = shown
            .zip(own)
            .is_some_and(|(shown, own)| own.ends_with(&shown.subject_public_key_info));
        match fits {
            true => Ok(CertifiedKey::new(chain, key)),
            false => invalid("the client's key is not that of its certificate, which is the first one".to_owned()),
        }
    }
}

/// What every configuration begins with.
///
/// # Errors
/// When what is built in does not fit together.
pub(crate) fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
}

/// Certificates as they are read, in their order.
fn anchors(name: &str, certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, EgressError> {
    let mut read = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates) {
        if read.add(certificate.clone()).is_err() {
            return unread(name, number);
        }
    }
    Ok(read)
}

/// The certificates in a text: one at least.
fn certificates(name: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, EgressError> {
    let mut all = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(text.as_bytes())) {
        match certificate {
            Ok(_) if all.len() >= CERTIFICATES_MAX => {
                return invalid(format!("{name}: more than the {CERTIFICATES_MAX} certificates allowed"));
            }
            Ok(certificate) => all.push(certificate),
            Err(_) => return unread(name, number),
        }
    }
    match all.is_empty() {
        false => Ok(all),
        true => invalid(format!(
            "{name}: no certificate as PEM, which begins with -----BEGIN CERTIFICATE-----"
        )),
    }
}

fn unread<T>(name: &str, number: usize) -> Result<T, EgressError> {
    invalid(format!("{name}: certificate {number} cannot be read"))
}

fn invalid<T>(text: String) -> Result<T, EgressError> {
    Err(EgressError::Invalid(text))
}
