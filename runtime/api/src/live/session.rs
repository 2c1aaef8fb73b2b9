//! The session of one connection: commands come in, replies and updates go out. One task, which does one thing after the other.

mod socket;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use feed::{Interest, Outbox, Update, Wanted, WatchId};
use model::{AttributeScope, EntityId, EntityKind};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use uuid::Uuid;

use super::command::{Asked, Command, Frame, read};
use super::reply::{self, Data};
use super::subscription::{Fresh, Subscription, newest};
use super::{Entry, refused};
use crate::ApiError;
use crate::auth::token::Claims;
use crate::extract::{Principal, principal};
use crate::routes::{History, LookedAt, Span, given_keys, no_keys, parse_scope};
use crate::state::ApiState;
use socket::{Ending, Socket};

/// Who is at the other end.
pub(crate) enum Caller {
    /// Somebody who said so with the request.
    Known(Box<(Principal, Claims, Entry)>),
    /// Somebody who has yet to say so.
    Stranger(OwnedSemaphorePermit),
}

/// Serves a connection to its end.
pub(crate) async fn serve(api: ApiState, socket: WebSocket, caller: Caller) {
    let outbox = Outbox::new(api.live.config().outbox);
    let mut socket = Socket::new(socket, outbox.clone(), api.live.config().send_timeout);
    let ending = match greeted(&api, &mut socket, caller).await {
        Ok((known, frame)) => Session::new(api, outbox, *known).run(&mut socket, frame).await,
        Err(ending) => ending,
    };
    socket.close(ending).await;
}

/// Who it is, and what a stranger asked along with that.
async fn greeted(api: &ApiState, socket: &mut Socket, caller: Caller) -> Result<(Box<(Principal, Claims, Entry)>, Frame), Ending> {
    let _place = match caller {
        Caller::Known(known) => return Ok((known, Frame::default())),
        Caller::Stranger(place) => place,
    };
    let mut stopping = api.live.0.stopping.subscribe();
    let frame = tokio::select! {
        frame = timeout(api.live.config().auth_timeout, first(api, socket)) => frame.unwrap_or(Err(Ending::NOBODY))?,
        _ = stopping.wait_for(|stopping| *stopping) => return Err(Ending::STOPPING),
    };
    let token = frame.auth.as_ref().and_then(|auth| auth.token.as_deref()).ok_or(Ending::WRONG)?;
    let claims = principal::claims(api, token).map_err(|_| Ending::WRONG)?;
    let principal = Principal::of(api, &claims).await.map_err(|error| match error {
        ApiError::Authentication(_) | ApiError::TokenExpired => Ending::WRONG,
        _ => Ending::UNAVAILABLE,
    })?;
    let entry = api.live.enter(principal.user).map_err(Ending::crowded)?;
    Ok((Box::new((principal, claims, entry)), frame))
}

/// A stranger's first message, which must say who it is.
async fn first(api: &ApiState, socket: &mut Socket) -> Result<Frame, Ending> {
    loop {
        let Message::Text(text) = socket.next().await? else { continue };
        if text.len() > api.live.config().message_bytes_max {
            return Err(Ending::TOO_LARGE);
        }
        return read(&text).ok().filter(|frame| frame.auth.is_some()).ok_or(Ending::NOBODY);
    }
}

/// See the module.
struct Session {
    api: ApiState,
    principal: Principal,
    claims: Claims,
    entry: Entry,
    outbox: Outbox,
    /// By the client's number.
    subscriptions: HashMap<i64, Subscription>,
    /// The client's numbers of watches.
    numbers: HashMap<WatchId, i64>,
    heard: Instant,
}

/// What a session does next.
enum Next {
    Message(Message),
    Tell,
    Look { all: bool },
    Ping,
}

impl Session {
    fn new(api: ApiState, outbox: Outbox, (principal, claims, entry): (Principal, Claims, Entry)) -> Self {
        Session {
            api,
            principal,
            claims,
            entry,
            outbox,
            subscriptions: HashMap::new(),
            numbers: HashMap::new(),
            heard: Instant::now(),
        }
    }

    async fn run(mut self, socket: &mut Socket, frame: Frame) -> Ending {
        match self.live(socket, frame).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        }
    }

    async fn live(&mut self, socket: &mut Socket, frame: Frame) -> Result<std::convert::Infallible, Ending> {
        self.carry_out(socket, frame).await?;
        let ping = self.api.live.config().ping;
        let mut pings = interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = self.api.live.0.stopping.subscribe();
        let mut ends = self.token_ends();
        loop {
            let next = tokio::select! {
                message = socket.next() => Next::Message(message?),
                () = self.outbox.more() => Next::Tell,
                () = self.outbox.full() => return Err(Ending::SLOW),
                all = self.entry.called() => Next::Look { all },
                _ = pings.tick() => Next::Ping,
                () = &mut ends => return Err(Ending::TOKEN),
                _ = stopping.wait_for(|stopping| *stopping) => return Err(Ending::STOPPING),
            };
            match next {
                Next::Message(message) => self.message(socket, message).await?,
                Next::Tell => self.tell(socket).await?,
                Next::Look { all } => self.look(socket, |_| all).await?,
                Next::Ping => self.ping(socket).await?,
            }
        }
    }

    fn token_ends(&self) -> Pin<Box<Sleep>> {
        let left_ms = self.claims.exp.saturating_mul(1_000).saturating_sub(self.api.clock.now_ms());
        Box::pin(sleep(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))))
    }

    async fn message(&mut self, socket: &mut Socket, message: Message) -> Result<(), Ending> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) if text.len() > self.api.live.config().message_bytes_max => Err(Ending::TOO_LARGE),
            Message::Text(text) => match read(&text) {
                Ok(frame) => self.carry_out(socket, frame).await,
                Err(why) => self.refuse(socket, 0, &ApiError::Invalid(why)).await,
            },
            Message::Binary(_) => self.refuse(socket, 0, &ApiError::invalid("Commands are text")).await,
            // Answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        }
    }

    async fn carry_out(&mut self, socket: &mut Socket, frame: Frame) -> Result<(), Ending> {
        for command in frame.commands {
            let (number, done) = match command {
                Command::Series(asked) => (asked.cmd_id, self.subscribe_series(&asked).await),
                Command::Attributes(asked) => (asked.cmd_id, self.subscribe_attributes(&asked).await),
                Command::History(asked) => (asked.cmd_id, self.history(&asked).await),
                Command::Bad(number, why) => (number, Err(ApiError::Invalid(why))),
                Command::Unsubscribe(number) => {
                    self.unsubscribe(number);
                    continue;
                }
            };
            match done {
                Ok(data) => socket.send(Message::text(reply::values(number, &data))).await?,
                Err(error) => self.refuse(socket, number, &error).await?,
            }
        }
        Ok(())
    }

    async fn refuse(&self, socket: &mut Socket, number: i64, error: &ApiError) -> Result<(), Ending> {
        refused("command");
        socket.send(Message::text(reply::refusal(number, error))).await
    }

    /// The entity of a command, if there is one that the user may see.
    async fn entity(&self, asked: &Asked) -> Result<EntityId, ApiError> {
        let member = self.principal.member()?;
        let id: Uuid = asked
            .entity_id
            .parse()
            .map_err(|_| ApiError::invalid("entityId is not an entity's id"))?;
        member.entity_named(&self.api, &asked.entity_type, id).await
    }

    /// Watches first: what is saved while the rest is read is told afterwards, maybe a second time.
    fn watch(&mut self, number: i64, looked_at: LookedAt, interest: Interest) -> Result<(), ApiError> {
        self.unsubscribe(number);
        let max = self.api.live.config().subscriptions_max;
        let place = Some(()).filter(|()| self.subscriptions.len() < max);
        let place = place.and_then(|()| self.api.live.subscription());
        let place = place.ok_or_else(|| {
            refused("subscriptions");
            ApiError::Invalid(format!("There are too many subscriptions; a session may have {max}"))
        })?;
        let interest = Arc::new(interest);
        let watch = self.api.live.0.feed.watch(looked_at.entity, Arc::clone(&interest), &self.outbox);
        let watch = watch.map_err(|full| ApiError::Invalid(full.to_string()))?;
        self.numbers.insert(watch.id(), number);
        self.subscriptions
            .insert(number, Subscription::new(looked_at, interest, watch, place));
        Ok(())
    }

    fn unsubscribe(&mut self, number: i64) {
        if let Some(subscription) = self.subscriptions.remove(&number) {
            self.numbers.remove(&subscription.watch.id());
        }
    }

    async fn subscribe_series(&mut self, asked: &Asked) -> Result<Data, ApiError> {
        let looked_at = LookedAt::by(&self.api, self.entity(asked).await?).await?;
        let keys = looked_at.keys(given_keys(asked.keys.as_deref())?);
        let past = match (asked.time_window > 0, &keys) {
            (true, Some(keys)) => Some((past(asked, asked.start_ts.saturating_add(asked.time_window))?, keys.clone())),
            _ => None,
        };
        let from_ms = if past.is_some() { asked.start_ts } else { i64::MIN };
        let interest = Interest::new(Wanted::Series { from_ms }, keys.as_deref());
        self.watch(asked.cmd_id, looked_at.clone(), interest.clone())?;
        let stored: Result<Vec<Stored>, ApiError> = match past {
            Some((past, keys)) => {
                let read = self.read(past, &looked_at, keys).await;
                read.map(|found| found.into_iter().map(|(key, readings)| (None, key, readings)).collect())
            }
            None => self.newest(&looked_at, &interest).await,
        };
        self.began(asked.cmd_id, stored)
    }

    async fn subscribe_attributes(&mut self, asked: &Asked) -> Result<Data, ApiError> {
        let entity = self.entity(asked).await?;
        let keys = given_keys(asked.keys.as_deref())?;
        let scope = asked
            .scope
            .as_deref()
            .filter(|scope| !scope.is_empty())
            .map(parse_scope)
            .transpose()?;
        let interest = Interest::new(Wanted::Attributes(scope), keys.as_deref());
        let own = LookedAt::own(entity);
        self.watch(asked.cmd_id, own.clone(), interest.clone())?;
        let stored = self.newest(&own, &interest).await;
        self.began(asked.cmd_id, stored)
    }

    async fn newest(&self, looked_at: &LookedAt, interest: &Interest) -> Result<Vec<Stored>, ApiError> {
        let found = newest(&*self.api.store, looked_at, interest).await?;
        Ok(found
            .into_iter()
            .map(|((scope, key), reading)| (scope, key, vec![reading]))
            .collect())
    }

    /// The first reply of a subscription. One whose past cannot be read is none.
    fn began(&mut self, number: i64, stored: Result<Vec<Stored>, ApiError>) -> Result<Data, ApiError> {
        let stored = stored.inspect_err(|_| self.unsubscribe(number))?;
        let mut data = Data::default();
        if let Some(subscription) = self.subscriptions.get_mut(&number) {
            for (scope, key, readings) in stored {
                subscription.began(scope, &key, &readings, &mut data);
            }
        }
        Ok(data)
    }

    async fn history(&self, asked: &Asked) -> Result<Data, ApiError> {
        let looked_at = LookedAt::by(&self.api, self.entity(asked).await?).await?;
        let asked_keys = given_keys(asked.keys.as_deref())?.ok_or_else(no_keys)?;
        let keys = looked_at.keys(Some(asked_keys)).unwrap_or_default();
        let mut data = Data::default();
        for (key, readings) in self.read(past(asked, asked.end_ts)?, &looked_at, keys).await? {
            data.extend(&key, &readings);
        }
        Ok(data)
    }

    /// The past, as far as it is shown.
    async fn read(
        &self,
        past: History,
        looked_at: &LookedAt,
        keys: Vec<Arc<str>>,
    ) -> Result<Vec<(Arc<str>, Vec<model::Reading>)>, ApiError> {
        match past.narrowed(looked_at) {
            Some(past) => past.read(&*self.api.store, looked_at.entity, keys).await,
            None => Ok(Vec::new()),
        }
    }

    /// Tells what waits, all of a subscription at once.
    async fn tell(&mut self, socket: &mut Socket) -> Result<(), Ending> {
        let (mut order, mut updates) = (Vec::new(), HashMap::<i64, Vec<Arc<Update>>>::new());
        for told in self.outbox.fetch() {
            // Of one that has ended meanwhile nothing is told any more.
            let Some(number) = self.numbers.get(&told.watch) else { continue };
            updates
                .entry(*number)
                .or_insert_with(|| {
                    order.push(*number);
                    Vec::new()
                })
                .push(told.update);
        }
        for number in order {
            let updates = updates.remove(&number).unwrap_or_default();
            metrics::counter!("live_updates_total").increment(updates.len() as u64);
            self.tell_one(socket, number, &updates).await?;
        }
        Ok(())
    }

    async fn tell_one(&mut self, socket: &mut Socket, number: i64, updates: &[Arc<Update>]) -> Result<(), Ending> {
        let Some(subscription) = self.subscriptions.get_mut(&number) else {
            return Ok(());
        };
        let mut fresh = Fresh::default();
        updates.iter().for_each(|update| subscription.take(&update.news, &mut fresh));
        let seen = subscription.looked_at.seen;
        // Before anything is told: who may not see it any more is told nothing.
        if fresh.look && !self.stays(socket, &[number], seen).await? {
            return Ok(());
        }
        if fresh.read {
            self.catch_up(number, &mut fresh.data).await;
        }
        match fresh.data.is_empty() {
            true => Ok(()),
            false => socket.send(Message::text(reply::values(number, &fresh.data))).await,
        }
    }

    /// Reads what is newest. If the store cannot be read now it is tried again with the next ping.
    async fn catch_up(&mut self, number: i64, data: &mut Data) {
        if let Some(subscription) = self.subscriptions.get_mut(&number) {
            let read = subscription.catch_up(&*self.api.store, data).await;
            subscription.behind = read.is_err();
        }
    }

    async fn ping(&mut self, socket: &mut Socket) -> Result<(), Ending> {
        if self.heard.elapsed() >= self.api.live.config().silence {
            return Err(Ending::SILENT);
        }
        socket.send(Message::Ping(Bytes::new())).await?;
        let behind: Vec<i64> = self
            .subscriptions
            .iter()
            .filter(|(_, one)| one.behind)
            .map(|(number, _)| *number)
            .collect();
        for number in behind {
            let mut data = Data::default();
            self.catch_up(number, &mut data).await;
            if !data.is_empty() {
                socket.send(Message::text(reply::values(number, &data))).await?;
            }
        }
        // Changes of devices are announced; those of other entities are not.
        self.look(socket, |entity| entity.kind != EntityKind::Device).await
    }

    /// Looks whether the token is still good, and whether the user may still see entities.
    async fn look(&mut self, socket: &mut Socket, concerned: impl Fn(EntityId) -> bool) -> Result<(), Ending> {
        match Principal::of(&self.api, &self.claims).await {
            Ok(principal) => self.principal = principal,
            Err(ApiError::Authentication(_) | ApiError::TokenExpired) => return Err(Ending::TOKEN),
            // The store is away: this is looked at again.
            Err(_) => return Ok(()),
        }
        let mut watched: HashMap<EntityId, Vec<i64>> = HashMap::new();
        for (number, subscription) in self.subscriptions.iter().filter(|(_, one)| concerned(one.looked_at.seen)) {
            watched.entry(subscription.looked_at.seen).or_default().push(*number);
        }
        for (entity, numbers) in watched {
            self.stays(socket, &numbers, entity).await?;
        }
        Ok(())
    }

    /// Whether the user may still see an entity. If not, these subscriptions end.
    async fn stays(&mut self, socket: &mut Socket, numbers: &[i64], entity: EntityId) -> Result<bool, Ending> {
        let seen = match self.principal.member() {
            Ok(member) => member.entity(&self.api, entity.kind, entity.id).await.map(drop),
            Err(error) => Err(error),
        };
        let Err(error @ (ApiError::NotFound(_) | ApiError::Forbidden)) = seen else {
            return self.shows_the_same(socket, numbers, entity).await;
        };
        self.end(socket, numbers, &error).await?;
        Ok(false)
    }

    /// Whether a view shows what it did when it was subscribed to. If not, these subscriptions end.
    async fn shows_the_same(&mut self, socket: &mut Socket, numbers: &[i64], seen: EntityId) -> Result<bool, Ending> {
        let by_view = |number: &&i64| self.subscriptions.get(*number).is_some_and(|one| one.looked_at.is_by_view());
        let by_view: Vec<i64> = numbers.iter().filter(by_view).copied().collect();
        if by_view.is_empty() {
            return Ok(true);
        }
        // The store is away: this is looked at again.
        let Ok(now) = LookedAt::by(&self.api, seen).await else {
            return Ok(true);
        };
        let is_other = |number: &i64| self.subscriptions.get(number).is_some_and(|one| one.looked_at != now);
        let changed: Vec<i64> = by_view.into_iter().filter(is_other).collect();
        let error = ApiError::Conflict("The entity view has changed: subscribe again".to_owned());
        self.end(socket, &changed, &error).await?;
        Ok(changed.is_empty())
    }

    async fn end(&mut self, socket: &mut Socket, numbers: &[i64], error: &ApiError) -> Result<(), Ending> {
        for number in numbers {
            self.unsubscribe(*number);
            self.refuse(socket, *number, error).await?;
        }
        Ok(())
    }
}

/// Readings of a key of an entity; of attributes, in which scope.
type Stored = (Option<AttributeScope>, Arc<str>, Vec<model::Reading>);

/// The past that a command asks for, up to a time.
fn past(asked: &Asked, to_ms: i64) -> Result<History, ApiError> {
    History::of(&Span {
        from_ms: asked.start_ts,
        to_ms,
        limit: Some(asked.limit).filter(|limit| *limit > 0),
        descending: true,
        agg: asked.agg.as_deref().filter(|way| !way.is_empty()),
        interval: Some(asked.interval),
    })
}
