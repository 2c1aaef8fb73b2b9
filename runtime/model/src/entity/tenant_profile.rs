//! Tenant profiles: what tenants of a kind may have. They belong to the system.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// What tenants of a kind may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantProfile {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Unique in the system.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Kept for clients that send it; every tenant's guests are apart in any case.
    #[serde(default)]
    pub isolated_tb_rule_engine: bool,
    /// Whether tenants that name no profile have this one.
    #[serde(default)]
    pub default: bool,
    /// Settings: `configuration` holds the limits. What is not known here is passed through.
    #[serde(default)]
    pub profile_data: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// Limits of a tenant's uploaded components. What is absent or 0 is as the server has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentLimits {
    /// Components.
    pub max_components: u32,
    /// Versions of a component.
    pub max_component_versions: u32,
    /// Bytes of one version.
    pub max_component_size_bytes: u64,
    /// Bytes of all versions of all components.
    pub max_component_storage_bytes: u64,
    /// Instances at one time.
    pub max_component_instances: u32,
    /// Linear memory of all instances, bytes.
    pub max_component_memory_bytes: u64,
    /// Processor time of all guests in a second, milliseconds.
    pub max_component_cpu_ms_per_second: u64,
}

impl TenantProfile {
    /// The limits of components.
    ///
    /// # Errors
    /// Text, when a limit is no whole number.
    pub fn component_limits(&self) -> Result<ComponentLimits, String> {
        match self.profile_data.as_ref().and_then(|data| data.get("configuration")) {
            None | Some(Json::Null) => Ok(ComponentLimits::default()),
            Some(configuration) => {
                ComponentLimits::deserialize(configuration).map_err(|error| format!("profileData.configuration is not understood: {error}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_read_among_other_settings() {
        let profile = |configuration: Json| -> TenantProfile {
            serde_json::from_value(json!({"name": "p", "profileData": {"configuration": configuration}})).expect("a profile")
        };
        let read = profile(json!({"type": "DEFAULT", "maxDevices": 5, "maxComponents": 2, "maxComponentCpuMsPerSecond": 100}));
        let limits = read.component_limits().expect("they are right");
        assert_eq!((limits.max_components, limits.max_component_cpu_ms_per_second), (2, 100));
        assert_eq!(limits.max_component_instances, 0);
        assert_eq!(profile(Json::Null).component_limits(), Ok(ComponentLimits::default()));
        for wrong in [json!({"maxComponents": -1}), json!({"maxComponents": "many"}), json!(5)] {
            assert!(profile(wrong.clone()).component_limits().is_err(), "{wrong}");
        }
    }
}
