//! Single calls into guests, each in a turn of its own: of adapters, which are asked by many connections.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{Pace, Share};

/// Makes calls of one kind for a tenant, whoever asks for them.
pub struct Caller {
    share: Arc<Share>,
    pace: Pace,
}

impl Caller {
    /// Charges a tenant.
    pub fn new(share: Arc<Share>) -> Self {
        Caller {
            share,
            pace: Pace::default(),
        }
    }

    /// Makes one call. Where those before were long it is made [aside](crate::Turn::aside). None: it did not return, by a panic.
    pub async fn call<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let mut turn = self.share.turn().await;
        let aside = self.pace.is_long() && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let (answer, ran) = match aside {
            true => turn.aside(call).await?,
            false => (call(), turn.lap()),
        };
        self.pace.was(self.share.is_long(ran));
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::TenantId;

    use super::*;
    use crate::{Shares, thread_time};

    #[tokio::test(flavor = "multi_thread")]
    async fn after_a_long_call_the_next_ones_are_made_aside() {
        let share = Shares::new(2).of(TenantId::generate());
        let caller = Caller::new(Arc::clone(&share));
        let spin = |ms| {
            move || {
                let began = thread_time();
                while thread_time() - began < Duration::from_millis(ms) {}
                std::thread::current().name().map(str::to_owned)
            }
        };
        let aside = Some(Some("guests idle".to_owned()));
        assert_ne!(caller.call(spin(0)).await, aside);
        assert_ne!(caller.call(spin(20)).await, aside, "nothing was known of it");
        assert_eq!(caller.call(spin(0)).await, aside);
        assert_eq!(caller.call(spin(20)).await, aside);
        assert!(caller.call(|| panic!("a defect of the platform")).await.is_none_or(|()| false));
        assert!((40..1_000).contains(&share.usage().cpu_ms), "{:?}", share.usage());
    }
}
