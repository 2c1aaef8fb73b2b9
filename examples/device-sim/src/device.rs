//! One simulated device: sends what is due, takes acknowledgements, and comes back after a lost connection if the plan says so.
//!
//! The due time of a message is fixed by the plan before the run begins. Whatever holds the device up, a full window, a silent broker,
//! a busy processor or a reconnection, shows in the latency of every message that was due meanwhile. Knows no REST.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::acklog::put_line;
use crate::codec::mqtt::{self, Connect};
use crate::codec::{self, Incoming, Protocol};
use crate::connection::{Connection, REPEAT_AFTER, Turn};
use crate::error::SimError;
use crate::inflight::{InFlight, Message};
use crate::ledger::{LEDGER_MAX, Ledger};
use crate::pacer::nanos_since;
use crate::payload::{put_payload, wall_clock_ms};
use crate::run::Shared;
use crate::stats::Stats;

/// Pauses between attempts to reconnect begin with this and double.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between attempts to reconnect.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Connects device `index` with its token, having lost servers `losses` times.
///
/// # Errors
/// Those of [`Connection::open`].
pub async fn connect(shared: &Shared, index: usize, losses: usize) -> Result<Connection, SimError> {
    let servers = shared.targets.len().max(1);
    let target = shared.targets.get((index + losses) % servers);
    let target = target.ok_or_else(|| SimError::Options("no server is named".into()))?;
    let client_id = format!("{}{index}", shared.client_prefix);
    let user_name = shared.tokens.get(index).map_or("", String::as_str);
    // Only a device that may come back asks the broker to remember it.
    let (clean_session, keep_alive) = (!shared.plan.reconnect, shared.plan.keep_alive);
    Connection::open(
        index,
        target,
        shared.plan.protocol,
        &Connect {
            client_id: &client_id,
            user_name,
            clean_session,
            keep_alive,
        },
    )
    .await
}

/// A device during a run.
pub struct Device<'a> {
    index: usize,
    shared: &'a Shared,
    stats: &'a RefCell<Stats>,
    wake: &'a Notify,
    start: Instant,
    in_flight: InFlight,
    turn: u64,
    seq: u64,
    last_ts: u64,
    ledger: Option<Ledger>,
    payload: Vec<u8>,
    log_lines: Vec<u8>,
    wrote_at: u64,
    /// When the ping was sent that was not answered yet.
    pinged_at: Option<u64>,
    losses: usize,
}

impl<'a> Device<'a> {
    /// A device that has sent nothing yet. `wake` tells it that a message is due.
    pub fn new(index: usize, shared: &'a Arc<Shared>, stats: &'a RefCell<Stats>, wake: &'a Notify, start: Instant) -> Device<'a> {
        let (seq, last_ts) = shared.resume.get(&index).copied().unwrap_or((0, 0));
        let in_flight = InFlight::new(shared.plan.window);
        let in_flight = match shared.plan.protocol {
            Protocol::Coap => in_flight.beginning_with(RandomState::new().hash_one(index) as u16),
            Protocol::Mqtt | Protocol::Http => in_flight,
        };
        Device {
            index,
            shared,
            stats,
            wake,
            start,
            in_flight,
            turn: 0,
            seq,
            last_ts,
            ledger: shared.keep_ledgers.then(|| Ledger::new(seq)),
            payload: Vec::with_capacity(128),
            log_lines: Vec::new(),
            wrote_at: 0,
            pinged_at: None,
            losses: 0,
        }
    }

    /// Sends until the plan ends or the connection is lost for good. Gives the ledger, if one was kept.
    ///
    /// # Errors
    /// [`SimError::File`] if the log of acknowledgements cannot be written: then the whole run is worthless.
    pub async fn run(mut self, mut connection: Connection) -> Result<Option<Ledger>, SimError> {
        loop {
            let error = match self.session(&mut connection).await {
                Ok(()) => {
                    connection.close().await;
                    break;
                }
                Err(error @ SimError::File { .. }) => return Err(error),
                Err(error) => error,
            };
            self.lost(&error);
            if !self.shared.plan.reconnect {
                break;
            }
            let Some(again) = self.reconnect().await else { break };
            connection = again;
            self.resend(&mut connection);
        }
        if self.ledger.as_ref().is_some_and(Ledger::is_full) {
            let text = format!(
                "device {} stopped early: a check holds at most {LEDGER_MAX} messages of a device",
                self.index
            );
            self.stats.borrow_mut().note(&SimError::Options(text));
        }
        Ok(self.ledger)
    }

    /// Sends and receives until everything is done.
    async fn session(&mut self, connection: &mut Connection) -> Result<(), SimError> {
        let mut alarm = pin!(tokio::time::sleep_until(self.alarm_at().into()));
        self.pinged_at = None;
        loop {
            let now = nanos_since(self.start);
            self.fill(connection, now);
            if self.is_finished(connection, now) {
                return Ok(());
            }
            let due_matters = self.shared.plan.open_loop() && self.in_flight.room() > 0;
            let wake = wait(due_matters.then_some(self.wake), alarm.as_mut());
            match connection.turn(wake).await? {
                Turn::Read => self.receive(connection)?,
                Turn::Wrote => self.written(connection),
                Turn::Woken if alarm.is_elapsed() => {
                    self.check_silence(connection)?;
                    alarm.as_mut().reset(self.alarm_at().into());
                }
                Turn::Woken => {}
            }
        }
    }

    /// Writes the messages that are due into the connection, as far as window and buffer allow.
    fn fill(&mut self, connection: &mut Connection, now: u64) {
        let plan = &self.shared.plan;
        if self.in_flight.taken() >= plan.refill_below() || self.all_sent(now) {
            return;
        }
        let mut wall = None;
        while self.in_flight.room() > 0 && !connection.is_full() && !self.ledger.as_ref().is_some_and(Ledger::is_full) {
            let due = match plan.open_loop() {
                true => plan.due_of(self.index, self.turn).filter(|due| *due <= now),
                false => Some(now),
            };
            let Some(due) = due else { break };
            // The clock can stand still between two messages or be set back; the device's times rise all the same.
            let ts = (*wall.get_or_insert_with(wall_clock_ms)).max(self.last_ts + 1);
            let message = Message {
                seq: self.seq,
                ts,
                due,
                sent: now,
            };
            let id = self.in_flight.push(message);
            self.put(connection, id, &message, false);
            if let Some(ledger) = &mut self.ledger {
                ledger.sent(ts);
            }
            self.last_ts = ts;
            self.seq += 1;
            self.turn += 1;
            self.wrote_at = now;
            self.stats.borrow_mut().counters.sent += 1;
        }
    }

    fn put(&mut self, connection: &mut Connection, id: u16, message: &Message, duplicate: bool) {
        let plan = &self.shared.plan;
        self.payload.clear();
        put_payload(&mut self.payload, self.index, message.seq, message.ts, plan.keys);
        connection.put(&codec::Message {
            token: self.shared.tokens.get(self.index).map_or("", String::as_str),
            topic: &plan.topic,
            id: (plan.qos > 0).then_some(id),
            duplicate,
            payload: &self.payload,
        });
    }

    /// Takes the acknowledgements that have come.
    fn receive(&mut self, connection: &mut Connection) -> Result<(), SimError> {
        let now = nanos_since(self.start);
        let mut stats = self.stats.borrow_mut();
        while let Some(packet) = connection.next_packet()? {
            let message = match packet {
                Incoming::Taken { id } if self.shared.plan.qos > 0 => self.in_flight.acknowledge(id),
                Incoming::TakenInOrder => self.in_flight.acknowledge_oldest(),
                Incoming::TakenLate { id, acknowledge } => {
                    connection.acknowledge(acknowledge);
                    self.in_flight.acknowledge(id)
                }
                Incoming::Pingresp => {
                    self.pinged_at = None;
                    continue;
                }
                Incoming::Later => continue,
                Incoming::Connack { .. } | Incoming::Taken { .. } | Incoming::Other { .. } => None,
            };
            let Some(message) = message else {
                // A datagram that was sent again is answered again.
                if self.shared.plan.protocol != Protocol::Coap {
                    stats.counters.unexpected += 1;
                }
                continue;
            };
            stats.counters.acknowledged += 1;
            stats.settled(&message, now);
            if let Some(ledger) = &mut self.ledger {
                ledger.acknowledged(message.seq);
            }
            if self.shared.log.is_some() {
                put_line(&mut self.log_lines, self.index, message.seq, message.ts);
            }
        }
        drop(stats);
        self.flush_log()
    }

    fn flush_log(&mut self) -> Result<(), SimError> {
        if let Some(log) = &self.shared.log
            && !self.log_lines.is_empty()
        {
            log.append(&self.log_lines)?;
            self.log_lines.clear();
        }
        Ok(())
    }

    /// With QoS 0 a message is settled when its bytes have left.
    fn written(&mut self, connection: &Connection) {
        if self.shared.plan.qos == 0 && connection.output.is_empty() {
            let now = nanos_since(self.start);
            let mut stats = self.stats.borrow_mut();
            self.in_flight.drain().for_each(|message| stats.settled(&message, now));
        }
    }

    /// Asks a broker for a sign of life, and gives up one that has not answered the last time. Over CoAP, says again what was not answered.
    fn check_silence(&mut self, connection: &mut Connection) -> Result<(), SimError> {
        let now = nanos_since(self.start);
        match self.shared.plan.protocol {
            Protocol::Mqtt => {}
            Protocol::Http => return Ok(()),
            Protocol::Coap => {
                self.repeat(connection, now.saturating_sub(REPEAT_AFTER.as_nanos() as u64));
                return Ok(());
            }
        }
        let half = self.ping_after().map_or(u64::MAX, |pause| pause.as_nanos() as u64);
        if now.saturating_sub(self.wrote_at) < half && self.in_flight.waiting() == 0 {
            return Ok(());
        }
        if let Some(at) = self.pinged_at {
            let patient = now.saturating_sub(at) < half;
            return if patient { Ok(()) } else { Err(self.silent()) };
        }
        if half < u64::MAX {
            mqtt::put_ping(&mut connection.output);
            self.wrote_at = now;
            self.pinged_at = Some(now);
        }
        Ok(())
    }

    fn silent(&self) -> SimError {
        SimError::Lost {
            device: self.index,
            reason: "no answer to a ping".into(),
        }
    }

    fn ping_after(&self) -> Option<Duration> {
        let keep_alive = self.shared.plan.keep_alive;
        match self.shared.plan.protocol {
            Protocol::Mqtt => (keep_alive > 0).then(|| Duration::from_millis(u64::from(keep_alive) * 500)),
            Protocol::Http => None,
            Protocol::Coap => Some(REPEAT_AFTER),
        }
    }

    /// When the device looks up although nothing happens: for a ping, at the end, or to give up.
    fn alarm_at(&self) -> Instant {
        let (now, plan) = (Instant::now(), &self.shared.plan);
        let end = self.start + Duration::from_nanos(plan.end());
        let give_up = self.start + Duration::from_nanos(plan.give_up());
        let last = if end > now { end } else { give_up };
        self.ping_after().map_or(last, |pause| last.min(now + pause))
    }

    fn all_sent(&self, now: u64) -> bool {
        let plan = &self.shared.plan;
        let over = if plan.open_loop() {
            plan.due_of(self.index, self.turn).is_none()
        } else {
            now >= plan.end()
        };
        over || self.ledger.as_ref().is_some_and(Ledger::is_full)
    }

    /// A device that has nothing more to send stays connected to the end.
    fn is_finished(&self, connection: &Connection, now: u64) -> bool {
        let settled = self.in_flight.waiting() == 0 && connection.output.is_empty();
        let full = self.ledger.as_ref().is_some_and(Ledger::is_full);
        let over = full || now >= self.shared.plan.end();
        (settled && over && self.all_sent(now)) || now >= self.shared.plan.give_up()
    }

    fn lost(&mut self, error: &SimError) {
        self.losses += 1;
        let mut stats = self.stats.borrow_mut();
        stats.counters.lost += 1;
        stats.note(error);
        if self.shared.plan.qos == 0 {
            stats.counters.dropped += self.in_flight.drain().count() as u64;
        }
    }

    /// Tries to connect until it works; `None` when the run is over before.
    async fn reconnect(&mut self) -> Option<Connection> {
        let mut pause = PAUSE_MIN;
        // Devices do not all come back in the same millisecond.
        let spread = Duration::from_millis((self.index as u64).wrapping_mul(7919) % 50);
        loop {
            tokio::time::sleep(pause + spread).await;
            let now = nanos_since(self.start);
            if now >= self.shared.plan.give_up() || (self.all_sent(now) && self.in_flight.waiting() == 0) {
                return None;
            }
            match connect(self.shared, self.index, self.losses).await {
                Ok(connection) => {
                    self.stats.borrow_mut().counters.reconnected += 1;
                    return Some(connection);
                }
                Err(error) => {
                    self.losses += 1;
                    let mut stats = self.stats.borrow_mut();
                    stats.counters.failed_attempts += 1;
                    stats.note(&error);
                }
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Repeats what the broker has not acknowledged, with the same identifiers, numbers and times.
    fn resend(&mut self, connection: &mut Connection) {
        self.wrote_at = nanos_since(self.start);
        self.repeat(connection, u64::MAX);
    }

    /// Repeats what was sent until some time and is not acknowledged.
    fn repeat(&mut self, connection: &mut Connection, sent_until: u64) {
        let unacknowledged = self.in_flight.unacknowledged().filter(|(_, message)| message.sent <= sent_until);
        let again: Vec<(u16, Message)> = unacknowledged.map(|(id, message)| (id, *message)).collect();
        self.stats.borrow_mut().counters.resent += again.len() as u64;
        for (id, message) in again {
            self.put(connection, id, &message, true);
        }
    }
}

/// Ends when the alarm rings or, if given, when a message is due.
async fn wait(due: Option<&Notify>, alarm: std::pin::Pin<&mut Sleep>) {
    match due {
        Some(due) => tokio::select! {
            () = due.notified() => {}
            () = alarm => {}
        },
        None => alarm.await,
    }
}
