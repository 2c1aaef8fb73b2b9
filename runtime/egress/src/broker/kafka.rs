//! Kafka: a record goes to the broker that has its partition, and is answered with its place there.
//!
//! 1. [`wire`], [`record`], [`compression`], [`scram`] – pure: how things are written,
//! 2. [`speech`] – pure: a connection to one broker,
//! 3. [`cluster`] – who has which partition, as far as was heard,
//! 4. here: the record's way.
//!
//! Brokers name each other. One that is named is no more trusted than one that a component names: it has to be on the tenant's list, and
//! its address is checked like any other.

mod cluster;
mod compression;
mod record;
mod scram;
mod speech;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use model::{Clock, SystemClock, TenantId};

use super::links::{Fingerprint, Opening, digest};
use super::publish::{Compression, Delivery, Kafka, Mechanism, Publish};
use super::speech::{Answer, Letter, Speech};
use crate::egress::Egress;
use crate::error::EgressError;
use crate::target::Target;
use cluster::Place;
use record::Record;
use speech::{Append, KafkaSpeech, Nobody};

pub(crate) use cluster::Clusters;
pub(super) use speech::{Ask, Topic};

/// How often somebody is asked to take a record.
const ATTEMPTS: u32 = 6;
/// Time before the second attempt; each time twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// What has more bytes is compressed by a thread that nobody else waits for.
const COMPRESSED_AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// Why a record is nowhere.
enum Trouble {
    /// Nobody has it: it may be sent again.
    Again(EgressError),
    /// Sending it again would not help, or lay it down twice.
    Final(EgressError),
}

impl From<EgressError> for Trouble {
    fn from(error: EgressError) -> Self {
        Trouble::Final(error)
    }
}

/// A record's way.
pub(super) struct Way<'a> {
    egress: &'a Egress,
    tenant: TenantId,
    publish: &'a Publish,
    kafka: &'a Kafka,
    place: Place,
    login: Fingerprint,
}

impl<'a> Way<'a> {
    pub(super) fn new(egress: &'a Egress, tenant: TenantId, publish: &'a Publish, kafka: &'a Kafka) -> Self {
        let login = fingerprint(publish, kafka);
        Way {
            egress,
            tenant,
            publish,
            kafka,
            place: Place {
                tenant,
                cluster: publish.target.origin(),
                login,
                topic: publish.topic.clone(),
            },
            login,
        }
    }

    /// Goes it: until somebody takes the record, or nobody will.
    ///
    /// # Errors
    /// [`EgressError`].
    pub(super) async fn go(self) -> Result<Delivery, EgressError> {
        for other in &self.kafka.more {
            self.egress.check_allowed(self.tenant, other).await?;
        }
        let batch = self.batch().await?;
        let (mut attempt, mut pause) = (1, PAUSE);
        loop {
            let error = match self.attempt(&batch).await {
                Ok(delivery) => return Ok(delivery),
                Err(Trouble::Again(error)) if attempt < ATTEMPTS => error,
                Err(Trouble::Again(error) | Trouble::Final(error)) => {
                    self.egress.0.clusters.forget(&self.place);
                    return Err(error);
                }
            };
            tracing::debug!(tenant = %self.tenant, %error, "a record is sent again");
            self.egress.0.clusters.forget(&self.place);
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    async fn attempt(&self, batch: &Bytes) -> Result<Delivery, Trouble> {
        let topic = match self.egress.0.clusters.known(&self.place) {
            Some(topic) => topic,
            None => self.topic().await?,
        };
        let found = cluster::choose(&topic, self.kafka.key.as_deref(), self.kafka.spread);
        let partition = found.ok_or_else(|| Trouble::Again(self.untaken("the topic has no partitions")))?;
        let leader = partition.leader.as_ref().map_err(|nobody| match nobody {
            Nobody::Now => Trouble::Again(self.untaken("the partition has no leader now")),
            Nobody::Named(why) => Trouble::Final(EgressError::Refused(format!("{why} ({} names it)", self.publish.target.origin()))),
        })?;
        self.check_named(leader).await?;
        match self.ask(leader, Ask::Append(self.append(partition.number, batch))).await {
            Ok(Answer::At(offset)) => Ok(self.delivery(leader, partition.number, offset)),
            Ok(Answer::Moved(why)) => Err(Trouble::Again(self.untaken(why))),
            Ok(_) => Err(Trouble::Final(self.untaken("it answered something else"))),
            // Nothing was sent to it.
            Err(error @ EgressError::Unreachable { .. }) => Err(Trouble::Again(error)),
            Err(error) => Err(Trouble::Final(error)),
        }
    }

    /// Asks one broker after the other who has the topic's partitions.
    async fn topic(&self) -> Result<Topic, Trouble> {
        let mut last = self.untaken("there is no broker");
        for broker in [&self.publish.target].into_iter().chain(&self.kafka.more) {
            match self.ask(broker, Ask::Topic(self.publish.topic.clone())).await {
                Ok(Answer::Topic(topic)) => {
                    self.egress.0.clusters.remember(self.place.clone(), topic.clone());
                    return Ok(topic);
                }
                Ok(Answer::Moved(why)) => return Err(Trouble::Again(self.untaken(why))),
                Ok(_) => return Err(Trouble::Final(self.untaken("it answered something else"))),
                Err(error @ (EgressError::Unreachable { .. } | EgressError::Timeout { .. })) => last = error,
                Err(error) => return Err(Trouble::Final(error)),
            }
        }
        Err(Trouble::Final(last))
    }

    /// Whether a broker that another one named may be reached.
    async fn check_named(&self, leader: &Target) -> Result<(), EgressError> {
        self.egress.check_allowed(self.tenant, leader).await.map_err(|error| match error {
            EgressError::Refused(text) => {
                let by = self.publish.target.origin();
                EgressError::Refused(format!("{text} ({by} names it)"))
            }
            error => error,
        })
    }

    async fn ask(&self, broker: &Target, ask: Ask) -> Result<Answer, EgressError> {
        let speech = || Box::new(KafkaSpeech::new(self.publish, self.kafka)) as Box<dyn Speech>;
        let opening = Opening {
            target: broker,
            login: self.login,
            tls: self.publish.tls.as_ref(),
            proxy: self.publish.proxy.as_ref(),
            timeout: self.publish.connect_timeout,
            speech: &speech,
        };
        self.egress.ask(self.tenant, &opening, Letter::Kafka(ask)).await
    }

    /// The record in its batch: the same for each partition and each attempt.
    async fn batch(&self) -> Result<Bytes, EgressError> {
        let codec = self.kafka.compression;
        let (key, headers) = (self.kafka.key.clone(), self.kafka.headers.clone());
        let value = self.publish.payload.clone();
        let of_headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = value.len() + of_headers + key.as_ref().map_or(0, String::len);
        let takes_time = codec != Compression::None && bytes > COMPRESSED_AT_ONCE_BYTES_MAX;
        let write = move || {
            let record = Record {
                key: key.as_ref().map(String::as_bytes),
                value: &value,
                headers: &headers,
                at_ms: SystemClock.now_ms(),
            };
            record::batch(&record, codec)
        };
        let batch = if takes_time {
            let turn = self.egress.0.places.of(self.tenant).compression().await;
            let write = move || {
                // Stays taken until it is done, even when nobody waits any more.
                let _turn = turn;
                write()
            };
            tokio::task::spawn_blocking(write).await.unwrap_or_else(|ended| Err(ended.into()))
        } else {
            write()
        };
        let failed = |error: std::io::Error| EgressError::Invalid(format!("the record cannot be compressed: {error}"));
        Ok(batch.map_err(failed)?.freeze())
    }

    fn append(&self, partition: i32, batch: &Bytes) -> Append {
        Append {
            topic: self.publish.topic.clone(),
            partition,
            batch: batch.clone(),
            codec: self.kafka.compression,
            all_replicas: self.kafka.all_replicas,
            timeout: self.publish.timeout,
        }
    }

    fn delivery(&self, leader: &Target, partition: i32, offset: i64) -> Delivery {
        Delivery {
            broker: leader.origin(),
            place: vec![
                ("offset", offset.to_string()),
                ("partition", partition.to_string()),
                ("topic", self.publish.topic.clone()),
            ],
            answer: None,
        }
    }

    fn untaken(&self, reason: &str) -> EgressError {
        EgressError::Unacknowledged {
            origin: self.publish.target.origin(),
            reason: reason.to_owned(),
        }
    }
}

/// Tells logins apart.
fn fingerprint(publish: &Publish, kafka: &Kafka) -> Fingerprint {
    let mechanism = match kafka.mechanism {
        Mechanism::Plain => "0",
        Mechanism::ScramSha256 => "1",
        Mechanism::ScramSha512 => "2",
    };
    digest(publish, &[Some(&kafka.client_id), Some(mechanism)])
}

/// What a broker's error means, and whether another broker, or this one a little later, takes what it did not (protocol guide, “error
/// codes”).
fn told(error: i16) -> (&'static str, bool) {
    match error {
        2 => ("the record was damaged on its way", true),
        3 => ("there is no such topic or partition", true),
        5 => ("the partition has no leader now", true),
        6 => ("the partition has another leader now", true),
        7 => ("its replicas did not have it in time", false),
        9 => ("a replica is not available", true),
        10 | 18 => ("the record is larger than the topic takes", false),
        17 => ("this is no name of a topic", false),
        19 => ("too few replicas are in step", true),
        20 => ("too few replicas have it", false),
        29 => ("the user may not write to the topic", false),
        31 => ("the user may not do this in the cluster", false),
        32 => ("the record's time is none that the topic takes", false),
        33 => ("it takes another way to log in", false),
        34 => ("the login comes at the wrong time", false),
        35 => ("it does not speak this version", false),
        44 => ("a rule of the cluster forbids it", false),
        56 => ("its storage failed", true),
        58 => ("user name or password are wrong", false),
        76 => ("it does not take records that are compressed so", false),
        87 => ("the topic does not take such a record", false),
        _ => ("the broker has an error of its own", false),
    }
}
