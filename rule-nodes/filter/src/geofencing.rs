//! gps geofencing filter: is the message's place inside of a perimeter?

use pacificsoft_sdk::perimeter::Fence;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};

/// The node.
pub struct GeofencingFilter(Fence);

impl RuleNode for GeofencingFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "gps-geofencing-filter",
            class_ids: &["org.thingsboard.rule.engine.geo.TbGpsGeofencingFilterNode"],
            title: "gps geofencing filter",
            family: "FILTER",
            description: "Asks whether the message's coordinates are inside of a circle, or of polygons.",
            details: "Coordinates are numbers of the data or of the metadata. A polygon inside of another one is a hole. A perimeter in the metadata is a list of corners, or a circle with latitude, longitude, radius and radiusUnit.",
            icon: "fence",
            configuration_schema: concat!(
                r#"{"type":"object","required":["latitudeKeyName","longitudeKeyName","perimeterType"],"properties":{"#,
                r#""latitudeKeyName":{"type":"string","minLength":1},"longitudeKeyName":{"type":"string","minLength":1},"#,
                r#""perimeterType":{"enum":["CIRCLE","POLYGON"]},"fetchPerimeterInfoFromMessageMetadata":{"type":"boolean"},"#,
                r#""perimeterKeyName":{"type":["string","null"]},"polygonsDefinition":{"type":["string","null"]},"#,
                r#""centerLatitude":{"type":["number","null"]},"centerLongitude":{"type":["number","null"]},"#,
                r#""range":{"type":["number","null"]},"rangeUnit":{"enum":["METER","KILOMETER","FOOT","MILE","NAUTICAL_MILE",null]}}}"#
            ),
            default_configuration: r#"{"latitudeKeyName":"latitude","longitudeKeyName":"longitude","perimeterType":"POLYGON","fetchPerimeterInfoFromMessageMetadata":true,"perimeterKeyName":"ss_perimeter"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let fence: Fence = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        fence.checked().map(GeofencingFilter)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const INSIDE: u32 = relation(GeofencingFilter::RELATIONS, "True");
        const OUTSIDE: u32 = relation(GeofencingFilter::RELATIONS, "False");
        Ok(Outcome::Forward(if self.0.holds(message)? { INSIDE } else { OUTSIDE }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn a_place_is_inside_or_not() {
        let configuration = r#"{"latitudeKeyName":"lat","longitudeKeyName":"lon","perimeterType":"CIRCLE","centerLatitude":52.52,"centerLongitude":13.405,"range":1,"rangeUnit":"KILOMETER"}"#;
        let mut node = GeofencingFilter::open(configuration).expect("valid");
        for (json, expected) in [
            (r#"{"lat":52.521,"lon":13.404}"#, Ok(Outcome::Forward(0))),
            (r#"{"lat":52.6,"lon":13.404}"#, Ok(Outcome::Forward(1))),
        ] {
            assert_eq!(node.process(&TestMessage::telemetry(json).message()), expected, "{json}");
        }
        assert!(node.process(&TestMessage::telemetry(r#"{"lat":1}"#).message()).is_err());
        GeofencingFilter::open(GeofencingFilter::descriptor().default_configuration).expect("the default");
        assert!(GeofencingFilter::open("{}").is_err());
    }
}
