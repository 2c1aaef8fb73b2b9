//! Devices: each says one numbered thing after the other through a session on some server, a few at a time, and says again what was not
//! acknowledged when its connection ends. And the sessions, as `session/session.rs` has them.

use std::collections::BTreeSet;

use actor::lane;
use cluster::{Delivery, DeviceLane, RouteError, Router, SessionId, SessionLink, Settled};
use model::{DeviceId, DownlinkKinds, Payload, Uplink};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use uuid::Uuid;

use crate::chance::Chance;
use crate::server::Server;
use crate::store::{Store, session_of};

/// Messages of a device that are not acknowledged.
const WINDOW: usize = 6;
/// A device that hears nothing for so long tries another server.
const PATIENCE_MS: u64 = 2_000;
/// How long it takes until a device is connected again.
const AGAIN_MS_MAX: u64 = 200;

pub struct Client {
    pub device: DeviceId,
    /// How many messages it will have said.
    pub all: u64,
    /// How many it has to say until now.
    due: u64,
    /// All below are acknowledged.
    pub acknowledged: u64,
    line: Option<Line>,
    again_ms: u64,
}

struct Line {
    server: usize,
    publishes: mpsc::Sender<u64>,
    acks: mpsc::Receiver<u64>,
    next: u64,
    heard_ms: u64,
}

impl Client {
    pub fn new(device: DeviceId, all: u64) -> Self {
        Client {
            device,
            all,
            due: 0,
            acknowledged: 0,
            line: None,
            again_ms: 0,
        }
    }

    /// Its connection ends, and the server does not know why.
    pub fn hop(&mut self) {
        self.line = None;
    }

    /// Through which server it speaks.
    pub fn server(&self) -> Option<usize> {
        self.line.as_ref().map(|line| line.server)
    }

    pub fn step(&mut self, store: &Store, servers: &[Option<Server>], sessions: &mut u64, chance: &mut Chance) {
        let now_ms = store.now_ms();
        if self.due < self.all && chance.once_in(8) {
            self.due += 1;
        }
        self.hear(store, now_ms, chance);
        if self.line.is_none() && now_ms >= self.again_ms && self.acknowledged < self.due {
            let server = chance.below(servers.len() as u64) as usize;
            if let Some(server) = &servers[server] {
                *sessions += 1;
                self.connect(server, session_of(*sessions, server.at), now_ms);
            }
        }
        let Some(line) = &mut self.line else { return };
        while line.next < self.due && line.next < self.acknowledged + WINDOW as u64 {
            if line.publishes.try_send(line.next).is_err() {
                break;
            }
            line.next += 1;
        }
    }

    fn hear(&mut self, store: &Store, now_ms: u64, chance: &mut Chance) {
        let Some(line) = &mut self.line else { return };
        let ended = loop {
            match line.acks.try_recv() {
                Ok(number) => {
                    assert_eq!(number, self.acknowledged, "acknowledgements come in the order of publishes");
                    store.acknowledged(self.device, number);
                    self.acknowledged += 1;
                    line.heard_ms = now_ms;
                }
                Err(TryRecvError::Empty) => break self.acknowledged < line.next && now_ms - line.heard_ms > PATIENCE_MS,
                Err(TryRecvError::Disconnected) => break true,
            }
        };
        if self.acknowledged == line.next {
            line.heard_ms = now_ms;
        }
        if ended {
            self.line = None;
            self.again_ms = now_ms + chance.below(AGAIN_MS_MAX);
        }
    }

    fn connect(&mut self, server: &Server, session: u64, now_ms: u64) {
        let (publishes, said) = mpsc::channel(WINDOW);
        let (acknowledge, acks) = mpsc::channel(2 * WINDOW);
        server.spawn(serve(server.router.clone(), self.device, session, said, acknowledge));
        self.line = Some(Line {
            server: server.at,
            publishes,
            acks,
            next: self.acknowledged,
            heard_ms: now_ms,
        });
    }
}

/// A session: hands over in order, acknowledges in order what is durable, and ends when something is not.
async fn serve(router: Router, device: DeviceId, session: u64, mut said: mpsc::Receiver<u64>, acknowledge: mpsc::Sender<u64>) {
    let (downlinks, _told) = lane(4);
    let link = SessionLink {
        id: SessionId(Uuid::from_u128(session.into())),
        downlinks,
        child: None,
        kinds: DownlinkKinds::ALL,
        once: false,
    };
    let (settle, mut settlements) = lane(2 * WINDOW);
    let mut way = None;
    if hand_over(&router, &mut way, device, Delivery::Connected(link.clone()))
        .await
        .is_err()
    {
        return;
    }
    let (mut settled, mut first) = (BTreeSet::new(), None);
    loop {
        tokio::select! {
            biased;
            one = settlements.recv() => {
                let Some(Settled { sequence, result: Ok(()) }) = one else { break };
                settled.insert(sequence);
                while let Some(number) = first.filter(|first| settled.remove(first)) {
                    if acknowledge.send(number).await.is_err() {
                        break;
                    }
                    first = Some(number + 1);
                }
            }
            number = said.recv() => {
                let Some(number) = number else { break };
                first.get_or_insert(number);
                let uplink = Delivery::Uplink {
                    session: link.clone(),
                    uplink: Uplink::Telemetry { ts_ms: None, values: Payload::new(json!({"n": number})) },
                    received_ms: 0,
                    receipt: cluster::Receipt::new(settle.clone(), number),
                };
                if hand_over(&router, &mut way, device, uplink).await.is_err() {
                    break;
                }
            }
        }
    }
    // Nobody hears of it if the device cannot be served.
    let _ = hand_over(&router, &mut way, device, Delivery::Disconnected(link.id)).await;
}

async fn hand_over(router: &Router, way: &mut Option<DeviceLane>, device: DeviceId, delivery: Delivery) -> Result<(), RouteError> {
    let mut delivery = delivery;
    loop {
        let lane = match way {
            Some(lane) => lane,
            None => way.insert(router.lane(device).await?),
        };
        let sent = lane.send(delivery).await;
        match sent {
            Ok(()) => return Ok(()),
            Err(closed) => (delivery, *way) = (closed.0, None),
        }
    }
}
