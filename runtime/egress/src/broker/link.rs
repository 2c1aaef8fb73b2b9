//! A connection to a broker: logs in, sends what it is given, hears answers, pings, and ends when nobody uses it. What is said, and what it
//! means, is a [`Speech`]'s to know.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actor::LaneReceiver;
use bytes::BytesMut;
use model::TenantId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::links::Unopened;
use super::speech::{Answer, Heard, Letter, Speech};
use super::window::Window;
use crate::connect::Connection;
use crate::egress::Egress;
use crate::error::EgressError;
use crate::proxy::Proxy;
use crate::target::Target;
use crate::tls::Tls;

/// A connection that nobody uses for so long ends.
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Time for the last words.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Bytes that wait to be written before nothing more is taken.
const OUT_BYTES_MAX: usize = 256 * 1024;

/// A letter, and who waits for its answer.
pub(super) struct Job {
    pub(super) letter: Arc<Letter>,
    pub(super) reply: oneshot::Sender<Told>,
}

/// What became of a letter.
#[derive(Debug)]
pub(super) enum Told {
    /// The broker has answered; or it may have it, or never will.
    Sent(Result<Answer, EgressError>),
    /// It was not sent: another connection may.
    Unsent,
}

/// A connection to be.
pub(super) struct Plan {
    pub(super) target: Target,
    /// Until it is used.
    pub(super) tls: Option<Tls>,
    /// By which way; until it is used.
    pub(super) proxy: Option<Proxy>,
    pub(super) speech: Box<dyn Speech>,
    pub(super) timeout: Duration,
    /// Is told why it does not come about.
    pub(super) unopened: Unopened,
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
pub(super) async fn serve(egress: Egress, tenant: TenantId, mut plan: Plan, mut jobs: LaneReceiver<Job>) {
    let _counted = Counted::new();
    let origin = plan.target.origin();
    let opened = timeout(plan.timeout, open(&egress, tenant, &mut plan)).await;
    let timeout_ms = u64::try_from(plan.timeout.as_millis()).unwrap_or(u64::MAX);
    // What is served from here on needs it no more: it is not kept.
    drop(egress);
    let opened = opened.unwrap_or_else(|_| {
        Err(EgressError::Timeout {
            origin: origin.clone(),
            timeout_ms,
        })
    });
    match opened {
        Err(error) => {
            tracing::debug!(%tenant, %error, "no connection to a broker");
            // Before anybody finds the lane closed.
            let _ = plan.unopened.set(error.clone());
            jobs.close();
            while let Some(job) = jobs.recv().await {
                // Whoever has given up needs no answer, here and below.
                let _ = job.reply.send(Told::Sent(Err(error.clone())));
            }
        }
        Ok((stream, heard)) => {
            let mut talk = Talk::new(plan.speech, origin.clone(), stream, heard);
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
async fn open(egress: &Egress, tenant: TenantId, plan: &mut Plan) -> Result<(Connection, BytesMut), EgressError> {
    let origin = plan.target.origin();
    let unreachable = |reason: String| EgressError::Unreachable {
        origin: origin.clone(),
        reason,
    };
    // What is served from here on does not need it: it is not kept.
    let places = egress.0.places.of(tenant);
    let trust = egress.trust(&places, plan.tls.take().as_ref()).await?;
    let mut stream = match plan.proxy.take() {
        None => egress.connected(&places, &plan.target, &trust).await?,
        Some(proxy) => proxy.tunnelled(egress, &places, &plan.target, &trust).await?,
    };
    let (mut heard, mut out) = (BytesMut::new(), BytesMut::new());
    plan.speech.greet(&mut out);
    let mut told = log_in(&mut stream, &mut *plan.speech, &mut heard, &mut out).await;
    if told == Ok(Heard::Secret) {
        stream = egress.secured(stream, &plan.target, &trust).await?;
        plan.speech.secret(&mut out);
        told = log_in(&mut stream, &mut *plan.speech, &mut heard, &mut out).await;
    }
    match told.map_err(|reason| unreachable(format!("it did not answer the login: {reason}")))? {
        Heard::LetIn => Ok((stream, heard)),
        Heard::Refused(reason) => Err(unreachable(format!("it refused the login: {reason}"))),
        Heard::Secret | Heard::Answered(..) | Heard::Alive => {
            Err(unreachable("it did not answer the login: something else came".to_owned()))
        }
    }
}

/// Says what is to be said until the other side has decided.
async fn log_in(stream: &mut Connection, speech: &mut dyn Speech, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Heard, String> {
    let told = |error: io::Error| error.to_string();
    loop {
        stream.write_all(&out.split()).await.map_err(told)?;
        stream.flush().await.map_err(told)?;
        if let Some(decided) = speech.hear(heard, out)? {
            return Ok(decided);
        }
        if out.is_empty() && stream.read_buf(heard).await.map_err(told)? == 0 {
            return Err("it closed the connection".to_owned());
        }
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
    speech: Box<dyn Speech>,
    origin: String,
    reader: ReadHalf<Connection>,
    writer: WriteHalf<Connection>,
    heard: BytesMut,
    out: BytesMut,
    /// Whether something was written that may not be on its way yet.
    unflushed: bool,
    window: Window<oneshot::Sender<Told>>,
    spoke_at: Instant,
    used_at: Instant,
    /// From then on it takes no more letters.
    over_at: Option<Instant>,
    /// When the answer to a ping has to be there.
    pong_by: Option<Instant>,
}

impl Talk {
    fn new(speech: Box<dyn Speech>, origin: String, stream: Connection, heard: BytesMut) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let now = Instant::now();
        Talk {
            over_at: speech.lasts().map(|lasts| now + lasts),
            window: Window::new(speech.in_flight_max()),
            speech,
            origin,
            reader,
            writer,
            heard,
            out: BytesMut::new(),
            unflushed: false,
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
            let is_over = self.is_over();
            if nobody_waits && (!wanted || is_over || self.used_at.elapsed() >= IDLE_AFTER) {
                return Ok(());
            }
            let heard_or_asked = self.pong_by.unwrap_or(self.spoke_at + self.speech.silence_max());
            let idle = Some(self.used_at + IDLE_AFTER).filter(|_| nobody_waits);
            let over = self.over_at.filter(|_| !is_over);
            let wake = [idle, over].into_iter().flatten().fold(heard_or_asked, Instant::min);
            let may_take = wanted && !is_over && self.window.has_room() && self.out.len() < OUT_BYTES_MAX;
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
                    Some(job) => self.say(job)?,
                    None => wanted = false,
                },
                () = sleep_until(wake) => self.wake()?,
            }
        }
    }

    /// Whether it is too old for more letters.
    fn is_over(&self) -> bool {
        self.over_at.is_some_and(|at| at <= Instant::now())
    }

    /// What was heard so far.
    fn understand(&mut self) -> Result<(), String> {
        while let Some(told) = self.speech.hear(&mut self.heard, &mut self.out)? {
            // Whoever says anything is there.
            self.pong_by = None;
            match told {
                Heard::Answered(number, answer) => {
                    let Some(reply) = self.window.acknowledged(number) else { continue };
                    let origin = &self.origin;
                    let answer = answer.map_err(|reason| EgressError::Unacknowledged {
                        origin: origin.clone(),
                        reason,
                    });
                    let _ = reply.send(Told::Sent(answer));
                }
                Heard::Alive => {}
                Heard::Secret | Heard::LetIn | Heard::Refused(_) => return Err("it answered a login that was over".to_owned()),
            }
        }
        Ok(())
    }

    fn say(&mut self, Job { letter, reply }: Job) -> Result<(), String> {
        self.used_at = Instant::now();
        if reply.is_closed() {
            return Ok(());
        }
        if let Some(reason) = self.speech.refuses(&letter) {
            let refused = EgressError::Refused(format!("{} does not take it: {reason}", self.origin));
            let _ = reply.send(Told::Sent(Err(refused)));
            return Ok(());
        }
        match self.window.take(reply) {
            Ok(number) => self.speech.say(number, &letter, &mut self.out)?,
            Err(reply) => drop(reply.send(Told::Unsent)),
        }
        Ok(())
    }

    /// It is time for something.
    fn wake(&mut self) -> Result<(), String> {
        let now = Instant::now();
        // Whoever leaves asks nothing any more: the last word is the goodbye.
        if (self.used_at + IDLE_AFTER <= now || self.is_over()) && self.window.is_idle(oneshot::Sender::is_closed) {
            return Ok(());
        }
        match self.pong_by {
            Some(by) if by <= now => return Err("it does not answer any more".to_owned()),
            None if self.spoke_at + self.speech.silence_max() <= now => {
                let within = self.speech.ping(&mut self.out);
                self.spoke_at = now;
                self.pong_by = Some(now + within);
            }
            _ => {}
        }
        Ok(())
    }

    /// Says goodbye. Answers all who still wait.
    async fn end(mut self) -> impl Iterator<Item = oneshot::Sender<Told>> {
        let mut out = BytesMut::new();
        self.speech.leave(&mut out);
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
