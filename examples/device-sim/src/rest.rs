//! The few REST calls of the platform that the simulator needs: log in, create devices, find a device, read points back.
//!
//! Paths and shapes are those of the ThingsBoard REST API. Knows no MQTT.

use serde::Deserialize;

use crate::check::Point;
use crate::error::SimError;
use crate::http::{Client, Response, Url, put_escaped};

/// Points asked for at a time.
pub const PAGE: usize = 100_000;
/// Points read for one device at most.
const POINTS_MAX: usize = 100_000_000;

/// Where and as whom to log in. Cannot be printed: it holds a password.
#[derive(Clone)]
pub struct Account {
    /// The server.
    pub url: Url,
    /// A tenant administrator.
    pub username: String,
    /// The password.
    pub password: String,
}

/// A logged-in connection.
pub struct Rest {
    client: Client,
    bearer: String,
}

#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

#[derive(Deserialize)]
struct DeviceAnswer {
    id: EntityId,
}

#[derive(Deserialize)]
struct EntityId {
    id: String,
}

#[derive(Deserialize)]
struct SeriesAnswer {
    #[serde(default)]
    seq: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    ts: u64,
    value: Value,
}

/// Values come as text, or as numbers from servers that keep types.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Rest {
    /// Logs in.
    ///
    /// # Errors
    /// [`SimError::Rest`] when user or password is wrong, and those of [`Client::request`].
    pub async fn login(account: &Account) -> Result<Rest, SimError> {
        let mut client = Client::new(account.url.clone());
        let body = serde_json::json!({ "username": account.username, "password": account.password }).to_string();
        let response = client.request("POST", "/api/auth/login", None, Some(body.as_bytes())).await?;
        let answer: LoggedIn = parse("POST /api/auth/login", &response)?;
        Ok(Rest {
            client,
            bearer: answer.token,
        })
    }

    /// A further connection for the same login.
    pub fn another(&self) -> Rest {
        Rest {
            client: Client::new(self.client.url().clone()),
            bearer: self.bearer.clone(),
        }
    }

    /// Creates a device with an access token. True if it is new, false if the server refused it with 400, as it does when the name or
    /// the token exists.
    ///
    /// # Errors
    /// [`SimError::Rest`] for any other status, and those of [`Client::request`].
    pub async fn create_device(&mut self, name: &str, token: &str) -> Result<bool, SimError> {
        let mut path = String::from("/api/device?accessToken=");
        put_escaped(&mut path, token);
        let body = serde_json::json!({ "name": name, "type": "default" }).to_string();
        let response = self
            .client
            .request("POST", &path, Some(&self.bearer), Some(body.as_bytes()))
            .await?;
        match response.status {
            200..=299 => Ok(true),
            400 => Ok(false),
            _ => Err(refusal("POST /api/device", &response)),
        }
    }

    /// The identifier of the device with this name; `None` if there is no such device.
    ///
    /// # Errors
    /// [`SimError::Rest`] for an unexpected answer, and those of [`Client::request`].
    pub async fn find_device(&mut self, name: &str) -> Result<Option<String>, SimError> {
        let mut path = String::from("/api/tenant/devices?deviceName=");
        put_escaped(&mut path, name);
        let response = self.client.request("GET", &path, Some(&self.bearer), None).await?;
        if response.status == 404 {
            return Ok(None);
        }
        parse::<DeviceAnswer>("GET /api/tenant/devices", &response).map(|answer| Some(answer.id.id))
    }

    /// Asks a device something, and waits for its answer.
    ///
    /// # Errors
    /// [`SimError::Rest`] when there is none, and those of [`Client::request`].
    pub async fn ask(&mut self, device_id: &str, request: &str) -> Result<(), SimError> {
        let mut path = String::from("/api/rpc/twoway/");
        put_escaped(&mut path, device_id);
        let response = self
            .client
            .request("POST", &path, Some(&self.bearer), Some(request.as_bytes()))
            .await?;
        match response.status {
            200 => Ok(()),
            _ => Err(refusal("POST /api/rpc/twoway", &response)),
        }
    }

    /// All stored points of `seq` before `end_ts` (milliseconds), in the server's order, read page by page.
    ///
    /// # Errors
    /// [`SimError::Rest`] for an unexpected answer, and those of [`Client::request`].
    pub async fn points(&mut self, device_id: &str, end_ts: u64) -> Result<Vec<Point>, SimError> {
        let (mut points, mut range) = (Vec::new(), (0, end_ts));
        loop {
            let page = self.page(device_id, range).await?;
            let next = (page.len() >= PAGE).then(|| rest_of(range, &page)).flatten();
            // Some servers count the end in; there stands a point which an earlier page has given.
            points.extend(page.into_iter().filter(|point| (range.0..range.1).contains(&point.ts)));
            match next {
                Some(next) if points.len() < POINTS_MAX => range = next,
                Some(_) => return Err(SimError::Malformed(format!("device {device_id} has more than {POINTS_MAX} points"))),
                None => return Ok(points),
            }
        }
    }

    async fn page(&mut self, device_id: &str, (start, end): (u64, u64)) -> Result<Vec<Point>, SimError> {
        let mut path = String::from("/api/plugins/telemetry/DEVICE/");
        put_escaped(&mut path, device_id);
        path.push_str(&format!(
            "/values/timeseries?keys=seq&startTs={start}&endTs={end}&limit={PAGE}&agg=NONE"
        ));
        let response = self.client.request("GET", &path, Some(&self.bearer), None).await?;
        let answer: SeriesAnswer = parse("GET /api/plugins/telemetry/DEVICE/../values/timeseries", &response)?;
        Ok(answer
            .seq
            .into_iter()
            .map(|entry| Point {
                ts: entry.ts,
                seq: entry.value.whole(),
            })
            .collect())
    }
}

impl Value {
    fn whole(&self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Other(_) => None,
        }
    }
}

/// The range a full page leaves open, as first time and the time before which it ends. Servers give the newest points first or the
/// oldest.
fn rest_of((start, end): (u64, u64), page: &[Point]) -> Option<(u64, u64)> {
    let (first, last) = (page.first()?.ts, page.last()?.ts);
    let rest = if first >= last { (start, last) } else { (last + 1, end) };
    (rest.0 < rest.1 && rest != (start, end)).then_some(rest)
}

fn parse<T: for<'a> Deserialize<'a>>(what: &str, response: &Response) -> Result<T, SimError> {
    if !(200..300).contains(&response.status) {
        return Err(refusal(what, response));
    }
    serde_json::from_slice(&response.body).map_err(|error| SimError::Rest {
        what: what.into(),
        detail: format!("unexpected answer: {error}"),
    })
}

fn refusal(what: &str, response: &Response) -> SimError {
    let text: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    SimError::Rest {
        what: what.into(),
        detail: format!("status {} {text}", response.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_values_are_text_or_numbers() {
        let body = br#"{"seq":[{"ts":5,"value":"12"},{"ts":4,"value":11},{"ts":3,"value":"x"},{"ts":2,"value":1.5}]}"#;
        let answer: SeriesAnswer = parse(
            "GET",
            &Response {
                status: 200,
                body: body.to_vec(),
            },
        )
        .expect("answer");
        let values: Vec<_> = answer.seq.iter().map(|entry| entry.value.whole()).collect();
        assert_eq!(values, [Some(12), Some(11), None, None]);
        let none: SeriesAnswer = parse(
            "GET",
            &Response {
                status: 200,
                body: b"{}".to_vec(),
            },
        )
        .expect("answer");
        assert!(none.seq.is_empty());
    }

    #[test]
    fn refusals_show_status_and_text() {
        let Err(error) = parse::<SeriesAnswer>(
            "GET /x",
            &Response {
                status: 401,
                body: b"{\"message\":\"no\"}".to_vec(),
            },
        ) else {
            panic!("401 is no answer");
        };
        assert_eq!(error.to_string(), "GET /x: status 401 {\"message\":\"no\"}");
    }

    #[test]
    fn pages_go_on_in_the_direction_of_the_server() {
        let page = |times: &[u64]| times.iter().map(|ts| Point { ts: *ts, seq: None }).collect::<Vec<_>>();
        assert_eq!(rest_of((0, 100), &page(&[90, 80])), Some((0, 80)));
        assert_eq!(rest_of((0, 100), &page(&[10, 20])), Some((21, 100)));
        assert_eq!(rest_of((0, 100), &page(&[5, 0])), None);
        assert_eq!(rest_of((0, 100), &page(&[100])), None, "nothing but the end again");
        assert_eq!(rest_of((0, 100), &page(&[])), None);
    }
}
