//! What clients are told, pure: values as text with their times, newest times by key, or what was wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Reading, Value};
use serde::Serialize;

use crate::ApiError;

/// What a value is shown as that is not there any more; its time is 0.
const GONE: &str = "";

/// Values by key, each with its time.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Data(BTreeMap<Arc<str>, Vec<(i64, String)>>);

impl Data {
    /// Adds a value.
    pub(super) fn add(&mut self, key: &Arc<str>, ts_ms: i64, value: &Value) {
        self.put(key, ts_ms, value.to_string());
    }

    /// Adds readings of a key.
    pub(super) fn extend(&mut self, key: &Arc<str>, readings: &[Reading]) {
        readings.iter().for_each(|reading| self.add(key, reading.ts_ms, &reading.value));
    }

    /// A key has no value any more.
    pub(super) fn gone(&mut self, key: &Arc<str>) {
        self.put(key, 0, GONE.to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, key: &Arc<str>, ts_ms: i64, text: String) {
        self.0.entry(Arc::clone(key)).or_default().push((ts_ms, text));
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    subscription_id: i64,
    /// The same, under the name of newer clients. Only with refusals: values are told in the older form.
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd_id: Option<i64>,
    error_code: u32,
    error_msg: Option<&'a str>,
    data: &'a Data,
    latest_values: BTreeMap<&'a str, i64>,
}

/// Values for a subscription, or for a question about the past.
pub(super) fn values(number: i64, data: &Data) -> String {
    let newest = |values: &Vec<(i64, String)>| values.iter().map(|(ts_ms, _)| *ts_ms).max();
    let latest_values = data.0.iter().filter_map(|(key, values)| Some((&**key, newest(values)?)));
    text(&Reply {
        subscription_id: number,
        cmd_id: None,
        error_code: 0,
        error_msg: None,
        latest_values: latest_values.collect(),
        data,
    })
}

/// Why a command was not carried out, or a subscription has ended.
pub(super) fn refusal(number: i64, error: &ApiError) -> String {
    text(&Reply {
        subscription_id: number,
        cmd_id: Some(number),
        error_code: code(error),
        error_msg: Some(&error.to_string()),
        data: &Data::default(),
        latest_values: BTreeMap::new(),
    })
}

/// 1: something inside, 2: a bad request, 3: not for this user, who cannot tell that from what is not there.
fn code(error: &ApiError) -> u32 {
    match error {
        ApiError::Invalid(_) | ApiError::Conflict(_) | ApiError::TooLarge | ApiError::TooMany { .. } => 2,
        ApiError::NotFound(_) | ApiError::Forbidden | ApiError::Authentication(_) | ApiError::TokenExpired => 3,
        _ => 1,
    }
}

fn text(reply: &Reply<'_>) -> String {
    // Keys are text and numbers are finite: this does not fail.
    serde_json::to_string(reply).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn values_are_text_with_times() {
        let mut data = Data::default();
        data.add(&"a".into(), 5, &Value::Double(1.0));
        data.add(&"a".into(), 3, &Value::Long(2));
        data.add(&"b".into(), 7, &Value::Bool(true));
        data.gone(&"c".into());
        let expected = json!({
            "subscriptionId": 9, "errorCode": 0, "errorMsg": null,
            "data": {"a": [[5, "1.0"], [3, "2"]], "b": [[7, "true"]], "c": [[0, ""]]},
            "latestValues": {"a": 5, "b": 7, "c": 0},
        });
        assert_eq!(read(&values(9, &data)), expected);
        assert_eq!(read(&values(1, &Data::default()))["data"], json!({}));
    }

    #[test]
    fn refusals_have_codes_and_words() {
        for (error, code) in [
            (ApiError::Internal, 1),
            (ApiError::Unavailable, 1),
            (ApiError::invalid("x"), 2),
            (ApiError::Conflict("x".to_owned()), 2),
            (ApiError::no_entity("DEVICE", 1), 3),
            (ApiError::Forbidden, 3),
        ] {
            let told = read(&refusal(4, &error));
            assert_eq!(
                (&told["subscriptionId"], &told["cmdId"], &told["errorCode"]),
                (&json!(4), &json!(4), &json!(code))
            );
            assert_eq!(told["errorMsg"], json!(error.to_string()));
        }
    }
}
