//! What commands do, and what they look like in the log.

use super::*;

fn server(address: &str) -> Server {
    Server {
        address: address.to_owned(),
        version: "1".to_owned(),
        weight: 100,
    }
}

fn up(peer: u64) -> Command {
    Command::Up(PeerId(peer))
}

fn moved(peer: u64, address: &str) -> Command {
    Command::Moved {
        peer: PeerId(peer),
        address: address.to_owned(),
        version: "1".to_owned(),
    }
}

fn admit(request: u128) -> Command {
    Command::Admit {
        request: Uuid::from_u128(request),
        server: server("b:1"),
    }
}

fn founded() -> ClusterState {
    let mut state = ClusterState::default();
    let found = Command::Found {
        cluster: Uuid::from_u128(7),
        server: server("a:1"),
    };
    assert_eq!(state.apply(&found), Answer::Changed);
    assert_eq!(state.apply(&found), Answer::Unchanged);
    state
}

/// Epoch, and how the servers stand.
fn shown(state: &ClusterState) -> String {
    let peers = state.members.peers.iter().map(|(id, peer)| format!(" {}:{:?}", id.0, peer.state));
    std::iter::once(state.members.epoch.0.to_string()).chain(peers).collect()
}

#[test]
fn a_life_of_a_cluster() {
    let mut state = founded();
    for (command, answer, then) in [
        (admit(1), Answer::Admitted(PeerId(2)), "1 1:Up 2:Down"),
        (admit(1), Answer::Admitted(PeerId(2)), "1 1:Up 2:Down"),
        (moved(2, "b:1"), Answer::Unchanged, "1 1:Up 2:Down"),
        (moved(2, "b:2"), Answer::Changed, "1 1:Up 2:Down"),
        (up(2), Answer::Changed, "2 1:Up 2:Up"),
        (up(2), Answer::Unchanged, "2 1:Up 2:Up"),
        (admit(2), Answer::Admitted(PeerId(3)), "2 1:Up 2:Up 3:Down"),
        (up(3), Answer::Changed, "3 1:Up 2:Up 3:Up"),
        (Command::Down(PeerId(2)), Answer::Changed, "4 1:Up 2:Down 3:Up"),
        (Command::Down(PeerId(2)), Answer::Unchanged, "4 1:Up 2:Down 3:Up"),
        (up(2), Answer::Changed, "5 1:Up 2:Up 3:Up"),
        (Command::Leave(PeerId(3)), Answer::Changed, "6 1:Up 2:Up 3:Leaving"),
        (Command::Leave(PeerId(3)), Answer::Unchanged, "6 1:Up 2:Up 3:Leaving"),
        (up(3), Answer::Unchanged, "6 1:Up 2:Up 3:Leaving"),
        (Command::Forget(PeerId(3)), Answer::Changed, "6 1:Up 2:Up"),
        (Command::Forget(PeerId(3)), Answer::Unchanged, "6 1:Up 2:Up"),
        (up(3), Answer::Unknown, "6 1:Up 2:Up"),
        (moved(3, "c:1"), Answer::Unknown, "6 1:Up 2:Up"),
        (Command::Down(PeerId(2)), Answer::Changed, "7 1:Up 2:Down"),
        (Command::Leave(PeerId(2)), Answer::Changed, "7 1:Up"),
        (admit(3), Answer::Admitted(PeerId(4)), "7 1:Up 4:Down"),
    ] {
        assert_eq!(state.apply(&command), answer, "{command:?}");
        assert_eq!(shown(&state), then, "{command:?}");
    }
    assert_eq!(state.members.peers[&PeerId(4)].address, "b:1");
}

#[test]
fn numbers_are_never_used_twice_and_there_is_an_end() {
    let mut state = founded();
    for request in 1..PEERS_MAX as u128 {
        assert_eq!(state.apply(&admit(request)), Answer::Admitted(PeerId(request as u64 + 1)));
    }
    assert_eq!(state.apply(&admit(5_000)), Answer::Full);
    state.apply(&Command::Leave(PeerId(9)));
    assert_eq!(state.apply(&admit(5_000)), Answer::Admitted(PeerId(PEERS_MAX as u64 + 1)));
    assert_eq!(state.requests.len(), REQUESTS_MAX);
}

/// The log outlives versions: what is written here must be read for ever.
#[test]
fn stored_commands_never_change() {
    let founding = Command::Found {
        cluster: Uuid::nil(),
        server: server("a:1"),
    };
    let server = r#"{"address":"a:1","version":"1","weight":100}"#;
    let nil = Uuid::nil();
    let cases = [
        (founding, format!(r#"{{"Found":{{"cluster":"{nil}","server":{server}}}}}"#)),
        (
            Command::Admit {
                request: nil,
                server: self::server("a:1"),
            },
            format!(r#"{{"Admit":{{"request":"{nil}","server":{server}}}}}"#),
        ),
        (moved(2, "b:1"), r#"{"Moved":{"peer":2,"address":"b:1","version":"1"}}"#.to_owned()),
        (up(3), r#"{"Up":3}"#.to_owned()),
        (Command::Down(PeerId(3)), r#"{"Down":3}"#.to_owned()),
        (Command::Leave(PeerId(3)), r#"{"Leave":3}"#.to_owned()),
        (Command::Forget(PeerId(3)), r#"{"Forget":3}"#.to_owned()),
    ];
    for (command, text) in cases {
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    let state = r#"{"cluster":"00000000-0000-0000-0000-000000000007","members":{"epoch":1,"peers":{"1":{"address":"a:1","version":"1","state":"up","weight":100,"since":1}}},"next_peer":2,"requests":[]}"#;
    assert_eq!(serde_json::to_string(&founded()).unwrap(), state);
    assert_eq!(serde_json::from_str::<ClusterState>(state).unwrap(), founded());
}
