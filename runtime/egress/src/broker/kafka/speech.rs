//! A connection to one broker of Kafka: the login, questions for a topic's partitions, records. Pure.
//!
//! The versions spoken are the oldest ones that brokers of 0.11 to 4 all understand: no negotiation, only a look whether they do. A record in
//! Zstandard needs a later one, which brokers have since 2.1.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::scram::Scram;
use super::told;
use super::wire::{self, Reader};
use crate::broker::links::random;
use crate::broker::publish::{Compression, Kafka, Mechanism, Publish};
use crate::broker::speech::{Answer, Heard, Letter, Speech, strange};
use crate::target::{Scheme, Target};

/// Requests and their versions.
const PRODUCE: (i16, i16) = (0, 3);
/// The first version in which brokers take Zstandard.
const PRODUCE_ZSTD: (i16, i16) = (0, 7);
/// The first version whose answers say where a partition begins.
const PRODUCE_TELLS_START: i16 = 5;
const METADATA: (i16, i16) = (3, 4);
const HANDSHAKE: (i16, i16) = (17, 1);
const VERSIONS: (i16, i16) = (18, 0);
const AUTHENTICATE: (i16, i16) = (36, 0);
/// The number of requests that are no letters.
const OWN: i32 = 1_000_000;
/// So long a broker may take to answer a ping, and the letters before it.
const PONG_WITHIN: Duration = Duration::from_secs(60);
/// How this client calls itself.
const NAME: &str = "pacificsoft";

/// What a broker is asked.
pub(in crate::broker) enum Ask {
    /// Who has the partitions of a topic.
    Topic(String),
    /// To take a record.
    Append(Append),
}

/// A record for a partition.
pub(in crate::broker) struct Append {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The record in its batch, and what it is compressed with.
    pub(super) batch: Bytes,
    pub(super) codec: Compression,
    pub(super) all_replicas: bool,
    pub(super) timeout: Duration,
}

/// Who has the partitions of a topic.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::broker) struct Topic(pub(super) Vec<Partition>);

/// A partition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partition {
    pub(super) number: i32,
    /// Who takes records for it.
    pub(super) leader: Result<Target, Nobody>,
}

/// Why nobody takes records for a partition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Nobody {
    /// It has no leader now.
    Now,
    /// Who is named can be nobody's broker: why, in words.
    Named(String),
}

/// What was asked and is not answered: brokers answer in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Versions,
    Handshake,
    Authenticate,
    Topic,
    /// In this version.
    Append(i16),
    Ping,
}

/// The conversation.
pub(super) struct KafkaSpeech {
    scheme: Scheme,
    client_id: String,
    /// Until the login is done.
    login: Option<Login>,
    asked: VecDeque<(i32, Asked)>,
    takes_zstd: bool,
}

struct Login {
    user: String,
    password: String,
    mechanism: Mechanism,
    scram: Option<Scram>,
}

impl KafkaSpeech {
    pub(super) fn new(publish: &Publish, kafka: &Kafka) -> Self {
        let login = publish.credentials.as_ref().map(|credentials| {
            let (user, password) = (credentials.username.0.clone(), credentials.password.as_ref());
            let password = password.map(|password| password.0.clone()).unwrap_or_default();
            let nonce = [random(), random(), random(), random()].concat();
            Login {
                scram: Scram::new(kafka.mechanism, &user, &password, nonce),
                mechanism: kafka.mechanism,
                user,
                password,
            }
        });
        KafkaSpeech {
            scheme: publish.target.scheme,
            client_id: match kafka.client_id.as_str() {
                "" => NAME.to_owned(),
                given => given.to_owned(),
            },
            login,
            asked: VecDeque::new(),
            takes_zstd: false,
        }
    }

    fn ask(&mut self, asked: Asked, number: i32, api: (i16, i16), out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
        wire::request(out, api, number, &self.client_id, body);
        self.asked.push_back((number, asked));
    }

    /// The broker's versions are known: the login begins, if there is one.
    fn versions(&mut self, body: &mut Reader<'_>, out: &mut BytesMut) -> Option<Option<Heard>> {
        let error = body.i16()?;
        let spoken = body.list(|one| Some((one.i16()?, one.i16()?..=one.i16()?)))?;
        let speaks = |(api, version): (i16, i16)| spoken.iter().any(|(one, versions)| *one == api && versions.contains(&version));
        if error != 0 || ![PRODUCE, METADATA].into_iter().all(speaks) {
            return Some(Some(Heard::Refused(
                "it does not speak the versions that this client does".to_owned(),
            )));
        }
        self.takes_zstd = speaks(PRODUCE_ZSTD);
        let Some(login) = &self.login else {
            return Some(Some(Heard::LetIn));
        };
        let mechanism = match login.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        self.ask(Asked::Handshake, OWN, HANDSHAKE, out, |out| wire::text(out, mechanism));
        Some(None)
    }

    /// The broker has taken the mechanism, or not.
    fn handshake(&mut self, body: &mut Reader<'_>, out: &mut BytesMut) -> Option<Option<Heard>> {
        let error = body.i16()?;
        let offered = body.list(|one| Some(one.text()?.to_owned()))?;
        let login = self.login.as_ref()?;
        if error != 0 {
            let offered: String = offered.join(", ").chars().take(200).collect();
            return Some(Some(Heard::Refused(format!("it takes another way to log in: {offered}"))));
        }
        let words = match &login.scram {
            Some(scram) => scram.begin(),
            None => format!("\0{}\0{}", login.user, login.password),
        };
        self.ask(Asked::Authenticate, OWN, AUTHENTICATE, out, |out| {
            wire::bytes(out, words.as_bytes())
        });
        Some(None)
    }

    /// The broker has an answer to what it was shown.
    fn authenticated(&mut self, body: &mut Reader<'_>, out: &mut BytesMut) -> Option<Option<Heard>> {
        let (error, reason, words) = (body.i16()?, body.text()?, body.bytes()?);
        if error != 0 {
            let reason: String = reason.chars().take(200).collect();
            return Some(Some(Heard::Refused(format!("{}: {reason}", told(error).0))));
        }
        let login = self.login.as_mut()?;
        let Some(scram) = &mut login.scram else {
            self.login = None;
            return Some(Some(Heard::LetIn));
        };
        let words = std::str::from_utf8(words).ok()?;
        if scram.is_proven() {
            let believed = scram.believes(words);
            self.login = None;
            return Some(Some(match believed {
                true => Heard::LetIn,
                false => Heard::Refused("it does not know the password itself".to_owned()),
            }));
        }
        match scram.prove(words) {
            Err(reason) => Some(Some(Heard::Refused(reason))),
            Ok(proof) => {
                self.ask(Asked::Authenticate, OWN, AUTHENTICATE, out, |out| {
                    wire::bytes(out, proof.as_bytes())
                });
                Some(None)
            }
        }
    }

    /// Who has the partitions of the topic that was asked for.
    fn topic(&self, body: &mut Reader<'_>) -> Option<Result<Answer, String>> {
        let _throttled_ms = body.i32()?;
        let brokers = body.list(|one| {
            let broker = (one.i32()?, one.text()?, one.i32()?);
            let _rack = one.text()?;
            Some(broker)
        })?;
        let _cluster = body.text()?;
        let _controller = body.i32()?;
        let topics = body.list(|one| {
            let error = one.i16()?;
            let _name = one.text()?;
            let _is_internal = one.i8()?;
            let partitions = one.list(|one| {
                let (_error, number, leader) = (one.i16()?, one.i32()?, one.i32()?);
                one.list(Reader::i32)?;
                one.list(Reader::i32)?;
                Some((number, leader))
            })?;
            Some((error, partitions))
        })?;
        let (error, partitions) = topics.into_iter().next()?;
        if error != 0 {
            return Some(refused(error));
        }
        let leader = |id: i32| {
            let found = brokers.iter().find(|(one, ..)| *one == id);
            let (_, host, port) = found.ok_or(Nobody::Now)?;
            Target::named(self.scheme, host, *port).map_err(|error| Nobody::Named(error.to_string()))
        };
        let partitions = partitions.into_iter().map(|(number, id)| Partition {
            number,
            leader: leader(id),
        });
        Some(Ok(Answer::Topic(Topic(partitions.collect()))))
    }
}

/// Where the record lies now, or why not.
fn appended(body: &mut Reader<'_>, version: i16) -> Option<Result<Answer, String>> {
    let topics = body.list(|one| {
        one.text()?;
        one.list(|one| {
            let (_number, error, place, _at_ms) = (one.i32()?, one.i16()?, one.i64()?, one.i64()?);
            if version >= PRODUCE_TELLS_START {
                let _start = one.i64()?;
            }
            Some((error, place))
        })
    })?;
    let (error, place) = topics.into_iter().flatten().next()?;
    Some(match error {
        0 => Ok(Answer::At(place)),
        error => refused(error),
    })
}

fn refused(error: i16) -> Result<Answer, String> {
    match told(error) {
        (reason, true) => Ok(Answer::Moved(reason)),
        (reason, false) => Err(format!("{reason} (error {error})")),
    }
}

impl Speech for KafkaSpeech {
    fn greet(&mut self, out: &mut BytesMut) {
        self.ask(Asked::Versions, OWN, VERSIONS, out, |_| {});
    }

    fn hear(&mut self, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        while let Some((number, body)) = wire::answer(heard)? {
            let Some((_, asked)) = self.asked.pop_front().filter(|(asked, _)| *asked == number) else {
                return Err("an answer to something else than was asked".to_owned());
            };
            let mut body = Reader(&body);
            let letter = |answer| Heard::Answered(u16::try_from(number).unwrap_or(0), answer);
            let told = match asked {
                Asked::Versions => self.versions(&mut body, out),
                Asked::Handshake => self.handshake(&mut body, out),
                Asked::Authenticate => self.authenticated(&mut body, out),
                Asked::Topic => self.topic(&mut body).map(|answer| Some(letter(answer))),
                Asked::Append(version) => appended(&mut body, version).map(|answer| Some(letter(answer))),
                Asked::Ping => Some(Some(Heard::Alive)),
            };
            if let Some(told) = told.ok_or_else(|| "an answer of another form".to_owned())? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    fn refuses(&self, letter: &Letter) -> Option<String> {
        match letter {
            Letter::Kafka(Ask::Append(append)) if append.api() == PRODUCE_ZSTD && !self.takes_zstd => {
                Some("it is older than Kafka 2.1, and takes no records in zstd".to_owned())
            }
            _ => None,
        }
    }

    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String> {
        let Letter::Kafka(ask) = letter else {
            return strange();
        };
        match ask {
            Ask::Topic(name) => self.ask(Asked::Topic, number.into(), METADATA, out, |out| {
                out.put_i32(1);
                wire::text(out, name);
                // A topic that there is not is made, where the cluster has it so.
                out.put_i8(1);
            }),
            Ask::Append(append) => {
                let api = append.api();
                self.ask(Asked::Append(api.1), number.into(), api, out, |out| append.write(out));
            }
        }
        Ok(())
    }

    fn ping(&mut self, out: &mut BytesMut) -> Duration {
        self.ask(Asked::Ping, OWN, VERSIONS, out, |_| {});
        PONG_WITHIN
    }

    // Whoever leaves closes the connection.
    fn leave(&mut self, _: &mut BytesMut) {}
}

impl Append {
    fn api(&self) -> (i16, i16) {
        match self.codec {
            Compression::Zstd => PRODUCE_ZSTD,
            Compression::None | Compression::Gzip | Compression::Snappy | Compression::Lz4 => PRODUCE,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        // No transaction.
        out.put_i16(-1);
        out.put_i16(if self.all_replicas { -1 } else { 1 });
        out.put_i32(i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX));
        out.put_i32(1);
        wire::text(out, &self.topic);
        out.put_i32(1);
        out.put_i32(self.partition);
        wire::bytes(out, &self.batch);
    }
}
