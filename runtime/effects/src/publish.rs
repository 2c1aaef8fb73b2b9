//! Payloads for brokers outside: options read, secrets put in, and the acknowledgement made a message.
//!
//! What may be published, and whom it reaches, is decided in `egress`.

mod by_server;
mod options;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use egress::{Credentials, Secret, Target};
use model::{EntityId, Message, TenantId};
use options::Source;
use plugins::Publish;

use crate::request::{TIMEOUT_MS, payload};
use crate::settings::SERVER;
use crate::{EffectError, Outside, Performed};

impl Outside {
    /// Publishes what a node handed over; the message goes on when the broker has acknowledged it.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub(crate) async fn publish(&self, wanted: &Publish, message: &Arc<Message>) -> Result<Performed, EffectError> {
        // An entity of the node's own tenant, as every entity of its messages.
        let tenant = message.originator.tenant;
        if let Some(service) = wanted.broker.strip_prefix(SERVER) {
            return self.by_server(service, tenant, wanted, message).await;
        }
        let publish = self.letter(tenant, wanted, message).await?;
        let delivery = self.egress.publish(tenant, publish).await?;
        let mut next = Message::clone(message);
        next.metadata.insert("acknowledgedBy", delivery.broker);
        for (name, value) in delivery.place {
            next.metadata.insert(name, value);
        }
        if let Some(answer) = delivery.answer {
            next.payload = payload(&answer);
        }
        Ok(Performed {
            relation: "Success",
            message: Some(Arc::new(next)),
        })
    }

    async fn letter(&self, tenant: TenantId, wanted: &Publish, message: &Message) -> Result<egress::Publish, EffectError> {
        let (target, more) = match wanted.broker.split_once("://") {
            Some(("http" | "https", _)) => (Target::parse(&wanted.broker)?, Vec::new()),
            _ => Target::brokers(&wanted.broker)?,
        };
        let source = Source {
            spread: spread(&message.originator),
            originator: message.originator.id,
            message: message.id,
        };
        let (protocol, connect_timeout_ms) = options::read(&target, more, &wanted.options, &source)?;
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
            topic: wanted.topic.clone(),
            payload: self.bytes(tenant, &wanted.payload).await?.into(),
            protocol,
            connect_timeout: Duration::from_millis(connect_timeout_ms.into()),
            timeout: Duration::from_millis(timeout_ms.into()),
            tls: self.tls(tenant, wanted.tls.as_ref()).await?,
            proxy: self.proxy(tenant, wanted.proxy.as_ref()).await?,
        })
    }
}

/// A number that is the same for all messages of an originator, and another one for most others.
fn spread(originator: &EntityId) -> u64 {
    let (high, low) = originator.id.as_u64_pair();
    // Ids that are made one after the other differ little in their first half.
    high ^ low.rotate_left(32)
}
