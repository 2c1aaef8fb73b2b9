//! By way of a proxy: a request over TLS goes through a tunnel that the proxy opens, and so does what a broker is told; a request in the
//! clear is handed to it whole.
//!
//! The proxy is a server like any other: the tenant's list names it, and its address is checked. So is a target that is an address. A
//! target's name is looked up by the proxy: where that leads is known there alone, and up to whoever runs it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::Empty;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;

use crate::connect::{Connection, Trust, Tunnel, through};
use crate::egress::{Egress, NAME, client, told};
use crate::error::EgressError;
use crate::places::Tenant;
use crate::target::{ChosenBy, Scheme, Target};

/// A server that passes requests on. Its text shows nothing that may be secret.
#[derive(Clone)]
pub struct Proxy {
    /// As read by [`Target::proxy`].
    pub target: Target,
    /// What it is shown as `Proxy-Authorization`.
    pub authorization: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl Proxy {
    /// A connection over which the target is asked, by way of the proxy. What the tenant allows was looked at before.
    ///
    /// # Errors
    /// [`EgressError`].
    pub(crate) async fn connected(
        &self,
        egress: &Egress,
        places: &Tenant,
        target: &Target,
        trust: &Trust,
    ) -> Result<Connection, EgressError> {
        match target.scheme {
            Scheme::Http => {
                egress.check_address(target)?;
                self.reached(egress, places).await
            }
            _ => self.tunnelled(egress, places, target, trust).await,
        }
    }

    /// A connection to the target itself, whatever is spoken there. As [`Proxy::connected`].
    ///
    /// # Errors
    /// [`EgressError`].
    pub(crate) async fn tunnelled(
        &self,
        egress: &Egress,
        places: &Tenant,
        target: &Target,
        trust: &Trust,
    ) -> Result<Connection, EgressError> {
        egress.check_address(target)?;
        let connection = self.reached(egress, places).await?;
        let tunnel = self.tunnel(connection, target).await?;
        if !target.scheme.is_tls() {
            return Ok(Connection::Tunnel(Box::new(tunnel)));
        }
        let connection = through(tunnel, target, trust).await;
        connection.map_err(|error| EgressError::Unreachable {
            origin: target.origin(),
            reason: error.to_string(),
        })
    }

    /// A connection to the proxy. What a conversation shows its target is not shown here.
    async fn reached(&self, egress: &Egress, places: &Tenant) -> Result<Connection, EgressError> {
        let trust = egress.trust(places, None).await?;
        egress.connected(places, &self.target, &trust).await
    }

    /// What tells it from others: connections are shared by those that are alike.
    pub(crate) fn texts(&self) -> [String; 3] {
        let whose = if self.target.chosen_by == ChosenBy::Tenant { "" } else { "server" };
        let login = self.authorization.as_ref().map(|login| login.as_bytes()).unwrap_or_default();
        [self.target.address(), whose.to_owned(), String::from_utf8_lossy(login).into_owned()]
    }

    /// What a request in the clear is made: one with the whole URL, for the proxy.
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(crate) fn readdress(&self, target: &Target, headers: &mut HeaderMap) -> Result<Uri, EgressError> {
        self.log_in(headers);
        let whole = Uri::builder()
            .scheme(target.scheme.as_str())
            .authority(target.authority())
            .path_and_query(target.path.clone());
        whole.build().map_err(|_| no_name(target))
    }

    /// Why the target was not asked, if the proxy's answer says so.
    ///
    /// # Errors
    /// [`EgressError::Unreachable`].
    pub(crate) fn check_login(&self, target: &Target, status: StatusCode) -> Result<(), EgressError> {
        match status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(self.refused(
                target,
                "wants a user name and a password, or others than those it was shown (407)".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Has a tunnel to the target opened. What comes behind the proxy's answer is the tunnel's.
    async fn tunnel(&self, connection: Connection, target: &Target) -> Result<Tunnel, EgressError> {
        let broken = |error: hyper::Error| EgressError::Broken {
            origin: self.target.origin(),
            reason: told(&error),
        };
        let asked = self.asked(target)?;
        let handshake = client().handshake(TokioIo::new(connection)).await;
        let (mut sender, driver) = handshake.map_err(broken)?;
        let asking = pin!(async {
            let answer = sender.send_request(asked).await.map_err(broken)?;
            let status = answer.status();
            self.check_login(target, status)?;
            if !status.is_success() {
                return Err(self.refused(target, format!("answered {status}")));
            }
            hyper::upgrade::on(answer).await.map_err(broken)
        });
        // As with every request, the connection is worked on here and nowhere else.
        let tunnel = match select(asking, pin!(driver.with_upgrades())).await {
            Either::Left((tunnel, _)) => tunnel,
            Either::Right((_, asking)) => asking.await,
        };
        Ok(TokioIo::new(tunnel?))
    }

    /// `CONNECT host:port`.
    fn asked(&self, target: &Target) -> Result<hyper::Request<Empty<Bytes>>, EgressError> {
        let authority = format!("{}:{}", target.host, target.port);
        let host = HeaderValue::from_str(&authority).map_err(|_| no_name(target))?;
        let mut asked = hyper::Request::new(Empty::new());
        *asked.method_mut() = Method::CONNECT;
        *asked.uri_mut() = Uri::builder().authority(authority).build().map_err(|_| no_name(target))?;
        let headers = asked.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(NAME));
        self.log_in(headers);
        Ok(asked)
    }

    fn log_in(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            let mut authorization = authorization.clone();
            authorization.set_sensitive(true);
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
    }

    fn refused(&self, target: &Target, what: String) -> EgressError {
        EgressError::Unreachable {
            origin: target.origin(),
            reason: format!("the proxy {} {what}", self.target.origin()),
        }
    }
}

fn no_name(target: &Target) -> EgressError {
    EgressError::Invalid(format!("{} cannot be asked for at a proxy", target.origin()))
}
