//! From CONNECT to a session: who it is, what is agreed on, how a refusal is said.

use std::net::IpAddr;
use std::time::Duration;

use mqtt::packet::{Accepted, Connect, ConnectCode, Version};
use session::{AuthError, Credentials, OpenError, Session, Sessions, Transport};

/// A connection without keep-alive that says nothing for this long is closed.
const SILENCE_MAX_S: u16 = 600;
/// The longest keep-alive a device that can be told gets.
const KEEP_ALIVE_MAX_S: u16 = 3600;

/// The other side of a socket.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// Its certificate (DER), whose key it has proved to have, and those that it says vouch for it. Empty: it has none.
    pub certificates: Vec<Vec<u8>>,
}

/// Finds out who connects, and opens the session.
pub(super) async fn open(sessions: &Sessions, connect: &Connect, version: Version, peer: &Peer) -> Result<Session, ConnectCode> {
    if connect.authentication_method {
        return Err(ConnectCode::BadAuthenticationMethod);
    }
    if connect.client_id.is_empty() && !connect.clean_start && version != Version::V5 {
        // MQTT 3.1.1, 3.1.3.1
        return Err(ConnectCode::IdentifierRejected);
    }
    let certified = !peer.certificates.is_empty();
    let credentials = if certified {
        Credentials::Chain(&peer.certificates)
    } else {
        Credentials::Mqtt {
            client_id: &connect.client_id,
            user_name: connect.username.as_deref(),
            password: connect.password.as_ref().map(|password| &*password.0),
        }
    };
    let device = sessions
        .authenticate_from(peer.address, credentials)
        .await
        .map_err(|error| match error {
            AuthError::Missing | AuthError::Unknown => refusal(connect, certified),
            AuthError::TooMany { .. } => ConnectCode::RateExceeded,
            AuthError::Unavailable => ConnectCode::Unavailable,
        })?;
    sessions.connect(device, Transport::Mqtt).await.map_err(|error| match error {
        OpenError::NoDevice => refusal(connect, certified),
        OpenError::Unavailable(reason) => {
            tracing::warn!(%device, reason, "a device could not be served");
            ConnectCode::Unavailable
        }
    })
}

/// How it is said that nothing opens with what was presented.
fn refusal(connect: &Connect, certified: bool) -> ConnectCode {
    let (client, name, password) = (
        !connect.client_id.is_empty(),
        connect.username.is_some(),
        connect.password.is_some(),
    );
    match (client, name, password) {
        _ if certified => ConnectCode::NotAuthorized,
        (true, true, true) => ConnectCode::BadUserNameOrPassword,
        (_, true, false) | (_, false, true) => ConnectCode::BadUserNameOrPassword,
        (true, false, false) => ConnectCode::IdentifierRejected,
        (false, true, true) | (false, false, false) => ConnectCode::NotAuthorized,
    }
}

/// What is agreed on: what the device is told, and how long its silence is borne.
pub(super) fn agree(connect: &Connect, version: Version) -> (Accepted, Duration) {
    let asked_s = connect.keep_alive_s;
    let (told_s, silence_ms) = match (asked_s, version) {
        (0, Version::V5) => (Some(SILENCE_MAX_S / 3 * 2), u64::from(SILENCE_MAX_S) * 1000),
        (0, _) => (None, u64::from(SILENCE_MAX_S) * 1000),
        (KEEP_ALIVE_MAX_S.., Version::V5) => (Some(KEEP_ALIVE_MAX_S), u64::from(KEEP_ALIVE_MAX_S) * 1500),
        // One and a half times (MQTT 3.1.1, 3.1.2.10).
        _ => (None, u64::from(asked_s) * 1500),
    };
    let nameless = version == Version::V5 && connect.client_id.is_empty();
    let accepted = Accepted {
        keep_alive_s: told_s,
        client_id: nameless.then(|| uuid::Uuid::now_v7().simple().to_string()),
    };
    (accepted, Duration::from_millis(silence_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt::packet::Secret;

    fn connect(client_id: &str, username: Option<&str>, password: Option<&str>) -> Connect {
        Connect {
            client_id: client_id.to_owned(),
            username: username.map(str::to_owned),
            password: password.map(|password| Secret(password.to_owned())),
            clean_start: true,
            keep_alive_s: 60,
            receive_max: 1,
            problem_information: true,
            authentication_method: false,
        }
    }

    #[test]
    fn a_refusal_names_what_was_presented() {
        use ConnectCode::{BadUserNameOrPassword, IdentifierRejected, NotAuthorized};
        let (name, password) = (Some("u"), Some("p"));
        for (presented, expected) in [
            (connect("c", name, password), BadUserNameOrPassword),
            (connect("c", name, None), BadUserNameOrPassword),
            (connect("", name, None), BadUserNameOrPassword),
            (connect("c", None, password), BadUserNameOrPassword),
            (connect("", None, password), BadUserNameOrPassword),
            (connect("c", None, None), IdentifierRejected),
            (connect("", name, password), NotAuthorized),
            (connect("", None, None), NotAuthorized),
        ] {
            assert_eq!(refusal(&presented, false), expected, "{presented:?}");
            assert_eq!(refusal(&presented, true), NotAuthorized);
        }
    }

    #[test]
    fn keep_alive_is_the_devices_within_limits() {
        for (asked_s, version, told_s, silence_s) in [
            (60, Version::V31, None, 90),
            (60, Version::V5, None, 90),
            (0, Version::V311, None, 600),
            (0, Version::V5, Some(400), 600),
            (3599, Version::V5, None, 5398),
            (u16::MAX, Version::V5, Some(3600), 5400),
            (u16::MAX, Version::V311, None, 98_302),
        ] {
            let asked = Connect {
                keep_alive_s: asked_s,
                ..connect("c", None, None)
            };
            let (accepted, silence) = agree(&asked, version);
            assert_eq!(
                (accepted.keep_alive_s, silence.as_secs()),
                (told_s, silence_s),
                "{asked_s} {version:?}"
            );
            assert_eq!(accepted.client_id, None);
        }
        assert!(agree(&connect("", None, None), Version::V5).0.client_id.is_some());
        assert!(agree(&connect("", None, None), Version::V311).0.client_id.is_none());
    }
}
