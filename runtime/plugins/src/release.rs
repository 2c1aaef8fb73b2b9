//! A version of a component at work for a tenant: who it is, how it fares, whether it may run. All its nodes share it.
//!
//! Counts only; what follows from them is decided by whoever [watches](Watch).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use model::{Digest, TenantId};
use parking_lot::{Mutex, RwLock};

/// Names of figures of a version at most; more are not shown with it.
const FIGURES_MAX: usize = 100;

use crate::outcome::Outcome;

/// Which version of which component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReleaseId {
    /// Whose component it is: the tenant's own, or the system's.
    pub owner: TenantId,
    /// Its name.
    pub component: Arc<str>,
    /// The version.
    pub digest: Digest,
}

/// Is told when an instance is lost. Called by nodes between two messages: it must be quick and must not wait.
pub trait Watch: Send + Sync + 'static {
    /// A guest broke a limit or trapped.
    fn faulted(&self, release: &Release, fault: &str);
}

/// Instances that a tenant may have of uploaded components, over all of them, and their memory.
#[derive(Debug)]
pub struct Places {
    taken: AtomicUsize,
    max: AtomicUsize,
    memory_bytes: AtomicUsize,
    memory_bytes_max: AtomicUsize,
}

impl Places {
    /// None taken.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Places {
            taken: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
            memory_bytes: AtomicUsize::new(0),
            memory_bytes_max: AtomicUsize::new(usize::MAX),
        })
    }

    /// Changes how many there may be, and how much linear memory they may have together. Instances that are there stay; a new one is
    /// refused while there is as much of either as there may be.
    pub fn limit(&self, max: usize, memory_bytes_max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.memory_bytes_max.store(memory_bytes_max, Ordering::Relaxed);
    }

    fn take(&self) -> Result<(), String> {
        let (bytes, bytes_max) = (
            self.memory_bytes.load(Ordering::Relaxed),
            self.memory_bytes_max.load(Ordering::Relaxed),
        );
        if bytes >= bytes_max {
            return Err(format!(
                "instances of the tenant's uploaded components have {bytes} bytes of memory, and may have {bytes_max}"
            ));
        }
        let max = self.max.load(Ordering::Relaxed);
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken
            .map(drop)
            .map_err(|_| format!("the tenant has the {max} instances of uploaded components that it may have"))
    }
}

/// A version at work.
pub struct Release {
    id: ReleaseId,
    tenant: TenantId,
    places: Arc<Places>,
    watch: Option<Arc<dyn Watch>>,
    messages: AtomicU64,
    failures: AtomicU64,
    faults: AtomicU64,
    timed: AtomicU64,
    timed_ns: AtomicU64,
    instances: AtomicUsize,
    memory_bytes: AtomicUsize,
    /// Secrets of the tenant that it may use, by name.
    secrets: RwLock<Arc<BTreeSet<String>>>,
    stopped: AtomicBool,
    reason: RwLock<Option<Arc<str>>>,
    figures: Mutex<BTreeMap<String, f64>>,
}

/// What can be seen of a version from outside.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseState {
    /// Messages its nodes decided about.
    pub messages: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Instances lost: it trapped or broke a limit.
    pub faults: u64,
    /// Time for a message, from a sample; none before the first.
    pub ns_per_message: Option<u64>,
    /// Instances there are.
    pub instances: usize,
    /// Linear memory of all of them, bytes, from a sample.
    pub memory_bytes: usize,
    /// Why it does not run.
    pub suspended: Option<String>,
    /// What its nodes report about themselves, by name: counters are added up over all of them, a gauge is what was said last.
    pub figures: BTreeMap<String, f64>,
}

impl Release {
    /// At work for a tenant; nothing has happened yet.
    pub fn new(id: ReleaseId, tenant: TenantId, places: Arc<Places>, watch: Option<Arc<dyn Watch>>) -> Arc<Self> {
        Arc::new(Release {
            id,
            tenant,
            places,
            watch,
            messages: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            timed: AtomicU64::new(0),
            timed_ns: AtomicU64::new(0),
            instances: AtomicUsize::new(0),
            memory_bytes: AtomicUsize::new(0),
            secrets: RwLock::default(),
            stopped: AtomicBool::new(false),
            reason: RwLock::new(None),
            figures: Mutex::default(),
        })
    }

    /// Which version.
    pub fn id(&self) -> &ReleaseId {
        &self.id
    }

    /// For which tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Sets which of the tenant's secrets it may use. At first: none.
    pub fn permit_secrets(&self, names: Arc<BTreeSet<String>>) {
        *self.secrets.write() = names;
    }

    /// Which of the tenant's secrets it may use.
    pub fn secrets(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.secrets.read())
    }

    /// Refuses an outcome that uses a secret it may not use.
    ///
    /// # Errors
    /// Text, naming the secret.
    pub fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let mut used = outcome.secrets().peekable();
        if used.peek().is_none() {
            return Ok(());
        }
        let permitted = self.secrets();
        match used.find(|name| !permitted.contains(&**name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "the component may not use the secret {name:?}: grant it the permission \"secret:{name}\" first"
            )),
        }
    }

    /// Counts a message.
    pub fn decided(&self, well: bool) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(!well), Ordering::Relaxed);
    }

    /// Counts a lost instance.
    pub fn faulted(&self, fault: &str) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        if let Some(watch) = &self.watch {
            watch.faulted(self, fault);
        }
    }

    /// Adds to a counter that its nodes report.
    pub(crate) fn count(&self, name: &str, amount: u64) {
        let mut figures = self.figures.lock();
        let known = figures.len() < FIGURES_MAX || figures.contains_key(name);
        if known {
            *figures.entry(name.to_owned()).or_default() += amount as f64;
        }
    }

    /// Sets a gauge that its nodes report.
    pub(crate) fn gauge(&self, name: &str, value: f64) {
        let mut figures = self.figures.lock();
        if figures.len() < FIGURES_MAX || figures.contains_key(name) {
            figures.insert(name.to_owned(), value);
        }
    }

    /// Notes how long one of many messages took.
    fn took(&self, time: Duration) {
        self.timed.fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.timed_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Stops it: its nodes fail their messages with the reason.
    pub fn suspend(&self, reason: &str) {
        *self.reason.write() = Some(reason.into());
        self.stopped.store(true, Ordering::Release);
    }

    /// Why it is stopped; none while it runs.
    pub fn suspended(&self) -> Option<Arc<str>> {
        if self.stopped.load(Ordering::Acquire) {
            self.reason.read().clone()
        } else {
            None
        }
    }

    /// A place for an instance.
    ///
    /// # Errors
    /// Text, when the tenant has as many instances as it may, or as much memory.
    pub fn place(self: &Arc<Self>) -> Result<Place, String> {
        self.places.take()?;
        self.instances.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            release: Arc::clone(self),
            memory_bytes: 0,
        })
    }

    /// What can be seen from outside.
    pub fn state(&self) -> ReleaseState {
        let timed = self.timed.load(Ordering::Relaxed);
        ReleaseState {
            messages: self.messages.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            ns_per_message: self.timed_ns.load(Ordering::Relaxed).checked_div(timed),
            instances: self.instances.load(Ordering::Relaxed),
            memory_bytes: self.memory_bytes.load(Ordering::Relaxed),
            suspended: self.suspended().map(|reason| reason.to_string()),
            figures: self.figures.lock().clone(),
        }
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The place of an instance; free again when dropped.
#[derive(Debug)]
pub struct Place {
    release: Arc<Release>,
    memory_bytes: usize,
}

impl Place {
    /// Notes how long one of many messages took, and how much memory the instance has then.
    pub fn took(&mut self, time: Duration, memory_bytes: usize) {
        self.release.took(time);
        self.remember(memory_bytes);
    }

    fn remember(&mut self, memory_bytes: usize) {
        let before = std::mem::replace(&mut self.memory_bytes, memory_bytes);
        for total in [&self.release.memory_bytes, &self.release.places.memory_bytes] {
            total.fetch_add(memory_bytes, Ordering::Relaxed);
            total.fetch_sub(before, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remember(0);
        self.release.instances.fetch_sub(1, Ordering::Relaxed);
        self.release.places.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn release(places: &Arc<Places>) -> Arc<Release> {
        let id = ReleaseId {
            owner: TenantId::SYSTEM,
            component: "calc".into(),
            digest: Digest([1; 32]),
        };
        Release::new(id, TenantId::generate(), Arc::clone(places), None)
    }

    #[test]
    fn places_are_shared_by_all_components_of_a_tenant() {
        let places = Places::new(2);
        let (one, two) = (release(&places), release(&places));
        let mut first = one.place().expect("free");
        first.remember(100);
        let second = two.place().expect("free");
        assert!(one.place().is_err_and(|reason| reason.contains("the 2 instances")));
        places.limit(3, 100);
        assert!(one.place().is_err_and(|reason| reason.contains("100 bytes of memory")));
        places.limit(3, 101);
        drop(one.place().expect("room for one more"));
        assert_eq!((one.state().instances, one.state().memory_bytes), (1, 100));
        drop(first);
        assert_eq!((one.state().instances, one.state().memory_bytes), (0, 0));
        assert!(one.place().is_ok());
        drop(second);
    }

    #[test]
    fn a_secret_is_used_by_who_may() {
        use crate::outcome::{Effect, HttpRequest, Identity, Piece, Proxy, Publish, RequestBody, Tls};

        let secret = |name: &str| vec![Piece::Text("x".to_owned()), Piece::Secret(name.to_owned())];
        let request = HttpRequest {
            method: "GET",
            url: secret("in-url"),
            headers: vec![("X-Key".to_owned(), secret("in-header"))],
            basic_auth: Some((secret("user"), secret("password"))),
            body: Some(RequestBody::Text(secret("in-body"))),
            timeout_ms: 0,
            response_bytes_max: 0,
            tls: Some(Tls {
                authorities: Some(secret("in-authorities")),
                identity: Some(Identity {
                    certificates: secret("in-certificate"),
                    key: secret("in-key"),
                    password: Some(secret("in-password")),
                }),
            }),
            proxy: Some(Proxy {
                address: String::new(),
                basic_auth: Some((secret("proxy-user"), secret("proxy-password"))),
            }),
            accepted_if: None,
        };
        let mut outcome = Outcome::default();
        let release = release(&Places::new(1));
        assert_eq!(release.check(&outcome), Ok(()));
        outcome.effects.push(Effect::HttpRequest(Box::new(request)));
        outcome.effects.push(Effect::Publish(Box::new(Publish {
            broker: String::new(),
            topic: String::new(),
            payload: RequestBody::Text(secret("in-payload")),
            basic_auth: Some((secret("name"), secret("word"))),
            options: Vec::new(),
            timeout_ms: 0,
            tls: Some(Tls {
                authorities: None,
                identity: Some(Identity {
                    certificates: secret("certificate"),
                    key: secret("key"),
                    password: Some(secret("of-key")),
                }),
            }),
            proxy: Some(Proxy {
                address: String::new(),
                basic_auth: Some((secret("by-user"), secret("by-password"))),
            }),
        })));
        let names: Vec<String> = outcome.secrets().map(Cow::into_owned).collect();
        let of_request = [
            "in-url",
            "in-header",
            "user",
            "password",
            "in-body",
            "in-authorities",
            "in-certificate",
            "in-key",
            "in-password",
            "proxy-user",
            "proxy-password",
        ];
        let of_publish = [
            "name",
            "word",
            "in-payload",
            "certificate",
            "key",
            "of-key",
            "by-user",
            "by-password",
        ];
        assert_eq!(names, [&of_request[..], &of_publish].concat());
        let all: BTreeSet<String> = names.iter().cloned().collect();
        release.permit_secrets(Arc::new(all.clone()));
        assert_eq!(release.check(&outcome), Ok(()));
        for missing in &all {
            let some = all.iter().filter(|name| *name != missing).cloned().collect();
            release.permit_secrets(Arc::new(some));
            assert!(
                release
                    .check(&outcome)
                    .is_err_and(|told| told.contains(&format!("secret:{missing}")))
            );
        }
    }

    #[test]
    fn figures_of_all_nodes_come_together() {
        let release = release(&Places::new(1));
        release.count("dropped", 2);
        release.count("dropped", 3);
        release.gauge("depth", 1.5);
        release.gauge("depth", 0.5);
        for number in 0..2 * FIGURES_MAX {
            release.count(&format!("n{number}"), 1);
        }
        let figures = release.state().figures;
        assert_eq!((figures.len(), figures["dropped"], figures["depth"]), (FIGURES_MAX, 5.0, 0.5));
    }

    #[test]
    fn a_suspended_version_says_why() {
        let release = release(&Places::new(1));
        release.decided(true);
        release.decided(false);
        release.took(Duration::from_nanos(300));
        release.took(Duration::from_nanos(500));
        assert_eq!(release.suspended(), None);
        release.suspend("it trapped");
        assert_eq!(release.suspended().as_deref(), Some("it trapped"));
        let state = release.state();
        assert_eq!((state.messages, state.failures, state.ns_per_message), (2, 1, Some(400)));
    }
}
