//! Connections that break: nothing is lost, nothing comes twice, and the order of a device stays.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use model::DeviceId;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::world::{Session, World, done, number, soon};

/// Passes bytes on until it is told to break all connections.
pub async fn fragile(to: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, broken) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
    let breaks = Arc::clone(&broken);
    actor::spawn("fragile network", async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let breaks = Arc::clone(&breaks);
            actor::spawn("fragile connection", async move {
                let Ok(mut far) = TcpStream::connect(to).await else { return };
                tokio::select! {
                    () = breaks.notified() => {}
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                }
            });
        }
    });
    (address, broken)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_comes_twice() {
    const DEVICES: usize = 5;
    const EACH: u64 = 400;
    let mut world = World::new(2).await;
    let (through, broken) = fragile(world.servers[1].address).await;
    // The first server dials; it finds the second one behind a network that breaks.
    let mut members = world.members(&[1, 2], |_| through);
    members.epoch = cluster::Epoch(2);
    world.servers[0].place.agreed(&members);
    world.servers[1].place.agreed(&members);
    world.settle(2);
    let devices: Vec<DeviceId> = world.devices_of(2).take(DEVICES).collect();
    let mut sending = Vec::new();
    for device in &devices {
        let (router, device, mut session) = (world.servers[0].router.clone(), *device, Session::new(1));
        sending.push(actor::spawn("test session", async move {
            let mut lane = router.lane(device).await.unwrap();
            for sequence in 0..EACH {
                crate::world::send(&router, &mut lane, device, session.uplink(sequence)).await;
            }
            for _ in 0..EACH {
                let settled = soon("a settlement", session.settlements.recv()).await.unwrap();
                assert_eq!(settled.result, Ok(()));
            }
        }));
    }
    let mut came: HashMap<DeviceId, u64> = HashMap::new();
    for count in 0..DEVICES as u64 * EACH {
        let (device, delivery) = soon("a delivery", world.servers[1].came.recv()).await.unwrap();
        let next = came.entry(device).or_default();
        assert_eq!(number(&delivery), *next, "of {device}, after {count} deliveries");
        *next += 1;
        done(delivery);
        if count % 97 == 0 {
            broken.notify_waiters();
        }
    }
    for session in sending {
        session.await.unwrap();
    }
    assert!(world.servers[1].came.try_recv().is_none(), "nothing comes twice");
}
