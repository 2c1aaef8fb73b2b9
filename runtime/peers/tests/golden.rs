//! The bytes of everything that travels between peers. Two versions of the binary run side by side during an upgrade: what is written here
//! must be read for ever.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "golden/feeding.rs"]
mod feeding;

use std::sync::Arc;

use actor::lane;
use cluster::{
    Answer, Call, Change, Delivery, Epoch, Keep, Notice, Receipt, RpcError, RpcReply, RpcRequest, SessionId, SessionLink, SettleError,
    Usage, Used, What,
};
use model::entity::{IdRef, MethodCall, Rpc, RpcBody, RpcStatus};
use model::{
    ChildRefusal, DeviceId, Downlink, DownlinkKind, DownlinkKinds, EntityKind, MessageKind, Payload, PresenceEvent, TenantId, Uplink,
};
use peers::CodecError;
use peers::codec::delivery::{Ends, Link, address, decode, encode};
use peers::codec::{answer, change, downlink, usage};
use peers::wire::{Deliver, Done, Frame, Hello, Item, SignOfLife, Tell, done, frame, item};
use prost::Message;
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

const SESSION: SessionId = SessionId(Uuid::from_u128(3));

fn device() -> DeviceId {
    DeviceId::new(TenantId(Uuid::from_u128(1)), Uuid::from_u128(2))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn payload() -> Payload {
    Payload::new(json!({"a": 0.5}))
}

fn link() -> SessionLink {
    SessionLink {
        id: SESSION,
        downlinks: lane(1).0,
        child: Some("c".into()),
        kinds: [DownlinkKind::Attributes, DownlinkKind::RpcRequest].into_iter().collect(),
        once: true,
    }
}

fn uplink(uplink: Uplink) -> Delivery {
    Delivery::Uplink {
        session: link(),
        uplink,
        received_ms: 1,
        receipt: Receipt::unclaimed(),
    }
}

fn rpc() -> Rpc {
    Rpc {
        id: IdRef::new(EntityKind::Rpc, Uuid::from_u128(4)),
        created_time: 1,
        tenant_id: IdRef::tenant(TenantId(Uuid::from_u128(1))),
        device_id: device().into(),
        expiration_time: 2,
        request: RpcBody {
            body: MethodCall {
                method: "m".to_owned(),
                params: json!(1),
            },
            oneway: false,
            retries: 3,
        },
        response: None,
        status: RpcStatus::Queued,
        additional_info: None,
        request_number: 5,
    }
}

fn deliveries() -> Vec<(&'static str, Delivery)> {
    let keys = Some(vec![Arc::from("k")]);
    vec![
        ("connected", Delivery::Connected(link())),
        ("disconnected", Delivery::Disconnected(SESSION)),
        (
            "telemetry",
            uplink(Uplink::Telemetry {
                ts_ms: Some(9),
                values: payload(),
            }),
        ),
        ("attributes", uplink(Uplink::Attributes(payload()))),
        (
            "attribute-request",
            uplink(Uplink::AttributeRequest {
                id: 7,
                client_keys: keys,
                shared_keys: None,
            }),
        ),
        ("rpc-reply", uplink(Uplink::RpcReply { id: 7, payload: payload() })),
        (
            "rpc-call",
            uplink(Uplink::RpcCall {
                id: 7,
                method: "m".into(),
                params: payload(),
            }),
        ),
        (
            "claim",
            uplink(Uplink::Claim {
                secret: "s".into(),
                duration_ms: Some(8),
            }),
        ),
        ("heard", Delivery::Heard(-1)),
        (
            "presence",
            Delivery::Presence {
                event: PresenceEvent::Inactive,
                at_ms: -1,
                receipt: Receipt::unclaimed(),
            },
        ),
        ("got", Delivery::Delivered(SESSION, 7)),
        (
            "rpc",
            Delivery::Rpc(RpcRequest {
                id: Uuid::from_u128(4),
                method: "m".into(),
                params: payload(),
                expires_ms: 5,
                oneway: true,
                keep: Some(Keep {
                    retries: 2,
                    additional_info: Some(payload()),
                }),
                reply: oneshot::channel().0,
            }),
        ),
        (
            "call",
            Delivery::Call(Call {
                id: Uuid::from_u128(4),
                kind: MessageKind::RpcToDevice,
                metadata: [("k", "v")].into_iter().collect(),
                payload: payload(),
                reply: oneshot::channel().0,
            }),
        ),
        (
            "ask",
            Delivery::Call(Call {
                id: Uuid::from_u128(4),
                kind: MessageKind::RestApiRequest,
                metadata: [("k", "v")].into_iter().collect(),
                payload: payload(),
                reply: oneshot::channel().0,
            }),
        ),
        (
            "notice",
            Delivery::Notice(Notice {
                kind: MessageKind::EntityUpdated,
                metadata: [("k", "v")].into_iter().collect(),
                payload: payload(),
            }),
        ),
        (
            "answer",
            Delivery::Answer(Answer {
                session: SESSION,
                id: 7,
                payload: payload(),
                told: oneshot::channel().0,
            }),
        ),
        ("remove", Delivery::Remove(Box::new(rpc()), oneshot::channel().0)),
        ("push", Delivery::Push(Downlink::AttributesChanged(payload()))),
    ]
}

fn downlinks() -> Vec<(&'static str, Downlink)> {
    let child = Downlink::AttributeResponse {
        id: 7,
        client: Some(payload()),
        shared: None,
    };
    vec![
        (
            "attribute-response",
            Downlink::AttributeResponse {
                id: 7,
                client: None,
                shared: Some(payload()),
            },
        ),
        ("attributes-changed", Downlink::AttributesChanged(payload())),
        ("attributes-removed", Downlink::AttributesRemoved(vec!["k".into()])),
        (
            "rpc-request",
            Downlink::RpcRequest {
                id: 7,
                method: "m".into(),
                params: payload(),
            },
        ),
        ("rpc-response", Downlink::RpcResponse { id: 7, payload: payload() }),
        (
            "child",
            Downlink::Child {
                device: "c".into(),
                single: true,
                downlink: Box::new(child),
            },
        ),
        ("superseded", Downlink::Superseded),
    ]
}

fn frames() -> Vec<(&'static str, frame::Frame)> {
    let hello = Hello {
        version_min: 1,
        version_max: 2,
        peer: 3,
        incarnation: 4,
        knows: 5,
        expects: 6,
    };
    let item = |what| {
        frame::Frame::Item(Item {
            number: 300,
            what: Some(what),
        })
    };
    let done = |outcome| {
        item(item::What::Done(Done {
            delivery: 7,
            outcome: Some(outcome),
        }))
    };
    let reply = |result: Result<_, _>| item(item::What::Reply(answer::encode(7, &result).unwrap()));
    let settled = |result| done(done::Outcome::Settled(answer::settled(result).into()));
    let tell = Tell {
        session: SESSION.0.as_bytes().to_vec().into(),
        downlink: Some(downlink::encode(&Downlink::AttributesRemoved(vec![])).unwrap()),
    };
    vec![
        ("hello", frame::Frame::Hello(hello)),
        ("taken-below", frame::Frame::Taken(300)),
        ("done-taken", done(done::Outcome::Taken(true))),
        ("done-settled", settled(Ok(()))),
        ("done-not-durable", settled(Err(SettleError::NotDurable))),
        ("done-no-route", settled(Err(SettleError::NoRoute))),
        ("done-refused", done(done::Outcome::Refused(9))),
        ("done-no-device", done(done::Outcome::NoDevice(true))),
        ("done-unavailable", done(done::Outcome::Unavailable(true))),
        ("reply-nothing", reply(Ok(None))),
        ("reply-payload", reply(Ok(Some(payload())))),
        ("reply-failure", reply(Err(RpcError::Moved))),
        ("tell", item(item::What::Tell(tell))),
        ("gone", item(item::What::Gone(SESSION.0.as_bytes().to_vec().into()))),
    ]
}

fn changes() -> Vec<(&'static str, Change)> {
    let (tenant, id) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(2));
    let all = [
        ("change-everything", What::Everything),
        ("change-rule-chains", What::RuleChains),
        ("change-components", What::Components),
        ("change-limits", What::Limits),
        ("change-device-profiles", What::DeviceProfiles),
        ("change-device", What::Device(id)),
        ("change-device-deleted", What::DeviceDeleted(id)),
        ("change-credentials", What::Credentials(id)),
        ("change-listener", What::Listener(id)),
        ("change-outside", What::Outside),
        ("change-user", What::User(id)),
    ];
    all.map(|(name, what)| (name, Change::new(tenant, what))).into()
}

fn used() -> Vec<Usage> {
    let usage = |tenant, used| Usage {
        tenant: TenantId(Uuid::from_u128(tenant)),
        used,
    };
    let much = Used {
        messages: 1,
        telemetry_messages: 300,
        values: u64::MAX,
    };
    vec![usage(1, much), usage(2, Used::message(0))]
}

/// Every kind with its name and its bytes.
fn everything() -> String {
    let mut text = String::new();
    let mut line = |name: &str, bytes: Vec<u8>| text.push_str(&format!("{name} {}\n", hex(&bytes)));
    for (name, delivery) in deliveries() {
        line(name, encode(device(), Epoch(6), &delivery).unwrap().encode_to_vec());
    }
    for (name, told) in downlinks() {
        line(name, downlink::encode(&told).unwrap().encode_to_vec());
    }
    for (name, frame) in frames() {
        line(name, Frame { frame: Some(frame) }.encode_to_vec());
    }
    for (name, changed) in changes() {
        let what = Some(item::What::Changed(change::encode(changed)));
        let frame = Some(frame::Frame::Item(Item { number: 300, what }));
        line(name, Frame { frame }.encode_to_vec());
    }
    for (name, say) in feeding::said() {
        let what = Some(peers::codec::feed::encode(say));
        let frame = Some(frame::Frame::Item(Item { number: 300, what }));
        line(name, Frame { frame }.encode_to_vec());
    }
    let what = Some(item::What::Used(usage::encode(&used())));
    let frame = Some(frame::Frame::Item(Item { number: 300, what }));
    line("used", Frame { frame }.encode_to_vec());
    let sign = SignOfLife {
        peer: 1,
        cluster: vec![2; 16].into(),
        epoch: 3,
        released: 4,
        version: "v".to_owned(),
        address: "a".to_owned(),
    };
    line("sign-of-life", sign.encode_to_vec());
    text
}

#[test]
fn bytes_never_change() {
    let expected = include_str!("golden.txt");
    let now = everything();
    for (expected, now) in expected.lines().zip(now.lines()) {
        assert_eq!(now, expected);
    }
    assert_eq!(now.lines().count(), expected.lines().count(), "\n{now}");
}

/// Ends that lead nowhere.
struct Loose;

impl Ends for Loose {
    fn link(&mut self, session: Link) -> SessionLink {
        let Link { id, child, kinds, once } = session;
        SessionLink {
            id,
            downlinks: lane(1).0,
            child,
            kinds,
            once,
        }
    }

    fn receipt(&mut self) -> Receipt {
        Receipt::unclaimed()
    }

    fn reply(&mut self) -> RpcReply {
        oneshot::channel().0
    }

    fn told(&mut self) -> oneshot::Sender<Result<(), RpcError>> {
        oneshot::channel().0
    }
}

#[test]
fn what_was_written_is_read_as_it_was() {
    for (name, delivery) in deliveries() {
        let written = encode(device(), Epoch(6), &delivery).unwrap();
        assert_eq!(address(&written), Ok((device(), Epoch(6))));
        let read = decode(Deliver::decode(&*written.encode_to_vec()).unwrap(), &mut Loose).unwrap();
        assert_eq!(encode(device(), Epoch(6), &read).unwrap(), written, "{name}");
    }
    for (name, told) in downlinks() {
        assert_eq!(downlink::decode(downlink::encode(&told).unwrap()), Ok(told), "{name}");
    }
    for (name, changed) in changes() {
        assert_eq!(change::decode(change::encode(changed)), Ok(changed), "{name}");
    }
    assert_eq!(usage::decode(usage::encode(&used())), Ok(used()));
    for error in [
        RpcError::NotConnected,
        RpcError::Timeout,
        RpcError::TooMany,
        RpcError::NoRoute,
        RpcError::NotKept,
        RpcError::NotAsked,
        RpcError::Moved,
    ] {
        assert_eq!(answer::decode(answer::encode(1, &Err(error)).unwrap()), Ok(Err(error)));
    }
    assert_eq!(DownlinkKinds::from_bits(link().kinds.bits()), link().kinds);
}

#[test]
fn what_a_session_tells_its_own_gateway_is_not_sent_to_other_servers() {
    let refused = Downlink::Refused(ChildRefusal::RateExceeded);
    let of_a_child = Downlink::Child {
        device: "c".into(),
        single: false,
        downlink: Box::new(refused.clone()),
    };
    for downlink in [refused, of_a_child] {
        assert!(matches!(downlink::encode(&downlink), Err(CodecError::Unknown(_))), "{downlink:?}");
    }
}

#[test]
fn a_change_of_a_newer_version_is_everything_of_its_tenant() {
    let known = changes().remove(1).1;
    let newer = peers::wire::Change {
        what: None,
        ..change::encode(known)
    };
    assert_eq!(change::decode(newer), Ok(Change::everything_of(known.tenant)));
    let nobody = peers::wire::Change {
        tenant: vec![1; 15].into(),
        ..change::encode(known)
    };
    assert!(change::decode(nobody).is_err());
}

#[test]
fn usage_of_no_tenant_is_refused() {
    let mut usage = usage::encode(&used());
    usage.tenants[1].tenant = vec![1; 15].into();
    assert!(usage::decode(usage).is_err());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = encode(device(), Epoch(1), &Delivery::Heard(1)).unwrap();
    let without = Deliver {
        what: None,
        ..good.clone()
    };
    assert!(decode(without, &mut Loose).is_err());
    assert!(
        address(&Deliver {
            tenant: vec![1; 15].into(),
            ..good.clone()
        })
        .is_err()
    );
    assert!(
        address(&Deliver {
            device: vec![].into(),
            ..good
        })
        .is_err()
    );
    let child = uplink(Uplink::Child {
        device: "c".into(),
        says: model::ChildUplink::Disconnected,
    });
    assert!(encode(device(), Epoch(1), &child).is_err(), "gateways' sessions take these apart");
}

proptest::proptest! {
    /// Numbers, above all, arrive as they were.
    #[test]
    fn documents_arrive_as_they_were(double: f64, long: i64, unsigned: u64, text: String) {
        let document = Payload::new(json!({"double": double, "long": long, "unsigned": unsigned, "text": text, "none": null, "list": [[], {}]}));
        let told = Downlink::AttributesChanged(document);
        proptest::prop_assert_eq!(downlink::decode(downlink::encode(&told).unwrap()), Ok(told));
    }

    #[test]
    fn bytes_of_strangers_do_no_harm(bytes: Vec<u8>) {
        if let Ok(deliver) = Deliver::decode(&*bytes) {
            let _ = address(&deliver);
            let _ = decode(deliver, &mut Loose);
        }
    }
}
