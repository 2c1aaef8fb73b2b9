//! Devices whose certificates an authority has signed: a profile names the authority, the certificate names the device.
//!
//! As with ThingsBoard, a device presents the authority's certificate behind its own, and the profile is found by it. That alone proves
//! nothing, since a certificate is public: the signatures are checked from the authority down to the device.

use std::sync::Arc;

use model::entity::credentials::{certificate_id, certificate_text};
use model::entity::{CredentialsType, Device, DeviceProfile, Issuer, Proof};
use model::{DeviceId, EntityKind, MessageKind, TenantId};
use regex_lite::Regex;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use storage::StorageError;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Provisioner, keys};
use crate::record::{self, check_name};
use crate::seed;

impl Provisioner<'_> {
    /// The device of a chain of certificates, its own first. It has that certificate as its credentials from now on.
    pub(crate) async fn of_chain(&self, chain: &[Vec<u8>]) -> Result<Option<DeviceId>, StorageError> {
        let Some((own, others)) = chain.split_first() else {
            return Ok(None);
        };
        for authority in others {
            let key = certificate_id(&certificate_text(authority));
            let Some((tenant, profile)) = keys::find(self.store, &key).await? else {
                continue;
            };
            let Ok(Some(named)) = profile.authority() else { continue };
            if !signed(own, others, authority, self.clock.now_ms()) {
                tracing::debug!(%tenant, profile = profile.name, "a certificate is not signed by the authority it comes with");
                continue;
            }
            let Some(name) = device_name(own, &named) else { return Ok(None) };
            return self.admit(tenant, &profile, &named, &name, own).await;
        }
        Ok(None)
    }

    /// Gives the device of a name its certificate; makes it, if it is not there and may be made.
    async fn admit(
        &self,
        tenant: TenantId,
        profile: &DeviceProfile,
        authority: &Issuer,
        name: &str,
        own: &[u8],
    ) -> Result<Option<DeviceId>, StorageError> {
        let Ok(proof) = Proof::new(CredentialsType::X509Certificate, "", Some(&certificate_text(own))) else {
            return Ok(None);
        };
        // One at a time: two connections of one device must not both make it.
        let _turn = self.turns.take(("certified", (tenant, name.to_owned()))).await;
        let found = self.store.entity_by_name(tenant, EntityKind::Device, name).await?;
        let id = match found.map(record::read::<Device>).transpose()? {
            Some(device) => {
                let Some(id) = device.id.map(|id| DeviceId::new(tenant, id.id)) else {
                    return Ok(None);
                };
                if device.device_profile_id.map(|id| id.id) != profile.id.map(|id| id.id) {
                    return Ok(None);
                }
                let stored = self.store.credentials_of(id).await?;
                self.replace(id, stored, proof).await?;
                id
            }
            None if authority.creates => {
                let mut device = Device {
                    id: None,
                    created_time: 0,
                    tenant_id: None,
                    customer_id: None,
                    name: name.to_owned(),
                    device_type: profile.name.clone(),
                    label: None,
                    device_profile_id: profile.id,
                    device_data: None,
                    additional_info: None,
                    version: None,
                };
                seed::save_new_device(self.store, self.clock, tenant, &mut device, proof).await?
            }
            None => return Ok(None),
        };
        self.note(id).await?;
        let told = json!({"deviceName": name, "provisionDeviceKey": authority.key(), "credentialsType": "X509_CERTIFICATE"});
        self.tell(id, MessageKind::ProvisionSuccess, told).await;
        Ok(Some(id))
    }
}

/// Whether an authority has signed a certificate, directly or through others that came with it, and all of them are valid now.
fn signed(own: &[u8], others: &[Vec<u8>], authority: &[u8], now_ms: i64) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(CertificateDer::from(authority)).is_err() {
        return false;
    }
    let provider = CryptoProvider::get_default().map_or_else(|| Arc::new(ring::default_provider()), Arc::clone);
    let Ok(verifier) = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now_ms.try_into().unwrap_or(0)));
    let others: Vec<CertificateDer<'_>> = others.iter().map(|other| CertificateDer::from(other.as_slice())).collect();
    verifier.verify_client_cert(&CertificateDer::from(own), &others, now).is_ok()
}

/// The name that a certificate gives its device. None: it gives none, or one that no device can have.
fn device_name(own: &[u8], authority: &Issuer) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(own).ok()?;
    let common = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    // Patterns are checked when the profile is saved.
    let name = Regex::new(&authority.name_pattern).ok()?.find(common)?.as_str().to_owned();
    check_name("Device", "name", &name).ok().map(|()| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    type Signer = CertifiedIssuer<'static, KeyPair>;

    fn parameters(name: &str, is_ca: bool) -> CertificateParams {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        if is_ca {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        parameters.not_before = rcgen::date_time_ymd(2024, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2034, 1, 1);
        parameters
    }

    fn root(name: &str) -> Signer {
        CertifiedIssuer::self_signed(parameters(name, true), KeyPair::generate().unwrap()).unwrap()
    }

    fn device(name: &str, issuer: &Signer) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        parameters(name, false).signed_by(&key, issuer).unwrap().der().to_vec()
    }

    const NOW_MS: i64 = 1_800_000_000_000;

    #[test]
    fn signatures_are_checked_from_the_authority_down() {
        let (authority, other) = (root("authority"), root("authority"));
        let between = CertifiedIssuer::signed_by(parameters("between", true), KeyPair::generate().unwrap(), &authority).unwrap();
        let (direct, through) = (device("a", &authority), device("b", &between));
        let der = |issuer: &Signer| issuer.der().to_vec();
        let top = der(&authority);
        assert!(signed(&direct, std::slice::from_ref(&top), &top, NOW_MS));
        assert!(signed(&through, &[der(&between), top.clone()], &top, NOW_MS));
        assert!(
            !signed(&through, std::slice::from_ref(&top), &top, NOW_MS),
            "what is between is missing"
        );
        assert!(!signed(&direct, &[der(&other)], &der(&other), NOW_MS), "another of the same name");
        assert!(!signed(&direct, std::slice::from_ref(&top), &top, 1_000), "not valid yet");
        assert!(
            !signed(&device("c", &other), std::slice::from_ref(&top), &top, NOW_MS),
            "a stranger"
        );
        // Who has a certificate as a device is no authority.
        assert!(!signed(&top, std::slice::from_ref(&direct), &direct, NOW_MS));
    }

    #[test]
    fn the_common_name_names_the_device() {
        let issuer = root("authority");
        let named = |common: &str, pattern: &str| {
            let authority = Issuer {
                certificate: String::new(),
                name_pattern: pattern.to_owned(),
                creates: true,
            };
            device_name(&device(common, &issuer), &authority)
        };
        assert_eq!(named("meter-7@example.org", "[^@]+").as_deref(), Some("meter-7"));
        assert_eq!(named("meter-7", ".+").as_deref(), Some("meter-7"));
        assert_eq!(named("pump-7", "meter-[0-9]+"), None);
        assert_eq!(named(&"x".repeat(300), ".+"), None);
    }
}
