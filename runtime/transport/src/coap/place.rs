//! From a request's path to who asks and for what: `api/v1/{token}/telemetry`; with a certificate, `api/v1/telemetry`. Must not know what
//! is there.

use std::sync::Arc;

use coap::{Code, Request};
use session::{Credentials, Origin};

/// What a device proves itself by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// The secret in its paths.
    Token(String),
    /// A certificate (DER) whose key it has proved to have, and those that it says vouch for it.
    Certificates(Arc<[Vec<u8>]>),
}

impl Who {
    pub(super) fn credentials(&self) -> Credentials<'_> {
        match self {
            Who::Token(token) => Credentials::AccessToken(token),
            Who::Certificates(chain) => Credentials::Chain(chain),
        }
    }
}

/// Who says something, from where, and about what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) who: Who,
    pub(super) origin: Origin,
    /// Below the device's root: `telemetry`, `rpc/7`.
    pub(super) rest: String,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A place of a device.
    Device(Place),
    /// Where devices that have no credentials yet ask for some.
    Provisioning,
}

/// Reads a path. None: there is nothing.
pub(super) fn locate(path: &[String], certificates: Option<Arc<[Vec<u8>]>>, origin: Origin) -> Option<Found> {
    let [api, version, rest @ ..] = path else { return None };
    if api != "api" || version != "v1" {
        return None;
    }
    let (who, rest) = match (certificates, rest) {
        (_, [place]) if place == "provision" => return Some(Found::Provisioning),
        (Some(certificates), rest) => (Who::Certificates(certificates), rest),
        (None, [token, rest @ ..]) => (Who::Token(token.clone()), rest),
        (None, []) => return None,
    };
    let rest = rest.join("/");
    (!rest.is_empty()).then_some(Found::Device(Place { who, origin, rest }))
}

/// What an adapter reads: method and path below the device's root.
pub(super) fn address(request: &Request, rest: &str) -> String {
    [request.method.method().unwrap_or_default(), " ", rest].concat()
}

/// Everything here is JSON (RFC 7252, 5.5.4 and 12.3).
pub(super) fn acceptable(request: &Request) -> Result<(), Code> {
    match request.accept {
        None | Some(coap::response::JSON) => Ok(()),
        Some(_) => Err(Code::NOT_ACCEPTABLE),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn paths() {
        let origin = Origin::Proven(IpAddr::from([192, 0, 2, 1]));
        let path = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let place = |who: Who, rest: &str| {
            Some(Found::Device(Place {
                who,
                origin,
                rest: rest.to_owned(),
            }))
        };
        let token = |token: &str, rest: &str| place(Who::Token(token.to_owned()), rest);
        let plain = |text: &str| locate(&path(text), None, origin);
        assert_eq!(plain("api/v1/T/telemetry"), token("T", "telemetry"));
        assert_eq!(plain("api/v1/T/rpc/7"), token("T", "rpc/7"));
        assert_eq!(plain("api/v1//telemetry"), token("", "telemetry"));
        assert_eq!(plain("api/v1/provision"), Some(Found::Provisioning));
        let chain: Arc<[Vec<u8>]> = [vec![1, 2], vec![3]].into();
        let certified = |text: &str| locate(&path(text), Some(Arc::clone(&chain)), origin);
        let own = |rest: &str| place(Who::Certificates(Arc::clone(&chain)), rest);
        assert_eq!(certified("api/v1/telemetry"), own("telemetry"));
        assert_eq!(
            certified("api/v1/T/telemetry"),
            own("T/telemetry"),
            "a certificate counts, and no token"
        );
        assert_eq!(certified("api/v1/provision"), Some(Found::Provisioning));
        for nothing in ["", "api", "api/v1", "api/v2/T/telemetry", "other/v1/T/telemetry"] {
            assert_eq!((plain(nothing), certified(nothing)), (None, None), "{nothing}");
        }
        assert_eq!(plain("api/v1/T"), None);
    }
}
