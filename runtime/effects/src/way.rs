//! By which way requests and payloads go: over a proxy that a node names, or over the one of the server's own.

use egress::{EgressError, Proxy, Target};
use model::TenantId;

use crate::request::basic;
use crate::{EffectError, Outside};

/// What a node names instead of an address.
const BY_SERVER: &str = "server:proxy";
/// What tenants are told instead of its address.
const CALLED: &str = "the server's proxy";

/// The proxy of the server's own: `http://host:port` or `https://host:port`, and who is logged in there. What it reaches is up to whoever runs
/// it: tenants' components come to it with names of their own choosing.
///
/// # Errors
/// When that is no proxy.
pub fn server_proxy(address: &str, login: Option<(&str, &str)>) -> Result<Proxy, EgressError> {
    proxy(Target::proxy(address)?.of_administrator(Some(CALLED)), login)
}

/// A proxy, and who is logged in there.
///
/// # Errors
/// When that is no login.
pub(crate) fn proxy(target: Target, login: Option<(&str, &str)>) -> Result<Proxy, EgressError> {
    Ok(Proxy {
        target,
        authorization: login.map(|(user, password)| basic(user, password)).transpose()?,
    })
}

impl Outside {
    /// By which way something goes, with the secrets of its login as they are.
    pub(crate) async fn proxy(&self, tenant: TenantId, wanted: Option<&plugins::Proxy>) -> Result<Option<Proxy>, EffectError> {
        let Some(wanted) = wanted else { return Ok(None) };
        if wanted.address == BY_SERVER {
            if wanted.basic_auth.is_some() {
                return invalid("the server's own proxy is logged in to by the server: no user name");
            }
            let Some(own) = &self.proxy else {
                return invalid("this server has no proxy of its own: its operator names one (--egress-proxy), or the node names one");
            };
            return Ok(Some(own.clone()));
        }
        let login = match &wanted.basic_auth {
            None => None,
            Some((user, password)) => Some((self.text(tenant, user).await?, self.text(tenant, password).await?)),
        };
        let login = login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        Ok(Some(proxy(Target::proxy(&wanted.address)?, login)?))
    }
}

fn invalid<T>(text: &str) -> Result<T, EffectError> {
    Err(EffectError::Invalid(text.to_owned()))
}
