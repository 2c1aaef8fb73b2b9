//! Promises of [`crate::CredentialStore`].

use model::DeviceId;
use uuid::Uuid;

use super::sample::{device, sibling, token};
use crate::{StorageError, Store};

fn new_device() -> DeviceId {
    DeviceId::try_from(device()).expect("a device")
}

fn new_token(name: &str) -> String {
    format!("{name} {}", Uuid::now_v7())
}

/// By what the device presents, and by the device.
pub async fn are_found_both_ways(store: &dyn Store) {
    let (device, id) = (new_device(), new_token("found"));
    let credentials = token(device, &id);
    store.save_credentials(device.tenant, credentials.clone()).await.expect("saves");
    assert_eq!(
        store.credentials(&id).await.expect("reads"),
        Some((device.tenant, credentials.clone()))
    );
    assert_eq!(store.credentials_of(device).await.expect("reads"), Some(credentials));
    for other in ["", &id[1..], &id.to_uppercase(), &"x".repeat(100_000)] {
        assert_eq!(store.credentials(other).await.expect("reads"), None, "{} bytes", other.len());
    }
    assert_eq!(store.credentials_of(new_device()).await.expect("reads"), None);
}

/// A device has one set of credentials; the ones before open nothing any more.
pub async fn replace_older_ones(store: &dyn Store) {
    let (device, old, new) = (new_device(), new_token("old"), new_token("new"));
    for id in [&old, &new, &new] {
        store.save_credentials(device.tenant, token(device, id)).await.expect("saves");
    }
    assert_eq!(store.credentials(&old).await.expect("reads"), None);
    assert_eq!(store.credentials_of(device).await.expect("reads"), Some(token(device, &new)));
    let changed = model::entity::DeviceCredentials {
        credentials_value: Some("x".into()),
        ..token(device, &new)
    };
    store.save_credentials(device.tenant, changed.clone()).await.expect("saves");
    assert_eq!(store.credentials(&new).await.expect("reads"), Some((device.tenant, changed)));
}

/// A credentials id opens one device of the whole system.
pub async fn belong_to_one_device(store: &dyn Store) {
    let (first, id) = (new_device(), new_token("unique"));
    store.save_credentials(first.tenant, token(first, &id)).await.expect("saves");
    let own = new_token("own");
    let second = DeviceId::try_from(sibling(first.entity())).expect("a device");
    store.save_credentials(second.tenant, token(second, &own)).await.expect("saves");
    for other in [second, new_device()] {
        let taken = store.save_credentials(other.tenant, token(other, &id)).await.expect_err("taken");
        assert!(matches!(taken, StorageError::CredentialsTaken), "{taken}");
    }
    assert_eq!(
        store.credentials(&id).await.expect("reads"),
        Some((first.tenant, token(first, &id)))
    );
    assert_eq!(store.credentials_of(second).await.expect("reads"), Some(token(second, &own)));
}
