//! What tenants use through one server is told to the others: to those that understand it, as a sum, and only while they can be told.

use cluster::{Epoch, Usage, UsageTeller, Used};
use model::TenantId;
use peers::PeersConfig;
use uuid::Uuid;

use crate::world::{Server, World, until};

fn usage(tenant: u128, values: u32) -> Usage {
    Usage {
        tenant: TenantId(Uuid::from_u128(tenant)),
        used: Used::message(values),
    }
}

/// Values that a server has heard of a tenant.
fn heard(server: &Server, tenant: u128, sum: &mut u64) -> u64 {
    let taken = server.peers.usage().take(usize::MAX);
    let of_tenant = taken.into_iter().filter(|usage| usage.tenant == TenantId(Uuid::from_u128(tenant)));
    *sum += of_tenant.map(|usage| usage.used.values).sum::<u64>();
    *sum
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tenants_use_is_told_to_every_other_server() {
    let world = World::new(3).await;
    // Nothing is kept for those who cannot be told.
    let both_hear = || {
        world.servers[0].peers.tell(&[usage(9, 1)]);
        world.servers[1..].iter().all(|server| heard(server, 9, &mut 0) > 0)
    };
    until("sessions begin", both_hear).await;
    // Ten times 500 tenants in one go: more than one item has room for.
    for _ in 0..10 {
        let many: Vec<Usage> = (10..510).map(|tenant| usage(tenant, 3)).collect();
        world.servers[0].peers.tell(&many);
    }
    let sums = [std::cell::Cell::new(0), std::cell::Cell::new(0)];
    until("all of it is heard", || {
        world.servers[1..].iter().zip(&sums).all(|(server, sum)| {
            let taken = server.peers.usage().take(usize::MAX);
            let values = taken.iter().filter(|usage| usage.tenant.0.as_u128() >= 10);
            sum.set(sum.get() + values.map(|usage| usage.used.values).sum::<u64>());
            sum.get() == 500 * 10 * 3
        })
    })
    .await;
    assert!(world.servers[0].peers.usage().is_empty(), "nobody hears of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_while_nobody_could_be_told_is_forgotten() {
    let mut world = World::apart(2, PeersConfig::default()).await;
    // The first server finds nobody where the second one should be.
    let mut members = world.members(&[1, 2], |_| "127.0.0.1:9".parse().unwrap());
    members.epoch = Epoch(1);
    world.servers[0].place.agreed(&members);
    // Whoever asks for a way has a session opened.
    drop(world.servers[0].router.lane(world.device_of(2)).await.unwrap());
    for _ in 0..1_000 {
        world.servers[0].peers.tell(&[usage(1, 1_000)]);
    }
    world.agree(&[1, 2]);
    world.agree(&[1, 2]);
    let sum = std::cell::Cell::new(0);
    until("the second server hears of the first", || {
        world.servers[0].peers.tell(&[usage(1, 1)]);
        let mut values = sum.get();
        heard(&world.servers[1], 1, &mut values);
        sum.set(values);
        values > 0
    })
    .await;
    assert!(sum.get() < 1_000, "{} values were told", sum.get());
}
