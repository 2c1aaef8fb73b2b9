//! How devices of a profile may come to credentials of their own by themselves. Pure.
//!
//! `provisionType` and `provisionDeviceKey` of a profile, `profileData.provisionConfiguration.provisionDeviceSecret`: ThingsBoard's.

use super::DeviceProfile;
use super::credentials::{CredentialsError, certificate_id, certificate_value, same};

/// What devices of a profile may do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing.
    Disabled,
    /// Come into being.
    CreateNew,
    /// Ask once for the credentials of a device that is there.
    CheckPreProvisioned,
    /// Come with a certificate that the profile's authority has signed.
    CertificateChain,
}

impl Strategy {
    /// As a profile names it. None: it is not offered.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "DISABLED" => Some(Strategy::Disabled),
            "ALLOW_CREATE_NEW_DEVICES" => Some(Strategy::CreateNew),
            "CHECK_PRE_PROVISIONED_DEVICES" => Some(Strategy::CheckPreProvisioned),
            "X509_CERTIFICATE_CHAIN" => Some(Strategy::CertificateChain),
            _ => None,
        }
    }
}

/// Who vouches for devices of a profile, and what their certificates say of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its certificate, as certificates are stored.
    pub certificate: String,
    /// The device's name is what this regular expression finds first in the common name of its certificate.
    pub name_pattern: String,
    /// Whether a device that is not there comes into being.
    pub creates: bool,
}

/// The whole common name.
pub const NAME_PATTERN: &str = ".+";

/// What a profile says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provisioning<'a> {
    /// What its devices may do.
    pub strategy: Strategy,
    /// What the profile is found by; unique in the system.
    pub key: &'a str,
    secret: &'a str,
}

impl Issuer {
    /// The key of its profile: what its certificate is found by.
    pub fn key(&self) -> String {
        certificate_id(&self.certificate)
    }
}

impl Provisioning<'_> {
    /// Whether a device that presents a secret is one of the profile. A certificate is no secret.
    pub fn opened_by(&self, secret: &str) -> bool {
        self.strategy != Strategy::CertificateChain && !self.secret.is_empty() && same(self.secret.as_bytes(), secret.as_bytes())
    }
}

impl DeviceProfile {
    /// What its devices may do by themselves. None: nothing.
    pub fn provisioning(&self) -> Option<Provisioning<'_>> {
        let strategy = Strategy::named(&self.provision_type).filter(|strategy| *strategy != Strategy::Disabled)?;
        let key = self.provision_device_key.as_deref().filter(|key| !key.is_empty())?;
        let secret = self.provision_secret().unwrap_or_default();
        Some(Provisioning { strategy, key, secret })
    }

    /// Who vouches for its devices, if somebody does. Its certificate stands where other profiles have their secret.
    ///
    /// # Errors
    /// [`CredentialsError::NoCertificate`].
    pub fn authority(&self) -> Result<Option<Issuer>, CredentialsError> {
        if Strategy::named(&self.provision_type) != Some(Strategy::CertificateChain) {
            return Ok(None);
        }
        let configuration = self.profile_data.as_ref().and_then(|data| data.get("provisionConfiguration"));
        let text = |key: &str| configuration.and_then(|own| own[key].as_str()).filter(|text| !text.is_empty());
        Ok(Some(Issuer {
            certificate: certificate_value(text("provisionDeviceSecret").unwrap_or_default())?,
            name_pattern: text("certificateRegExPattern").unwrap_or(NAME_PATTERN).to_owned(),
            creates: configuration.is_some_and(|own| own["allowCreateNewDevicesByX509Certificate"] == true),
        }))
    }

    /// The secret that goes with its key.
    pub fn provision_secret(&self) -> Option<&str> {
        let named = self
            .profile_data
            .as_ref()?
            .pointer("/provisionConfiguration/provisionDeviceSecret")?;
        named.as_str().filter(|secret| !secret.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn profile(strategy: &str, key: &str, secret: &str) -> DeviceProfile {
        serde_json::from_value(serde_json::json!({
            "name": "sensor",
            "provisionType": strategy,
            "provisionDeviceKey": key,
            "profileData": {"provisionConfiguration": {"type": strategy, "provisionDeviceSecret": secret}},
        }))
        .unwrap()
    }

    #[test]
    fn a_profile_is_opened_by_its_own_secret_alone() {
        let create = profile("ALLOW_CREATE_NEW_DEVICES", "key", "secret");
        let provisioning = create.provisioning().unwrap();
        assert_eq!((provisioning.strategy, provisioning.key), (Strategy::CreateNew, "key"));
        for (secret, opens) in [("secret", true), ("Secret", false), ("", false), ("secret ", false)] {
            assert_eq!(provisioning.opened_by(secret), opens, "{secret}");
        }
        assert!(!profile("ALLOW_CREATE_NEW_DEVICES", "key", "").provisioning().unwrap().opened_by(""));
        for (strategy, key) in [("DISABLED", "key"), ("", "key"), ("ALLOW_CREATE_NEW_DEVICES", "")] {
            assert_eq!(profile(strategy, key, "secret").provisioning(), None, "{strategy} {key}");
        }
    }

    #[test]
    fn a_certificate_opens_nothing_as_a_secret() {
        // A sequence of bytes, which is what a certificate is at least.
        let bare = "MBIAAAAAAAAAAAAAAAAAAAAAAAA=";
        let profile = profile("X509_CERTIFICATE_CHAIN", "key", bare);
        assert!(!profile.provisioning().unwrap().opened_by(bare));
        let authority = profile.authority().unwrap().unwrap();
        assert_eq!(
            (&*authority.certificate, &*authority.name_pattern, authority.creates),
            (bare, NAME_PATTERN, false)
        );
        assert_eq!(authority.key(), certificate_id(bare));
    }

    #[test]
    fn an_authority_needs_a_certificate() {
        assert_eq!(profile("ALLOW_CREATE_NEW_DEVICES", "key", "secret").authority(), Ok(None));
        assert!(profile("X509_CERTIFICATE_CHAIN", "key", "secret").authority().is_err());
        assert!(profile("X509_CERTIFICATE_CHAIN", "key", "").authority().is_err());
    }
}
