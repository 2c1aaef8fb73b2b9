//! What is on its way to whom, for each device. Deliveries of a device must not pass each other when it moves: who turns to the new
//! owner waits until the old path is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster::{Epoch, PeerId};
use dashmap::DashMap;
use model::DeviceId;
use tokio::sync::Notify;

/// Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Paths(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    devices: DashMap<DeviceId, Path>,
    /// Deliveries that set out.
    count: AtomicU64,
}

/// Whereto: an owner, by one member list, as long as it remembers. What is sent by a newer list has another path, though it goes to the same
/// owner: what was sent by the older one may still be refused, and what came later not. So has what is sent to an owner that has
/// forgotten everything: what was sent before is sent again. Of one path, all that comes after a delivery that was refused is refused, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereto {
    peer: PeerId,
    epoch: Epoch,
    generation: u64,
}

impl Whereto {
    /// To a peer, by a member list, over a generation of its session.
    pub fn new(peer: PeerId, epoch: Epoch, generation: u64) -> Self {
        Whereto { peer, epoch, generation }
    }

    /// Not known yet: it is to be sent again.
    pub const ELSEWHERE: Whereto = Whereto {
        peer: PeerId(0),
        epoch: Epoch(0),
        generation: 0,
    };
}

#[derive(Debug, Default)]
struct Path {
    /// How many deliveries are on their way. Two ways, while a device moves.
    to: Vec<(Whereto, usize)>,
    less: Arc<Notify>,
}

/// A delivery is on its way, as long as this lives.
#[derive(Debug)]
pub struct OnItsWay {
    paths: Paths,
    device: DeviceId,
    whereto: Whereto,
    order: u64,
}

impl OnItsWay {
    /// It has to be sent again.
    pub fn elsewhere(self) -> Self {
        self.paths.enter_again(self.device, Whereto::ELSEWHERE, self.order)
    }

    /// Over which generation of a session.
    pub fn generation(&self) -> u64 {
        self.whereto.generation
    }

    /// Its place among all that set out: it keeps it, however often it is sent again.
    pub fn order(&self) -> u64 {
        self.order
    }
}

impl Paths {
    /// A delivery to a device sets out.
    pub fn enter(&self, device: DeviceId, whereto: Whereto) -> OnItsWay {
        self.enter_again(device, whereto, self.0.count.fetch_add(1, Ordering::Relaxed))
    }

    /// One sets out again.
    pub fn enter_again(&self, device: DeviceId, whereto: Whereto, order: u64) -> OnItsWay {
        let mut path = self.0.devices.entry(device).or_default();
        match path.to.iter_mut().find(|(to, _)| *to == whereto) {
            Some((_, count)) => *count += 1,
            None => path.to.push((whereto, 1)),
        }
        OnItsWay {
            paths: self.clone(),
            device,
            whereto,
            order,
        }
    }

    /// Waits until nothing of a device is on another way than this one.
    pub async fn quiet(&self, device: DeviceId, except: Whereto) {
        self.until(device, |path| path.to.iter().all(|(to, _)| *to == except)).await;
    }

    /// Waits until nothing of a device is on another way than this one, and less than so many on this one. `again`: for one that is sent
    /// again, with which others may wait to be.
    pub async fn room(&self, device: DeviceId, whereto: Whereto, max: usize, again: bool) {
        self.until(device, |path| has_room(path, whereto, max, again)).await;
    }

    /// Whether that is so now.
    pub fn has_room(&self, device: DeviceId, whereto: Whereto, max: usize) -> bool {
        let path = self.0.devices.get(&device);
        path.is_none_or(|path| has_room(&path, whereto, max, false))
    }

    /// How many of a device are on their way.
    pub fn count(&self, device: DeviceId) -> usize {
        let path = self.0.devices.get(&device);
        path.map_or(0, |path| path.to.iter().map(|(_, count)| count).sum())
    }

    /// How many devices have something on its way.
    pub fn devices(&self) -> usize {
        self.0.devices.len()
    }

    async fn until(&self, device: DeviceId, is_so: impl Fn(&Path) -> bool) {
        loop {
            let less = match self.0.devices.get(&device) {
                Some(path) if !is_so(&path) => Arc::clone(&path.less),
                _ => return,
            };
            let mut notified = std::pin::pin!(less.notified());
            notified.as_mut().enable();
            // Again: it may have changed before anybody listened.
            if self.0.devices.get(&device).is_none_or(|path| is_so(&path)) {
                return;
            }
            notified.await;
        }
    }
}

fn has_room(path: &Path, whereto: Whereto, max: usize, again: bool) -> bool {
    path.to.iter().all(|(to, count)| match *to {
        to if to == whereto => *count < max,
        to => again && to == Whereto::ELSEWHERE,
    })
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let Some(mut path) = self.paths.0.devices.get_mut(&self.device) else {
            return;
        };
        if let Some(at) = path.to.iter().position(|(to, _)| *to == self.whereto) {
            path.to[at].1 -= 1;
            if path.to[at].1 == 0 {
                path.to.swap_remove(at);
            }
        }
        path.less.notify_waiters();
        drop(path);
        self.paths.0.devices.remove_if(&self.device, |_, path| path.to.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use model::TenantId;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn who_turns_elsewhere_waits_for_what_is_on_its_way() {
        let (paths, device) = (Paths::default(), DeviceId::new(TenantId::SYSTEM, Uuid::nil()));
        let way = |peer, epoch| Whereto::new(PeerId(peer), Epoch(epoch), 0);
        let (old, new) = (way(1, 1), way(1, 3));
        paths.quiet(device, new).await;
        let (first, second) = (paths.enter(device, old), paths.enter(device, old));
        paths.quiet(device, old).await;
        let mut quiet = std::pin::pin!(paths.quiet(device, new));
        assert!(futures::poll!(&mut quiet).is_pending());
        drop(first);
        assert!(futures::poll!(&mut quiet).is_pending());
        let order = second.order();
        let second = second.elsewhere();
        assert_eq!(second.order(), order, "it keeps its place");
        paths.room(device, new, 1, true).await;
        assert!(futures::poll!(&mut quiet).is_pending(), "it has to be sent again");
        // It sets out to the new owner before it is gone here.
        let again = paths.enter(device, new);
        drop(second);
        quiet.await;
        let mut room = std::pin::pin!(paths.room(device, new, 1, false));
        assert!(futures::poll!(&mut room).is_pending());
        drop(again);
        room.await;
        assert_eq!(paths.devices(), 0, "nothing is remembered of devices that are quiet");
    }
}
