//! From what a device presents to who it is.

use crate::world::World;
use model::DeviceId;
use model::entity::{CredentialsType, DeviceCredentials, IdRef, Proof};
use serde_json::json;
use session::{AuthError, Credentials};
use storage::CredentialStore;

pub async fn save(world: &World, device: DeviceId, kind: CredentialsType, id: &str) {
    save_proof(
        world,
        device,
        Proof {
            credentials_type: kind,
            credentials_id: id.to_owned(),
            credentials_value: None,
        },
    )
    .await;
}

async fn save_proof(world: &World, device: DeviceId, proof: Proof) {
    let credentials = DeviceCredentials {
        id: None,
        created_time: 1,
        device_id: IdRef::from(device),
        credentials_type: proof.credentials_type,
        credentials_id: proof.credentials_id,
        credentials_value: proof.credentials_value,
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

/// Gives a device another token, without anybody hearing of it.
pub async fn change(world: &World, device: DeviceId, token: &str) {
    let mut credentials = world.store.credentials_of(device).await.unwrap().unwrap();
    credentials.credentials_id = token.to_owned();
    credentials.version = Some(credentials.version.unwrap_or(1) + 1);
    world.store.save_credentials(world.tenant, credentials).await.unwrap();
}

/// Deletes a device, without anybody hearing of it.
pub async fn forget(world: &World, device: DeviceId) {
    assert!(storage::EntityStore::delete_entity(&world.store, device.entity()).await.unwrap());
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

#[tokio::test]
async fn client_id_user_name_and_password_name_their_device() {
    let world = World::new();
    let basic = async |value: serde_json::Value| {
        let device = world.device().0;
        let proof = Proof::new(CredentialsType::MqttBasic, "", Some(&value.to_string())).unwrap();
        save_proof(&world, device, proof).await;
        device
    };
    let client = basic(json!({"clientId": "client"})).await;
    let name = basic(json!({"userName": "name", "password": "right"})).await;
    let both = basic(json!({"clientId": "c1", "userName": "n1", "password": "right"})).await;
    let open = basic(json!({"clientId": "c2", "userName": "n2"})).await;
    // Their ids are the same text before it is hashed: only one of them can be saved.
    let piped = basic(json!({"clientId": "a|b", "userName": "c", "password": "right"})).await;
    let token = world.device().0;
    save(&world, token, CredentialsType::AccessToken, "token").await;
    let hash_of_client = model::entity::credentials::client_id("client");
    for (client_id, user_name, password, expected) in [
        ("client", None, None, Ok(client)),
        ("client", Some(""), Some("whatever"), Ok(client)),
        ("client", Some("name"), None, Err(AuthError::Unknown)),
        ("other", None, None, Err(AuthError::Unknown)),
        ("", None, None, Err(AuthError::Missing)),
        ("", None, Some("right"), Err(AuthError::Missing)),
        ("", Some("name"), Some("right"), Ok(name)),
        ("any", Some("name"), Some("right"), Ok(name)),
        // The one that is famous: a name without its password.
        ("any", Some("name"), None, Err(AuthError::Unknown)),
        ("any", Some("name"), Some(""), Err(AuthError::Unknown)),
        ("any", Some("name"), Some("wrong"), Err(AuthError::Unknown)),
        ("c1", Some("n1"), Some("right"), Ok(both)),
        ("c1", Some("n1"), None, Err(AuthError::Unknown)),
        ("c1", None, None, Err(AuthError::Unknown)),
        ("", Some("n1"), Some("right"), Err(AuthError::Unknown)),
        ("c2", Some("n2"), None, Ok(open)),
        ("c2", Some("n2"), Some("ignored"), Ok(open)),
        ("a|b", Some("c"), Some("right"), Ok(piped)),
        ("a", Some("b|c"), Some("right"), Err(AuthError::Unknown)),
        ("any", Some("token"), None, Ok(token)),
        ("any", Some("token"), Some("ignored"), Ok(token)),
        ("", Some(hash_of_client.as_str()), None, Err(AuthError::Unknown)),
    ] {
        let presented = Credentials::Mqtt {
            client_id,
            user_name,
            password,
        };
        assert_eq!(
            world.sessions.authenticate(presented).await,
            expected,
            "{client_id} {user_name:?} {password:?}"
        );
    }
    assert_eq!(
        world.sessions.authenticate(Credentials::AccessToken("name")).await,
        Err(AuthError::Unknown),
        "a user name is no token"
    );
}

#[tokio::test]
async fn a_certificate_names_its_device() {
    let world = World::new();
    let device = world.device().0;
    let der: Vec<u8> = std::iter::once(0x30).chain(0..100).collect();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        model::entity::credentials::certificate_text(&der)
    );
    let proof = Proof::new(CredentialsType::X509Certificate, "", Some(&pem)).unwrap();
    let id = proof.credentials_id.clone();
    save_proof(&world, device, proof).await;
    assert_eq!(world.sessions.authenticate(Credentials::Certificate(&der)).await, Ok(device));
    assert_eq!(
        world.sessions.authenticate(Credentials::Certificate(&der[1..])).await,
        Err(AuthError::Unknown)
    );
    assert_eq!(
        world.sessions.authenticate(Credentials::AccessToken(&id)).await,
        Err(AuthError::Unknown),
        "the hash of a certificate is no secret"
    );
    let named = Credentials::Mqtt {
        client_id: "",
        user_name: Some(&id),
        password: None,
    };
    assert_eq!(world.sessions.authenticate(named).await, Err(AuthError::Unknown));
}

#[tokio::test]
async fn who_guesses_is_kept_out_and_its_neighbour_is_not() {
    let world = World::new();
    let device = world.device().0;
    save(&world, device, CredentialsType::AccessToken, "secret").await;
    let [guesser, neighbour] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(std::net::IpAddr::from);
    for number in 0..100 {
        let wrong = format!("guess {number}");
        assert_eq!(
            world.sessions.authenticate_from(guesser, Credentials::AccessToken(&wrong)).await,
            Err(AuthError::Unknown)
        );
    }
    let right = Credentials::AccessToken("secret");
    assert_eq!(
        world.sessions.authenticate_from(guesser, right).await,
        Err(AuthError::TooMany { retry_after_s: 60 })
    );
    assert_eq!(world.sessions.authenticate_from(neighbour, right).await, Ok(device));
}
