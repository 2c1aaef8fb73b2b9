//! The service: allowed, looked up, checked, connected, asked, answered – in this order, once, within time and size.
//!
//! Redirects are answers like any other: following one is up to whoever asked, as another request that is checked like this one.

use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use model::TenantId;
use storage::{SettingStore, Store};

use crate::address::Addresses;
use crate::allow::AllowList;
use crate::broker::{Clusters, Links, Tokens};
use crate::connect::{Connection, Trust, connect, secure, through};
use crate::error::EgressError;
use crate::keys::Keys;
use crate::places::{Places, Tenant};
use crate::proxy::Proxy;
use crate::resolve::{Lookups, Resolver};
use crate::target::{ChosenBy, Host, Target};
use crate::tls::Tls;

/// Bytes of a request's body at most.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Bytes of an answer's body at most, whatever was asked for.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Time that a request may take at most, whatever was asked for: waiting, connecting and answering.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// Headers of an answer at most, and bytes of them together.
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How this client calls itself, where a component does not say.
pub(crate) const NAME: &str = concat!("Pacificsoft/", env!("CARGO_PKG_VERSION"));

/// What the service is made from.
pub struct EgressConfig {
    /// Where tenants' lists are kept.
    pub store: Arc<dyn Store>,
    /// Addresses that are refused.
    pub addresses: Addresses,
    /// Knows names.
    pub resolver: Arc<dyn Resolver>,
    /// Whose certificates are believed.
    pub trust: Trust,
}

/// A request. Its text shows nothing that may be secret.
#[derive(Clone)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Where.
    pub target: Target,
    /// As made by [`crate::header()`].
    pub headers: HeaderMap,
    /// At most [`REQUEST_BYTES_MAX`].
    pub body: Bytes,
    /// Time for all of it; at most [`TIMEOUT_MAX`].
    pub timeout: Duration,
    /// Bytes the answer's body may have; at most [`RESPONSE_BYTES_MAX`].
    pub response_bytes_max: usize,
    /// TLS of its own, for a target over TLS; none: the server's.
    pub tls: Option<Tls>,
    /// By which way; none: straight to the target.
    pub proxy: Option<Proxy>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.target)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// What the server thinks of the request.
    pub status: StatusCode,
    /// Names in lower case.
    pub headers: HeaderMap,
    /// Not decoded.
    pub body: Bytes,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Egress(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    addresses: Addresses,
    lookups: Lookups,
    trust: Trust,
    keys: Keys,
    pub(crate) places: Places,
    pub(crate) links: Links,
    pub(crate) clusters: Clusters,
    pub(crate) tokens: Tokens,
}

impl Egress {
    /// Nothing is under way.
    pub fn new(config: EgressConfig) -> Self {
        let EgressConfig {
            store,
            addresses,
            resolver,
            trust,
        } = config;
        Egress(Arc::new(Inner {
            store,
            addresses,
            lookups: Lookups::new(resolver),
            trust,
            keys: Keys::default(),
            places: Places::default(),
            links: Links::default(),
            clusters: Clusters::default(),
            tokens: Tokens::default(),
        }))
    }

    /// The servers that a tenant's components may reach.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn allow_list(&self, tenant: TenantId) -> Result<AllowList, EgressError> {
        let stored = SettingStore::setting(&*self.0.store, &setting(tenant)).await?;
        let list = stored.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        let list = list.map_err(|error| storage::StorageError::Corrupt(format!("the servers a tenant may reach: {error}")))?;
        Ok(list.unwrap_or_default())
    }

    /// Replaces the servers that a tenant's components may reach. Counts for every request that is sent afterwards.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn set_allow_list(&self, tenant: TenantId, list: &AllowList) -> Result<(), EgressError> {
        let bytes = serde_json::to_vec(list).map_err(|error| storage::StorageError::Failed(error.to_string()))?;
        Ok(SettingStore::save_setting(&*self.0.store, &setting(tenant), bytes).await?)
    }

    /// Sends a request for a tenant. Dropped: it is called off.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn send(&self, tenant: TenantId, request: Request) -> Result<Response, EgressError> {
        let answer = self.within_limits(tenant, request).await;
        let told = match &answer {
            Ok(response) if response.status.is_success() => "success",
            Ok(_) => "status",
            Err(EgressError::Refused(_) | EgressError::Invalid(_)) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("egress_requests_total", "result" => told).increment(1);
        answer
    }

    async fn within_limits(&self, tenant: TenantId, request: Request) -> Result<Response, EgressError> {
        if request.body.len() > REQUEST_BYTES_MAX {
            return Err(EgressError::Invalid(format!(
                "the request's body has {} bytes, more than the {REQUEST_BYTES_MAX} allowed",
                request.body.len()
            )));
        }
        let origin = request.target.origin();
        if let Some(tls) = &request.tls {
            tls.check(&origin, request.target.scheme.is_tls())?;
        }
        let proxy = request.proxy.as_ref().map(|proxy| &proxy.target);
        for target in [&request.target].into_iter().chain(proxy) {
            self.check_allowed(tenant, target).await?;
        }
        let places = self.0.places.of(tenant);
        let _entered = places.enter()?;
        let timeout = request.timeout.min(TIMEOUT_MAX);
        let exchanging = async {
            let _turn = places.turn().await;
            self.exchange(&places, request).await
        };
        let late = || EgressError::Timeout {
            origin,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        tokio::time::timeout(timeout, exchanging).await.unwrap_or_else(|_| Err(late()))
    }

    async fn exchange(&self, places: &Tenant, request: Request) -> Result<Response, EgressError> {
        let trust = self.trust(places, request.tls.as_ref()).await?;
        let connection = match &request.proxy {
            None => self.connected(places, &request.target, &trust).await?,
            Some(proxy) => proxy.connected(self, places, &request.target, &trust).await?,
        };
        ask(connection, request).await
    }

    /// Refuses what is not on the tenant's list. What the system's administrator has chosen needs not be there.
    pub(crate) async fn check_allowed(&self, tenant: TenantId, target: &Target) -> Result<(), EgressError> {
        if target.chosen_by != ChosenBy::Tenant || self.allow_list(tenant).await?.allows(target) {
            return Ok(());
        }
        Err(EgressError::Refused(format!(
            "{} is not among the servers that the tenant's components may reach: add it there first",
            target.origin()
        )))
    }

    /// Whom a conversation believes, and what it shows.
    pub(crate) async fn trust(&self, places: &Tenant, tls: Option<&Tls>) -> Result<Trust, EgressError> {
        match tls.filter(|tls| tls.takes_long()) {
            Some(tls) => self.0.keys.open(&self.0.trust, tls, places).await,
            None => self.0.trust.with(tls),
        }
    }

    /// A connection to one of the addresses that the target's name has now, and that may be reached.
    pub(crate) async fn connected(&self, places: &Tenant, target: &Target, trust: &Trust) -> Result<Connection, EgressError> {
        let unreachable = |reason: String| EgressError::Unreachable {
            origin: target.origin(),
            reason,
        };
        let addresses = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let found = self.0.lookups.resolve(name, places).await;
                found.map_err(|error| unreachable(format!("its name is not known: {error}")))?
            }
        };
        let addresses = self.checked(target, addresses)?;
        let connection = connect(target, &addresses, trust).await;
        connection.map_err(|error| unreachable(error.to_string()))
    }

    /// The same connection, over TLS; one that is already stays as it is.
    pub(crate) async fn secured(&self, connection: Connection, target: &Target, trust: &Trust) -> Result<Connection, EgressError> {
        let secured = match connection {
            Connection::Plain(stream) => secure(stream, target, trust).await,
            Connection::Tunnel(tunnel) => through(*tunnel, target, trust).await,
            Connection::Tls(_) | Connection::Through(_) => return Ok(connection),
        };
        secured.map_err(|error| EgressError::Unreachable {
            origin: target.origin(),
            reason: error.to_string(),
        })
    }

    /// Refuses a target that is itself an address which nobody reaches. Where a name leads is not looked at.
    pub(crate) fn check_address(&self, target: &Target) -> Result<(), EgressError> {
        match &target.host {
            Host::Address(address) => self.checked(target, vec![*address]).map(drop),
            Host::Name(_) => Ok(()),
        }
    }

    /// Those of the addresses that may be reached.
    fn checked(&self, target: &Target, mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, EgressError> {
        let mut refused = None;
        let refusal = |address: IpAddr| match target.chosen_by {
            ChosenBy::Tenant => self.0.addresses.refusal(address),
            ChosenBy::Administrator { .. } => self.0.addresses.refusal_to_administrator(address),
        };
        addresses.retain(|address| match refusal(*address) {
            None => true,
            Some(why) => {
                refused = Some((*address, why));
                false
            }
        });
        match (addresses.is_empty(), refused) {
            (false, _) => Ok(addresses),
            (true, Some((address, why))) => {
                let shown = match target.chosen_by {
                    ChosenBy::Administrator { called: Some(_) } => String::new(),
                    _ => format!("{address}, "),
                };
                Err(EgressError::Refused(format!(
                    "{} leads to {shown}an address that no component reaches ({why})",
                    target.origin()
                )))
            }
            (true, None) => Err(EgressError::Unreachable {
                origin: target.origin(),
                reason: "its name has no address".to_owned(),
            }),
        }
    }
}

/// Under which name a tenant's list is kept.
fn setting(tenant: TenantId) -> String {
    format!("egress/{tenant}")
}

/// What went wrong, with the reason: a server that wants to see another certificate says so there.
pub(crate) fn told(error: &hyper::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(reason) => format!("{error}: {reason}"),
    }
}

/// How servers are spoken to: within limits.
pub(crate) fn client() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    builder
}

/// Asks over a fresh connection, which ends with the answer.
async fn ask(connection: Connection, request: Request) -> Result<Response, EgressError> {
    let Request {
        method,
        target,
        mut headers,
        body,
        response_bytes_max,
        proxy,
        ..
    } = request;
    let bytes_max = response_bytes_max.min(RESPONSE_BYTES_MAX);
    let broken = |reason: String| EgressError::Broken {
        origin: target.origin(),
        reason,
    };
    let handshake = client().handshake(TokioIo::new(connection)).await;
    let (mut sender, driver) = handshake.map_err(|error| broken(error.to_string()))?;
    let host = HeaderValue::from_str(&target.authority()).map_err(|error| broken(error.to_string()))?;
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(NAME));
    // Through a tunnel, the target itself is asked.
    let proxy = proxy.filter(|_| !target.scheme.is_tls());
    let uri = match &proxy {
        None => target.path.clone().into(),
        Some(proxy) => proxy.readdress(&target, &mut headers)?,
    };
    let mut asked = hyper::Request::new(Full::new(body));
    *asked.method_mut() = method;
    *asked.uri_mut() = uri;
    *asked.headers_mut() = headers;
    let too_large = || EgressError::TooLarge {
        origin: target.origin(),
        bytes_max,
    };
    let answering = pin!(async {
        let response = sender.send_request(asked).await.map_err(|error| broken(told(&error)))?;
        let (head, body) = response.into_parts();
        if let Some(proxy) = &proxy {
            proxy.check_login(&target, head.status)?;
        }
        let body = Limited::new(body, bytes_max)
            .collect()
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => too_large(),
                false => broken(error.to_string()),
            })?;
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    });
    // The connection is worked on here, and nowhere else: when nobody waits any more, it ends.
    match select(answering, pin!(driver)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answering)) => answering.await,
    }
}
