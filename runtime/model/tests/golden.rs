//! The JSON of everything that stores keep as JSON. A record that somebody has is read for ever: what is added means the old behaviour
//! when it is missing, and a server of the version before passes over it. Whoever adds a field or a name adds it here.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Debug;

use model::entity::{
    AiModel, Alarm, Authority, Carrier, ClaimWindow, CredentialsType, Customer, Device, DeviceCredentials, DeviceProfile, EntityView,
    Event, EventKind, Relation, RelationGroup, Rpc, RpcStatus, Severity, StoredChain, StreamListener, Tenant, TenantProfile, User,
};
use model::{AttributeScope, ComponentRecord, ComponentVersion, EntityKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

const ID: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";

fn id(kind: &str) -> Json {
    json!({"entityType": kind, "id": ID})
}

/// Read, and written again, it is what it was: every field is there, and none that is not here.
fn stays<T: Serialize + DeserializeOwned>(written: Json) {
    let name = std::any::type_name::<T>();
    let read: T = serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(read).unwrap(), written, "{name}");
    // What a newer version adds does no harm.
    let mut newer = written;
    newer["somethingNew"] = json!({"a": 1});
    assert!(serde_json::from_value::<T>(newer).is_ok(), "{name} with a field of a newer version");
}

#[test]
fn records_stay_as_they_are() {
    stays::<Device>(json!({
        "id": id("DEVICE"), "createdTime": 1, "tenantId": id("TENANT"), "customerId": id("CUSTOMER"), "name": "n", "type": "t", "label": "l",
        "deviceProfileId": id("DEVICE_PROFILE"), "deviceData": {"a": 1}, "additionalInfo": {"b": 2}, "version": 3,
    }));
    stays::<DeviceProfile>(json!({
        "id": id("DEVICE_PROFILE"), "createdTime": 1, "tenantId": id("TENANT"), "name": "n", "description": "d", "default": true,
        "type": "DEFAULT", "transportType": "MQTT", "provisionType": "DISABLED", "provisionDeviceKey": "k",
        "defaultRuleChainId": id("RULE_CHAIN"), "profileData": {"transportConfiguration": {"adapter": "a"}}, "version": 3,
    }));
    stays::<DeviceCredentials>(json!({
        "id": {"id": ID}, "createdTime": 1, "deviceId": id("DEVICE"), "credentialsType": "ACCESS_TOKEN", "credentialsId": "i",
        "credentialsValue": "v", "version": 3,
    }));
    stays::<StreamListener>(json!({
        "id": id("STREAM_LISTENER"), "createdTime": 1, "tenantId": id("TENANT"), "name": "n", "adapter": "a", "transport": "TCP",
        "port": 7000, "enabled": false, "version": 3,
    }));
    stays::<StoredChain>(json!({
        "chain": {
            "id": id("RULE_CHAIN"), "createdTime": 1, "tenantId": id("TENANT"), "name": "n", "type": "CORE", "firstRuleNodeId": id("RULE_NODE"),
            "root": true, "debugMode": true, "configuration": {"a": 1}, "additionalInfo": {"b": 2}, "version": 3,
        },
        "metadata": {
            "ruleChainId": id("RULE_CHAIN"), "version": 3, "firstNodeIndex": 0,
            "nodes": [{
                "id": id("RULE_NODE"), "createdTime": 1, "ruleChainId": id("RULE_CHAIN"), "type": "t", "name": "n",
                "debugSettings": {"failuresEnabled": true, "allEnabled": true, "allEnabledUntil": 5}, "singletonMode": true, "queueName": "q",
                "configurationVersion": 2, "configuration": {"c": 3}, "additionalInfo": {"d": 4},
            }],
            "connections": [{"fromIndex": 0, "toIndex": 1, "type": "Success"}], "ruleChainConnections": [],
        },
    }));
    stays::<ClaimWindow>(json!({"secretHash": "00ff", "expirationTime": 5}));
}

#[test]
fn records_of_people_stay_as_they_are() {
    stays::<Tenant>(json!({
        "id": id("TENANT"), "createdTime": 1, "title": "t", "name": "n", "region": "r", "tenantProfileId": id("TENANT_PROFILE"),
        "country": "c", "state": "s", "city": "i", "address": "a", "address2": "b", "zip": "z", "phone": "p", "email": "e",
        "additionalInfo": {"a": 1}, "version": 3,
    }));
    stays::<Customer>(json!({
        "id": id("CUSTOMER"), "createdTime": 1, "tenantId": id("TENANT"), "title": "t", "name": "n",
        "country": "c", "state": "s", "city": "i", "address": "a", "address2": "b", "zip": "z", "phone": "p", "email": "e",
        "additionalInfo": {"a": 1}, "version": 3,
    }));
    stays::<User>(json!({
        "id": id("USER"), "createdTime": 1, "tenantId": id("TENANT"), "customerId": id("CUSTOMER"), "email": "e", "name": "n",
        "authority": "TENANT_ADMIN", "firstName": "f", "lastName": "l", "phone": "p", "additionalInfo": {"a": 1}, "version": 3,
    }));
    stays::<TenantProfile>(json!({
        "id": id("TENANT_PROFILE"), "createdTime": 1, "name": "n", "description": "d", "isolatedTbRuleEngine": true, "default": true,
        "profileData": {"configuration": {"maxComponents": 2}}, "version": 3,
    }));
}

#[test]
fn records_of_models_stay_as_they_are() {
    stays::<AiModel>(json!({
        "id": id("AI_MODEL"), "createdTime": 1, "tenantId": id("TENANT"), "name": "n", "configuration": {"provider": "OLLAMA"}, "version": 3,
    }));
}

#[test]
fn records_of_views_stay_as_they_are() {
    stays::<EntityView>(json!({
        "id": id("ENTITY_VIEW"), "createdTime": 1, "tenantId": id("TENANT"), "customerId": id("CUSTOMER"), "name": "n", "type": "t",
        "entityId": id("DEVICE"), "keys": {"timeseries": ["a"], "attributes": {"cs": ["b"], "ss": ["c"], "sh": ["d"]}}, "startTimeMs": 2,
        "endTimeMs": 3, "additionalInfo": {"e": 1}, "version": 3,
    }));
}

fn alarm() -> Json {
    json!({
        "id": id("ALARM"), "createdTime": 1, "tenantId": id("TENANT"), "customerId": id("CUSTOMER"), "name": "n", "type": "t",
        "originator": id("DEVICE"), "severity": "MAJOR", "acknowledged": true, "cleared": true, "assigneeId": id("USER"), "startTs": 1,
        "endTs": 2, "ackTs": 3, "clearTs": 4, "assignTs": 5, "details": {"a": 1}, "propagate": true, "propagateToOwner": true,
        "propagateToTenant": true, "propagateRelationTypes": ["r"],
    })
}

/// Stores keep who shows an alarm; whoever is shown it does not see that, and an alarm that nobody else shows has the bytes it always had.
#[test]
fn who_shows_an_alarm_is_kept_and_not_shown() {
    let mut written = alarm();
    written["shownTo"] = json!([id("ASSET"), id("CUSTOMER")]);
    let mut read: Alarm = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(read.stored()).unwrap(), written);
    assert_eq!(serde_json::to_value(&read).unwrap(), alarm());
    read.shown_to.clear();
    assert_eq!(
        serde_json::to_string(&read.stored()).unwrap(),
        serde_json::to_string(&read).unwrap()
    );
}

#[test]
fn what_happened_stays_as_it_is() {
    stays::<Alarm>(alarm());
    stays::<Rpc>(json!({
        "id": id("RPC"), "createdTime": 1, "tenantId": id("TENANT"), "deviceId": id("DEVICE"), "expirationTime": 2,
        "request": {"body": {"method": "m", "params": [1]}, "oneway": true, "retries": 3}, "response": {"a": 1}, "status": "QUEUED",
        "additionalInfo": {"b": 2}, "requestNumber": 5,
    }));
    stays::<Event>(json!({
        "id": ID, "entity": {"tenant": ID, "kind": "DEVICE", "id": ID}, "kind": "LC_EVENT", "ts_ms": 5, "body": {"a": 1},
    }));
    stays::<Relation>(json!({
        "from": id("ASSET"), "to": id("DEVICE"), "type": "Contains", "typeGroup": "COMMON", "additionalInfo": {"a": 1},
    }));
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    stays::<ComponentRecord>(json!({
        "tenant": ID, "name": "n", "revision": 1, "createdTime": 1, "active": one, "previous": two,
        "suspended": {"version": one, "since": 5, "reason": "r"}, "autoRollback": true, "granted": ["log"], "denied": ["send-rpc"],
    }));
    stays::<ComponentVersion>(json!({"digest": one, "createdTime": 1, "bytes": 3, "facts": {"a": 1}}));
}

/// The names that JSON has for an enumeration, as its reader tells them; each is read and written again.
fn names<T: Serialize + DeserializeOwned + Debug>() -> String {
    let told = serde_json::from_value::<T>(json!("?")).unwrap_err().to_string();
    let (_, expected) = told
        .split_once("expected one of ")
        .or_else(|| told.split_once("expected "))
        .unwrap();
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    for name in &names {
        let written = serde_json::to_value(serde_json::from_value::<T>(json!(name)).unwrap()).unwrap();
        assert!(
            written == **name || written == name.to_uppercase(),
            "{name} is written as {written}"
        );
    }
    names.join(" ")
}

#[test]
fn names_stay_as_they_are() {
    assert_eq!(names::<AttributeScope>(), "CLIENT_SCOPE SHARED_SCOPE SERVER_SCOPE");
    assert_eq!(names::<Authority>(), "SYS_ADMIN TENANT_ADMIN CUSTOMER_USER");
    assert_eq!(names::<Carrier>(), "TCP tcp UDP udp");
    assert_eq!(names::<CredentialsType>(), "ACCESS_TOKEN X509_CERTIFICATE MQTT_BASIC");
    assert_eq!(names::<EventKind>(), "DEBUG_RULE_NODE DEBUG_RULE_CHAIN LC_EVENT ERROR STATS");
    assert_eq!(
        names::<RelationGroup>(),
        "COMMON DASHBOARD RULE_CHAIN RULE_NODE EDGE EDGE_AUTO_ASSIGN_RULE_CHAIN"
    );
    assert_eq!(
        names::<RpcStatus>(),
        "QUEUED SENT DELIVERED SUCCESSFUL TIMEOUT EXPIRED FAILED DELETED"
    );
    assert_eq!(names::<Severity>(), "CRITICAL MAJOR MINOR WARNING INDETERMINATE");
    assert_eq!(
        names::<EntityKind>(),
        "TENANT CUSTOMER USER DASHBOARD ASSET DEVICE ALARM RULE_CHAIN RULE_NODE DEVICE_PROFILE TENANT_PROFILE ASSET_PROFILE ENTITY_VIEW AI_MODEL RPC STREAM_LISTENER SECRET"
    );
}

/// Numbers stand in keys.
#[test]
fn numbers_stay_as_they_are() {
    let kinds = EntityKind::ALL.map(EntityKind::number);
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 32, 33]);
    assert_eq!(AttributeScope::ALL.map(|scope| scope as u8), [1, 2, 3]);
    let events = [
        EventKind::DebugRuleNode,
        EventKind::DebugRuleChain,
        EventKind::LifeCycle,
        EventKind::Error,
        EventKind::Stats,
    ];
    assert_eq!(events.map(|kind| kind as u8), [1, 2, 3, 4, 5]);
    let groups = [
        RelationGroup::Common,
        RelationGroup::Dashboard,
        RelationGroup::RuleChain,
        RelationGroup::RuleNode,
        RelationGroup::Edge,
        RelationGroup::EdgeAutoAssignRuleChain,
        RelationGroup::EntityView,
    ];
    assert_eq!(groups.map(RelationGroup::number), [1, 2, 3, 4, 5, 6, 7]);
}
