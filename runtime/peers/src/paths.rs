//! What is on its way to whom, for each device. Deliveries of a device must not pass each other when it moves: who turns to the new
//! owner waits until the old path is empty.

use std::sync::Arc;

use cluster::{Epoch, Owner, PeerId};
use dashmap::DashMap;
use model::DeviceId;
use tokio::sync::Notify;

/// Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Paths(Arc<DashMap<DeviceId, Path>>);

/// Whereto: an owner, as long as it owns without a break. A device that left and came back has another path: what was sent before may
/// still be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereto {
    peer: PeerId,
    since: Epoch,
}

impl Whereto {
    /// Not known yet: it is to be sent again.
    pub const ELSEWHERE: Whereto = Whereto {
        peer: PeerId(0),
        since: Epoch(0),
    };
}

impl From<Owner> for Whereto {
    fn from(owner: Owner) -> Self {
        Whereto {
            peer: owner.peer,
            since: owner.since,
        }
    }
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
}

impl OnItsWay {
    /// It has to be sent again.
    pub fn elsewhere(self) -> Self {
        self.paths.enter(self.device, Whereto::ELSEWHERE)
    }
}

impl Paths {
    /// A delivery to a device sets out.
    pub fn enter(&self, device: DeviceId, whereto: Whereto) -> OnItsWay {
        let mut path = self.0.entry(device).or_default();
        match path.to.iter_mut().find(|(to, _)| *to == whereto) {
            Some((_, count)) => *count += 1,
            None => path.to.push((whereto, 1)),
        }
        OnItsWay {
            paths: self.clone(),
            device,
            whereto,
        }
    }

    /// Waits until nothing of a device is on another way than this one.
    pub async fn quiet(&self, device: DeviceId, except: Whereto) {
        self.until(device, |path| path.to.iter().all(|(to, _)| *to == except)).await;
    }

    /// Waits until less than so many are on a way.
    pub async fn room(&self, device: DeviceId, whereto: Whereto, max: usize) {
        self.until(device, |path| count(path, whereto) < max).await;
    }

    /// How many are on a way.
    pub fn count(&self, device: DeviceId, whereto: Whereto) -> usize {
        self.0.get(&device).map_or(0, |path| count(&path, whereto))
    }

    /// How many devices have something on its way.
    pub fn devices(&self) -> usize {
        self.0.len()
    }

    async fn until(&self, device: DeviceId, is_so: impl Fn(&Path) -> bool) {
        loop {
            let less = match self.0.get(&device) {
                Some(path) if !is_so(&path) => Arc::clone(&path.less),
                _ => return,
            };
            let mut notified = std::pin::pin!(less.notified());
            notified.as_mut().enable();
            // Again: it may have changed before anybody listened.
            if self.0.get(&device).is_none_or(|path| is_so(&path)) {
                return;
            }
            notified.await;
        }
    }
}

fn count(path: &Path, whereto: Whereto) -> usize {
    path.to.iter().find(|(to, _)| *to == whereto).map_or(0, |(_, count)| *count)
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let Some(mut path) = self.paths.0.get_mut(&self.device) else {
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
        self.paths.0.remove_if(&self.device, |_, path| path.to.is_empty());
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
        let way = |peer, since| Whereto {
            peer: PeerId(peer),
            since: Epoch(since),
        };
        let (old, new) = (way(1, 1), way(1, 3));
        paths.quiet(device, new).await;
        let (first, second) = (paths.enter(device, old), paths.enter(device, old));
        paths.quiet(device, old).await;
        let mut quiet = std::pin::pin!(paths.quiet(device, new));
        assert!(futures::poll!(&mut quiet).is_pending());
        drop(first);
        assert!(futures::poll!(&mut quiet).is_pending());
        let second = second.elsewhere();
        assert!(futures::poll!(&mut quiet).is_pending(), "it has to be sent again");
        // It sets out to the new owner before it is gone here.
        let again = paths.enter(device, new);
        drop(second);
        quiet.await;
        let mut room = std::pin::pin!(paths.room(device, new, 1));
        assert!(futures::poll!(&mut room).is_pending());
        drop(again);
        room.await;
        assert_eq!(paths.devices(), 0, "nothing is remembered of devices that are quiet");
    }
}
