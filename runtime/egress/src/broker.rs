//! Brokers outside: a payload is handed over a connection that is kept while it is used, and answered when the broker has acknowledged it.
//!
//! 1. [`publish`] – pure: what is published, by protocol,
//! 2. [`window`] – pure: what was sent and is not acknowledged,
//! 3. [`speech`] – pure: what a connection needs of a protocol; [`mqtt`], [`kafka`], [`amqp`], [`smtp`], [`smpp`] are some,
//! 4. [`link`] – a connection: logs in, sends, hears, pings, ends when idle,
//! 5. [`links`] – the connections there are, so many of a tenant,
//! 6. [`aws`], [`pubsub`] – services that are asked over HTTP,
//! 7. [`signing`] – pure: what they and [`azure`] sign with.
//!
//! What holds for requests holds here: the tenant's list is asked for every publish and for every broker that is spoken to, also for one
//! that another broker names; a name is looked up once for a connection, and an address that was checked is connected to. A tenant's
//! connections are its own, but for those that an administrator lets all share.

mod amqp;
mod aws;
mod azure;
mod kafka;
mod link;
mod links;
mod mqtt;
mod publish;
mod pubsub;
mod signing;
mod smpp;
mod smtp;
mod speech;
mod window;

use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use tokio::sync::oneshot;

use crate::egress::{Egress, TIMEOUT_MAX};
use crate::error::EgressError;
use link::{Job, Told};
use links::Opening;
use speech::{Answer, Letter, Speech};

pub(crate) use kafka::Clusters;
pub(crate) use links::Links;
pub use publish::{
    Alphabet, Amqp, Aws, Compression, Credentials, Delivery, Kafka, Lambda, Mechanism, Mqtt, Numbering, Proof, Protocol, PubSub, Publish,
    Service, Smpp, SmppBind, SmppVersion, Smtp, Sqs,
};
pub(crate) use pubsub::Tokens;

/// Time that connecting and logging in may take at most, whatever was asked for.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(200);
/// Connections that are tried for one letter: one may end, idle, in the moment in which it is needed.
const ATTEMPTS: usize = 3;

impl Egress {
    /// Publishes for a tenant. Dropped: what is not sent yet is called off.
    ///
    /// # Errors
    /// [`EgressError`]. After [`EgressError::Timeout`] and [`EgressError::Unacknowledged`] the broker may have it all the same.
    pub async fn publish(&self, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        self.publish_over(tenant, tenant, publish).await
    }

    /// Publishes for a tenant over a connection that all tenants share: for servers of the administrator's that let few in. A tenant has so
    /// few letters there at one time that those of others find room.
    ///
    /// # Errors
    /// Those of [`Self::publish`].
    pub async fn publish_shared(&self, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        self.publish_over(TenantId::SYSTEM, tenant, publish).await
    }

    /// Publishes for a tenant, over a connection of `owner`'s.
    async fn publish_over(&self, owner: TenantId, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        let delivery = match &publish.protocol {
            // Requests, for which all holds that holds for requests.
            Protocol::Aws(one) => aws::send(self, tenant, &publish, one).await,
            Protocol::PubSub(one) => pubsub::send(self, tenant, &publish, one).await,
            _ => self.deliver(owner, tenant, &publish).await,
        };
        let told = match &delivery {
            Ok(_) => "success",
            Err(EgressError::Refused(_) | EgressError::Invalid(_)) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("egress_publishes_total", "result" => told).increment(1);
        delivery
    }

    async fn deliver(&self, owner: TenantId, tenant: TenantId, publish: &Publish) -> Result<Delivery, EgressError> {
        publish.check()?;
        let proxy = publish.proxy.as_ref().map(|proxy| &proxy.target);
        for target in [&publish.target].into_iter().chain(proxy) {
            self.check_allowed(tenant, target).await?;
        }
        let places = self.0.places.of(tenant);
        let _entered = places.enter()?;
        let timeout = publish.timeout.min(TIMEOUT_MAX);
        let late = || EgressError::Timeout {
            origin: publish.target.origin(),
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let handing = async {
            let _turn = if owner == tenant { None } else { places.shared().await };
            self.hand_over(owner, publish).await
        };
        tokio::time::timeout(timeout, handing).await.unwrap_or_else(|_| Err(late()))
    }

    async fn hand_over(&self, tenant: TenantId, publish: &Publish) -> Result<Delivery, EgressError> {
        let links = &self.0.links;
        match &publish.protocol {
            Protocol::Kafka(one) => return kafka::Way::new(self, tenant, publish, one).go().await,
            Protocol::Aws(one) => return aws::send(self, tenant, publish, one).await,
            Protocol::PubSub(one) => return pubsub::send(self, tenant, publish, one).await,
            Protocol::Mqtt(one) => {
                let device = azure::Device::of(publish, one)?;
                let login = || mqtt::login(publish, one, links.suffix(), &links::random());
                let speech = || Box::new(mqtt::MqttSpeech::new(login(), device.as_ref())) as Box<dyn Speech>;
                let opening = Opening::to(publish, mqtt::fingerprint(publish, one), &speech);
                self.ask(tenant, &opening, mqtt::letter(publish, one)).await?
            }
            Protocol::Amqp(one) => {
                let speech = || Box::new(amqp::AmqpSpeech::new(publish, one)) as Box<dyn Speech>;
                let opening = Opening::to(publish, amqp::fingerprint(publish, one), &speech);
                self.ask(tenant, &opening, amqp::letter(publish, one)).await?
            }
            Protocol::Smtp(one) => {
                let speech = || Box::new(smtp::SmtpSpeech::new(publish, one)) as Box<dyn Speech>;
                let opening = Opening::to(publish, smtp::fingerprint(publish, one), &speech);
                self.ask(tenant, &opening, smtp::letter(publish, one)).await?
            }
            Protocol::Smpp(one) => {
                let speech = || Box::new(smpp::SmppSpeech::new(publish, one)) as Box<dyn Speech>;
                let opening = Opening::to(publish, smpp::fingerprint(publish, one), &speech);
                self.ask(tenant, &opening, smpp::letter(publish, one)?).await?
            }
        };
        Ok(Delivery {
            broker: publish.target.origin(),
            place: Vec::new(),
            answer: None,
        })
    }

    /// Sends a letter over the connection for it, and waits for the answer.
    async fn ask(&self, tenant: TenantId, opening: &Opening<'_>, letter: Letter) -> Result<Answer, EgressError> {
        let letter = Arc::new(letter);
        for _ in 0..ATTEMPTS {
            let link = self.0.links.take(self, tenant, opening)?;
            let (reply, answer) = oneshot::channel();
            let job = Job {
                letter: Arc::clone(&letter),
                reply,
            };
            if link.lane.send(job).await.is_err() {
                match link.unopened() {
                    Some(reason) => return Err(reason),
                    None => continue,
                }
            }
            match answer.await {
                Ok(Told::Sent(result)) => return result,
                Ok(Told::Unsent) => {}
                Err(_) => break,
            }
        }
        Err(EgressError::Unacknowledged {
            origin: opening.target.origin(),
            reason: "the connection ended before anything was acknowledged".to_owned(),
        })
    }
}
