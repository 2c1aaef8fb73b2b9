//! The vault over the embedded store.

#![allow(clippy::unwrap_used)]

use storage::{EmbeddedConfig, EmbeddedStore};
use tempfile::TempDir;

use super::*;

fn vault() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedConfig::new(folder.path())).unwrap();
    let vault = Vault::new(Arc::new(store), Key::generate());
    (folder, vault)
}

fn first() -> PageRequest {
    PageRequest::first(100)
}

#[tokio::test]
async fn a_secret_is_set_replaced_revealed_and_removed() {
    let (_folder, vault) = vault();
    let (tenant, other) = (TenantId::generate(), TenantId::generate());
    vault.set(tenant, "api.key", "one", 1).await.unwrap();
    vault.set(tenant, "api.key", "two", 2).await.unwrap();
    vault.set(other, "api.key", "theirs", 3).await.unwrap();
    assert_eq!(vault.reveal(tenant, "api.key").await.unwrap().as_str(), "two");
    assert_eq!(vault.reveal(other, "api.key").await.unwrap().as_str(), "theirs");

    let listed = vault.list(tenant, &first()).await.unwrap();
    let expected = SecretInfo {
        name: "api.key".to_owned(),
        set_time: 2,
    };
    assert_eq!(listed.data, [expected]);
    assert!(!serde_json::to_string(&listed.data).unwrap().contains("two"));

    assert!(vault.delete(tenant, "api.key").await.unwrap());
    assert!(!vault.delete(tenant, "api.key").await.unwrap());
    assert!(matches!(vault.reveal(tenant, "api.key").await, Err(SecretError::NotFound(name)) if name == "api.key"));
    assert!(vault.reveal(other, "api.key").await.is_ok());
}

#[tokio::test]
async fn what_is_stored_does_not_show_it_and_opens_with_the_key_only() {
    let (_folder, vault) = vault();
    let tenant = TenantId::generate();
    vault.set(tenant, "a", "hunter2", 1).await.unwrap();
    let record = vault.store.entity_by_name(tenant, EntityKind::Secret, "a").await.unwrap().unwrap();
    assert!(!record.body.to_string().contains("hunter2"));

    let another = Vault::new(Arc::clone(&vault.store), Key::generate());
    assert!(matches!(another.reveal(tenant, "a").await, Err(SecretError::Sealed(_))));
    // Under another name, too: whoever can write to the store gains nothing by moving it.
    let moved = EntityRecord {
        id: new_id(tenant),
        version: 0,
        name: "b".to_owned(),
        ..record
    };
    vault.store.save_entity(moved).await.unwrap();
    assert!(matches!(vault.reveal(tenant, "b").await, Err(SecretError::Sealed(_))));
}

#[tokio::test]
async fn names_values_and_their_number_have_limits() {
    let (_folder, vault) = vault();
    let tenant = TenantId::generate();
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "a b", "ä", "a}", "a\0", &long] {
        assert!(
            matches!(vault.set(tenant, name, "v", 1).await, Err(SecretError::Invalid(_))),
            "{name:?}"
        );
    }
    for value in [String::new(), "x".repeat(VALUE_BYTES_MAX + 1)] {
        let told = vault.set(tenant, "a", &value, 1).await.unwrap_err().to_string();
        assert!(!told.contains("xx"), "{told}");
    }
    for number in 0..SECRETS_MAX {
        vault.set(tenant, &format!("s{number}"), "v", 1).await.unwrap();
    }
    assert!(matches!(
        vault.set(tenant, "more", "v", 1).await,
        Err(SecretError::TooMany { max: SECRETS_MAX })
    ));
    vault.set(tenant, "s0", "again", 1).await.unwrap();
}
