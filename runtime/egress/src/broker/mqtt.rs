//! MQTT as a client speaks it that publishes with quality 1.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::BytesMut;
use model::{Clock, SystemClock};
use mqtt::client::{self, Login, Terms};
use mqtt::packet::Version;

use super::azure::{Device, RENEWED_AFTER};
use super::links::{Fingerprint, digest};
use super::publish::{Mqtt, Proof, Publish};
use super::speech::{Answer, Heard, Letter, SILENCE_MAX, Speech, strange};

/// What a broker is told of how long this client may be silent.
const KEEP_ALIVE_S: u16 = 60;
/// So long a broker may take to answer a ping.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// Who logs in. `suffix` is this server's, `random` this connection's.
pub(super) fn login(publish: &Publish, mqtt: &Mqtt, suffix: &str, random: &str) -> Login {
    let mut client_id = mqtt.client_id.clone();
    if client_id.is_empty() {
        client_id = format!("pacificsoft-{random}");
    } else if mqtt.client_id_suffix {
        let _ = write!(client_id, "_{suffix}");
    }
    let credentials = publish.credentials.as_ref();
    Login {
        version: mqtt.version,
        client_id,
        username: credentials.map(|credentials| credentials.username.clone()),
        password: credentials.and_then(|credentials| credentials.password.clone()),
        clean_session: mqtt.clean_session,
        keep_alive_s: KEEP_ALIVE_S,
    }
}

/// Tells logins apart: everything that a CONNECT says.
pub(super) fn fingerprint(publish: &Publish, mqtt: &Mqtt) -> Fingerprint {
    let flag = |on: bool| Some(if on { "1" } else { "0" });
    let version = match mqtt.version {
        Version::V311 => "0",
        Version::V31 => "1",
        Version::V5 => "2",
    };
    let rest = [
        Some(mqtt.client_id.as_str()),
        flag(mqtt.client_id_suffix),
        flag(mqtt.clean_session),
        Some(version),
        flag(mqtt.proof == Proof::AzureSas),
    ];
    digest(publish, &rest)
}

/// What is published.
pub(super) fn letter(publish: &Publish, mqtt: &Mqtt) -> Letter {
    Letter::Mqtt {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        retain: mqtt.retain,
    }
}

/// The conversation.
pub(super) struct MqttSpeech {
    /// Until it is said.
    login: Option<Login>,
    version: Version,
    /// What the broker takes, when it has said so.
    terms: Terms,
    lasts: Option<Duration>,
}

impl MqttSpeech {
    /// A device shows a token, in the place of a password.
    pub(super) fn new(login: Login, device: Option<&Device>) -> Self {
        let token = device.map(|device| device.token(SystemClock.now_ms()));
        MqttSpeech {
            version: login.version,
            terms: Terms::default(),
            login: Some(Login {
                password: token.or(login.password),
                ..login
            }),
            lasts: device.map(|_| RENEWED_AFTER),
        }
    }
}

impl Speech for MqttSpeech {
    fn greet(&mut self, out: &mut BytesMut) {
        // What is served from here on does not need it: it is not kept.
        if let Some(login) = self.login.take() {
            login.write(out);
        }
    }

    fn hear(&mut self, heard: &mut BytesMut, _: &mut BytesMut) -> Result<Option<Heard>, String> {
        let told = client::read(self.version, heard).map_err(|error| error.to_string())?;
        Ok(match told {
            None => None,
            Some(client::Heard::Accepted(terms)) => {
                self.terms = terms;
                Some(Heard::LetIn)
            }
            Some(client::Heard::Refused(reason)) => Some(Heard::Refused(reason)),
            Some(client::Heard::Acknowledged(number)) => Some(Heard::Answered(number, Ok(Answer::Acknowledged))),
            Some(client::Heard::Untaken(number, reason)) => Some(Heard::Answered(number, Err(reason))),
            Some(client::Heard::Pong) => Some(Heard::Alive),
            Some(client::Heard::Ended(reason)) => return Err(format!("it ends the conversation: {reason}")),
        })
    }

    fn in_flight_max(&self) -> u16 {
        self.terms.in_flight_max
    }

    fn refuses(&self, letter: &Letter) -> Option<String> {
        let Letter::Mqtt { topic, payload, retain } = letter else {
            return None;
        };
        self.terms.refusal(self.version, topic, payload, *retain)
    }

    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String> {
        let Letter::Mqtt { topic, payload, retain } = letter else {
            return strange();
        };
        client::publish(out, self.version, number, topic, payload, *retain);
        Ok(())
    }

    fn silence_max(&self) -> Duration {
        // Half of what the broker waits for.
        let asked = self.terms.keep_alive_s.filter(|seconds| *seconds > 0);
        asked.map_or(SILENCE_MAX, |seconds| SILENCE_MAX.min(Duration::from_secs(seconds.into()) / 2))
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    fn ping(&mut self, out: &mut BytesMut) -> Duration {
        client::ping(out);
        PONG_WITHIN
    }

    fn leave(&mut self, out: &mut BytesMut) {
        client::disconnect(out);
    }
}
