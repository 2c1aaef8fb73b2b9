//! From a request's path to who asks and for what: `api/v1/{token}/telemetry`. Must not know what is there.

use coap::{Code, Request};

/// Who says something, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The device's secret.
    pub(super) token: String,
    /// Below the device's root: `telemetry`, `rpc/7`.
    pub(super) rest: String,
}

/// Reads a path. None: there is nothing.
pub(super) fn locate(path: &[String]) -> Option<Place> {
    match path {
        [api, version, token, rest @ ..] if api == "api" && version == "v1" && !rest.is_empty() => Some(Place {
            token: token.clone(),
            rest: rest.join("/"),
        }),
        _ => None,
    }
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
    use super::*;

    #[test]
    fn paths() {
        let locate = |path: &str| locate(&path.split('/').map(str::to_owned).collect::<Vec<_>>());
        let place = |token: &str, rest: &str| {
            Some(Place {
                token: token.to_owned(),
                rest: rest.to_owned(),
            })
        };
        assert_eq!(locate("api/v1/T/telemetry"), place("T", "telemetry"));
        assert_eq!(locate("api/v1/T/rpc/7"), place("T", "rpc/7"));
        assert_eq!(locate("api/v1//telemetry"), place("", "telemetry"));
        for nothing in ["", "api", "api/v1", "api/v1/T", "api/v2/T/telemetry", "other/v1/T/telemetry"] {
            assert_eq!(locate(nothing), None, "{nothing}");
        }
    }
}
