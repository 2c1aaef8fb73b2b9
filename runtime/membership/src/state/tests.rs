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

fn speaking(max: u32) -> Server {
    Server {
        version: Speaks { min: 1, max }.tell("1"),
        ..server("b:1")
    }
}

fn admit_speaking(request: u128, max: u32) -> Command {
    Command::Admit {
        request: Uuid::from_u128(request),
        server: speaking(max),
    }
}

fn moved_speaking(peer: u64, max: u32) -> Command {
    Command::Moved {
        peer: PeerId(peer),
        address: "b:1".to_owned(),
        version: speaking(max).version,
    }
}

#[test]
fn a_cluster_is_raised_to_what_all_its_servers_speak_and_never_falls() {
    let mut state = founded();
    for (command, answer, version) in [
        // The first tells nothing.
        (Command::Raise(2), Answer::Unchanged, 1),
        (moved_speaking(1, 3), Answer::Changed, 1),
        (Command::Raise(1), Answer::Unchanged, 1),
        (Command::Raise(2), Answer::Changed, 2),
        (Command::Raise(2), Answer::Unchanged, 2),
        (Command::Raise(1), Answer::Unchanged, 2),
        (admit_speaking(1, 2), Answer::Admitted(PeerId(2)), 2),
        // Be it down: it may come back.
        (Command::Raise(3), Answer::Unchanged, 2),
        (Command::Leave(PeerId(2)), Answer::Changed, 2),
        (Command::Raise(3), Answer::Changed, 3),
        // Too old for what is written now.
        (admit_speaking(2, 2), Answer::TooOld, 3),
        (admit(3), Answer::TooOld, 3),
        (moved_speaking(1, 2), Answer::TooOld, 3),
        (moved(1, "c:1"), Answer::TooOld, 3),
        (admit_speaking(4, 4), Answer::Admitted(PeerId(3)), 3),
        (moved_speaking(3, 3), Answer::Changed, 3),
        (Command::Raise(4), Answer::Unchanged, 3),
    ] {
        assert_eq!(state.apply(&command), answer, "{command:?}");
        assert_eq!(state.version(), version, "{command:?}");
    }
    assert_eq!(shown(&state), "1 1:Up 3:Down", "who is refused leaves no trace");
}

/// A variant's names, as its reader knows them.
fn variants<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
    let told = serde_json::from_str::<T>("\"?\"").unwrap_err().to_string();
    let (_, names) = told.split_once("expected one of ").unwrap_or_else(|| panic!("{told}"));
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
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
        (Command::Raise(2), r#"{"Raise":2}"#.to_owned()),
    ];
    for variant in variants::<Command>() {
        let named = |text: &String| text.starts_with(&format!("{{\"{variant}\":"));
        assert!(cases.iter().any(|(_, text)| named(text)), "{variant} has no bytes here");
    }
    for (command, text) in cases {
        assert!(
            matches!(command, Command::Raise(_)) || command.since() == FIRST,
            "{text}: servers of the first version read it"
        );
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    let state = r#"{"cluster":"00000000-0000-0000-0000-000000000007","members":{"epoch":1,"peers":{"1":{"address":"a:1","version":"1","state":"up","weight":100,"since":1}}},"next_peer":2,"requests":[]}"#;
    assert_eq!(serde_json::to_string(&founded()).unwrap(), state);
    assert_eq!(serde_json::from_str::<ClusterState>(state).unwrap(), founded());
    let mut raised = founded();
    raised.apply(&moved_speaking(1, 2));
    assert_eq!(raised.apply(&Command::Raise(2)), Answer::Changed);
    let state = r#"{"cluster":"00000000-0000-0000-0000-000000000007","members":{"epoch":1,"peers":{"1":{"address":"b:1","version":"1+speaks.1-2","state":"up","weight":100,"since":1}}},"next_peer":2,"requests":[],"raised":2}"#;
    assert_eq!(serde_json::to_string(&raised).unwrap(), state);
    assert_eq!(serde_json::from_str::<ClusterState>(state).unwrap(), raised);
}
