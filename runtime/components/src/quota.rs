//! How much of everything an owner of components may have. Pure.

use std::time::Duration;

use model::entity::ComponentLimits;

use crate::ComponentError;

/// Limits of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Components.
    pub components_max: usize,
    /// Versions of a component; older ones make room for new ones, unless they serve or served before.
    pub versions_max: usize,
    /// Bytes of one version; what no host takes is refused in any case.
    pub component_bytes_max: usize,
    /// Bytes of all versions of all components.
    pub total_bytes_max: u64,
    /// Instances of uploaded components at one time.
    pub instances_max: usize,
    /// Linear memory of all of them, bytes.
    pub memory_bytes_max: usize,
    /// Processor time of all guests in a second; none: as much as there is.
    pub cpu_per_second: Option<Duration>,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            components_max: 50,
            versions_max: 10,
            component_bytes_max: 40 << 20,
            total_bytes_max: 200 << 20,
            instances_max: 500,
            memory_bytes_max: 2 << 30,
            cpu_per_second: None,
        }
    }
}

impl Quotas {
    /// These, changed by what a tenant's profile says.
    #[must_use]
    pub fn changed_by(self, limits: &ComponentLimits) -> Quotas {
        let count = |given: u32, own: usize| {
            if given == 0 {
                own
            } else {
                usize::try_from(given).unwrap_or(usize::MAX)
            }
        };
        let bytes = |given: u64, own: usize| {
            if given == 0 {
                own
            } else {
                usize::try_from(given).unwrap_or(usize::MAX)
            }
        };
        let cpu_ms = Some(limits.max_component_cpu_ms_per_second).filter(|ms| *ms > 0);
        Quotas {
            components_max: count(limits.max_components, self.components_max),
            versions_max: count(limits.max_component_versions, self.versions_max),
            component_bytes_max: bytes(limits.max_component_size_bytes, self.component_bytes_max),
            total_bytes_max: match limits.max_component_storage_bytes {
                0 => self.total_bytes_max,
                given => given,
            },
            instances_max: count(limits.max_component_instances, self.instances_max),
            memory_bytes_max: bytes(limits.max_component_memory_bytes, self.memory_bytes_max),
            cpu_per_second: cpu_ms.map(Duration::from_millis).or(self.cpu_per_second),
        }
    }

    /// Whether another version fits in.
    ///
    /// # Errors
    /// [`ComponentError::Quota`], naming the limit.
    pub fn check(&self, components: usize, is_new: bool, stored_bytes: u64, more_bytes: u64) -> Result<(), ComponentError> {
        let quota = |text: String| Err(ComponentError::Quota(text));
        if is_new && components >= self.components_max {
            return quota(format!(
                "Components limit reached: there may be {} at most, delete one that is not used",
                self.components_max
            ));
        }
        if stored_bytes.saturating_add(more_bytes) > self.total_bytes_max {
            return quota(format!(
                "Component storage limit reached: {stored_bytes} of {} bytes are taken and the upload has {more_bytes}, delete versions that are \
                 not used",
                self.total_bytes_max
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_changes_what_it_names() {
        let limits = ComponentLimits {
            max_components: 3,
            max_component_cpu_ms_per_second: 250,
            ..ComponentLimits::default()
        };
        let own = Quotas::default();
        let wanted = Quotas {
            components_max: 3,
            cpu_per_second: Some(Duration::from_millis(250)),
            ..own
        };
        assert_eq!(own.changed_by(&limits), wanted);
        assert_eq!(own.changed_by(&ComponentLimits::default()), own);
    }

    #[test]
    fn limits_are_named_when_they_are_reached() {
        let quotas = Quotas {
            components_max: 2,
            total_bytes_max: 100,
            ..Quotas::default()
        };
        let cases: [(usize, bool, u64, u64, Option<&str>); 6] = [
            (1, true, 0, 100, None),
            (2, false, 50, 50, None),
            (2, true, 0, 1, Some("2 at most")),
            (1, false, 50, 51, Some("50 of 100 bytes")),
            (1, true, 100, 0, None),
            (1, true, u64::MAX, u64::MAX, Some("100 bytes")),
        ];
        for (components, is_new, stored, more, says) in cases {
            let checked = quotas.check(components, is_new, stored, more);
            match says {
                None => assert!(checked.is_ok(), "{checked:?}"),
                Some(says) => assert!(checked.is_err_and(|error| error.to_string().contains(says)), "{says}"),
            }
        }
    }
}
