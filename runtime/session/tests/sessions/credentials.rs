//! From what a device presents to who it is.

use crate::world::World;
use model::DeviceId;
use model::entity::{CredentialsType, DeviceCredentials, IdRef};
use session::{AuthError, Credentials};
use storage::CredentialStore;

pub async fn save(world: &World, device: DeviceId, kind: CredentialsType, id: &str) {
    let credentials = DeviceCredentials {
        id: None,
        created_time: 1,
        device_id: IdRef::from(device),
        credentials_type: kind,
        credentials_id: id.to_owned(),
        credentials_value: None,
        version: None,
    };
    let record = model::entity::EntityRecord {
        id: device.entity(),
        version: 0,
        name: device.id.to_string(),
        subtype: String::new(),
        customer: None,
        body: serde_json::json!({"name": "D"}),
    };
    storage::EntityStore::save_entity(&world.store, record).await.unwrap();
    world.store.save_credentials(world.tenant, credentials).await.unwrap();
}

#[tokio::test]
async fn a_token_names_its_device() {
    let world = World::new();
    let (one, other, certified) = (world.device().0, world.device().0, world.device().0);
    let longest = "x".repeat(512);
    save(&world, one, CredentialsType::AccessToken, "secret").await;
    save(&world, other, CredentialsType::AccessToken, &longest).await;
    save(&world, certified, CredentialsType::X509Certificate, "hash").await;
    let too_long = "x".repeat(513);
    for (token, expected) in [
        ("secret", Ok(one)),
        (longest.as_str(), Ok(other)),
        ("Secret", Err(AuthError::Unknown)),
        ("secret ", Err(AuthError::Unknown)),
        ("hash", Err(AuthError::Unknown)),
        (too_long.as_str(), Err(AuthError::Unknown)),
        ("", Err(AuthError::Missing)),
    ] {
        assert_eq!(
            world.sessions.authenticate(Credentials::AccessToken(token)).await,
            expected,
            "{} bytes",
            token.len()
        );
    }
}
