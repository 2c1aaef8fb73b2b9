//! The case of three servers: somebody asks on one, the device's actor lives on the second, the device is connected to the third.

use cluster::{Call, Delivery};
use model::{Downlink, MessageKind, Payload, Uplink};
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::world::{Session, World, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_finds_its_device_and_the_reply_its_caller() {
    let mut world = World::new(3).await;
    let device = world.device_of(2);
    let (asked, connected) = (world.servers[0].router.clone(), world.servers[2].router.clone());
    // The device connects to the third server.
    let mut session = Session::new(4);
    let from_device = connected.lane(device).await.unwrap();
    from_device.send(Delivery::Connected(session.link.clone())).await.unwrap();
    let owner = &mut world.servers[1];
    let (_, hello) = soon("the session", owner.came.recv()).await.unwrap();
    let Delivery::Connected(link) = hello else { panic!("{hello:?}") };

    // Somebody asks on the first one.
    let (reply, answer) = oneshot::channel();
    let call = Call {
        id: Uuid::now_v7(),
        kind: MessageKind::RpcToDevice,
        metadata: [("oneway", "false")].into_iter().collect(),
        payload: Payload::new(json!({"method": "set", "params": 1})),
        reply,
    };
    asked.lane(device).await.unwrap().send(Delivery::Call(call)).await.unwrap();

    // The second one sends the request down, to where the socket is.
    let (_, came) = soon("the request", owner.came.recv()).await.unwrap();
    let Delivery::Call(call) = came else { panic!("{came:?}") };
    let request = Downlink::RpcRequest {
        id: 7,
        method: "set".into(),
        params: Payload::new(json!(1)),
    };
    link.tell(request.clone()).unwrap();
    assert_eq!(soon("the downlink", session.downlinks.recv()).await, Some(request));

    // The device replies on the third one; the reply is settled there, and answered on the first.
    let says = Delivery::Uplink {
        session: session.link.clone(),
        uplink: Uplink::RpcReply {
            id: 7,
            payload: Payload::new(json!({"ok": true})),
        },
        received_ms: 1,
        receipt: session.receipt(0),
    };
    from_device.send(says).await.unwrap();
    let (_, came) = soon("the reply", owner.came.recv()).await.unwrap();
    let Delivery::Uplink {
        uplink: Uplink::RpcReply { id: 7, payload },
        receipt,
        ..
    } = came
    else {
        panic!("{came:?}")
    };
    receipt.done();
    call.reply.send(Ok(Some(payload))).unwrap();
    let answered = soon("the answer", answer).await.unwrap();
    assert_eq!(answered, Ok(Some(Payload::new(json!({"ok": true})))));
    assert_eq!(soon("the settlement", session.settlements.recv()).await.unwrap().result, Ok(()));
}
