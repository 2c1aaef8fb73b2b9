//! A connection to a broker: logs in, sends what it is given, hears acknowledgements, pings, and ends when nobody uses it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actor::LaneReceiver;
use bytes::{Bytes, BytesMut};
use model::TenantId;
use mqtt::client::{self, Heard, Login};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::window::Window;
use crate::connect::Connection;
use crate::egress::Egress;
use crate::error::EgressError;
use crate::target::Target;

/// What a broker is told of how long this client may be silent.
pub(super) const KEEP_ALIVE_S: u16 = 60;
/// After so long without a word of its own it pings.
const PING_AFTER: Duration = Duration::from_secs(30);
/// So long a broker may take to answer that.
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// A connection that nobody uses for so long ends.
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Time for the last words.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Bytes that wait to be written before nothing more is taken.
const OUT_BYTES_MAX: usize = 256 * 1024;

/// What is sent.
pub(super) struct Letter {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
}

/// A letter, and who waits for its acknowledgement.
pub(super) struct Job {
    pub(super) letter: Arc<Letter>,
    pub(super) reply: oneshot::Sender<Told>,
}

/// What became of a letter.
#[derive(Debug)]
pub(super) enum Told {
    /// The broker has it; or it may have it, or never will.
    Sent(Result<(), EgressError>),
    /// It was not sent: another connection may.
    Unsent,
}

/// A connection to be.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) login: Login,
    pub(super) timeout: Duration,
}

/// Counted while it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("egress_broker_connections").increment(1.0);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("egress_broker_connections").decrement(1.0);
    }
}

/// Connects, and serves until the connection ends or nobody uses it.
pub(super) async fn serve(egress: Egress, tenant: TenantId, plan: Plan, mut jobs: LaneReceiver<Job>) {
    let _counted = Counted::new();
    let origin = plan.target.origin();
    let opened = timeout(plan.timeout, open(&egress, tenant, &plan)).await;
    // What is served from here on needs neither: neither is kept.
    let timeout_ms = u64::try_from(plan.timeout.as_millis()).unwrap_or(u64::MAX);
    drop((egress, plan));
    let opened = opened.unwrap_or_else(|_| {
        Err(EgressError::Timeout {
            origin: origin.clone(),
            timeout_ms,
        })
    });
    match opened {
        Err(error) => {
            tracing::debug!(%tenant, %error, "no connection to a broker");
            jobs.close();
            while let Some(job) = jobs.recv().await {
                // Whoever has given up needs no answer, here and below.
                let _ = job.reply.send(Told::Sent(Err(error.clone())));
            }
        }
        Ok((stream, heard)) => {
            let (reader, writer) = tokio::io::split(stream);
            let mut talk = Talk::new(reader, writer, heard);
            let ended = talk.go_on(&mut jobs).await;
            // From here on nobody adds to the lane: who tries opens another connection.
            jobs.close();
            if let Err(reason) = &ended {
                tracing::debug!(%tenant, broker = origin, reason, "a connection to a broker ended");
            }
            let reason = ended.err().unwrap_or_else(|| "the connection was closed".to_owned());
            for reply in talk.end().await {
                let _ = reply.send(Told::Sent(Err(EgressError::Unacknowledged {
                    origin: origin.clone(),
                    reason: reason.clone(),
                })));
            }
            while let Some(job) = jobs.recv().await {
                let _ = job.reply.send(Told::Unsent);
            }
        }
    }
}

/// Connects and logs in. Answers what was heard beyond that, too.
async fn open(egress: &Egress, tenant: TenantId, plan: &Plan) -> Result<(Connection, BytesMut), EgressError> {
    let unreachable = |reason: String| EgressError::Unreachable {
        origin: plan.target.origin(),
        reason,
    };
    let places = egress.0.places.of(tenant);
    let mut stream = egress.connected(&places, &plan.target).await?;
    let mut out = BytesMut::new();
    plan.login.write(&mut out);
    let mut heard = BytesMut::new();
    let told = async {
        stream.write_all(&out).await?;
        stream.flush().await?;
        loop {
            if let Some(told) = client::read(&mut heard).map_err(io::Error::other)? {
                return Ok(told);
            }
            if stream.read_buf(&mut heard).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    };
    match told
        .await
        .map_err(|error: io::Error| unreachable(format!("it did not answer the login: {error}")))?
    {
        Heard::Accepted => Ok((stream, heard)),
        Heard::Refused(reason) => Err(unreachable(format!("it refused the login: {reason}"))),
        Heard::Acknowledged(_) | Heard::Pong => Err(unreachable("it did not answer the login: something else came".to_owned())),
    }
}

/// Writes some of what is to be said; when there is nothing, sees it on its way. Answers whether that is left to do. Cancelling loses
/// nothing.
async fn speak(writer: &mut WriteHalf<Connection>, out: &mut BytesMut) -> io::Result<bool> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(false);
    }
    if writer.write_buf(out).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(true)
}

/// A conversation with a broker that let this client in.
struct Talk {
    reader: ReadHalf<Connection>,
    writer: WriteHalf<Connection>,
    heard: BytesMut,
    out: BytesMut,
    /// Whether something was written that may not be on its way yet.
    unflushed: bool,
    window: Window<oneshot::Sender<Told>>,
    spoke_at: Instant,
    used_at: Instant,
    /// When the answer to a ping has to be there.
    pong_by: Option<Instant>,
}

impl Talk {
    fn new(reader: ReadHalf<Connection>, writer: WriteHalf<Connection>, heard: BytesMut) -> Self {
        let now = Instant::now();
        Talk {
            reader,
            writer,
            heard,
            out: BytesMut::new(),
            unflushed: false,
            window: Window::new(),
            spoke_at: now,
            used_at: now,
            pong_by: None,
        }
    }

    /// Goes on until nobody uses it; an error says why it cannot.
    async fn go_on(&mut self, jobs: &mut LaneReceiver<Job>) -> Result<(), String> {
        let mut wanted = true;
        loop {
            self.understand()?;
            let nobody_waits = self.window.is_idle(oneshot::Sender::is_closed);
            if !self.window.has_room() && nobody_waits {
                return Err("it acknowledges nothing".to_owned());
            }
            if nobody_waits && (!wanted || self.used_at.elapsed() >= IDLE_AFTER) {
                return Ok(());
            }
            let wake = [
                Some(self.used_at + IDLE_AFTER).filter(|_| nobody_waits),
                self.pong_by.or(Some(self.spoke_at + PING_AFTER)),
            ];
            let wake = wake.into_iter().flatten().min().unwrap_or(self.spoke_at + PING_AFTER);
            let may_take = wanted && self.window.has_room() && self.out.len() < OUT_BYTES_MAX;
            tokio::select! {
                read = self.reader.read_buf(&mut self.heard) => match read {
                    Ok(0) => return Err("the broker closed the connection".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                },
                spoken = speak(&mut self.writer, &mut self.out), if !self.out.is_empty() || self.unflushed => {
                    self.unflushed = spoken.map_err(|error| error.to_string())?;
                    self.spoke_at = Instant::now();
                }
                job = jobs.recv(), if may_take => match job {
                    Some(job) => self.say(job),
                    None => wanted = false,
                },
                () = sleep_until(wake) => self.wake()?,
            }
        }
    }

    /// What was heard so far.
    fn understand(&mut self) -> Result<(), String> {
        while let Some(told) = client::read(&mut self.heard).map_err(|error| error.to_string())? {
            match told {
                Heard::Acknowledged(pkid) => {
                    if let Some(reply) = self.window.acknowledged(pkid) {
                        let _ = reply.send(Told::Sent(Ok(())));
                    }
                }
                Heard::Pong => self.pong_by = None,
                Heard::Accepted | Heard::Refused(_) => return Err("it answered a login that was over".to_owned()),
            }
        }
        Ok(())
    }

    fn say(&mut self, Job { letter, reply }: Job) {
        self.used_at = Instant::now();
        if reply.is_closed() {
            return;
        }
        match self.window.take(reply) {
            Ok(pkid) => client::publish(&mut self.out, pkid, &letter.topic, &letter.payload, letter.retain),
            Err(reply) => drop(reply.send(Told::Unsent)),
        }
    }

    /// It is time for something.
    fn wake(&mut self) -> Result<(), String> {
        let now = Instant::now();
        // Whoever leaves asks nothing any more: the last word is the goodbye.
        if self.used_at + IDLE_AFTER <= now && self.window.is_idle(oneshot::Sender::is_closed) {
            return Ok(());
        }
        match self.pong_by {
            Some(by) if by <= now => return Err("it does not answer any more".to_owned()),
            None if self.spoke_at + PING_AFTER <= now => {
                client::ping(&mut self.out);
                self.spoke_at = now;
                self.pong_by = Some(now + PONG_WITHIN);
            }
            _ => {}
        }
        Ok(())
    }

    /// Says goodbye. Answers all who still wait.
    async fn end(mut self) -> impl Iterator<Item = oneshot::Sender<Told>> {
        let mut out = BytesMut::new();
        client::disconnect(&mut out);
        let goodbye = async {
            // Half a packet is followed by nothing that could be understood.
            if self.out.is_empty() {
                self.writer.write_all(&out).await?;
            }
            self.writer.shutdown().await
        };
        // It ends, whether the broker hears it or not.
        let _ = timeout(GOODBYE_WITHIN, goodbye).await;
        self.window.all()
    }
}
