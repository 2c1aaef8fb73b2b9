//! A node's instance: opened from its place in a chain, beside whatever serves there, and the place it takes up among the tenant's.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use model::TenantId;
use plugins::{NodeContext, NodeInstance, NodeType, OpenError, Outcome, Place, ProcessError, SharedMemory};
use tokio::runtime::Handle;

use super::NodeSurroundings;
use crate::graph::{Graph, NodeSpec};
use crate::step::Branch;

/// An opened instance.
pub struct OpenNode {
    instance: NodeInstance,
    /// Of an uploaded component only: what is shipped takes up no place.
    place: Option<Place>,
}

impl fmt::Debug for OpenNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenNode").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Opens an instance for a node of a chain, with what it keeps. Takes the guest's time: call it on a thread for what blocks.
///
/// # Errors
/// Text: what is wrong with the configuration, what happened to the guest, or that there is no place.
pub fn open_node(
    graph: &Graph,
    index: usize,
    tenant: TenantId,
    around: &NodeSurroundings,
    memory: SharedMemory,
) -> Result<OpenNode, String> {
    let spec = graph.nodes.get(index).ok_or_else(|| format!("there is no node {index}"))?;
    let place = spec.node_type.release().map(|release| release.place()).transpose()?;
    let opened = spec.node_type.open_by(|node_type| {
        let context = NodeContext {
            tenant,
            node: spec.id,
            name: Arc::clone(&spec.name),
            readings: around.readings.clone(),
            log: Arc::clone(&around.log),
            clock: Arc::clone(&around.clock),
            memory: memory.clone(),
        };
        open_as(node_type, spec, context)
    });
    let instance = opened.map_err(|error| error.to_string())?;
    let instance = instance.released(spec.node_type.release().cloned());
    Ok(OpenNode { instance, place })
}

/// Opens an instance of a type.
fn open_as(node_type: &NodeType, spec: &NodeSpec, context: NodeContext) -> Result<NodeInstance, OpenError> {
    let (component, descriptor) = (node_type.component(), node_type.descriptor());
    let upgraded;
    let configuration = if spec.configuration_version < descriptor.version {
        upgraded = NodeInstance::upgrade(component, &descriptor.type_name, spec.configuration_version, &spec.configuration)?;
        &upgraded
    } else {
        &spec.configuration
    };
    if context.readings.is_awaited() {
        let opening = NodeInstance::open_awaiting(component, &descriptor.type_name, configuration, context);
        return Handle::current().block_on(opening);
    }
    NodeInstance::open(component, &descriptor.type_name, configuration, context)
}

impl OpenNode {
    /// Lets the node decide about a message, or tells it of its timer; `timed`: notes how long it took, and how much memory there is.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub(super) fn process(&mut self, branch: &Branch, timed: bool) -> Result<Outcome, ProcessError> {
        let Some(place) = self.place.as_mut().filter(|_| timed) else {
            return call(&mut self.instance, branch);
        };
        let started = Instant::now();
        let answer = call(&mut self.instance, branch);
        place.took(started.elapsed(), self.instance.memory_bytes());
        answer
    }

    /// Whether its calls may have to wait for what they read.
    pub(super) fn waits(&self) -> bool {
        self.instance.waits()
    }

    /// As [`OpenNode::process`], where a call may have to wait. What is noted is its time with the wait.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub(super) async fn process_awaiting(&mut self, branch: &Branch, timed: bool) -> Result<Outcome, ProcessError> {
        let started = Instant::now();
        let answer = match &branch.timer {
            None => self.instance.process_awaiting(&branch.message).await,
            Some(timer) => self.instance.on_timer_awaiting(timer, &branch.message).await,
        };
        if let Some(place) = self.place.as_mut().filter(|_| timed) {
            place.took(started.elapsed(), self.instance.memory_bytes());
        }
        answer
    }
}

fn call(instance: &mut NodeInstance, branch: &Branch) -> Result<Outcome, ProcessError> {
    match &branch.timer {
        None => instance.process(&branch.message),
        Some(timer) => instance.on_timer(timer, &branch.message),
    }
}
