//! What a node keeps for a device goes with the device from one server to another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{DeviceId, NodeState, RuleNodeId, SystemClock};
use rules::{Changed, Whereabouts};
use serde_json::json;
use storage::{EmbeddedStore, NodeStateStore, StorageError};
use tokio::sync::watch;
use uuid::Uuid;

use super::kept::{counting, stored_count, until_told, until_without_timers};
use super::world::{World, telemetry};

/// A store that servers share. All that is kept belongs to one device.
struct Shared(EmbeddedStore, Uuid);

#[async_trait]
impl NodeStateStore for Shared {
    async fn node_state(&self, node: RuleNodeId) -> Result<Option<NodeState>, StorageError> {
        let mut stored = self.0.node_state(node).await?;
        if let Some(state) = &mut stored {
            state.entries.iter_mut().for_each(|kept| kept.device = Some(self.1));
            state.timers.iter_mut().for_each(|kept| kept.device = Some(self.1));
        }
        Ok(stored)
    }
}

/// A server; the channel says which one serves all devices.
struct Server(u64, watch::Receiver<u64>);

impl Whereabouts for Server {
    fn runs(&self, _: RuleNodeId) -> bool {
        self.0 == 0
    }
    fn serves(&self, _: DeviceId) -> bool {
        *self.1.borrow() == self.0
    }
    fn arrivals(&self) -> u64 {
        *self.1.borrow()
    }
    fn changed(&self) -> Changed {
        let mut serving = self.1.clone();
        serving.mark_unchanged();
        Box::pin(async move {
            if serving.changed().await.is_err() {
                std::future::pending().await
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_a_device_and_its_timers_go_with_it() {
    let world = World::new();
    let graph = counting(&world);
    let (node, device) = (graph.nodes[0].id, world.device());
    let (serving, served) = watch::channel(0);
    let server = |number: u64| {
        let mut around = world.around().clone();
        around.states = Arc::new(Shared(world.store.clone(), device.id));
        around.whereabouts = Arc::new(Server(number, served.clone()));
        around.clock = Arc::new(SystemClock);
        world.start_in(&graph, around)
    };
    let (mut first, mut second) = (server(0), server(1));
    first
        .settle_all([telemetry(device, 1, json!({})), telemetry(device, 2, json!({"timer": 3_000}))])
        .await;
    serving.send(1).unwrap();
    second.settle_all([telemetry(device, 3, json!({}))]).await;
    assert_eq!(stored_count(&world, node).await, Some(3), "it goes on where the first one stopped");

    // Whoever has no message reads of the timer all the same.
    until_told(&world, node, 3).await;
    until_without_timers(&world, node).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.series(node.entity(), "told").await.len(), 1, "and not on both servers");

    // And back.
    serving.send(0).unwrap();
    first.settle_all([telemetry(device, 4, json!({}))]).await;
    assert_eq!(stored_count(&world, node).await, Some(4), "not from what it knew before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_of_a_device_that_comes_fire_without_any_message() {
    let world = World::new();
    let graph = counting(&world);
    let (node, device) = (graph.nodes[0].id, world.device());
    let (serving, served) = watch::channel(0);
    let server = |number: u64| {
        let mut around = world.around().clone();
        around.states = Arc::new(Shared(world.store.clone(), device.id));
        around.whereabouts = Arc::new(Server(number, served.clone()));
        around.clock = Arc::new(SystemClock);
        world.start_in(&graph, around)
    };
    let (mut first, _second) = (server(0), server(1));
    first.settle_all([telemetry(device, 1, json!({"timer": 2_000}))]).await;
    // The first one is gone before the timer is due.
    drop(first);
    serving.send(1).unwrap();
    until_told(&world, node, 1).await;
}
