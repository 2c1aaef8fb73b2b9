//! The connections to brokers: one for each tenant, broker and login, so many of a tenant. One that nobody uses gives way to another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actor::{Lane, lane};
use model::TenantId;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::CONNECT_TIMEOUT_MAX;
use super::link::{Job, Plan, serve};
use super::publish::Publish;
use super::speech::Speech;
use crate::egress::Egress;
use crate::error::EgressError;
use crate::proxy::Proxy;
use crate::target::{ChosenBy, Target};
use crate::tls::Tls;

/// Connections of a tenant to brokers at most.
pub(crate) const LINKS_OF_TENANT_MAX: usize = 16;
/// Connections of all tenants at most.
const LINKS_MAX: usize = 1_024;
/// Letters that wait for a connection's window; more wait to be taken.
const WAITING_MAX: usize = 64;
/// Letters of what a server adds to a client's name.
const SUFFIX_LEN: usize = 8;

/// A tenant, a broker, and a login there. Logins are told apart by their digest: none is kept here.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    broker: String,
    /// One that the administrator has chosen may be where the tenant's own never lead: they share none. Nor do those that are told where
    /// it is and those that are not: a connection says one of it to all.
    chosen_by: ChosenBy,
    login: Fingerprint,
}

/// Stands for a login; nothing of it can be read there.
pub(super) type Fingerprint = [u8; 32];

/// A connection as it is to be.
pub(super) struct Opening<'a> {
    pub(super) target: &'a Target,
    pub(super) login: Fingerprint,
    pub(super) tls: Option<&'a Tls>,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) timeout: Duration,
    pub(super) speech: &'a (dyn Fn() -> Box<dyn Speech> + Sync),
}

impl<'a> Opening<'a> {
    /// One to the target of a publish.
    pub(super) fn to(publish: &'a Publish, login: Fingerprint, speech: &'a (dyn Fn() -> Box<dyn Speech> + Sync)) -> Self {
        Opening {
            target: &publish.target,
            login,
            tls: publish.tls.as_ref(),
            proxy: publish.proxy.as_ref(),
            timeout: publish.connect_timeout,
            speech,
        }
    }
}

struct Link {
    lane: Lane<Job>,
    users: Arc<AtomicUsize>,
    used_at: Instant,
    unopened: Unopened,
}

/// Why a connection did not come about; empty: it is on its way, or did.
pub(super) type Unopened = Arc<OnceLock<EgressError>>;

/// A connection in use, which stays as long.
pub(super) struct InUse {
    pub(super) lane: Lane<Job>,
    users: Arc<AtomicUsize>,
    unopened: Unopened,
}

impl InUse {
    fn of(link: &mut Link) -> Self {
        link.used_at = Instant::now();
        link.users.fetch_add(1, Ordering::AcqRel);
        InUse {
            lane: link.lane.clone(),
            users: Arc::clone(&link.users),
            unopened: Arc::clone(&link.unopened),
        }
    }

    /// Why it did not come about: it may be over before it was handed anything.
    pub(super) fn unopened(&self) -> Option<EgressError> {
        self.unopened.get().cloned()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.users.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The connections there are.
pub(crate) struct Links {
    all: Mutex<HashMap<Key, Link>>,
    /// What this server adds to the name of a client that wants it.
    suffix: String,
}

impl Default for Links {
    fn default() -> Self {
        Links {
            all: Mutex::default(),
            suffix: random(),
        }
    }
}

/// Letters that nobody else has.
pub(super) fn random() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(SUFFIX_LEN);
    text
}

impl Links {
    /// What this server adds to the name of a client that wants it.
    pub(super) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The connection for a letter; a new one begins if there is none.
    ///
    /// # Errors
    /// [`EgressError::Crowded`].
    pub(super) fn take(&self, egress: &Egress, tenant: TenantId, opening: &Opening<'_>) -> Result<InUse, EgressError> {
        let key = Key {
            tenant,
            broker: opening.target.address(),
            chosen_by: opening.target.chosen_by,
            login: opening.login,
        };
        let mut all = self.all.lock();
        if let Some(link) = all.get_mut(&key).filter(|link| !link.lane.is_closed()) {
            return Ok(InUse::of(link));
        }
        all.retain(|_, link| !link.lane.is_closed());
        let of_tenant = all.keys().filter(|key| key.tenant == tenant).count();
        if of_tenant >= LINKS_OF_TENANT_MAX || all.len() >= LINKS_MAX {
            let unused = all
                .iter()
                .filter(|(key, link)| key.tenant == tenant && link.users.load(Ordering::Acquire) == 0);
            let longest = unused.min_by_key(|(_, link)| link.used_at).map(|(key, _)| key.clone());
            let longest = longest.ok_or(EgressError::Crowded { max: LINKS_OF_TENANT_MAX })?;
            // Nobody can reach it any more: it ends.
            all.remove(&longest);
        }
        let (lane, jobs) = lane(WAITING_MAX);
        let unopened = Unopened::default();
        let plan = Plan {
            target: opening.target.clone(),
            tls: opening.tls.cloned(),
            proxy: opening.proxy.cloned(),
            speech: (opening.speech)(),
            timeout: opening.timeout.min(CONNECT_TIMEOUT_MAX),
            unopened: Arc::clone(&unopened),
        };
        actor::spawn("broker", serve(egress.clone(), tenant, plan, jobs));
        let link = all.entry(key).or_insert(Link {
            lane,
            users: Arc::default(),
            used_at: Instant::now(),
            unopened,
        });
        Ok(InUse::of(link))
    }
}

/// Tells logins apart: who, over which TLS, by which way, and what else is said there, each text with its length.
pub(super) fn digest(publish: &Publish, rest: &[Option<&str>]) -> Fingerprint {
    let mut hash = Sha256::new();
    let credentials = publish.credentials.as_ref();
    let password = credentials.and_then(|credentials| credentials.password.as_ref());
    let who = [
        credentials.map(|credentials| credentials.username.0.as_str()),
        password.map(|password| password.0.as_str()),
    ];
    // One that has nothing of its own is still its own.
    let tls = publish.tls.as_ref().map(Tls::texts).map_or([None; 5], |[one, two, three, four]| {
        let text = |(_, text)| text;
        [Some(""), text(one), text(two), text(three), text(four)]
    });
    let way = publish.proxy.as_ref().map(Proxy::texts);
    let way = way.iter().flatten().map(|text| Some(text.as_str()));
    let way: Vec<_> = std::iter::once(publish.proxy.is_some().then_some("")).chain(way).collect();
    for text in who.iter().chain(&tls).chain(&way).chain(rest) {
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Amqp, Credentials, Protocol};
    use crate::tls::Identity;
    use mqtt::packet::Secret;

    #[test]
    fn every_text_tells_logins_apart() {
        let secret = |text: &str| Secret(text.to_owned());
        let login = |username: &str, password: Option<&str>| Credentials {
            username: secret(username),
            password: password.map(secret),
        };
        let identity = |certificates: &str, key: &str| Identity {
            certificates: secret(certificates),
            key: secret(key),
            password: None,
        };
        let locked = |certificates: &str, key: &str, password: &str| Identity {
            password: Some(secret(password)),
            ..identity(certificates, key)
        };
        let tls = |authorities: Option<&str>, identity: Option<Identity>| Tls {
            authorities: authorities.map(secret),
            identity,
        };
        let publish = |credentials: Option<Credentials>, tls: Option<Tls>| Publish {
            target: Target::broker("amqps://broker.test").expect("a broker"),
            credentials,
            topic: String::new(),
            payload: Default::default(),
            protocol: Protocol::Amqp(Amqp::default()),
            connect_timeout: Duration::ZERO,
            timeout: Duration::ZERO,
            tls,
            proxy: None,
        };
        let by = |address: &str, login: Option<&str>| Publish {
            proxy: Some(Proxy {
                target: Target::proxy(address).expect("a proxy"),
                authorization: login.map(|login| login.parse().expect("a header's value")),
            }),
            ..publish(None, None)
        };
        let all = [
            publish(None, None),
            publish(Some(login("a", None)), None),
            publish(Some(login("a", Some(""))), None),
            publish(Some(login("a", Some("b"))), None),
            publish(None, Some(tls(None, None))),
            publish(None, Some(tls(Some("a"), None))),
            publish(None, Some(tls(Some("b"), None))),
            publish(None, Some(tls(None, Some(identity("a", "b"))))),
            publish(None, Some(tls(None, Some(identity("a", "c"))))),
            publish(None, Some(tls(None, Some(identity("b", "b"))))),
            publish(None, Some(tls(None, Some(identity("ab", ""))))),
            publish(None, Some(tls(None, Some(locked("a", "b", "c"))))),
            publish(None, Some(tls(None, Some(locked("a", "b", ""))))),
            publish(None, Some(tls(Some("a"), Some(identity("a", "b"))))),
            publish(Some(login("a", Some("b"))), Some(tls(Some("a"), Some(identity("a", "b"))))),
            by("http://a.test", None),
            by("https://a.test", None),
            by("http://b.test", None),
            by("http://a.test", Some("a")),
            by("http://a.test", Some("b")),
        ];
        let mut seen = std::collections::HashSet::new();
        for (number, one) in all.iter().enumerate() {
            assert!(seen.insert(digest(one, &[])), "{number}");
            assert!(seen.insert(digest(one, &[Some("rest")])), "{number}");
            assert_eq!(digest(one, &[]), digest(&one.clone(), &[]));
        }
    }
}
