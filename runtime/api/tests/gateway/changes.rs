//! Two servers over one store: what is changed over one of them reaches what the other has in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Announcer, Backlog, Change, What};
use model::DeviceId;
use parking_lot::Mutex;
use serde_json::json;
use session::CloseReason;

use crate::rule_chains::{chain, metadata, node};
use crate::support::{Gateway, People, SYSADMIN, closed, id};

const LOG: &str = "org.thingsboard.rule.engine.action.TbLogNode";

/// Hands changes over, as a session between two servers does, and remembers them.
#[derive(Clone, Default)]
struct Way {
    to: Backlog,
    announced: Arc<Mutex<Vec<What>>>,
    broken: Arc<Mutex<bool>>,
}

impl Announcer for Way {
    fn announce(&self, change: Change) {
        self.announced.lock().push(change.what);
        if !*self.broken.lock() {
            self.to.push(change);
        }
    }
}

impl Way {
    fn take(&self) -> Vec<What> {
        std::mem::take(&mut self.announced.lock())
    }
}

struct Two {
    one: Gateway,
    other: Gateway,
    there: Way,
    back: Way,
    people: People,
}

impl Two {
    async fn start() -> Self {
        let one = Gateway::start().await;
        let other = one.beside();
        let (there, back) = (Way::default(), Way::default());
        one.app.announce_to(Arc::new(there.clone()));
        other.app.announce_to(Arc::new(back.clone()));
        other.applier.clone().start(&there.to);
        one.applier.clone().start(&back.to);
        let people = one.tenant("a").await;
        Two {
            one,
            other,
            there,
            back,
            people,
        }
    }

    /// A device of the tenant.
    async fn device(&self, name: &str) -> DeviceId {
        DeviceId::new(self.people.tenant, id(&self.one.device(&self.people.admin, name).await))
    }
}

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Names of the nodes that run on a server.
async fn nodes(gateway: &Gateway) -> Vec<String> {
    let state = gateway.app.observe().await.expect("a state");
    let chains = state.tenants.into_iter().flat_map(|tenant| tenant.chains);
    chains.flat_map(|chain| chain.nodes).map(|(name, _)| name).collect()
}

async fn new_token(gateway: &Gateway, people: &People, device: DeviceId, token: &str) {
    let path = format!("/api/device/{}/credentials", device.id);
    let mut credentials = gateway.get(&path, &people.admin).await.ok();
    credentials["credentialsId"] = json!(token);
    gateway.post("/api/device/credentials", &people.admin, credentials).await.ok();
}

#[tokio::test]
async fn a_chain_that_is_saved_on_one_server_runs_on_the_other() {
    let two = Two::start().await;
    let (one, other, people) = (&two.one, &two.other, &two.people);
    let device = two.device("D1").await;
    let new = chain(one, people, "Mine").await;
    // The tenant is in use on the other server, too.
    let _session = other.connect(device).await;
    assert!(!nodes(other).await.iter().any(|name| name == "mine"));
    let saved = metadata(&new, json!([node(LOG, "mine", json!({"scriptLang": "TBEL"}))]), json!([]));
    two.there.take();
    one.post("/api/ruleChain/metadata", &people.admin, saved).await.ok();
    assert_eq!(two.there.take(), [What::RuleChains]);
    soon("the chain runs on the other server", async {
        while !nodes(other).await.iter().any(|name| name == "mine") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    one.delete(&format!("/api/ruleChain/{}", id(&new)), &people.admin).await.ok();
    soon("it ends on the other server", async {
        while nodes(other).await.iter().any(|name| name == "mine") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(two.back.take(), [], "whoever applies a change announces none");
}

#[tokio::test]
async fn connections_to_one_server_end_when_the_other_changes_credentials_or_deletes_the_device() {
    let two = Two::start().await;
    let (changed, deleted) = (two.device("D1").await, two.device("D2").await);
    let (mut first, mut second) = (two.other.connect(changed).await, two.other.connect(deleted).await);
    two.there.take();
    new_token(&two.one, &two.people, changed, "NEW1").await;
    assert_eq!(soon("the end", closed(&mut first)).await, CloseReason::Administrative);
    two.one.delete(&format!("/api/device/{}", deleted.id), &two.people.admin).await.ok();
    assert_eq!(soon("the end", closed(&mut second)).await, CloseReason::Administrative);
    assert_eq!(two.there.take(), [What::Credentials(changed.id), What::DeviceDeleted(deleted.id)]);
    assert_eq!(two.back.take(), []);
}

#[tokio::test]
async fn a_server_that_missed_changes_finds_them_when_it_reads_everything() {
    let two = Two::start().await;
    let (changed, same, deleted) = (two.device("D1").await, two.device("D2").await, two.device("D3").await);
    let mut sessions = Vec::new();
    for device in [changed, same, deleted] {
        sessions.push(two.other.connect(device).await);
    }
    *two.there.broken.lock() = true;
    let new = chain(&two.one, &two.people, "Mine").await;
    let saved = metadata(&new, json!([node(LOG, "mine", json!({"scriptLang": "TBEL"}))]), json!([]));
    two.one.post("/api/ruleChain/metadata", &two.people.admin, saved).await.ok();
    new_token(&two.one, &two.people, changed, "NEW1").await;
    two.one.delete(&format!("/api/device/{}", deleted.id), &two.people.admin).await.ok();
    assert!(!nodes(&two.other).await.iter().any(|name| name == "mine"));
    two.there.to.push(Change::EVERYTHING);
    assert_eq!(soon("the end", closed(&mut sessions[0])).await, CloseReason::Administrative);
    assert_eq!(soon("the end", closed(&mut sessions[2])).await, CloseReason::Administrative);
    soon("the chain runs", async {
        while !nodes(&two.other).await.iter().any(|name| name == "mine") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stays = tokio::time::timeout(Duration::from_millis(100), closed(&mut sessions[1]));
    assert!(stays.await.is_err(), "its credentials are what they were");
    assert_eq!(two.back.take(), []);
}

#[tokio::test]
async fn everything_that_is_kept_in_memory_is_announced() {
    let two = Two::start().await;
    let (one, admin) = (&two.one, &two.people.admin);
    let device = two.device("D1").await;
    let sysadmin = one.log_in(SYSADMIN).await;
    two.there.take();
    let announced = |what: &'static str, expected: Vec<What>| assert_eq!(two.there.take(), expected, "{what}");

    let mut body = one.get(&format!("/api/device/{}", device.id), admin).await.ok();
    body["label"] = json!("L");
    one.post("/api/device", admin, body).await.ok();
    announced("a device's record", vec![What::Device(device.id)]);
    let path = format!("/api/plugins/telemetry/DEVICE/{}/attributes/SERVER_SCOPE", device.id);
    one.post(&path, admin, json!({"inactivityTimeout": 60_000})).await.ok();
    announced("how long it may say nothing", vec![What::Device(device.id)]);
    one.post(&path, admin, json!({"other": 1})).await.ok();
    announced("another attribute", vec![]);
    let profile = json!({
        "name": "P",
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        "profileData": {"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT"}},
    });
    one.post("/api/deviceProfile", admin, profile).await.ok();
    announced("a device profile", vec![What::DeviceProfiles]);
    one.post("/api/plugins/egress", admin, json!({"allowed": ["https://example.org"]}))
        .await
        .ok();
    one.post("/api/plugins/secrets", admin, json!({"name": "key", "value": "x"}))
        .await
        .ok();
    one.delete("/api/plugins/secrets/key", admin).await.ok();
    announced("what is outside", vec![What::Outside; 3]);
    let mail = json!({"mailFrom": "a@b.test", "smtpHost": "mail.test", "smtpPort": 25});
    one.post("/api/admin/settings", &sysadmin, json!({"key": "mail", "jsonValue": mail}))
        .await
        .ok();
    announced("settings of the server", vec![What::Outside]);
    one.post("/api/tenantProfile", &sysadmin, json!({"name": "T"})).await.ok();
    announced("a tenant profile", vec![What::Limits]);
    one.post("/api/auth/logout", admin, json!({})).await.ok();
    let voided = two.there.take();
    assert!(matches!(voided[..], [What::User(_)]), "{voided:?}");
    // Tokens are void on the other server at once: it asks the store.
    two.other.get("/api/auth/user", admin).await.refused(401, 10);
}
