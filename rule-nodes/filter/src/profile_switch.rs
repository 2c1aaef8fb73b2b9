//! device profile switch and asset profile switch: the relation is the name of the originator's profile.

use pacificsoft_sdk::reads::entity;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};

/// Relation for a profile that has no name.
const DEFAULT: &str = "default";

fn profile(message: &Message, entity_type: &str) -> Result<Outcome, String> {
    let originator = message.originator();
    if originator.entity_type != entity_type {
        return Err(["the originator is no ", entity_type, " but a ", &originator.entity_type].concat());
    }
    let found = entity(&originator).ok_or("the originator is not there")?;
    Ok(Outcome::along(if found.subtype.is_empty() {
        DEFAULT.to_owned()
    } else {
        found.subtype
    }))
}

macro_rules! profile_switch {
    ($(#[$doc:meta])* $name:ident, $entity_type:literal, $type_name:literal, $class:literal, $title:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl RuleNode for $name {
            const RELATIONS: &'static [&'static str] = &[DEFAULT, "Failure"];

            fn descriptor() -> Descriptor {
                Descriptor {
                    type_name: $type_name,
                    class_ids: &[$class],
                    title: $title,
                    family: "FILTER",
                    description: "Sends each message along the relation that is called like the profile of its originator.",
                    icon: "call_split",
                    custom_relations: true,
                    default_configuration: r#"{"version":0}"#,
                    ..Descriptor::new()
                }
            }

            fn open(_: &str) -> Result<Self, String> {
                Ok($name)
            }

            fn process(&mut self, message: &Message) -> Result<Outcome, String> {
                profile(message, $entity_type)
            }
        }
    };
}

profile_switch!(
    /// Of devices.
    DeviceProfileSwitch,
    "DEVICE",
    "device-profile-switch",
    "org.thingsboard.rule.engine.filter.TbDeviceTypeSwitchNode",
    "device profile switch"
);
profile_switch!(
    /// Of assets.
    AssetProfileSwitch,
    "ASSET",
    "asset-profile-switch",
    "org.thingsboard.rule.engine.filter.TbAssetTypeSwitchNode",
    "asset profile switch"
);

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    #[test]
    fn the_relation_is_the_profile() {
        forget();
        let meter = id("DEVICE", 1);
        platform(|platform| {
            let mut device = named(meter.clone(), "M1");
            device.subtype = "meter".to_owned();
            platform.entities.extend([device, named(id("DEVICE", 2), "D2")]);
        });
        let decide = |entity| DeviceProfileSwitch.process(&TestMessage::telemetry("{}").from(entity).message());
        assert_eq!(decide(meter.clone()), Ok(Outcome::along("meter")));
        assert_eq!(decide(id("DEVICE", 2)), Ok(Outcome::along("default")));
        assert!(decide(id("DEVICE", 3)).is_err(), "it is not there");
        assert!(decide(id("ASSET", 1)).is_err());
        assert!(
            AssetProfileSwitch
                .process(&TestMessage::telemetry("{}").from(meter).message())
                .is_err()
        );
    }
}
