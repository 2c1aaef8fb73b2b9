//! Nothing of the contract without its bytes: every message, field and number of `proto/` stands in `golden.txt` or in `contract.txt`, and is
//! read today as it was written then. Whoever adds something adds a line.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use cluster::{Delivery, Epoch, Receipt, RpcError, SessionId, SessionLink};
use model::{DeviceId, DownlinkKinds, PresenceEvent, TenantId, Uplink};
use peers::codec::answer;
use peers::codec::delivery::encode;
use peers::wire::{
    Changed, Deliver, Downlink, ElectRequest, Frame, Item, JoinReply, JoinRequest, LeaveRequest, LifeReply, PeerStatus, RaftMessage, Reply,
    SignOfLife, StatusReply, StatusRequest, TransferRequest, frame, item,
};
use prost::Message;
use uuid::Uuid;

static GOLDEN: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt")).expect("it is there"));
static CONTRACT: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract.txt")).expect("it is there"));

/// A line: kind of message, name, bytes.
type Line<'a> = (&'a str, &'a str, Vec<u8>);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What servers of a cluster say to each other beside the stream, and what `golden.txt` leaves out.
fn lines() -> Vec<Line<'static>> {
    let id = || vec![2; 16].into();
    let join = JoinRequest {
        address: "a:1".to_owned(),
        version: "0.1.0+speaks.1-2".to_owned(),
        weight: 100,
        request: id(),
        passed_on: true,
    };
    let peer = PeerStatus {
        peer: 1,
        address: "a:1".to_owned(),
        version: "0.1.0+speaks.1-2".to_owned(),
        state: "up".to_owned(),
        weight: 100,
        voter: true,
        since_epoch: 3,
    };
    let status = StatusReply {
        peer: 1,
        leader: 2,
        epoch: 3,
        settled: 4,
        cluster: id(),
        peers: vec![peer],
        cluster_version: 5,
    };
    let life = LifeReply {
        leader: 1,
        lease_ms: 2,
        settled: 3,
        forgotten: true,
        leader_address: "a:1".to_owned(),
        cluster_version: 4,
    };
    let mut lines = vec![
        ("JoinRequest", "join", join.encode_to_vec()),
        ("JoinReply", "joined", JoinReply { peer: 1, cluster: id() }.encode_to_vec()),
        ("LeaveRequest", "leave", LeaveRequest { peer: 1, passed_on: true }.encode_to_vec()),
        (
            "TransferRequest",
            "transfer",
            TransferRequest { peer: 1, passed_on: true }.encode_to_vec(),
        ),
        ("ElectRequest", "elect", ElectRequest {}.encode_to_vec()),
        ("Changed", "changed", Changed {}.encode_to_vec()),
        ("StatusRequest", "ask-status", StatusRequest {}.encode_to_vec()),
        ("StatusReply", "status", status.encode_to_vec()),
        ("LifeReply", "life", life.encode_to_vec()),
        (
            "RaftMessage",
            "raft",
            RaftMessage {
                json: b"{}".to_vec().into(),
            }
            .encode_to_vec(),
        ),
    ];
    lines.extend(failures().map(|(name, error)| ("Reply", name, answer::encode(7, &Err(error)).unwrap().encode_to_vec())));
    let heard = encode(
        DeviceId::new(TenantId(Uuid::from_u128(1)), Uuid::from_u128(2)),
        Epoch(6),
        &Delivery::Heard(1),
    )
    .unwrap();
    let what = Some(item::What::Deliver(heard));
    let frame = Some(frame::Frame::Item(Item { number: 300, what }));
    lines.push(("Frame", "item-deliver", Frame { frame }.encode_to_vec()));
    lines.extend(deliveries().into_iter().map(|(name, delivery)| {
        let device = DeviceId::new(TenantId(Uuid::from_u128(1)), Uuid::from_u128(2));
        ("Deliver", name, encode(device, Epoch(6), &delivery).unwrap().encode_to_vec())
    }));
    lines
}

fn failures() -> [(&'static str, RpcError); 6] {
    [
        ("not-connected", RpcError::NotConnected),
        ("timeout", RpcError::Timeout),
        ("too-many", RpcError::TooMany),
        ("no-route", RpcError::NoRoute),
        ("not-kept", RpcError::NotKept),
        ("not-asked", RpcError::NotAsked),
    ]
}

fn deliveries() -> Vec<(&'static str, Delivery)> {
    let events = [
        ("presence-connected", PresenceEvent::Connected),
        ("presence-disconnected", PresenceEvent::Disconnected),
        ("presence-active", PresenceEvent::Active),
    ];
    let mut all: Vec<_> = events
        .map(|(name, event)| {
            let (at_ms, receipt) = (1, Receipt::unclaimed());
            (name, Delivery::Presence { event, at_ms, receipt })
        })
        .into();
    let session = SessionLink {
        id: SessionId(Uuid::from_u128(3)),
        downlinks: actor::lane(1).0,
        child: None,
        kinds: DownlinkKinds::default(),
        once: false,
    };
    let uplink = Uplink::AttributeRequest {
        id: 7,
        client_keys: None,
        shared_keys: Some(vec!["k".into()]),
    };
    let (received_ms, receipt) = (1, Receipt::unclaimed());
    let asked = Delivery::Uplink {
        session,
        uplink,
        received_ms,
        receipt,
    };
    all.push(("attribute-request-shared", asked));
    all
}

#[test]
fn bytes_beside_the_stream_never_change() {
    let now: String = lines()
        .iter()
        .map(|(kind, name, bytes)| format!("{kind} {name} {}\n", hex(bytes)))
        .collect();
    for (now, golden) in now.lines().zip(CONTRACT.lines()) {
        assert_eq!(now.trim_end(), golden.trim_end());
    }
    assert_eq!(now.lines().count(), CONTRACT.lines().count(), "\n{now}");
}

/// Which message a line of `golden.txt` is: deliveries and downlinks stand for themselves, everything else is a frame.
fn kind_of(name: &str) -> &'static str {
    match name {
        "connected" | "disconnected" | "telemetry" | "attributes" | "attribute-request" | "rpc-reply" | "rpc-call" | "claim" | "heard"
        | "presence" | "got" | "rpc" | "call" | "ask" | "notice" | "answer" | "remove" | "push" => "Deliver",
        "attribute-response" | "attributes-changed" | "attributes-removed" | "rpc-request" | "rpc-response" | "child" | "superseded" => {
            "Downlink"
        }
        "sign-of-life" => "SignOfLife",
        _ => "Frame",
    }
}

fn golden() -> Vec<Line<'static>> {
    let streamed = GOLDEN.lines().map(|line| {
        let (name, hex) = line.split_once(' ').unwrap();
        (kind_of(name), name, bytes(hex))
    });
    let beside = CONTRACT.lines().map(|line| {
        let mut parts = line.split(' ');
        let (kind, name) = (parts.next().unwrap(), parts.next().unwrap());
        (kind, name, bytes(parts.next().unwrap_or_default()))
    });
    streamed.chain(beside).collect()
}

/// Reads a message, and writes it again.
fn again<T: Message + Default>(bytes: &[u8]) -> Vec<u8> {
    T::decode(bytes).unwrap().encode_to_vec()
}

#[test]
fn what_was_written_then_is_read_now() {
    for (kind, name, bytes) in golden() {
        let again = match kind {
            "Frame" => again::<Frame>(&bytes),
            "Deliver" => again::<Deliver>(&bytes),
            "Downlink" => again::<Downlink>(&bytes),
            "Reply" => again::<Reply>(&bytes),
            "SignOfLife" => again::<SignOfLife>(&bytes),
            "LifeReply" => again::<LifeReply>(&bytes),
            "JoinRequest" => again::<JoinRequest>(&bytes),
            "JoinReply" => again::<JoinReply>(&bytes),
            "LeaveRequest" => again::<LeaveRequest>(&bytes),
            "TransferRequest" => again::<TransferRequest>(&bytes),
            "ElectRequest" => again::<ElectRequest>(&bytes),
            "Changed" => again::<Changed>(&bytes),
            "StatusRequest" => again::<StatusRequest>(&bytes),
            "StatusReply" => again::<StatusReply>(&bytes),
            "RaftMessage" => again::<RaftMessage>(&bytes),
            other => panic!("{name}: what is a {other}?"),
        };
        assert_eq!(hex(&again), hex(&bytes), "{name}");
    }
    for (name, error) in failures() {
        let (_, _, bytes) = golden().into_iter().find(|(_, golden, _)| *golden == name).unwrap();
        let read = answer::decode(Reply::decode(&*bytes).unwrap()).unwrap();
        assert_eq!(read, Err(error), "{name}");
    }
}

/// A message's field.
struct Field {
    name: String,
    of: String,
}

/// What `proto/` says: fields of messages, and names of enumerations, by their numbers.
#[derive(Default)]
struct Contract {
    messages: BTreeMap<String, BTreeMap<u64, Field>>,
    enumerations: BTreeMap<String, BTreeMap<u64, String>>,
}

impl Contract {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/pacificsoft/peer/v1");
        let mut contract = Contract::default();
        for file in std::fs::read_dir(folder).unwrap() {
            contract.add(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        }
        assert!(contract.messages.len() > 30, "{}", contract.messages.len());
        contract
    }

    fn add(&mut self, text: &str) {
        // Kinds and names of the blocks that are open.
        let mut open: Vec<(&str, &str)> = Vec::new();
        for line in text.lines().map(|line| line.split("//").next().unwrap().trim()) {
            let words: Vec<&str> = line.split([' ', ';', '{', '}']).filter(|word| !word.is_empty()).collect();
            if line.contains('{') {
                let (kind, name) = (words[0], words[1]);
                if kind == "message" {
                    self.messages.entry(name.to_owned()).or_default();
                }
                open.push((kind, name));
            } else if let (&[.., kind, name, "=", number], Some((block, of))) = (&words[..], open.last()) {
                let number = number.parse().unwrap();
                match *block {
                    "message" | "oneof" => {
                        let (_, of) = open.iter().rev().find(|(kind, _)| *kind == "message").unwrap();
                        let (name, of_kind) = (name.to_owned(), kind.to_owned());
                        self.messages.get_mut(*of).unwrap().insert(number, Field { name, of: of_kind });
                    }
                    other => panic!("{other} {of}: {line}"),
                }
            } else if let (&[name, "=", number], Some(("enum", of))) = (&words[..], open.last()) {
                let names = self.enumerations.entry((*of).to_owned()).or_default();
                names.insert(number.parse().unwrap(), name.to_owned());
            }
            if line.contains('}') {
                open.pop();
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    /// Everything that must be seen. What stands for nothing at all is never sent.
    fn all(&self) -> BTreeSet<String> {
        let fields = self
            .messages
            .iter()
            .flat_map(|(message, fields)| fields.values().map(move |field| format!("{message}.{}", field.name)));
        let names = self
            .enumerations
            .iter()
            .flat_map(|(of, names)| names.range(1..).map(move |(_, name)| format!("{of}.{name}")));
        fields.chain(names).chain(self.messages.keys().cloned()).collect()
    }

    /// Notes what is in a message.
    fn see(&self, message: &str, mut bytes: &[u8], seen: &mut BTreeSet<String>) {
        seen.insert(message.to_owned());
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = self.messages[message].get(&(key >> 3));
            let field = field.unwrap_or_else(|| panic!("{message} has no field {}", key >> 3));
            seen.insert(format!("{message}.{}", field.name));
            match key & 7 {
                0 => {
                    let number = varint(&mut bytes);
                    if let Some(names) = self.enumerations.get(&field.of) {
                        seen.insert(format!("{}.{}", field.of, names[&number]));
                    }
                }
                1 => bytes = &bytes[8..],
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (inner, rest) = bytes.split_at(length);
                    bytes = rest;
                    if self.messages.contains_key(&field.of) {
                        self.see(&field.of, inner, seen);
                    }
                }
                other => panic!("{message}.{}: a field of the form {other}", field.name),
            }
        }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    prost::encoding::decode_varint(bytes).unwrap()
}

#[test]
fn everything_of_the_contract_has_its_bytes() {
    let contract = Contract::read();
    let mut seen = BTreeSet::new();
    for (kind, _, bytes) in golden() {
        contract.see(kind, &bytes, &mut seen);
    }
    let missing: Vec<_> = contract.all().into_iter().filter(|one| !seen.contains(one)).collect();
    assert!(missing.is_empty(), "without golden bytes: {missing:?}");
}

/// The test above is worth nothing if it does not notice.
#[test]
fn what_has_no_bytes_is_noticed() {
    let mut contract = Contract::read();
    contract.add("message Frame {\n  oneof frame {\n    // Something new.\n    Feed feed = 20;\n  }\n}\nmessage Feed {\n  enum Of {\n    NOTHING = 0;\n    DEVICE = 1;\n  }\n  repeated Of of = 1;\n}\nmessage Empty {}");
    let mut seen = BTreeSet::new();
    for (kind, _, bytes) in golden() {
        contract.see(kind, &bytes, &mut seen);
    }
    let missing: Vec<_> = contract.all().into_iter().filter(|one| !seen.contains(one)).collect();
    assert_eq!(missing, ["Empty", "Feed", "Feed.of", "Frame.feed", "Of.DEVICE"]);
}
