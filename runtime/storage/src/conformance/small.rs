//! Promises of [`crate::LoginStore`] and [`crate::SettingStore`].

use model::{DeviceId, TenantId, UserId};
use uuid::Uuid;

use super::sample::{commit, create, record};
use crate::{Login, Mutation, StorageError, Store};

fn login(email: &str) -> Login {
    let user = UserId::generate(TenantId::generate());
    Login {
        user,
        email: email.into(),
        password_hash: Some("$argon2id$x".into()),
        enabled: true,
        tokens_valid_from_ms: 5,
    }
}

/// People do not care for the case of their address.
pub async fn logins_are_found_in_any_case(store: &dyn Store) {
    let name = format!("ann-{}@example.org", Uuid::now_v7());
    let saved = login(&name);
    assert_eq!(store.login(&name).await.expect("reads"), None);
    store.save_login(saved.clone()).await.expect("saves");
    assert_eq!(store.login(&name).await.expect("reads"), Some(saved.clone()));
    assert_eq!(store.login(&name.to_uppercase()).await.expect("reads"), Some(saved));
    assert_eq!(store.login("").await.expect("reads"), None);
    store.delete_login(&name.to_uppercase()).await.expect("deletes");
    store.delete_login(&name).await.expect("has nothing to delete");
    assert_eq!(store.login(&name).await.expect("reads"), None);
}

/// An address belongs to one user, who may change everything else.
pub async fn logins_belong_to_one_user(store: &dyn Store) {
    let name = format!("bob-{}@example.org", Uuid::now_v7());
    let first = login(&name);
    store.save_login(first.clone()).await.expect("saves");
    let taken = store.save_login(login(&name)).await.expect_err("taken");
    assert!(matches!(&taken, StorageError::NameTaken(said) if *said == name), "{taken}");
    let changed = Login {
        enabled: false,
        password_hash: None,
        ..first
    };
    store.save_login(changed.clone()).await.expect("saves");
    assert_eq!(store.login(&name).await.expect("reads"), Some(changed));
}

/// A setting is what was saved last.
pub async fn settings_are_kept(store: &dyn Store) {
    let name = format!("setting {}", Uuid::now_v7());
    assert_eq!(store.setting(&name).await.expect("reads"), None);
    for value in [vec![], vec![0, 255], vec![7; 10_000]] {
        store.save_setting(&name, value.clone()).await.expect("saves");
        assert_eq!(store.setting(&name).await.expect("reads"), Some(value));
    }
}

/// Whoever comes first decides, and everybody learns what was decided.
pub async fn settings_are_initialised_once(store: &dyn Store) {
    let name = format!("setting {}", Uuid::now_v7());
    let init = |value: u8| store.setting_or_init(&name, vec![value]);
    let (a, b, c) = tokio::join!(init(1), init(2), init(3));
    let decided = a.expect("answers");
    assert!([1, 2, 3].contains(&decided[0]));
    assert_eq!((b.expect("answers"), c.expect("answers")), (decided.clone(), decided.clone()));
    assert_eq!(init(4).await.expect("answers"), decided);
    assert_eq!(store.setting(&name).await.expect("reads"), Some(decided));
}

/// As often as they are reminded of: once each; not when they are gone.
pub async fn devices_are_thought_of_until_they_are_forgotten(store: &dyn Store) {
    let [kept, forgotten, deleted] = [0; 3].map(|_| DeviceId::generate(TenantId::generate()));
    create(store, record(deleted.entity(), "deleted")).await;
    let remind = [kept, forgotten, deleted, kept].map(Mutation::Remind);
    commit(store, remind.into()).await;
    commit(store, vec![Mutation::Forget(forgotten), Mutation::Forget(forgotten)]).await;
    store.delete_entity(deleted.entity()).await.expect("deletes");
    let mut found = store.reminders().await.expect("reads");
    found.retain(|device| [kept, forgotten, deleted].contains(device));
    assert_eq!(found, [kept]);
}
