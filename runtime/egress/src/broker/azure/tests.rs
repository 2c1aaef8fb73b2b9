//! Tokens of devices.

use super::*;
use crate::broker::publish::{Credentials, Protocol};
use crate::target::Target;
use mqtt::packet::Version;

/// `a key of 32 bytes, for the tests`
const KEY: &str = "YSBrZXkgb2YgMzIgYnl0ZXMsIGZvciB0aGUgdGVzdHM=";

fn mqtt(client_id: &str) -> Mqtt {
    Mqtt {
        client_id: client_id.to_owned(),
        client_id_suffix: false,
        clean_session: true,
        version: Version::V311,
        retain: false,
        proof: Proof::AzureSas,
    }
}

fn publish(url: &str, key: Option<&str>, mqtt: Mqtt) -> Publish {
    Publish {
        target: Target::broker(url).expect("a broker"),
        credentials: Some(Credentials {
            username: Secret("user".to_owned()),
            password: key.map(|key| Secret(key.to_owned())),
        }),
        topic: "t".to_owned(),
        payload: "{}".into(),
        protocol: Protocol::Mqtt(mqtt),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn token(url: &str, key: &str, client_id: &str) -> String {
    let mqtt = mqtt(client_id);
    let device = Device::of(&publish(url, Some(key), mqtt.clone()), &mqtt).expect("a key");
    device.expect("it logs in by a token").token(1_440_938_160_999).0
}

/// As `RenewableSasToken` of azure-iot-device 2.14.0 makes them, for a key and an end that are the same.
#[test]
fn tokens_are_those_of_microsofts_own_client() {
    let dev = "SharedAccessSignature sr=hub.azure-devices.net%2Fdevices%2Fdev-1&sig=bAZpFOGMMC40S%2FnQejFWu4U1GoZBpEwUIgJrW10CYCs%3D&se=1440941760";
    assert_eq!(token("mqtts://hub.azure-devices.net", KEY, "dev-1"), dev);
    assert_eq!(token("mqtts://Hub.Azure-Devices.net:8883", &format!(" {KEY}\n"), "dev-1"), dev);
    let module = "SharedAccessSignature sr=hub.azure-devices.net%2Fdevices%2FGer%C3%A4t%201%3Aa%2Fmodules%2Fm&sig=D0hV9lTGhBLZGVQofTS7cY5NThRk6tB86d0leRvKN%2Bs%3D&se=1440941760";
    assert_eq!(token("mqtts://hub.azure-devices.net", KEY, "Gerät 1:a/m"), module);
}

#[test]
fn who_logs_in_by_a_password_needs_no_token() {
    let plain = Mqtt {
        proof: Proof::Password,
        ..mqtt("")
    };
    let told = Device::of(&publish("mqtt://a", None, plain.clone()), &plain);
    assert!(told.is_ok_and(|device| device.is_none()));
}

#[test]
fn what_no_token_comes_of_is_refused_and_quotes_no_key() {
    let hub = "mqtts://hub.azure-devices.net";
    let suffixed = Mqtt {
        client_id_suffix: true,
        ..mqtt("d")
    };
    for (url, key, mqtt, says) in [
        ("mqtt://hub.azure-devices.net", Some(KEY), mqtt("d"), "TLS"),
        (hub, Some(KEY), mqtt(""), "client id"),
        (hub, Some(KEY), suffixed, "client id"),
        (hub, None, mqtt("d"), "no key"),
        (hub, Some(" "), mqtt("d"), "base64"),
        (hub, Some("hidden!"), mqtt("d"), "base64"),
    ] {
        let told = publish(url, key, mqtt).check().expect_err(says).to_string();
        assert!(told.contains(says) && !told.contains("hidden"), "{told}");
    }
}
