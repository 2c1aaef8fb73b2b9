//! Payloads for brokers outside: options read, secrets put in, and the acknowledgement made a message.
//!
//! What may be published, and whom it reaches, is decided in `egress`.

use std::sync::Arc;
use std::time::Duration;

use egress::{Credentials, MqttVersion, Secret, Target};
use model::{Message, TenantId};
use plugins::Publish;

use crate::request::TIMEOUT_MS;
use crate::{EffectError, Outside, Performed};

#[cfg(test)]
mod tests;

/// Time to connect and to log in, where the node does not say.
const CONNECT_TIMEOUT_MS: u32 = 10_000;

/// What MQTT has beyond a topic and a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    client_id: String,
    client_id_suffix: bool,
    clean_session: bool,
    retain: bool,
    version: MqttVersion,
    connect_timeout_ms: u32,
}

impl Options {
    /// Reads options by their names in the contract.
    fn read(given: &[(String, String)]) -> Result<Self, EffectError> {
        let mut options = Options {
            client_id: String::new(),
            client_id_suffix: false,
            clean_session: true,
            retain: false,
            version: MqttVersion::V311,
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
        };
        let invalid = |text: String| EffectError::Invalid(text);
        for (name, value) in given {
            let flag = || match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(invalid(format!("the option {name} is true or false"))),
            };
            match name.as_str() {
                "client-id" => options.client_id.clone_from(value),
                "client-id-suffix" => options.client_id_suffix = flag()?,
                "clean-session" => options.clean_session = flag()?,
                "retain" => options.retain = flag()?,
                "version" => {
                    options.version = match value.as_str() {
                        "3.1.1" => MqttVersion::V311,
                        "3.1" => MqttVersion::V31,
                        _ => return Err(invalid("the option version is 3.1.1 or 3.1".to_owned())),
                    }
                }
                "connect-timeout-ms" => {
                    let given = value.parse().ok().filter(|given| *given > 0);
                    let none = || invalid("the option connect-timeout-ms is a number of milliseconds".to_owned());
                    options.connect_timeout_ms = given.ok_or_else(none)?;
                }
                _ => {
                    return Err(invalid(format!(
                        "there is no option {:?} for MQTT",
                        name.chars().take(100).collect::<String>()
                    )));
                }
            }
        }
        Ok(options)
    }
}

impl Outside {
    /// Publishes what a node handed over; the message goes on when the broker has acknowledged it.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub(crate) async fn publish(&self, wanted: &Publish, message: &Arc<Message>) -> Result<Performed, EffectError> {
        // An entity of the node's own tenant, as every entity of its messages.
        let tenant = message.originator.tenant;
        let publish = self.letter(tenant, wanted).await?;
        let delivery = self.egress.publish(tenant, publish).await?;
        let mut next = Message::clone(message);
        next.metadata.insert("acknowledgedBy", delivery.broker);
        Ok(Performed {
            relation: "Success",
            message: Some(Arc::new(next)),
        })
    }

    async fn letter(&self, tenant: TenantId, wanted: &Publish) -> Result<egress::Publish, EffectError> {
        let target = Target::broker(&wanted.broker)?;
        let options = Options::read(&wanted.options)?;
        let credentials = match &wanted.basic_auth {
            None => None,
            Some((user, password)) => {
                let (username, password) = (self.text(tenant, user).await?, self.text(tenant, password).await?);
                Some(Credentials {
                    username: Secret(username),
                    password: Some(Secret(password)).filter(|Secret(text)| !text.is_empty()),
                })
            }
        };
        let timeout_ms = if wanted.timeout_ms == 0 { TIMEOUT_MS } else { wanted.timeout_ms };
        Ok(egress::Publish {
            target,
            credentials,
            client_id: options.client_id,
            client_id_suffix: options.client_id_suffix,
            clean_session: options.clean_session,
            version: options.version,
            topic: wanted.topic.clone(),
            payload: self.bytes(tenant, &wanted.payload).await?.into(),
            retain: options.retain,
            connect_timeout: Duration::from_millis(options.connect_timeout_ms.into()),
            timeout: Duration::from_millis(timeout_ms.into()),
        })
    }
}
