//! Rate limits of devices, as the configuration file says them: `[rate-limits.device]` with `messages = "100:1,2000:60"` and so on.

use anyhow::{Context, Result};
use model::Rate;
use serde::Deserialize;
use session::{RateLimits, Rates};

/// The table `rate-limits`. What is left out is not limited.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RateOptions {
    tenant: RatesOptions,
    device: RatesOptions,
    gateway: RatesOptions,
    gateway_device: RatesOptions,
    provisioning: ProvisioningOptions,
}

/// Requests for credentials from one network address.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct ProvisioningOptions {
    messages: String,
}

impl Default for ProvisioningOptions {
    fn default() -> Self {
        ProvisioningOptions {
            // Many devices that are switched on at one time may share an address.
            messages: "50:1,500:60".to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RatesOptions {
    messages: String,
    telemetry_messages: String,
    telemetry_data_points: String,
}

impl RateOptions {
    /// As the sessions take them.
    ///
    /// # Errors
    /// When a text is no rate.
    pub fn limits(&self) -> Result<RateLimits> {
        Ok(RateLimits {
            tenant: self.tenant.rates("tenant")?,
            device: self.device.rates("device")?,
            gateway: self.gateway.rates("gateway")?,
            child: self.gateway_device.rates("gateway-device")?,
            stranger: RatesOptions {
                messages: self.provisioning.messages.clone(),
                ..RatesOptions::default()
            }
            .rates("provisioning")?,
        })
    }
}

impl RatesOptions {
    fn rates(&self, dimension: &str) -> Result<Rates> {
        let rate = |text: &str| {
            text.parse::<Rate>()
                .with_context(|| format!("rate-limits.{dimension} is not understood"))
        };
        Ok(Rates {
            messages: rate(&self.messages)?,
            telemetry_messages: rate(&self.telemetry_messages)?,
            telemetry_data_points: rate(&self.telemetry_data_points)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rates_are_read_and_nonsense_is_named() {
        let read = |text: &str| toml::from_str::<RateOptions>(text).map(|options| options.limits());
        let limits = read("[device]\nmessages = \"10:1,100:60\"\n[gateway-device]\ntelemetry-data-points = \"5:1\"")
            .unwrap()
            .unwrap();
        assert_eq!(limits.device.messages.to_string(), "10:1,100:60");
        assert_eq!(limits.child.telemetry_data_points.to_string(), "5:1");
        assert!(limits.tenant.messages.is_unlimited() && !limits.stranger.messages.is_unlimited());
        let refused = format!("{:#}", read("[tenant]\nmessages = \"10\"").unwrap().unwrap_err());
        assert!(refused.contains("rate-limits.tenant") && refused.contains("\"10\""), "{refused}");
        assert!(read("[devices]").is_err());
    }
}
