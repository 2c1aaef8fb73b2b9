//! Actors that go to sleep and wake up again; a device never has two.

use std::sync::Arc;
use std::time::Duration;

use crate::world::{IDLE, Session, World, request, soon, telemetry};
use actor::Observe;
use cluster::{Delivery, RpcError};
use device::{DeviceError, Registry, RegistryConfig};
use model::DeviceId;
use serde_json::json;
use tokio::time::{Instant, advance};

const MOMENT: Duration = Duration::from_millis(10);

/// Lets everybody go on who can, until a state is there. Paused time stands still meanwhile.
async fn settle(mut is_there: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_there() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the state is not there");
}

#[tokio::test(start_paused = true)]
async fn an_idle_actor_goes_to_sleep_and_wakes_again() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    assert_eq!(world.registry.awake(), 1);
    for number in 0..3 {
        // Not idle for long enough: each uplink begins the wait anew.
        advance(IDLE - MOMENT).await;
        assert!(!lane.is_closed());
        lane.send(session.uplink(number, 0, telemetry(None, json!({"n": number}))))
            .await
            .unwrap();
        chain.recv().await.unwrap().receipt.done();
    }
    advance(IDLE + MOMENT).await;
    settle(|| world.registry.awake() == 0).await;
    assert!(lane.is_closed());
    assert!(world.registry.control(device).is_none());
    let refused = lane.send(session.uplink(3, 0, telemetry(None, json!({"n": 3})))).await.unwrap_err();

    let next = world.lane(device).await;
    next.send(refused.0).await.unwrap();
    let input = chain.recv().await.unwrap();
    assert_eq!(
        input.message.payload.json(),
        &json!({"n": 3}),
        "what was refused came back and can be sent again"
    );
    input.receipt.done();
    assert_eq!(
        (world.registry.awake(), world.chains.asked.lock().len()),
        (1, 2),
        "a new actor asked for the chain"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_its_actor_awake_until_it_ends() {
    let world = World::new();
    let (polite, rude) = (world.device().await, world.device().await);
    let lanes = [world.lane(polite).await, world.lane(rude).await];
    let (session, dying) = (Session::new(1), Session::new(1));
    session.connect(&lanes[0]).await;
    dying.connect(&lanes[1]).await;
    for _ in 0..5 {
        advance(IDLE + MOMENT).await;
        settle(|| lanes.iter().all(actor::Lane::is_empty)).await;
    }
    assert_eq!(world.registry.awake(), 2);
    lanes[0].send(Delivery::Disconnected(session.link.id)).await.unwrap();
    // This one says nothing: its task was cancelled.
    drop(dying);
    settle(|| lanes[0].is_empty()).await;
    advance(IDLE + MOMENT).await;
    settle(|| world.registry.awake() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_with_an_open_request_stays_awake() {
    let world = World::new();
    let device = world.device().await;
    let (lane, session) = (world.lane(device).await, Session::new(1));
    session.connect(&lane).await;
    let long = 10 * IDLE;
    let (delivery, answer) = request("slow", long.as_millis() as i64, false);
    lane.send(Delivery::Rpc(delivery)).await.unwrap();
    lane.send(Delivery::Disconnected(session.link.id)).await.unwrap();
    let begin = Instant::now();
    assert_eq!(answer.await.unwrap(), Err(RpcError::Timeout));
    assert!(begin.elapsed() >= long, "{:?}", begin.elapsed());
    settle(|| world.registry.awake() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_actors_are_awake() {
    let world = World::with(RegistryConfig {
        idle_timeout: IDLE,
        actors_max: 2,
        keeps_presence: false,
    });
    let devices = [world.device().await, world.device().await, world.device().await];
    let lanes = [world.lane(devices[0]).await, world.lane(devices[1]).await];
    assert!(matches!(world.refused(devices[2]).await, DeviceError::TooMany));
    world.lane(devices[0]).await;
    for device in &devices[..2] {
        // The wait begins when the actor has looked around for the first time.
        world.registry.control(*device).unwrap().ask(Observe).await.unwrap();
    }
    advance(IDLE + MOMENT).await;
    settle(|| lanes.iter().all(actor::Lane::is_closed)).await;
    world.lane(devices[2]).await;
    settle(|| world.registry.awake() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn many_who_come_at_once_find_one_actor() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let session = Arc::new(Session::new(1));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let (registry, session) = (world.registry.clone(), Arc::clone(&session));
            actor::spawn("test", async move {
                let lane = registry.lane(device).await.unwrap();
                lane.send(session.uplink(number, 0, telemetry(None, json!({})))).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for _ in 0..100 {
        chain.recv().await.unwrap().receipt.done();
    }
    assert_eq!((world.registry.awake(), world.chains.asked.lock().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_next_actor_starts_when_the_last_one_has_finished() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_narrow_chain(1));
    let (lane, mut session) = (world.lane(device).await, Session::new(1));
    lane.send(session.uplink(0, 0, telemetry(None, json!({"n": 0})))).await.unwrap();
    settle(|| chain.len() == 1).await;

    // Two more arrive when the actor has already decided to sleep, and its lane is about to close.
    let late: Vec<_> = (1..3)
        .map(|number| session.uplink(number, 0, telemetry(None, json!({"n": number}))))
        .collect();
    let last_moment = lane.clone();
    world
        .clock
        .at_next_look(move || late.into_iter().for_each(|delivery| last_moment.try_send(delivery).unwrap()));
    advance(IDLE + MOMENT).await;
    settle(|| lane.is_closed()).await;

    // The old actor waits for room in the chain. Nobody else may serve the device meanwhile.
    let registry = world.registry.clone();
    let waking = actor::spawn("test", async move { registry.lane(device).await.unwrap() });
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(
            !waking.is_finished() && world.registry.awake() == 1,
            "never two actors for a device"
        );
    }
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let input = chain.recv().await.unwrap();
        numbers.push(input.message.payload.at("n").unwrap().as_u64().unwrap());
        input.receipt.done();
    }
    assert_eq!(numbers, [0, 1, 2], "what came at the last moment is done");
    let next = waking.await.unwrap();
    next.send(session.uplink(3, 0, telemetry(None, json!({"n": 3})))).await.unwrap();
    chain.recv().await.unwrap().receipt.done();
    for sequence in 0..4 {
        let settled = session.settlements.recv().await.unwrap();
        assert_eq!((settled.sequence, settled.result), (sequence, Ok(())));
    }
    assert_eq!((world.registry.awake(), world.chains.asked.lock().len()), (1, 2));
}

/// Delivers until an actor takes it, as sessions do.
async fn deliver(registry: &Registry, device: DeviceId, mut delivery: Delivery) {
    loop {
        let lane = registry.lane(device).await.unwrap();
        match lane.send(delivery).await {
            Ok(()) => return,
            Err(closed) => delivery = closed.0,
        }
    }
}

const SENDERS: u64 = 8;
const UPLINKS: u64 = 40;

/// Receives everything from all senders, each in its own order, once.
async fn receive_all(chain: &mut actor::LaneReceiver<rules::ChainInput>) {
    let mut next = [0; SENDERS as usize];
    for _ in 0..SENDERS * UPLINKS {
        let input = chain.recv().await.unwrap();
        let [sender, number] = ["sender", "number"].map(|key| input.message.payload.at(key).unwrap().as_u64().unwrap());
        assert_eq!(number, std::mem::replace(&mut next[sender as usize], number + 1), "sender {sender}");
        input.receipt.done();
    }
    assert!(chain.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_falls_asleep_loses_nothing() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let mut session = Session::new(1);
    let deliveries: Vec<Vec<_>> = (0..SENDERS)
        .map(|sender| {
            (0..UPLINKS)
                .map(|number| telemetry(None, json!({"sender": sender, "number": number})))
                .collect()
        })
        .collect();
    let mut tasks = Vec::new();
    for (sender, uplinks) in deliveries.into_iter().enumerate() {
        let registry = world.registry.clone();
        let ready: Vec<_> = uplinks
            .into_iter()
            .enumerate()
            .map(|(number, uplink)| session.uplink(number as u64, 0, uplink))
            .collect();
        tasks.push(actor::spawn("test", async move {
            for (number, delivery) in ready.into_iter().enumerate() {
                // All at about the same time: just before, at, and just after the moment at which the actor falls asleep.
                let late = Duration::from_millis((sender as u64 + number as u64) % 2);
                tokio::time::sleep(IDLE + MOMENT * (number % 3) as u32 - MOMENT + late).await;
                deliver(&registry, device, delivery).await;
                assert_eq!(registry.awake(), 1, "never two actors for a device");
            }
        }));
    }
    receive_all(&mut chain).await;
    for task in tasks {
        task.await.unwrap();
    }
    for _ in 0..SENDERS * UPLINKS {
        assert_eq!(session.settlements.recv().await.unwrap().result, Ok(()));
    }
    let wakes = world.chains.asked.lock().len();
    assert!(wakes > 10, "the actor woke up {wakes} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_is_always_tired_loses_nothing() {
    // Falls asleep as soon as its lane is empty.
    let world = World::with(RegistryConfig {
        idle_timeout: Duration::ZERO,
        keeps_presence: false,
        ..RegistryConfig::default()
    });
    let (device, mut chain) = (world.device().await, world.open_chain());
    let mut session = Session::new(1);
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let registry = world.registry.clone();
        let ready: Vec<_> = (0..UPLINKS)
            .map(|number| session.uplink(number, 0, telemetry(None, json!({"sender": sender, "number": number}))))
            .collect();
        tasks.push(actor::spawn("test", async move {
            for (number, delivery) in ready.into_iter().enumerate() {
                if number % 2 == 0 {
                    // Comes in the moment in which the lane is closed and the actor has not left yet.
                    let lane = registry.lane(device).await.unwrap();
                    while !lane.is_closed() {
                        tokio::task::yield_now().await;
                    }
                }
                deliver(&registry, device, delivery).await;
            }
        }));
    }
    soon("receiving", receive_all(&mut chain)).await;
    for task in tasks {
        soon("the end of sending", task).await.unwrap();
    }
    for _ in 0..SENDERS * UPLINKS {
        assert_eq!(soon("settling", session.settlements.recv()).await.unwrap().result, Ok(()));
    }
    let wakes = world.chains.asked.lock().len();
    assert!(wakes > 1, "the actor woke up {wakes} times");
    soon("the last sleep", async {
        while world.registry.awake() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
