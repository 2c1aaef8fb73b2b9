//! Certificates of devices. Whoever has the key of a certificate may come in with it, self-signed or not: which device it belongs to is
//! looked up afterwards, by the certificate as a whole. Nobody vouches for it, so nobody can vouch wrongly.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Takes any certificate that is valid today and whose key is proved, and none at all.
#[derive(Debug)]
pub(super) struct AnyDevice(WebPkiSupportedAlgorithms);

impl AnyDevice {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        AnyDevice(provider.signature_verification_algorithms)
    }
}

impl ClientCertVerifier for AnyDevice {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (_, certificate) = X509Certificate::from_der(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_counts_while_it_is_valid() {
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2024, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2025, 1, 1);
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let verifier = AnyDevice::new(&rustls::crypto::ring::default_provider());
        let at = |seconds: u64| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verifier.verify_client_cert(certificate.der(), &[], now).map(drop)
        };
        assert_eq!(at(1_704_067_199), Err(CertificateError::NotValidYet.into()));
        assert_eq!(at(1_704_067_200), Ok(()));
        assert_eq!(at(1_735_689_600), Ok(()));
        assert_eq!(at(1_735_689_601), Err(CertificateError::Expired.into()));
        let garbage = CertificateDer::from(vec![0x30, 0x01, 0x00]);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_704_067_200));
        assert!(verifier.verify_client_cert(&garbage, &[], now).is_err());
    }
}
