//! How a device logs in to an Azure IoT Hub: by a token that its key has signed, in the place of a password. Pure.
//!
//! The key is known here and nowhere else; the hub sees tokens, which end by themselves. The form of a token:
//! “Control access to IoT Hub by using shared access signatures” (Microsoft Learn).

#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mqtt::packet::Secret;

use super::publish::{Mqtt, Proof, Publish};
use super::signing::{encoded, keyed};
use crate::error::EgressError;
use crate::target::Scheme;

/// Seconds for which a token is good.
const GOOD_FOR_S: i64 = 60 * 60;
/// A connection that is as old ends and makes place for one with another token: at the end of its token the hub would close it, whatever is on
/// the way.
pub(super) const RENEWED_AFTER: Duration = Duration::from_secs(50 * 60);

/// A device of a hub's, with its key.
pub(super) struct Device {
    /// What a token lets in to, as it stands in one: encoded.
    resource: String,
    key: Vec<u8>,
}

impl Device {
    /// The one that logs in; none: it logs in by a password.
    ///
    /// # Errors
    /// [`EgressError::Invalid`], which quotes nothing of the key.
    pub(super) fn of(publish: &Publish, mqtt: &Mqtt) -> Result<Option<Self>, EgressError> {
        let invalid = |text: &str| Err(EgressError::Invalid(text.to_owned()));
        if mqtt.proof != Proof::AzureSas {
            return Ok(None);
        }
        if publish.target.scheme != Scheme::Mqtts {
            return invalid("a token is shown over TLS only, to a broker whose address begins with mqtts://");
        }
        if mqtt.client_id.is_empty() || mqtt.client_id_suffix {
            return invalid("the client id is that of a device of the hub's: it is named, and has no ending of the server's own");
        }
        let key = publish.credentials.as_ref().and_then(|credentials| credentials.password.as_ref());
        let Some(Secret(key)) = key else {
            return invalid("there is no key of the device's");
        };
        let Some(key) = STANDARD.decode(key.trim()).ok().filter(|key| !key.is_empty()) else {
            return invalid("the device's key is not written in base64");
        };
        // A module of a device's is named behind it: `device/module`.
        let device = mqtt.client_id.replacen('/', "/modules/", 1);
        Ok(Some(Device {
            resource: encoded(&format!("{}/devices/{device}", publish.target.host)),
            key,
        }))
    }

    /// A token that is good from now on.
    pub(super) fn token(&self, now_ms: i64) -> Secret {
        let (resource, ends_s) = (&self.resource, now_ms.div_euclid(1_000) + GOOD_FOR_S);
        let signature = STANDARD.encode(keyed(&self.key, format!("{resource}\n{ends_s}").as_bytes()));
        let signature = encoded(&signature);
        Secret(format!("SharedAccessSignature sr={resource}&sig={signature}&se={ends_s}"))
    }
}
