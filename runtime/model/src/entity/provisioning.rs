//! How devices of a profile may come to credentials of their own by themselves. Pure.
//!
//! `provisionType` and `provisionDeviceKey` of a profile, `profileData.provisionConfiguration.provisionDeviceSecret`: ThingsBoard's.

use super::DeviceProfile;
use super::credentials::same;

/// What devices of a profile may do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing.
    Disabled,
    /// Come into being.
    CreateNew,
    /// Ask once for the credentials of a device that is there.
    CheckPreProvisioned,
}

impl Strategy {
    /// As a profile names it. None: it is not offered.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "DISABLED" => Some(Strategy::Disabled),
            "ALLOW_CREATE_NEW_DEVICES" => Some(Strategy::CreateNew),
            "CHECK_PRE_PROVISIONED_DEVICES" => Some(Strategy::CheckPreProvisioned),
            _ => None,
        }
    }
}

/// What a profile says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provisioning<'a> {
    /// What its devices may do.
    pub strategy: Strategy,
    /// What the profile is found by; unique in the system.
    pub key: &'a str,
    secret: &'a str,
}

impl Provisioning<'_> {
    /// Whether a device that presents a secret is one of the profile.
    pub fn opened_by(&self, secret: &str) -> bool {
        !self.secret.is_empty() && same(self.secret.as_bytes(), secret.as_bytes())
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
        for (strategy, key) in [
            ("DISABLED", "key"),
            ("", "key"),
            ("X509_CERTIFICATE_CHAIN", "key"),
            ("ALLOW_CREATE_NEW_DEVICES", ""),
        ] {
            assert_eq!(profile(strategy, key, "secret").provisioning(), None, "{strategy} {key}");
        }
    }
}
