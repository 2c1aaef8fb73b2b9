//! Where a device is, and whether that is within a perimeter: a circle or polygons, as configurations of ThingsBoard's geofencing nodes hold
//! them, or as metadata bring them.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::Message;

/// Mean radius of the earth, kilometres.
const EARTH_KM: f64 = 6_371.0;
/// Corners of all polygons of a perimeter at most.
const CORNERS_MAX: usize = 10_000;

/// The part of a configuration that says where the coordinates are, and what they are compared with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    latitude_key_name: String,
    longitude_key_name: String,
    perimeter_type: Kind,
    #[serde(default)]
    fetch_perimeter_info_from_message_metadata: bool,
    #[serde(default)]
    perimeter_key_name: Option<String>,
    #[serde(default)]
    polygons_definition: Option<String>,
    #[serde(default)]
    center_latitude: Option<f64>,
    #[serde(default)]
    center_longitude: Option<f64>,
    #[serde(default)]
    range: Option<f64>,
    #[serde(default)]
    range_unit: Option<Unit>,
    /// Of a configuration that holds the perimeter itself.
    #[serde(skip)]
    own: Option<Perimeter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Circle,
    Polygon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Unit {
    Meter,
    Kilometer,
    Foot,
    Mile,
    NauticalMile,
}

impl Unit {
    /// Kilometres of one.
    fn km(self) -> f64 {
        match self {
            Unit::Meter => 0.001,
            Unit::Kilometer => 1.0,
            Unit::Foot => 0.000_304_8,
            Unit::Mile => 1.609_344,
            Unit::NauticalMile => 1.852,
        }
    }
}

/// A circle as metadata bring it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CircleText {
    latitude: f64,
    longitude: f64,
    radius: f64,
    #[serde(default = "meter")]
    radius_unit: Unit,
}

fn meter() -> Unit {
    Unit::Meter
}

/// Latitude and longitude, degrees.
type Point = (f64, f64);

#[derive(Clone, Debug, PartialEq)]
enum Perimeter {
    Circle { centre: Point, radius_km: f64 },
    Polygons(Vec<Vec<Point>>),
}

impl Fence {
    /// Checks what the configuration says.
    ///
    /// # Errors
    /// What is missing, or makes no sense.
    pub fn checked(mut self) -> Result<Self, String> {
        if self.latitude_key_name.is_empty() || self.longitude_key_name.is_empty() {
            return Err("latitudeKeyName and longitudeKeyName must not be empty".to_owned());
        }
        if self.fetch_perimeter_info_from_message_metadata {
            return Ok(self);
        }
        self.own = Some(match self.perimeter_type {
            Kind::Polygon => polygons(self.polygons_definition.as_deref().unwrap_or_default())?,
            Kind::Circle => {
                let (Some(latitude), Some(longitude), Some(range)) = (self.center_latitude, self.center_longitude, self.range) else {
                    return Err("a circle needs centerLatitude, centerLongitude and range".to_owned());
                };
                circle((latitude, longitude), range, self.range_unit.unwrap_or(Unit::Meter))?
            }
        });
        Ok(self)
    }

    /// Whether the message's coordinates are inside.
    ///
    /// # Errors
    /// When the message has no coordinates, or no perimeter although it should.
    pub fn holds(&self, message: &Message) -> Result<bool, String> {
        let point = (
            coordinate(message, &self.latitude_key_name)?,
            coordinate(message, &self.longitude_key_name)?,
        );
        match &self.own {
            Some(perimeter) => Ok(perimeter.holds(point)),
            None => Ok(self.brought(message)?.holds(point)),
        }
    }

    /// The perimeter in the metadata.
    fn brought(&self, message: &Message) -> Result<Perimeter, String> {
        let key = self
            .perimeter_key_name
            .as_deref()
            .filter(|key| !key.is_empty())
            .unwrap_or("ss_perimeter");
        let text = message
            .metadata(key)
            .ok_or_else(|| ["the metadata have no perimeter ", key].concat())?;
        match self.perimeter_type {
            Kind::Polygon => polygons(&text),
            Kind::Circle => {
                let told: CircleText =
                    serde_json::from_str(&text).map_err(|error| ["the circle in the metadata: ", &error.to_string()].concat())?;
                circle((told.latitude, told.longitude), told.radius, told.radius_unit)
            }
        }
    }
}

/// A number of the data, or a number in the metadata.
fn coordinate(message: &Message, key: &str) -> Result<f64, String> {
    // The key is a name, not a path.
    let path = ["/", &key.replace('~', "~0").replace('/', "~1")].concat();
    let told = message
        .number(&path)
        .or_else(|| message.text(&path)?.trim().parse().ok())
        .or_else(|| message.metadata(key)?.trim().parse().ok());
    told.filter(|number: &f64| number.is_finite())
        .ok_or_else(|| ["the message has no number ", key].concat())
}

fn circle(centre: Point, range: f64, unit: Unit) -> Result<Perimeter, String> {
    if !(range.is_finite() && range > 0.0) {
        return Err("the range of a circle must be above 0".to_owned());
    }
    Ok(Perimeter::Circle {
        centre: placed(centre)?,
        radius_km: range * unit.km(),
    })
}

fn placed(point: Point) -> Result<Point, String> {
    if point.0.abs() <= 90.0 && point.1.abs() <= 180.0 {
        Ok(point)
    } else {
        Err("latitudes are between -90 and 90 degrees, longitudes between -180 and 180".to_owned())
    }
}

/// `[[latitude, longitude], …]`, or a list of these.
fn polygons(text: &str) -> Result<Perimeter, String> {
    let wrong = || "polygonsDefinition is no list of corners: [[latitude, longitude], …], or a list of such lists".to_owned();
    let json: Json = serde_json::from_str(text).map_err(|_| wrong())?;
    let outer = json.as_array().ok_or_else(wrong)?;
    let is_corner = |json: &Json| json.get(0).is_some_and(Json::is_number);
    let rings: Vec<&Vec<Json>> = if outer.first().is_some_and(is_corner) {
        vec![outer]
    } else {
        outer.iter().map(Json::as_array).collect::<Option<_>>().ok_or_else(wrong)?
    };
    if rings.iter().map(|ring| ring.len()).sum::<usize>() > CORNERS_MAX {
        return Err(format!("a perimeter has {CORNERS_MAX} corners at most"));
    }
    let corner = |json: &Json| {
        let pair = json.as_array().filter(|pair| pair.len() == 2).ok_or_else(wrong)?;
        let (Some(latitude), Some(longitude)) = (pair[0].as_f64(), pair[1].as_f64()) else {
            return Err(wrong());
        };
        placed((latitude, longitude))
    };
    let rings: Vec<Vec<Point>> = rings
        .into_iter()
        .map(|ring| ring.iter().map(corner).collect())
        .collect::<Result<_, _>>()?;
    if rings.is_empty() || rings.iter().any(|ring| ring.len() < 3) {
        return Err("a polygon has at least three corners".to_owned());
    }
    Ok(Perimeter::Polygons(rings))
}

impl Perimeter {
    fn holds(&self, point: Point) -> bool {
        match self {
            Perimeter::Circle { centre, radius_km } => distance_km(*centre, point) < *radius_km,
            // Even-odd rule over all of them: a polygon inside of another one is a hole.
            Perimeter::Polygons(rings) => rings.iter().filter(|ring| within(ring, point)).count() % 2 == 1,
        }
    }
}

/// Whether a ray from the point crosses the polygon's border an odd number of times. Longitudes are not wrapped at 180 degrees.
fn within(ring: &[Point], (latitude, longitude): Point) -> bool {
    let mut inside = false;
    let mut previous = ring.len() - 1;
    for (current, &(here_lat, here_lon)) in ring.iter().enumerate() {
        let (there_lat, there_lon) = ring[previous];
        let crosses = (here_lat > latitude) != (there_lat > latitude)
            && longitude < (there_lon - here_lon) * (latitude - here_lat) / (there_lat - here_lat) + here_lon;
        inside ^= crosses;
        previous = current;
    }
    inside
}

/// Along a great circle (haversine formula).
fn distance_km(one: Point, two: Point) -> f64 {
    let (here, there) = (one.0.to_radians(), two.0.to_radians());
    let (north, east) = (there - here, (two.1 - one.1).to_radians());
    let half = (north / 2.0).sin().powi(2) + here.cos() * there.cos() * (east / 2.0).sin().powi(2);
    2.0 * EARTH_KM * half.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMessage;

    const KEYS: &str = r#""latitudeKeyName":"latitude","longitudeKeyName":"longitude""#;

    fn fence(rest: &str) -> Result<Fence, String> {
        let fence: Fence = serde_json::from_str(&format!("{{{KEYS},{rest}}}")).map_err(|error| error.to_string())?;
        fence.checked()
    }

    fn at(latitude: f64, longitude: f64) -> TestMessage {
        TestMessage::telemetry(&format!(r#"{{"latitude":{latitude},"longitude":"{longitude}"}}"#))
    }

    #[test]
    fn circles_have_ranges_in_units() {
        // From Berlin to Potsdam it is about 27.19 km.
        let potsdam = at(52.3906, 13.0645);
        for (range, unit, inside) in [
            (27.2, "KILOMETER", true),
            (27.1, "KILOMETER", false),
            (27_200.0, "METER", true),
            (16.9, "MILE", true),
            (16.8, "MILE", false),
            (14.7, "NAUTICAL_MILE", true),
            (14.6, "NAUTICAL_MILE", false),
            (89_300.0, "FOOT", true),
            (89_100.0, "FOOT", false),
        ] {
            let rest =
                format!(r#""perimeterType":"CIRCLE","centerLatitude":52.52,"centerLongitude":13.405,"range":{range},"rangeUnit":"{unit}""#);
            assert_eq!(fence(&rest).expect("valid").holds(&potsdam.message()), Ok(inside), "{range} {unit}");
        }
    }

    #[test]
    fn polygons_may_have_holes_and_be_several() {
        let several = r#""perimeterType":"POLYGON","polygonsDefinition":"[[[0,0],[0,10],[10,10],[10,0]],[[4,4],[4,6],[6,6],[6,4]],[[20,20],[20,30],[30,25]]]""#;
        let fence = fence(several).expect("valid");
        for (latitude, longitude, inside) in [
            (1.0, 1.0, true),
            (5.0, 5.0, false),
            (9.0, 5.0, true),
            (11.0, 5.0, false),
            (22.0, 25.0, true),
            (-1.0, 5.0, false),
        ] {
            assert_eq!(
                fence.holds(&at(latitude, longitude).message()),
                Ok(inside),
                "{latitude} {longitude}"
            );
        }
    }

    #[test]
    fn metadata_bring_a_perimeter() {
        let polygon = fence(r#""perimeterType":"POLYGON","fetchPerimeterInfoFromMessageMetadata":true,"perimeterKeyName":"ss_perimeter""#)
            .expect("valid");
        let brought = at(1.0, 1.0).with("ss_perimeter", "[[0,0],[0,2],[2,2],[2,0]]");
        assert_eq!(polygon.holds(&brought.message()), Ok(true));
        assert!(
            polygon
                .holds(&at(1.0, 1.0).message())
                .is_err_and(|told| told.contains("ss_perimeter"))
        );
        let circle = fence(r#""perimeterType":"CIRCLE","fetchPerimeterInfoFromMessageMetadata":true"#).expect("valid");
        let brought = at(1.0, 1.0).with(
            "ss_perimeter",
            r#"{"latitude":1,"longitude":1.001,"radius":200,"radiusUnit":"METER"}"#,
        );
        assert_eq!(circle.holds(&brought.message()), Ok(true));
        assert!(circle.holds(&at(1.0, 1.0).with("ss_perimeter", "[]").message()).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (rest, says) in [
            (r#""perimeterType":"POLYGON""#, "no list of corners"),
            (r#""perimeterType":"POLYGON","polygonsDefinition":"[[0,0],[1,1]]""#, "three corners"),
            (
                r#""perimeterType":"POLYGON","polygonsDefinition":"[[0,0],[1,1],[91,0]]""#,
                "between -90",
            ),
            (
                r#""perimeterType":"POLYGON","polygonsDefinition":"[[0,0],[1,\"x\"],[2,0]]""#,
                "no list of corners",
            ),
            (r#""perimeterType":"CIRCLE","centerLatitude":1,"centerLongitude":1"#, "range"),
            (
                r#""perimeterType":"CIRCLE","centerLatitude":1,"centerLongitude":1,"range":-1"#,
                "above 0",
            ),
            (r#""perimeterType":"SQUARE""#, "SQUARE"),
        ] {
            let told = fence(rest).map(drop).expect_err(rest);
            assert!(told.contains(says), "{rest}: {told}");
        }
        let fence = fence(r#""perimeterType":"POLYGON","polygonsDefinition":"[[0,0],[0,2],[2,2]]""#).expect("valid");
        let nowhere = TestMessage::telemetry(r#"{"latitude":"north"}"#);
        assert!(fence.holds(&nowhere.message()).is_err_and(|told| told.contains("latitude")));
        let told = TestMessage::telemetry("{}").with("latitude", "1.5").with("longitude", "1.8");
        assert_eq!(fence.holds(&told.message()), Ok(true), "metadata have them, too");
    }
}
