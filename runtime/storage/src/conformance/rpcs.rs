//! Promises of [`crate::RpcStore`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::entity::{IdRef, MethodCall, Rpc, RpcBody, RpcStatus};
use model::{DeviceId, EntityKind, PageRequest, TenantId};
use serde_json::json;
use uuid::Uuid;

use super::sample::{commit, create, record};
use crate::{Mutation, Store};

fn device() -> DeviceId {
    DeviceId::generate(TenantId::generate())
}

/// Numbers rise; ids do not tell which request is older.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

fn rpc(device: DeviceId, method: &str, status: RpcStatus) -> Rpc {
    Rpc {
        id: IdRef::new(EntityKind::Rpc, Uuid::new_v4()),
        created_time: 1_700_000_000_000,
        tenant_id: IdRef::tenant(device.tenant),
        device_id: device.into(),
        expiration_time: i64::MAX,
        request: RpcBody {
            body: MethodCall {
                method: method.into(),
                params: json!({"pin": [1, null, "ü"]}),
            },
            oneway: false,
            retries: 5,
        },
        response: None,
        status,
        additional_info: None,
        request_number: NUMBERS.fetch_add(1, Ordering::Relaxed),
    }
}

fn put(rpc: &Rpc) -> Mutation {
    Mutation::PutRpc(Arc::new(rpc.clone()))
}

async fn open(store: &dyn Store, device: DeviceId) -> Vec<String> {
    let open = store.open_rpcs(device).await.expect("reads");
    open.into_iter().map(|rpc| rpc.request.body.method).collect()
}

async fn listed(store: &dyn Store, device: DeviceId, status: Option<RpcStatus>, page: &PageRequest) -> Vec<String> {
    let page = store.rpcs(device, status, page).await.expect("lists");
    page.data.into_iter().map(|rpc| rpc.request.body.method).collect()
}

/// Nothing is lost, the last version counts, and another tenant does not find it.
pub async fn come_back_as_written(store: &dyn Store) {
    let device = device();
    let mut written = rpc(device, "on", RpcStatus::Queued);
    commit(store, vec![put(&written)]).await;
    assert_eq!(store.rpc(device.tenant, written.id.id).await.expect("reads"), Some(written.clone()));
    written.status = RpcStatus::Successful;
    written.response = Some(json!({"done": true}));
    written.additional_info = Some(json!("why"));
    commit(store, vec![put(&written)]).await;
    assert_eq!(store.rpc(device.tenant, written.id.id).await.expect("reads"), Some(written.clone()));
    assert_eq!(store.rpc(TenantId::generate(), written.id.id).await.expect("reads"), None);
    assert_eq!(store.rpc(device.tenant, Uuid::now_v7()).await.expect("reads"), None);
}

/// Open are those that the device has still to get or to answer; the oldest comes first.
pub async fn open_ones_come_in_order(store: &dyn Store) {
    let (one, other) = (device(), device());
    let mut all: Vec<Rpc> = RpcStatus::ALL.iter().map(|status| rpc(one, status.as_str(), *status)).collect();
    commit(store, all.iter().rev().map(put).collect()).await;
    commit(store, vec![put(&rpc(other, "of another", RpcStatus::Queued))]).await;
    assert_eq!(open(store, one).await, ["QUEUED", "SENT", "DELIVERED", "TIMEOUT"]);
    all[0].status = RpcStatus::Expired;
    all[2].request.oneway = true;
    commit(store, all[..3].iter().map(put).collect()).await;
    assert_eq!(open(store, one).await, ["SENT", "TIMEOUT"]);
    assert_eq!(open(store, other).await, ["of another"]);
    assert_eq!(open(store, device()).await, [""; 0]);
}

/// Newest first; by status, by text, by page.
pub async fn lists_filter_and_page(store: &dyn Store) {
    let device = device();
    for (method, status) in [
        ("on", RpcStatus::Queued),
        ("off", RpcStatus::Failed),
        ("On again", RpcStatus::Queued),
    ] {
        commit(store, vec![put(&rpc(device, method, status))]).await;
    }
    let page = PageRequest::first(10);
    assert_eq!(listed(store, device, None, &page).await, ["On again", "off", "on"]);
    assert_eq!(listed(store, device, Some(RpcStatus::Queued), &page).await, ["On again", "on"]);
    assert_eq!(listed(store, device, Some(RpcStatus::Sent), &page).await, [""; 0]);
    let search = PageRequest {
        text_search: Some("ON".into()),
        ..page.clone()
    };
    assert_eq!(listed(store, device, None, &search).await, ["On again", "on"]);
    let by_time = |descending| PageRequest {
        sort_property: Some("createdTime".into()),
        descending,
        ..page.clone()
    };
    assert_eq!(listed(store, device, None, &by_time(false)).await, ["on", "off", "On again"]);
    assert_eq!(listed(store, device, None, &by_time(true)).await, ["On again", "off", "on"]);
    let second = PageRequest {
        page: 1,
        ..PageRequest::first(2)
    };
    let found = store.rpcs(device, None, &second).await.expect("lists");
    assert_eq!(
        (found.data.len(), found.total_pages, found.total_elements, found.has_next),
        (1, 2, 3, false)
    );
}

/// One by one, and with the device.
pub async fn are_deleted(store: &dyn Store) {
    let device = device();
    create(store, record(device.entity(), &device.id.to_string())).await;
    let all = [rpc(device, "a", RpcStatus::Queued), rpc(device, "b", RpcStatus::Queued)];
    commit(store, all.iter().map(put).collect()).await;
    let delete = Mutation::DeleteRpc { device, id: all[0].id.id };
    commit(store, vec![delete.clone(), delete]).await;
    assert_eq!(store.rpc(device.tenant, all[0].id.id).await.expect("reads"), None);
    assert_eq!(
        (open(store, device).await, listed(store, device, None, &PageRequest::first(9)).await),
        (vec!["b".into()], vec!["b".into()])
    );
    assert!(store.delete_entity(device.entity()).await.expect("deletes"));
    assert_eq!(store.rpc(device.tenant, all[1].id.id).await.expect("reads"), None);
    assert_eq!(open(store, device).await, [""; 0]);
}
