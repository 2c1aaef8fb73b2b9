//! Every kind of delivery, there and back.

use cluster::{Answer, Call, Delivery, Keep, Notice, RouteError, RpcError, RpcRequest, SettleError};
use model::{Downlink, MessageKind, Payload};
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::world::{Session, World, done, number, soon, until};

fn payload(text: &str) -> Payload {
    Payload::new(json!({"text": text, "half": 0.1 + 0.2, "big": u64::MAX, "deep": [{"a": null}]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_says_is_settled_by_its_owner() {
    let mut world = World::new(2).await;
    let (device, mut session) = (world.device_of(2), Session::new(1));
    let lane = world.servers[0].router.lane(device).await.unwrap();
    for sequence in 0..3 {
        lane.send(session.uplink(sequence)).await.unwrap();
    }
    for sequence in 0..3 {
        let (at, delivery) = soon("a delivery", world.servers[1].came.recv()).await.unwrap();
        assert_eq!((at, number(&delivery)), (device, sequence));
        match (sequence, delivery) {
            (0, delivery) => done(delivery),
            (1, Delivery::Uplink { receipt, .. }) => receipt.fail(SettleError::NoRoute),
            (_, delivery) => drop(delivery),
        }
    }
    let expected = [Ok(()), Err(SettleError::NoRoute), Err(SettleError::NotDurable)];
    for result in expected {
        let settled = soon("a settlement", session.settlements.recv()).await.unwrap();
        assert_eq!(settled.result, result);
    }
    until("nothing is on its way", || world.servers[0].peers.paths().devices() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered() {
    let mut world = World::new(2).await;
    let device = world.device_of(2);
    let lane = world.servers[0].router.lane(device).await.unwrap();
    let (reply, answer) = oneshot::channel();
    let id = Uuid::now_v7();
    let request = RpcRequest {
        id,
        method: "set".into(),
        params: payload("on"),
        expires_ms: -5,
        oneway: true,
        keep: Some(Keep {
            retries: 3,
            additional_info: Some(payload("more")),
        }),
        reply,
    };
    lane.send(Delivery::Rpc(request)).await.unwrap();
    let (_, came) = soon("a request", world.servers[1].came.recv()).await.unwrap();
    let Delivery::Rpc(came) = came else { panic!("{came:?}") };
    assert_eq!(
        (came.id, &*came.method, &came.params, came.expires_ms, came.oneway),
        (id, "set", &payload("on"), -5, true)
    );
    assert_eq!(
        came.keep.as_ref().and_then(|keep| keep.additional_info.clone()),
        Some(payload("more"))
    );
    came.reply.send(Ok(Some(payload("done")))).unwrap();
    assert_eq!(soon("an answer", answer).await.unwrap(), Ok(Some(payload("done"))));

    let (reply, answer) = oneshot::channel();
    let call = Call {
        id,
        kind: MessageKind::RestApiRequest,
        metadata: [("a", "1"), ("b", "2")].into_iter().collect(),
        payload: payload("call"),
        reply,
    };
    lane.send(Delivery::Call(call)).await.unwrap();
    let (_, came) = soon("a call", world.servers[1].came.recv()).await.unwrap();
    let Delivery::Call(came) = came else { panic!("{came:?}") };
    assert_eq!(
        (came.kind, came.metadata.get("b"), &came.payload),
        (MessageKind::RestApiRequest, Some("2"), &payload("call"))
    );
    came.reply.send(Err(RpcError::Timeout)).unwrap();
    assert_eq!(soon("an answer", answer).await.unwrap(), Err(RpcError::Timeout));

    let (told, answer) = oneshot::channel();
    let session = Session::new(1).link.id;
    let answered = Answer {
        session,
        id: 7,
        payload: payload("answer"),
        told,
    };
    lane.send(Delivery::Answer(answered)).await.unwrap();
    let (_, came) = soon("an answer", world.servers[1].came.recv()).await.unwrap();
    let Delivery::Answer(came) = came else { panic!("{came:?}") };
    assert_eq!((came.session, came.id), (session, 7));
    drop(came);
    assert_eq!(soon("an answer", answer).await.unwrap(), Err(RpcError::Moved), "nobody answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_arrive_as_they_were() {
    let mut world = World::new(2).await;
    let (device, session) = (world.device_of(2), Session::new(1));
    let lane = world.servers[0].router.lane(device).await.unwrap();
    let push = Downlink::AttributesRemoved(vec!["a".into(), "b".into()]);
    let notice = Notice {
        kind: MessageKind::EntityUpdated,
        metadata: [("k", "v")].into_iter().collect(),
        payload: payload("notice"),
    };
    for delivery in [
        Delivery::Push(push.clone()),
        Delivery::Notice(notice),
        Delivery::Heard(-9),
        Delivery::Delivered(session.link.id, 3),
    ] {
        lane.send(delivery).await.unwrap();
    }
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(soon("news", world.servers[1].came.recv()).await.unwrap().1);
    }
    assert!(matches!(&came[0], Delivery::Push(news) if *news == push));
    assert!(
        matches!(&came[1], Delivery::Notice(notice) if notice.kind == MessageKind::EntityUpdated && notice.payload == payload("notice"))
    );
    assert!(matches!(came[2], Delivery::Heard(-9)));
    assert!(matches!(came[3], Delivery::Delivered(id, 3) if id == session.link.id));
    until("nothing is on its way", || world.servers[0].peers.paths().devices() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downlinks_find_the_session_where_its_socket_is() {
    let mut world = World::new(2).await;
    let (device, mut session) = (world.device_of(2), Session::new(1));
    session.link.child = Some("child".into());
    let lane = world.servers[0].router.lane(device).await.unwrap();
    lane.send(Delivery::Connected(session.link.clone())).await.unwrap();
    let (_, came) = soon("a session", world.servers[1].came.recv()).await.unwrap();
    let Delivery::Connected(link) = came else { panic!("{came:?}") };
    assert_eq!((link.id, link.kinds, link.once), (session.link.id, session.link.kinds, false));
    // More than the session has room for: they wait for each other.
    for id in 0..20 {
        let request = Downlink::RpcRequest {
            id,
            method: "m".into(),
            params: payload("p"),
        };
        link.tell(request).unwrap();
    }
    for expected in 0..20 {
        let told = soon("a downlink", session.downlinks.recv()).await.unwrap();
        let Downlink::Child { device, downlink, .. } = told else {
            panic!("{told:?}")
        };
        assert_eq!(&*device, "child");
        assert!(matches!(*downlink, Downlink::RpcRequest { id, .. } if id == expected));
    }
    assert!(!link.downlinks.is_closed());
    // The session ends without a word: who tells it something hears so.
    drop(session);
    soon("a closed link", async {
        while !link.downlinks.is_closed() {
            let _ = link.tell(Downlink::AttributesRemoved(vec![]));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(link.tell(Downlink::AttributesRemoved(vec![])).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_not_there_is_told() {
    let world = World::new(2).await;
    let nobody = (1u128..).map(|tenant| model::DeviceId::new(model::TenantId(Uuid::from_u128(tenant)), Uuid::nil()));
    let owned = |device: &model::DeviceId| {
        matches!(
            cluster::Ring::standing(&world.servers[0].place, *device),
            cluster::Standing::There(_)
        )
    };
    let device = nobody.into_iter().find(owned).unwrap();
    let lane = world.servers[0].router.lane(device).await.unwrap();
    let mut session = Session::new(1);
    lane.send(session.uplink(0)).await.unwrap();
    let settled = soon("a settlement", session.settlements.recv()).await.unwrap();
    assert_eq!(settled.result, Err(SettleError::NotDurable));
    let (reply, answer) = oneshot::channel();
    let call = Call {
        id: Uuid::now_v7(),
        kind: MessageKind::RpcToDevice,
        metadata: [("a", "1")].into_iter().collect(),
        payload: payload("call"),
        reply,
    };
    lane.send(Delivery::Call(call)).await.unwrap();
    assert_eq!(soon("an answer", answer).await.unwrap(), Err(RpcError::NotConnected));
    let here = model::DeviceId::new(device.tenant, Uuid::nil());
    assert_eq!(world.servers[1].router.lane(here).await.map(drop), Err(RouteError::NoDevice));
}
