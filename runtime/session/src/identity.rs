//! From what a device presents to who it is.

use std::net::IpAddr;

use model::entity::credentials::{self, TEXT_BYTES_MAX};
use model::entity::{CredentialsType, DeviceCredentials};
use model::{DeviceId, TenantId};
use storage::CredentialStore;

use crate::AuthError;

/// Where somebody is who presents something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It has shown that it receives what is sent there.
    Proven(IpAddr),
    /// Anybody may have written this address on a datagram. What is held against it holds for others like it only: nobody is kept out
    /// elsewhere by what somebody forged.
    Unproven(IpAddr),
    /// A tenant's own adapter presents it, for somebody there. What is held against that holds for peers of the tenant's adapters only: what an
    /// adapter makes up keeps out nobody else's devices.
    Within(TenantId, IpAddr),
}

impl Origin {
    /// The address.
    pub fn address(self) -> IpAddr {
        match self {
            Origin::Proven(address) | Origin::Unproven(address) | Origin::Within(_, address) => address,
        }
    }
}

impl From<IpAddr> for Origin {
    /// Where a connection comes from.
    fn from(address: IpAddr) -> Self {
        Origin::Proven(address)
    }
}

/// What a device presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// A secret token, part of an HTTP or CoAP path.
    AccessToken(&'a str),
    /// What CONNECT says. The user name may be an access token.
    Mqtt {
        /// May be empty.
        client_id: &'a str,
        /// None: as good as an empty one.
        user_name: Option<&'a str>,
        /// None: as good as an empty one.
        password: Option<&'a str>,
    },
    /// A certificate (DER) whose key the device has proved to have.
    Certificate(&'a [u8]),
    /// Such a certificate, and behind it those that vouch for it, none of them proved. Counts as the first alone, unless nobody has it.
    Chain(&'a [Vec<u8>]),
}

/// Finds the device that credentials belong to.
///
/// # Errors
/// [`AuthError`]; unknown credentials, those of another kind and a wrong password are told apart by nobody.
pub async fn authenticate(store: &(impl CredentialStore + ?Sized), presented: Credentials<'_>) -> Result<DeviceId, AuthError> {
    match presented {
        Credentials::AccessToken(token) => {
            let found = find(store, token).await?;
            opened(found, |found| found.credentials_type == CredentialsType::AccessToken)
        }
        Credentials::Chain(chain) => match chain.first() {
            Some(own) => by_certificate(store, own).await,
            None => Err(AuthError::Missing),
        },
        Credentials::Certificate(der) => by_certificate(store, der).await,
        Credentials::Mqtt {
            client_id,
            user_name,
            password,
        } => by_connect(store, client_id, user_name.unwrap_or_default(), password).await,
    }
}

async fn by_certificate(store: &(impl CredentialStore + ?Sized), der: &[u8]) -> Result<DeviceId, AuthError> {
    let value = credentials::certificate_text(der);
    let found = find(store, &credentials::certificate_id(&value)).await?;
    opened(found, |found| {
        found.credentials_type == CredentialsType::X509Certificate && found.credentials_value.as_deref() == Some(&*value)
    })
}

/// The order of the reference: client id alone when there is no user name; client id and user name; the user name.
async fn by_connect(
    store: &(impl CredentialStore + ?Sized),
    client_id: &str,
    user_name: &str,
    password: Option<&str>,
) -> Result<DeviceId, AuthError> {
    if client_id.len() > TEXT_BYTES_MAX || user_name.len() > TEXT_BYTES_MAX {
        return Err(AuthError::Unknown);
    }
    let basic = |found: &DeviceCredentials| {
        found
            .mqtt_basic()
            .is_some_and(|stored| stored.opened_by(client_id, user_name, password))
    };
    if user_name.is_empty() {
        if client_id.is_empty() {
            return Err(AuthError::Missing);
        }
        return opened(find(store, &credentials::client_id(client_id)).await?, basic);
    }
    if !client_id.is_empty() {
        let found = find(store, &credentials::both_id(client_id, user_name)).await?;
        // Two pairs can have one id (`a|b`, `c` and `a`, `b|c`): only its own pair is refused for a wrong password here.
        let own = |stored: credentials::MqttBasic| {
            (stored.client_id.as_deref(), stored.user_name.as_deref()) == (Some(client_id), Some(user_name))
        };
        if found.as_ref().is_some_and(|(_, found)| found.mqtt_basic().is_some_and(own)) {
            return opened(found, basic);
        }
    }
    opened(find(store, user_name).await?, |found| match found.credentials_type {
        CredentialsType::AccessToken => true,
        CredentialsType::MqttBasic => basic(found),
        CredentialsType::X509Certificate => false,
    })
}

type Found = Option<(TenantId, DeviceCredentials)>;

async fn find(store: &(impl CredentialStore + ?Sized), id: &str) -> Result<Found, AuthError> {
    if id.is_empty() {
        return Err(AuthError::Missing);
    }
    if id.len() > TEXT_BYTES_MAX {
        return Err(AuthError::Unknown);
    }
    store.credentials(id).await.map_err(|error| {
        tracing::error!(%error, "device credentials could not be read");
        AuthError::Unavailable
    })
}

fn opened(found: Found, opens: impl FnOnce(&DeviceCredentials) -> bool) -> Result<DeviceId, AuthError> {
    match found {
        Some((tenant, found)) if opens(&found) => Ok(DeviceId::new(tenant, found.device_id.id)),
        _ => Err(AuthError::Unknown),
    }
}
