//! The connections to brokers: one for each tenant, broker and login, so many of a tenant. One that nobody uses gives way to another.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actor::{Lane, lane};
use model::TenantId;
use mqtt::client::Login;
use mqtt::packet::Version;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::link::{Job, Plan, serve};
use super::{CONNECT_TIMEOUT_MAX, Publish};
use crate::egress::Egress;
use crate::error::EgressError;

/// Connections of a tenant to brokers at most.
pub(crate) const LINKS_OF_TENANT_MAX: usize = 16;
/// Connections of all tenants at most.
const LINKS_MAX: usize = 1_024;
/// Publishes that wait for a connection's window; more wait to be taken.
const WAITING_MAX: usize = 64;
/// Letters of what a server adds to a client's name.
const SUFFIX_LEN: usize = 8;

/// A tenant, a broker, and a login there. Logins are told apart by their digest: none is kept here.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    broker: String,
    login: [u8; 32],
}

struct Link {
    lane: Lane<Job>,
    users: Arc<AtomicUsize>,
    used_at: Instant,
}

/// A connection in use, which stays as long.
pub(super) struct InUse {
    pub(super) lane: Lane<Job>,
    users: Arc<AtomicUsize>,
}

impl InUse {
    fn of(link: &mut Link) -> Self {
        link.used_at = Instant::now();
        link.users.fetch_add(1, Ordering::AcqRel);
        InUse {
            lane: link.lane.clone(),
            users: Arc::clone(&link.users),
        }
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

fn random() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(SUFFIX_LEN);
    text
}

impl Links {
    /// The connection for a publish; a new one begins if there is none.
    ///
    /// # Errors
    /// [`EgressError::Crowded`].
    pub(super) fn take(&self, egress: &Egress, tenant: TenantId, publish: &Publish) -> Result<InUse, EgressError> {
        let key = Key {
            tenant,
            broker: publish.target.origin(),
            login: digest(publish),
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
        let plan = Plan {
            target: publish.target.clone(),
            login: self.login(publish),
            timeout: publish.connect_timeout.min(CONNECT_TIMEOUT_MAX),
        };
        actor::spawn("broker", serve(egress.clone(), tenant, plan, jobs));
        let link = all.entry(key).or_insert(Link {
            lane,
            users: Arc::default(),
            used_at: Instant::now(),
        });
        Ok(InUse::of(link))
    }

    fn login(&self, publish: &Publish) -> Login {
        let mut client_id = publish.client_id.clone();
        if client_id.is_empty() {
            client_id = format!("pacificsoft-{}", random());
        } else if publish.client_id_suffix {
            let _ = write!(client_id, "_{}", self.suffix);
        }
        let credentials = publish.credentials.as_ref();
        Login {
            version: publish.version,
            client_id,
            username: credentials.map(|credentials| credentials.username.clone()),
            password: credentials.and_then(|credentials| credentials.password.clone()),
            clean_session: publish.clean_session,
            keep_alive_s: super::link::KEEP_ALIVE_S,
        }
    }
}

/// Tells logins apart: everything that a CONNECT says, each text with its length.
fn digest(publish: &Publish) -> [u8; 32] {
    let mut hash = Sha256::new();
    let credentials = publish.credentials.as_ref();
    let texts = [
        Some(publish.client_id.as_str()),
        credentials.map(|credentials| credentials.username.0.as_str()),
        credentials.and_then(|credentials| Some(credentials.password.as_ref()?.0.as_str())),
    ];
    for text in texts {
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    let old = publish.version == Version::V31;
    hash.update([u8::from(publish.client_id_suffix), u8::from(publish.clean_session), u8::from(old)]);
    hash.finalize().into()
}
