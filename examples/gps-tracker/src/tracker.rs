//! One peer: which units are logged in, what waits for its acknowledgement, which command waits for a reply.

use std::collections::{BTreeMap, VecDeque};

use pacificsoft_sdk::adapter::{Downlink, RpcReply, Telemetry, Uplink};
use pacificsoft_sdk::stream::{Actions, Arrival, Carrier, Denial, Ending, StreamDescriptor};
use pacificsoft_sdk::{Content, Level, StreamAdapter, log};

use crate::frame::{Frame, Reader};
use crate::words::{self, Code, Position};

/// Frames of a unit that wait until its login is decided about.
const WAITING_MAX: usize = 32;
/// Commands of a unit that wait for a reply.
const COMMANDS_MAX: usize = 16;
/// Bytes that may belong to no frame, before the peer is given up.
const SKIPPED_MAX: u64 = 4096;
/// When commands without a reply are sent again, and how often.
const REPEAT_MS: u32 = 2_000;
const REPEATS_MAX: u8 = 5;
const REPEAT_TIMER: u32 = 1;

/// A unit behind the peer.
enum Unit {
    /// Its login is being decided about; answers the frame with this number.
    Asked { login: u16, waiting: VecDeque<Frame> },
    /// Logged in; commands by number that wait for a reply.
    Known { commands: BTreeMap<u16, Command> },
}

struct Command {
    /// Number of the request.
    request: u32,
    bytes: Vec<u8>,
    repeats: u8,
}

/// The state of a peer.
pub struct Tracker {
    carrier: Carrier,
    reader: Reader,
    units: BTreeMap<u8, Unit>,
    next_command: u16,
    repeating: bool,
}

impl StreamAdapter for Tracker {
    fn descriptor() -> StreamDescriptor {
        StreamDescriptor {
            name: "gps-tracker",
            title: "GPS tracker",
            description: "Positions of trackers in a compact binary protocol, commands to them.",
        }
    }

    fn opened(arrival: &Arrival, _: &mut Actions) -> Result<Self, String> {
        Ok(Tracker {
            carrier: arrival.carrier,
            reader: Reader::default(),
            units: BTreeMap::new(),
            next_command: 1,
            repeating: false,
        })
    }

    fn received(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<(), String> {
        for frame in self.reader.read(bytes) {
            self.frame(frame, actions);
        }
        if self.carrier == Carrier::Udp {
            self.reader.end();
        }
        if self.reader.skipped > SKIPPED_MAX {
            return Err(format!("{SKIPPED_MAX} bytes belonged to no frame"));
        }
        Ok(())
    }

    fn authenticated(&mut self, device: u32, denied: Option<Denial>, actions: &mut Actions) -> Result<(), String> {
        let unit = unit_of(device);
        let Some(Unit::Asked { login, waiting }) = self.units.remove(&unit) else {
            return Ok(());
        };
        let code = match denied {
            None => Code::Done,
            Some(Denial::Unavailable) => Code::Again,
            Some(Denial::Unknown | Denial::TooMany) => Code::Denied,
        };
        actions.send(words::answer(words::LOGIN_ANSWER, login, unit, code));
        if denied.is_none() {
            let commands = BTreeMap::new();
            self.units.insert(unit, Unit::Known { commands });
        }
        for frame in waiting {
            self.frame(frame, actions);
        }
        Ok(())
    }

    fn settled(&mut self, ticket: u32, durable: bool, actions: &mut Actions) -> Result<(), String> {
        // Replies to commands are reported too, and not acknowledged: their tickets are beyond those of frames.
        if let Some((unit, number)) = frame_of(ticket) {
            let code = if durable { Code::Done } else { Code::Again };
            actions.send(words::answer(words::ACKNOWLEDGEMENT, number, unit, code));
        }
        Ok(())
    }

    fn downlink(&mut self, device: u32, downlink: Downlink, actions: &mut Actions) -> Result<(), String> {
        let unit = unit_of(device);
        match downlink {
            Downlink::RpcRequest(request) => self.command(unit, request.id, &request.method, &request.params, actions),
            Downlink::AttributesChanged(json) => match words::settings(unit, &json) {
                Some(bytes) => actions.send(bytes),
                None => log(Level::Warn, "changed settings are too long for a frame"),
            },
            // The protocol asks for nothing that these would answer.
            Downlink::AttributesRemoved(_) | Downlink::AttributeResponse(_) | Downlink::RpcResponse(_) | Downlink::Child(_) => {}
        }
        Ok(())
    }

    fn detached(&mut self, device: u32, ending: Ending, actions: &mut Actions) -> Result<(), String> {
        let unit = unit_of(device);
        self.units.remove(&unit);
        let code = match ending {
            Ending::TakenOver => Code::NotLoggedIn,
            Ending::Administrative => Code::Denied,
        };
        actions.send(words::answer(words::LOGIN_ANSWER, 0, unit, code));
        Ok(())
    }

    fn timer(&mut self, _: u32, actions: &mut Actions) -> Result<(), String> {
        self.repeating = false;
        let mut waiting = false;
        for unit in self.units.values_mut() {
            let Unit::Known { commands } = unit else { continue };
            commands.retain(|_, command| {
                command.repeats += 1;
                command.repeats <= REPEATS_MAX
            });
            for command in commands.values() {
                actions.send(command.bytes.clone());
                waiting = true;
            }
        }
        if waiting {
            self.repeat(actions);
        }
        Ok(())
    }
}

impl Tracker {
    fn frame(&mut self, frame: Frame, actions: &mut Actions) {
        let Some((&unit, rest)) = frame.body.split_first() else { return };
        if frame.kind == words::LOGIN {
            return self.login(unit, frame.number, rest, actions);
        }
        match self.units.get_mut(&unit) {
            Some(Unit::Known { commands }) => match report(&frame, rest, commands) {
                Some(Ok(Report::Uplinks(uplinks))) => actions.uplinks(u32::from(unit), ticket_of(unit, frame.number), uplinks),
                Some(Ok(Report::Reply(uplink))) => actions.uplinks(u32::from(unit), REPLY_TICKET, vec![uplink]),
                Some(Ok(Report::Alive)) => actions.send(words::answer(words::HEARTBEAT_ANSWER, frame.number, unit, Code::Done)),
                Some(Err(code)) => actions.send(words::answer(words::ACKNOWLEDGEMENT, frame.number, unit, code)),
                None => {}
            },
            Some(Unit::Asked { waiting, .. }) if waiting.len() < WAITING_MAX => waiting.push_back(frame),
            Some(Unit::Asked { .. }) => actions.send(words::answer(words::ACKNOWLEDGEMENT, frame.number, unit, Code::Again)),
            None => actions.send(words::answer(words::ACKNOWLEDGEMENT, frame.number, unit, Code::NotLoggedIn)),
        }
    }

    fn login(&mut self, unit: u8, number: u16, token: &[u8], actions: &mut Actions) {
        let Ok(token) = std::str::from_utf8(token) else {
            return actions.send(words::answer(words::LOGIN_ANSWER, number, unit, Code::Malformed));
        };
        match self.units.get_mut(&unit) {
            // Sent again, because the answer was lost.
            Some(Unit::Known { .. }) => actions.send(words::answer(words::LOGIN_ANSWER, number, unit, Code::Done)),
            Some(Unit::Asked { login, .. }) => *login = number,
            None => {
                let waiting = VecDeque::new();
                self.units.insert(unit, Unit::Asked { login: number, waiting });
                actions.authenticate(u32::from(unit), token);
            }
        }
    }

    fn command(&mut self, unit: u8, request: u32, name: &str, parameters: &str, actions: &mut Actions) {
        let number = self.next_command;
        let Some(Unit::Known { commands }) = self.units.get_mut(&unit) else {
            return;
        };
        let refused = if commands.len() >= COMMANDS_MAX {
            "too many commands wait for the tracker"
        } else if let Some(bytes) = words::command(number, unit, name, parameters) {
            actions.send(bytes.clone());
            let repeats = 0;
            commands.insert(number, Command { request, bytes, repeats });
            self.next_command = self.next_command.wrapping_add(1);
            return self.repeat(actions);
        } else {
            "the command is too long for a frame"
        };
        let json = serde_json::json!({ "error": refused }).to_string();
        actions.uplinks(u32::from(unit), REPLY_TICKET, vec![reply(request, json)]);
    }

    fn repeat(&mut self, actions: &mut Actions) {
        if !self.repeating {
            self.repeating = true;
            actions.set_timer(REPEAT_TIMER, REPEAT_MS);
        }
    }
}

/// What a frame reports.
enum Report {
    Uplinks(Vec<Uplink>),
    Reply(Uplink),
    Alive,
}

/// None: nobody waits for it.
fn report(frame: &Frame, rest: &[u8], commands: &mut BTreeMap<u16, Command>) -> Option<Result<Report, Code>> {
    Some(match frame.kind {
        words::POSITION => match Position::read(rest) {
            Some(position) => Ok(Report::Uplinks(vec![Uplink::Telemetry(Telemetry {
                timestamp: Some(i64::from(position.time_s) * 1000),
                values: Content::Json(position.json()),
            })])),
            None => Err(Code::Malformed),
        },
        words::STATUS => match rest.split_first() {
            Some((battery, firmware)) if *battery <= 100 => {
                let battery = serde_json::json!({ "battery": battery }).to_string();
                let firmware = serde_json::json!({ "firmware": String::from_utf8_lossy(firmware) }).to_string();
                Ok(Report::Uplinks(vec![
                    Uplink::Telemetry(Telemetry {
                        timestamp: None,
                        values: Content::Json(battery),
                    }),
                    Uplink::Attributes(Content::Json(firmware)),
                ]))
            }
            _ => Err(Code::Malformed),
        },
        words::REPLY => {
            // A second reply to a command that was sent twice finds nobody.
            let command = commands.remove(&frame.number)?;
            let (result, text) = rest.split_first().map_or((1, &[][..]), |(result, text)| (*result, text));
            let json = serde_json::json!({ "ok": result == 0, "text": String::from_utf8_lossy(text) }).to_string();
            Ok(Report::Reply(reply(command.request, json)))
        }
        words::HEARTBEAT => Ok(Report::Alive),
        _ => Err(Code::Malformed),
    })
}

fn reply(request: u32, json: String) -> Uplink {
    Uplink::RpcReply(RpcReply {
        id: request,
        payload: Content::Json(json),
    })
}

/// Ticket of what is not acknowledged.
const REPLY_TICKET: u32 = u32::MAX;

fn ticket_of(unit: u8, number: u16) -> u32 {
    u32::from(unit) << 16 | u32::from(number)
}

fn frame_of(ticket: u32) -> Option<(u8, u16)> {
    let [0, unit, high, low] = ticket.to_be_bytes() else { return None };
    Some((unit, u16::from_be_bytes([high, low])))
}

fn unit_of(device: u32) -> u8 {
    device.to_be_bytes()[3]
}

#[cfg(test)]
mod tests;
