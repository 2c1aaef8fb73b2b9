//! From what a device presents to who it is.

use model::DeviceId;
use model::entity::CredentialsType;
use storage::CredentialStore;

use crate::AuthError;

/// Bytes of a token at most: longer ones are not looked up.
const TOKEN_BYTES_MAX: usize = 512;

/// What a device presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// A secret token: MQTT user name, part of an HTTP or CoAP path.
    AccessToken(&'a str),
}

/// Finds the device that credentials belong to.
///
/// # Errors
/// [`AuthError`]; an unknown token and one of another kind are told apart by nobody.
pub async fn authenticate(store: &(impl CredentialStore + ?Sized), credentials: Credentials<'_>) -> Result<DeviceId, AuthError> {
    let Credentials::AccessToken(token) = credentials;
    if token.is_empty() {
        return Err(AuthError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(AuthError::Unknown);
    }
    match store.credentials(token).await {
        Ok(Some((tenant, found))) if found.credentials_type == CredentialsType::AccessToken => {
            Ok(DeviceId::new(tenant, found.device_id.id))
        }
        Ok(_) => Err(AuthError::Unknown),
        Err(error) => {
            tracing::error!(%error, "device credentials could not be read");
            Err(AuthError::Unavailable)
        }
    }
}
