//! What a device is told, while its adapter writes it. A tenant's adapter may have to wait for its turn: what was taken is kept until it is
//! written, whoever stops waiting for it, and what comes meanwhile stands behind it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::BoxFuture;
use model::{Downlink, DownlinkKind};
use plugins::{AdapterPool, Outbound, Transport};

use super::{CloseReason, DOWNLINKS_MAX, Event, Session};

/// As the adapter wrote it; none: its protocol has no word for it.
type Written = Result<Option<Outbound>, String>;

/// A downlink that is being written.
pub(super) struct Writing {
    downlink: Arc<Downlink>,
    written: BoxFuture<'static, Written>,
    behind: VecDeque<Downlink>,
}

impl Writing {
    fn begin(pool: &Arc<AdapterPool>, transport: Transport, downlink: Downlink, form: Option<&str>) -> Self {
        let (pool, downlink, form) = (Arc::clone(pool), Arc::new(downlink), form.map(str::to_owned));
        let told = Arc::clone(&downlink);
        let written = async move {
            let write = move |pool: &AdapterPool| pool.encode_via(transport, &told, form.as_deref());
            pool.ask(write).await.flatten()
        };
        Writing {
            downlink,
            written: Box::pin(written),
            behind: VecDeque::new(),
        }
    }

    /// Whether another downlink may be taken.
    pub(super) fn has_room(writing: &Option<Box<Writing>>) -> bool {
        writing.as_ref().is_none_or(|writing| writing.behind.len() < DOWNLINKS_MAX)
    }

    /// Waits until it is written. Cancelling loses nothing.
    pub(super) async fn done(writing: &mut Option<Box<Writing>>) -> Option<(Box<Writing>, Written)> {
        let written = writing.as_mut()?.written.as_mut().await;
        writing.take().map(|writing| (writing, written))
    }
}

impl Session {
    /// A downlink has come. That the device is served elsewhere is known at once, whatever is not written yet.
    pub(super) fn take(&mut self, downlink: Downlink, events: &mut Vec<Event>) {
        match &mut self.writing {
            _ if downlink == Downlink::Superseded => events.push(Event::Close(CloseReason::TakenOver)),
            Some(writing) => writing.behind.push_back(downlink),
            None => self.write(downlink, events),
        }
    }

    /// Hands on what was written, and has the next one written.
    pub(super) fn go_on(&mut self, done: Writing, written: Written, events: &mut Vec<Event>) {
        let Writing { downlink, mut behind, .. } = done;
        self.written(&downlink, written, events);
        if let Some(next) = behind.pop_front() {
            self.write(next, events);
        }
        if let Some(writing) = &mut self.writing {
            writing.behind = behind;
        }
    }

    /// Has a downlink written: at once, or so that [`Writing::done`] brings it.
    fn write(&mut self, downlink: Downlink, events: &mut Vec<Event>) {
        let downlink = match &mut self.children {
            Some(children) => children.answered(downlink),
            None => downlink,
        };
        let kind = downlink.kind();
        let form = self.forms.iter().find(|(of, _)| *of == kind).map(|(_, form)| &**form);
        if self.pool.is_shipped() {
            let written = self.pool.encode_via(self.transport, &downlink, form);
            self.written(&downlink, written, events);
        } else {
            self.writing = Some(Box::new(Writing::begin(&self.pool, self.transport, downlink, form)));
        }
    }

    /// Hands on what was written.
    fn written(&mut self, downlink: &Downlink, written: Written, events: &mut Vec<Event>) {
        match written {
            Ok(Some(outbound)) => events.push(Event::Downlink(outbound, downlink.kind(), number(downlink))),
            Ok(None) => {}
            Err(error) => tracing::warn!(device = %self.device, error, "a downlink could not be written"),
        }
        if let Some(children) = &self.children {
            children.told(downlink);
        }
    }

    /// What a subscription of the device brings; nothing: it is refused.
    pub async fn subscription(&mut self, filter: &str) -> Vec<DownlinkKind> {
        let (transport, asked) = (self.transport, filter.to_owned());
        let kinds = self.pool.ask(move |pool| pool.subscription(transport, &asked)).await;
        let kinds = kinds.flatten().unwrap_or_default();
        for kind in &kinds {
            self.set_form(*kind, filter);
        }
        kinds
    }
}

/// The number of a request to the device.
fn number(downlink: &Downlink) -> Option<u32> {
    match downlink {
        Downlink::RpcRequest { id, .. } => Some(*id),
        _ => None,
    }
}
