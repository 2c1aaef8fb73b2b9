//! What one device observes from one address: a session that lasts, and turns what its device is told into notifications.

use std::time::Duration;

use actor::{Lane, LaneReceiver};
use coap::{Code, Exchange, Observation, Response};
use model::DownlinkKind;
use session::{CloseReason, Event, Inbound, Outbound, Session, Sessions, Transport};
use tokio::time::{Instant, timeout_at};

use super::exchange::{authenticate, not_opened, not_taken, told};
use super::place::Place;

/// How long the first notification may take.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);

/// What the socket's task asks of a link.
#[derive(Debug)]
pub(super) enum Ask {
    /// A client wants to observe a place.
    Observe(Exchange, String),
    /// An observation is over.
    Ended(Observation),
}

/// What links and exchanges ask of the socket's task.
#[derive(Debug)]
pub(super) enum Reply {
    /// Answer a request.
    Answer(Exchange, Response),
    /// Answer a request to observe: it does from now on, or it does not.
    First(Exchange, Response),
    /// Tell an observer something.
    Notify(Observation, Response),
    /// Tell an observer its last word.
    Finish(Observation, Response),
}

struct Observed {
    observation: Observation,
    path: String,
    kinds: Vec<DownlinkKind>,
}

struct Link {
    session: Session,
    observed: Vec<Observed>,
    replies: Lane<Reply>,
}

/// Lives until nobody asks anything of it any more: the socket's task drops the lane when the last observation has ended.
pub(super) async fn run(sessions: Sessions, place: Place, mut asks: LaneReceiver<Ask>, replies: Lane<Reply>) {
    let refusal = match open(&sessions, &place).await {
        Ok(session) => {
            let mut link = Link {
                session,
                observed: Vec::new(),
                replies: replies.clone(),
            };
            let reason = link.until_closed(&mut asks).await;
            let Link { session, observed, .. } = link;
            session.close().await;
            let Some(reason) = reason else { return };
            for Observed { observation, .. } in observed {
                let _ = replies.send(Reply::Finish(observation, last_word(reason))).await;
            }
            last_word(reason)
        }
        Err(refusal) => refusal,
    };
    while let Some(ask) = asks.recv().await {
        if let Ask::Observe(exchange, _) = ask {
            let _ = replies.send(Reply::First(exchange, refusal.clone())).await;
        }
    }
}

async fn open(sessions: &Sessions, place: &Place) -> Result<Session, Response> {
    let device = authenticate(sessions, place).await?;
    sessions.connect(device, Transport::Coap).await.map_err(not_opened)
}

fn last_word(reason: CloseReason) -> Response {
    match reason {
        // The device observes from somewhere else by now.
        CloseReason::TakenOver => Response::new(Code::DELETED),
        CloseReason::Administrative => Response::new(Code::UNAUTHORIZED),
        CloseReason::ShuttingDown => Response::busy(),
    }
}

impl Link {
    /// None: nobody asks any more.
    async fn until_closed(&mut self, asks: &mut LaneReceiver<Ask>) -> Option<CloseReason> {
        let mut events = Vec::new();
        loop {
            tokio::select! {
                ask = asks.recv() => match ask? {
                    Ask::Observe(exchange, path) => {
                        let first = self.observe(exchange, &path).await;
                        let _ = self.replies.send(Reply::First(exchange, first.response)).await;
                        if first.closed.is_some() {
                            return first.closed;
                        }
                    }
                    Ask::Ended(observation) => {
                        self.observed.retain(|observed| observed.observation != observation);
                        self.listen().await;
                    }
                },
                () = self.session.events(&mut events) => {
                    for event in events.drain(..) {
                        match event {
                            Event::Downlink(outbound, kind, request) => self.notify(outbound, kind, request).await,
                            Event::Close(reason) => return Some(reason),
                            Event::Settled(..) => {}
                        }
                    }
                }
            }
        }
    }

    /// A client observes a place from now on; what it is told first.
    async fn observe(&mut self, exchange: Exchange, path: &str) -> First {
        let kinds = self.session.subscription(path).await;
        if kinds.is_empty() {
            return Response::new(Code::METHOD_NOT_ALLOWED).into();
        }
        let inbound = Inbound::new(Transport::Coap, ["OBSERVE ", path].concat(), Vec::new(), bytes::Bytes::new());
        if let Err(error) = self.session.publish(inbound).await {
            return not_taken(error).into();
        }
        let first = self.first().await;
        if first.closed.is_none() && first.response.code.is_success() {
            let observation = exchange.observation();
            let (older, others) = std::mem::take(&mut self.observed)
                .into_iter()
                .partition(|observed| observed.path == path);
            self.observed = others;
            self.observed.push(Observed {
                observation,
                path: path.to_owned(),
                kinds,
            });
            for Observed { observation: older, .. } in older {
                // A device observes a place once: the newest observation of it counts.
                if older != observation {
                    let _ = self.replies.send(Reply::Finish(older, Response::new(Code::DELETED))).await;
                }
            }
            self.listen().await;
        }
        first
    }

    /// What there is to begin with: the answer if the adapter asked something, else that the observation holds.
    async fn first(&mut self) -> First {
        let asks = self.session.asks();
        let deadline = Instant::now() + FIRST_TIMEOUT;
        let mut events = Vec::new();
        let mut first = None;
        while first.is_none() && timeout_at(deadline, self.session.events(&mut events)).await.is_ok() {
            for event in std::mem::take(&mut events) {
                match event {
                    Event::Settled(_, Ok(())) if !asks => first = Some(Response::new(Code::VALID).observing().into()),
                    Event::Settled(_, Err(_)) => first = Some(Response::new(Code::INTERNAL_SERVER_ERROR).into()),
                    Event::Downlink(outbound, DownlinkKind::AttributeResponse, _) => first = Some(told(outbound).observing().into()),
                    Event::Downlink(outbound, kind, request) => self.notify(outbound, kind, request).await,
                    Event::Close(reason) => {
                        return First {
                            response: last_word(reason),
                            closed: Some(reason),
                        };
                    }
                    Event::Settled(_, Ok(())) => {}
                }
            }
        }
        first.unwrap_or_else(|| Response::busy().into())
    }

    async fn notify(&mut self, outbound: Outbound, kind: DownlinkKind, request: Option<u32>) {
        let Some(observed) = self.observed.iter().find(|observed| observed.kinds.contains(&kind)) else {
            metrics::counter!("coap_notifications_dropped_total", "why" => "not observed").increment(1);
            return;
        };
        let _ = self.replies.send(Reply::Notify(observed.observation, told(outbound))).await;
        // The endpoint sends a notification again until it is acknowledged, or ends the observation.
        if let Some(request) = request {
            self.session.delivered(request).await;
        }
    }

    /// Tells the device's actor what is observed.
    async fn listen(&mut self) {
        let kinds = self.observed.iter().flat_map(|observed| &observed.kinds);
        let kinds = kinds.copied().collect();
        self.session.listen(kinds).await;
    }
}

/// What a client is told first.
struct First {
    response: Response,
    /// The session ended meanwhile.
    closed: Option<CloseReason>,
}

impl From<Response> for First {
    fn from(response: Response) -> Self {
        First { response, closed: None }
    }
}
