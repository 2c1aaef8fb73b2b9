//! Brokers outside: a publish is handed over a connection that is kept while it is used, and answered when the broker has acknowledged it.
//!
//! 1. [`window`] – pure: what was sent and is not acknowledged,
//! 2. [`link`] – a connection: logs in, sends, hears, pings, ends when idle,
//! 3. [`links`] – the connections there are, so many of a tenant.
//!
//! What holds for requests holds here: the tenant's list is asked for every publish, a name is looked up once for a connection, and an
//! address that was checked is connected to. A tenant's connections are its own.

mod link;
mod links;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::TenantId;
use mqtt::client::{TEXT_BYTES_MAX, is_topic};
use mqtt::packet::{Secret, Version};
use tokio::sync::oneshot;

use crate::egress::{Egress, REQUEST_BYTES_MAX, TIMEOUT_MAX};
use crate::error::EgressError;
use crate::target::Target;
use link::{Job, Letter, Told};

pub(crate) use links::Links;

/// Time that connecting and logging in may take at most, whatever was asked for.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(200);
/// Connections that are tried for one publish: one may end, idle, in the moment in which it is needed.
const ATTEMPTS: usize = 3;

/// Whom a broker lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: Secret,
    /// Goes with it.
    pub password: Option<Secret>,
}

/// What is published. Its text shows nothing that may be secret.
#[derive(Clone)]
pub struct Publish {
    /// As read by [`Target::broker`].
    pub target: Target,
    /// Who publishes.
    pub credentials: Option<Credentials>,
    /// Under which name; empty: one that this connection has alone.
    pub client_id: String,
    /// Whether this server adds an ending of its own to it: two servers under one name put each other out.
    pub client_id_suffix: bool,
    /// Whether the broker forgets what it knows under the name.
    pub clean_session: bool,
    /// 3.1.1, or 3.1.
    pub version: Version,
    /// Where to. No wildcards.
    pub topic: String,
    /// What; at most [`REQUEST_BYTES_MAX`].
    pub payload: Bytes,
    /// Whether the broker keeps it for those who come later.
    pub retain: bool,
    /// Time to connect and to log in; at most [`CONNECT_TIMEOUT_MAX`].
    pub connect_timeout: Duration,
    /// Time for all of it, from waiting to the acknowledgement; at most [`TIMEOUT_MAX`].
    pub timeout: Duration,
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PUBLISH {:?}", self.target)
    }
}

/// A publish that the broker has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By whom: scheme, host and port.
    pub broker: String,
}

impl Publish {
    fn check(&self) -> Result<(), EgressError> {
        let invalid = |text: String| Err(EgressError::Invalid(text));
        if self.payload.len() > REQUEST_BYTES_MAX {
            return invalid(format!(
                "the payload has {} bytes, more than the {REQUEST_BYTES_MAX} allowed",
                self.payload.len()
            ));
        }
        if !is_topic(&self.topic) {
            return invalid("the topic is empty, too long, or has a wildcard".to_owned());
        }
        let user = self.credentials.as_ref().map(|credentials| &credentials.username.0);
        let password = self.credentials.as_ref().and_then(|credentials| credentials.password.as_ref());
        for text in [Some(&self.client_id), user, password.map(|Secret(text)| text)]
            .into_iter()
            .flatten()
        {
            if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
                return invalid("client id, user name or password are too long, or contain a zero".to_owned());
            }
        }
        Ok(())
    }
}

impl Egress {
    /// Publishes for a tenant, with quality 1. Dropped: what is not sent yet is called off.
    ///
    /// # Errors
    /// [`EgressError`]. After [`EgressError::Timeout`] and [`EgressError::Unacknowledged`] the broker may have it all the same.
    pub async fn publish(&self, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        let delivery = self.deliver(tenant, publish).await;
        let told = match &delivery {
            Ok(_) => "success",
            Err(EgressError::Refused(_) | EgressError::Invalid(_)) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("egress_publishes_total", "result" => told).increment(1);
        delivery
    }

    async fn deliver(&self, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        publish.check()?;
        self.check_allowed(tenant, &publish.target).await?;
        let places = self.0.places.of(tenant);
        let _entered = places.enter()?;
        let timeout = publish.timeout.min(TIMEOUT_MAX);
        let late = || EgressError::Timeout {
            origin: publish.target.origin(),
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let handing = self.hand_over(tenant, &publish);
        tokio::time::timeout(timeout, handing).await.unwrap_or_else(|_| Err(late()))?;
        Ok(Delivery {
            broker: publish.target.origin(),
        })
    }

    async fn hand_over(&self, tenant: TenantId, publish: &Publish) -> Result<(), EgressError> {
        let letter = Arc::new(Letter {
            topic: publish.topic.clone(),
            payload: publish.payload.clone(),
            retain: publish.retain,
        });
        for _ in 0..ATTEMPTS {
            let link = self.0.links.take(self, tenant, publish)?;
            let (reply, answer) = oneshot::channel();
            let job = Job {
                letter: Arc::clone(&letter),
                reply,
            };
            if link.lane.send(job).await.is_err() {
                continue;
            }
            match answer.await {
                Ok(Told::Sent(result)) => return result,
                Ok(Told::Unsent) => {}
                Err(_) => break,
            }
        }
        Err(EgressError::Unacknowledged {
            origin: publish.target.origin(),
            reason: "the connection ended before anything was acknowledged".to_owned(),
        })
    }
}
