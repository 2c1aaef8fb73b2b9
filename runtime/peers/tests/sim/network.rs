//! Connections between servers: what is sent arrives in order, some time later; a connection may break, for one side before the other, and
//! what is on its way is lost with it. Two connections may overtake each other.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use peers::Network;
use peers::network::Frames;
use peers::wire::{Frame, Item, frame};
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::chance::fate;
use crate::server::{Server, config};

/// Frames on their way in one direction at most; beyond, the sender waits.
const WAY_MAX: usize = 64;
/// How long a connection that nothing passes lives.
const DARK_MS_MAX: u64 = 2_000;
/// How much later than the other a side may notice that a connection broke.
const HALF_OPEN_MS_MAX: u64 = 1_200;
/// Items that one side keeps for the other at most: what it may send, what it has to say of what it took, and of sessions that are
/// gone.
fn kept_max() -> u64 {
    let config = config();
    (config.window + config.unsettled_max + 64) as u64
}

type Inlet = mpsc::Sender<Result<Frame, Status>>;

/// A server wants a connection.
pub struct Dial {
    from: usize,
    to: usize,
    outgoing: mpsc::Receiver<Frame>,
    answer: oneshot::Sender<Frames>,
}

/// Those that are wanted now.
pub type Dials = Arc<Mutex<Vec<Dial>>>;

/// The network, as a server sees it.
pub struct Way {
    at: usize,
    dials: Dials,
}

impl Way {
    pub fn new(at: usize, dials: Dials) -> Self {
        Way { at, dials }
    }
}

#[async_trait]
impl Network for Way {
    async fn open(&self, address: &str, outgoing: mpsc::Receiver<Frame>) -> Result<Frames, Status> {
        let to = address.parse().map_err(|_| Status::unavailable("no address"))?;
        let (answer, answered) = oneshot::channel();
        self.dials.lock().push(Dial {
            from: self.at,
            to,
            outgoing,
            answer,
        });
        answered.await.map_err(|_| Status::unavailable("nobody is there"))
    }
}

/// One direction of a connection.
struct Pipe {
    from: usize,
    out: Out,
    way: VecDeque<(u64, Frame)>,
    into: Option<Inlet>,
    /// Numbers of the items that were sent and not acknowledged, on this connection.
    unacknowledged: Option<(u64, u64)>,
    /// What the receiver has just heard that the other side took.
    told: Option<u64>,
}

enum Out {
    /// The other side has yet to take the connection.
    Later(oneshot::Receiver<mpsc::Receiver<Frame>>),
    Now(mpsc::Receiver<Frame>),
    Ended,
}

struct Connection {
    number: u64,
    /// From who opened it to the other, and back.
    pipes: [Pipe; 2],
    ends: [usize; 2],
    dark_since_ms: Option<u64>,
    /// When each side notices that it broke.
    breaks_ms: Option<[u64; 2]>,
}

pub struct Connections {
    seed: u64,
    open: Vec<Connection>,
    dialled: Vec<(u64, Dial)>,
    count: u64,
    pub frames: u64,
}

impl Connections {
    pub fn new(seed: u64) -> Self {
        Connections {
            seed,
            open: Vec::new(),
            dialled: Vec::new(),
            count: 0,
            frames: 0,
        }
    }

    /// Breaks one connection.
    pub fn break_one(&mut self, now_ms: u64) {
        let whole = self.open.iter().filter(|connection| connection.breaks_ms.is_none()).count() as u64;
        if whole == 0 {
            return;
        }
        let chosen = fate(self.seed, &[4, now_ms], whole) as usize;
        let later = fate(self.seed, &[5, now_ms], HALF_OPEN_MS_MAX);
        let first = fate(self.seed, &[6, now_ms], 2) as usize;
        let mut whole = self.open.iter_mut().filter(|connection| connection.breaks_ms.is_none());
        if let Some(connection) = whole.nth(chosen) {
            let mut breaks_ms = [now_ms, now_ms];
            breaks_ms[first] += later;
            connection.breaks_ms = Some(breaks_ms);
        }
    }

    /// What happens at one time. `reaches`: who runs, and on which side of a partition.
    pub fn step(&mut self, now_ms: u64, dials: &Dials, servers: &[Option<Server>], sides: &[Option<u8>]) {
        let reaches = |from: usize, to: usize| sides[from].is_some() && sides[from] == sides[to];
        let wanted = std::mem::take(&mut *dials.lock());
        for dial in wanted {
            let takes_ms = fate(self.seed, &[7, dial.from as u64, dial.to as u64, now_ms], 40);
            self.dialled.push((now_ms + takes_ms, dial));
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.dialled)
            .into_iter()
            .partition(|(at_ms, _)| *at_ms <= now_ms);
        self.dialled = later;
        for (_, dial) in due {
            // Else it is dropped: whoever dialled hears that nobody is there.
            if let Some(server) = servers[dial.to].as_ref().filter(|_| reaches(dial.from, dial.to)) {
                self.connect(dial, server);
            }
        }
        let (seed, mut frames) = (self.seed, 0);
        self.open.retain_mut(|connection| {
            let passes = reaches(connection.ends[0], connection.ends[1]);
            frames += connection.step(seed, now_ms, passes);
            connection.lives(now_ms, passes)
        });
        self.frames += frames;
    }

    fn connect(&mut self, dial: Dial, server: &Server) {
        let (to_server, taken) = mpsc::channel(WAY_MAX);
        let (back, came_back) = mpsc::channel(WAY_MAX);
        if dial.answer.send(ReceiverStream::new(came_back).boxed()).is_err() {
            return;
        }
        let (accepted, outgoing) = oneshot::channel();
        let peers = server.peers.clone();
        server.spawn(async move {
            // Who is not taken finds that the connection has ended.
            if let Ok(outgoing) = peers.accept(ReceiverStream::new(taken).boxed()).await {
                let _ = accepted.send(outgoing);
            }
        });
        self.count += 1;
        let pipe = |from, out, into| Pipe {
            from,
            out,
            way: VecDeque::new(),
            into: Some(into),
            unacknowledged: None,
            told: None,
        };
        self.open.push(Connection {
            number: self.count,
            ends: [dial.from, dial.to],
            pipes: [
                pipe(dial.from, Out::Now(dial.outgoing), to_server),
                pipe(dial.to, Out::Later(outgoing), back),
            ],
            dark_since_ms: None,
            breaks_ms: None,
        });
    }
}

impl Connection {
    /// Moves frames; how many arrived.
    fn step(&mut self, seed: u64, now_ms: u64, passes: bool) -> u64 {
        if let Some(breaks_ms) = self.breaks_ms {
            for (side, at_ms) in breaks_ms.into_iter().enumerate() {
                if now_ms >= at_ms {
                    self.pipes[side].out = Out::Ended;
                    self.pipes[1 - side].into = None;
                }
            }
            // What is on its way is lost, and what is sent from now on.
            self.pipes.iter_mut().for_each(|pipe| {
                pipe.way.clear();
                pipe.out.lose();
            });
            return 0;
        }
        let mut frames = 0;
        for pipe in &mut self.pipes {
            pipe.collect(seed, self.number, now_ms);
            if passes {
                frames += pipe.deliver(now_ms);
            }
        }
        let [there, back] = &mut self.pipes;
        Pipe::acknowledge(there, back);
        Pipe::acknowledge(back, there);
        frames
    }

    fn lives(&mut self, now_ms: u64, passes: bool) -> bool {
        match (passes, self.dark_since_ms) {
            (true, _) => self.dark_since_ms = None,
            (false, None) => self.dark_since_ms = Some(now_ms),
            (false, Some(since_ms)) if now_ms - since_ms > DARK_MS_MAX => return false,
            (false, Some(_)) => {}
        }
        if let Some(breaks_ms) = self.breaks_ms {
            return breaks_ms.iter().any(|at_ms| now_ms < *at_ms);
        }
        // One side has hung up: the other hears of it when all before has arrived.
        let ended = |pipe: &Pipe| pipe.into.is_none() || (matches!(pipe.out, Out::Ended) && pipe.way.is_empty());
        !self.pipes.iter().any(ended)
    }
}

impl Out {
    fn try_recv(&mut self) -> Option<Frame> {
        if let Out::Later(outgoing) = self {
            match outgoing.try_recv() {
                Ok(outgoing) => *self = Out::Now(outgoing),
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => *self = Out::Ended,
            }
        }
        let Out::Now(outgoing) = self else { return None };
        match outgoing.try_recv() {
            Ok(frame) => return Some(frame),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => *self = Out::Ended,
        }
        None
    }

    fn lose(&mut self) {
        while self.try_recv().is_some() {}
    }
}

impl Pipe {
    /// Takes what is to be sent. What is sent at one time arrives at one time.
    fn collect(&mut self, seed: u64, number: u64, now_ms: u64) {
        let about = [8, number, self.from as u64, now_ms];
        let slow_ms = if fate(seed, &[9, number, self.from as u64, now_ms], 12) == 0 {
            300
        } else {
            25
        };
        let due_ms = now_ms + fate(seed, &about, slow_ms);
        let arrives_ms = self.way.back().map_or(due_ms, |(before_ms, _)| due_ms.max(*before_ms));
        while self.way.len() < WAY_MAX {
            let Some(frame) = self.out.try_recv() else { return };
            if let Some(frame::Frame::Item(Item { number, .. })) = &frame.frame {
                let (first, _) = *self.unacknowledged.get_or_insert((*number, *number));
                self.unacknowledged = Some((first, number + 1));
            }
            self.way.push_back((arrives_ms, frame));
        }
    }

    fn deliver(&mut self, now_ms: u64) -> u64 {
        let mut count = 0;
        while let (Some((arrives_ms, _)), Some(into)) = (self.way.front(), &self.into) {
            if *arrives_ms > now_ms {
                break;
            }
            let is_closed = match into.try_reserve() {
                Ok(place) => {
                    let Some((_, frame)) = self.way.pop_front() else { break };
                    if let Some(frame::Frame::Taken(below)) = &frame.frame {
                        self.told = Some(*below);
                    }
                    place.send(Ok(frame));
                    count += 1;
                    false
                }
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => true,
            };
            if is_closed {
                self.into = None;
            }
        }
        if self.into.as_ref().is_some_and(mpsc::Sender::is_closed) {
            self.into = None;
        }
        count
    }

    /// What one side has told the other about what it took.
    fn acknowledge(told: &mut Pipe, sent: &mut Pipe) {
        if let Some(below) = told.told.take()
            && let Some((_, end)) = sent.unacknowledged
        {
            sent.unacknowledged = Some((below, end));
        }
        if let Some((first, end)) = sent.unacknowledged {
            let kept = end.saturating_sub(first);
            assert!(kept <= kept_max(), "{kept} items wait for the other side");
        }
    }
}
