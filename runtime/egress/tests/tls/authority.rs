//! Authorities, whom they vouch for, and servers that want to see it.

use std::sync::Arc;

use egress::{Identity, Secret, Tls};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// Whose word counts, with those who believe it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// One that this one vouches for.
    pub fn below(&self) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "below");
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A client that it vouches for.
    pub fn client(&self, name: &str) -> Identity {
        self.client_with(name, &KeyPair::generate().unwrap())
    }

    /// One that has this key.
    pub fn client_with(&self, name: &str, key: &KeyPair) -> Identity {
        self.signed(name, key, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn signed(&self, name: &str, key: &KeyPair, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        Identity {
            certificates: Secret(params.signed_by(key, &self.issuer).unwrap().pem()),
            key: Secret(key.serialize_pem()),
            password: None,
        }
    }

    /// A server that it vouches for. Whoever is none of the clients' is shown the door.
    pub fn server(&self, name: &str, clients: Option<&Authority>) -> TlsAcceptor {
        let Identity { certificates, key, .. } = self.signed(name, &KeyPair::generate().unwrap(), ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(certificate(&clients.pem)).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes()).unwrap();
        let config = builder.with_single_cert(vec![certificate(&certificates.0)], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Believing it, and nobody else.
    pub fn believed(&self, identity: Option<&Identity>) -> Option<Tls> {
        Some(Tls {
            authorities: Some(Secret(self.pem.clone())),
            identity: identity.cloned(),
        })
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}
