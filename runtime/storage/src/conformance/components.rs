//! Promises of [`crate::ComponentStore`].

use std::sync::Arc;

use model::{ComponentRecord, ComponentVersion, Digest, Suspension, TenantId};
use serde_json::json;

use crate::{StorageError, Store};

fn record(tenant: TenantId, name: &str) -> ComponentRecord {
    ComponentRecord {
        tenant,
        name: name.into(),
        revision: 0,
        created_time: 1_700_000_000_000,
        active: None,
        previous: None,
        suspended: None,
        auto_rollback: false,
        granted: [].into(),
        denied: [].into(),
    }
}

fn version(number: u8, bytes: &[u8]) -> ComponentVersion {
    ComponentVersion {
        digest: Digest([number; 32]),
        created_time: 1_700_000_000_000 + i64::from(number),
        bytes: bytes.len() as u64,
        facts: json!({"number": number, "imports": ["log", "ü"]}),
    }
}

async fn add(store: &dyn Store, tenant: TenantId, name: &str, number: u8, bytes: &[u8]) -> bool {
    let added = store.add_component_version(tenant, name, version(number, bytes), Arc::from(bytes));
    added.await.expect("adds")
}

/// Nothing of a record is lost, and lists are sorted by name.
pub async fn come_back_as_saved(store: &dyn Store) {
    let tenant = TenantId::generate();
    assert_eq!(store.component(tenant, "b").await.expect("reads"), None);
    assert_eq!(store.components(tenant).await.expect("reads"), []);
    let mut full = ComponentRecord {
        active: Some(Digest([1; 32])),
        previous: Some(Digest([2; 32])),
        suspended: Some(Suspension {
            version: Digest([1; 32]),
            since: 5,
            reason: "it trapped".into(),
        }),
        auto_rollback: true,
        granted: ["log".to_owned(), "readings".to_owned()].into(),
        denied: ["send-rpc".to_owned()].into(),
        ..record(tenant, "b")
    };
    full.revision = store.save_component(full.clone()).await.expect("saves");
    assert_eq!(store.component(tenant, "b").await.expect("reads"), Some(full.clone()));
    for name in ["c", "a"] {
        store.save_component(record(tenant, name)).await.expect("saves");
    }
    let all = store.components(tenant).await.expect("reads");
    assert_eq!(all.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(all[1], full);
    for name in ["", "a\0b"] {
        assert_eq!(store.component(tenant, name).await.expect("reads"), None);
        assert!(store.save_component(record(tenant, name)).await.is_err(), "{name:?}");
    }
}

/// Of two who change the same, one is told.
pub async fn count_revisions(store: &dyn Store) {
    let tenant = TenantId::generate();
    let mut component = record(tenant, "a");
    assert_eq!(store.save_component(component.clone()).await.expect("creates"), 1);
    let again = store.save_component(component.clone()).await.expect_err("is there");
    assert!(matches!(again, StorageError::VersionConflict { given: 0, stored: 1 }), "{again}");
    component.revision = 1;
    assert_eq!(store.save_component(component.clone()).await.expect("replaces"), 2);
    let late = store.save_component(component.clone()).await.expect_err("is late");
    assert!(matches!(late, StorageError::VersionConflict { given: 1, stored: 2 }), "{late}");
    component.name = "b".into();
    let none = store.save_component(component).await.expect_err("is not there");
    assert!(matches!(none, StorageError::NotFound), "{none}");
}

/// What was added once is never changed.
pub async fn versions_are_immutable_and_come_newest_first(store: &dyn Store) {
    let tenant = TenantId::generate();
    assert!(add(store, tenant, "a", 1, b"one").await);
    assert!(add(store, tenant, "a", 3, b"three").await);
    assert!(add(store, tenant, "a", 2, b"two").await);
    assert!(!add(store, tenant, "a", 2, b"other").await, "it is there");
    let versions = store.component_versions(tenant, "a").await.expect("reads");
    assert_eq!(versions, [version(3, b"three"), version(2, b"two"), version(1, b"one")]);
    let bytes = store.component_bytes(tenant, "a", Digest([2; 32])).await.expect("reads");
    assert_eq!(bytes.as_deref(), Some(&b"two"[..]));
    assert_eq!(store.component_bytes(tenant, "a", Digest([9; 32])).await.expect("reads"), None);
}

/// However a back end cuts them.
pub async fn bytes_of_any_size_come_back(store: &dyn Store) {
    let tenant = TenantId::generate();
    let sizes = [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000];
    for (number, size) in sizes.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|at: usize| (at / 7) as u8).collect();
        assert!(add(store, tenant, "large", number as u8, &bytes).await);
        let stored = store
            .component_bytes(tenant, "large", Digest([number as u8; 32]))
            .await
            .expect("reads");
        assert!(stored.is_some_and(|stored| stored == bytes), "{size} bytes");
    }
}

/// A name that begins with another one, the same name of another owner: neither is touched.
pub async fn owners_and_names_are_apart(store: &dyn Store) {
    let (tenant, other) = (TenantId::generate(), TenantId::generate());
    for (owner, name) in [(tenant, "a"), (tenant, "ab"), (other, "a")] {
        store.save_component(record(owner, name)).await.expect("saves");
        assert!(add(store, owner, name, 1, name.as_bytes()).await);
    }
    assert!(store.delete_component(tenant, "a").await.expect("deletes"));
    for (owner, name) in [(tenant, "ab"), (other, "a")] {
        assert!(store.component(owner, name).await.expect("reads").is_some());
        let bytes = store.component_bytes(owner, name, Digest([1; 32])).await.expect("reads");
        assert_eq!(bytes.as_deref(), Some(name.as_bytes()));
    }
    assert_eq!(store.components(tenant).await.expect("reads").len(), 1);
}

/// Nothing is left, and what was deleted can be created again.
pub async fn deletion_takes_everything(store: &dyn Store) {
    let (tenant, digest) = (TenantId::generate(), Digest([1; 32]));
    store.save_component(record(tenant, "a")).await.expect("saves");
    for (number, bytes) in [(1, &b"one"[..]), (2, b"two")] {
        assert!(add(store, tenant, "a", number, bytes).await);
    }
    assert!(store.delete_component_version(tenant, "a", digest).await.expect("deletes"));
    assert!(
        !store
            .delete_component_version(tenant, "a", digest)
            .await
            .expect("has nothing to delete")
    );
    assert_eq!(store.component_bytes(tenant, "a", digest).await.expect("reads"), None);
    assert_eq!(store.component_versions(tenant, "a").await.expect("reads"), [version(2, b"two")]);
    assert!(store.delete_component(tenant, "a").await.expect("deletes"));
    assert!(!store.delete_component(tenant, "a").await.expect("has nothing to delete"));
    assert_eq!(store.component_versions(tenant, "a").await.expect("reads"), []);
    assert_eq!(store.component_bytes(tenant, "a", Digest([2; 32])).await.expect("reads"), None);
    assert_eq!(store.save_component(record(tenant, "a")).await.expect("creates"), 1);
    assert!(add(store, tenant, "a", 1, b"one").await);
}
