//! Sending messages into other chains and back, and hearing of them.

use std::sync::Arc;

use model::Message;
use uuid::Uuid;

use super::ChainActor;
use super::calls::{Called, Caller, News, Owed};
use crate::journey::Journey;
use crate::step::{Branch, Call};

impl ChainActor {
    /// A message of another chain enters.
    pub(super) fn take_in(&mut self, Called { message, journey, caller }: Called) {
        if self.next.is_some() {
            caller.refuse("another version of the rule chain waits until messages inside are done, and they take long".to_owned());
            return;
        }
        self.entered += 1;
        self.called += 1;
        self.steps
            .enter_from(message, Owed::Caller(caller.entered()), Some(journey), &mut self.commands);
    }

    /// What became of messages inside other chains.
    pub(super) fn hear(&mut self, all: Vec<(Call, News)>) {
        for (call, news) in all {
            match news {
                News::Back(relation, message) => self.steps.came_back(call, &relation, message, &mut self.commands),
                News::Left { durable } => self.steps.left(call, durable, &mut self.commands),
                News::NotEntered(reason) => self.steps.not_entered(call, reason, &mut self.commands),
            }
        }
    }

    /// Sends a message into another chain.
    pub(super) fn send_in(&mut self, call: Call, chain: Uuid, message: Arc<Message>, journey: Journey) {
        let refused = match self.neighbours.call_lane(self.tenant, chain) {
            None => format!("there is no rule chain {chain}"),
            Some(lane) => {
                let caller = Caller::new(Arc::clone(&self.home), call);
                match lane.try_send(Called { message, journey, caller }) {
                    Ok(()) => return,
                    Err(back) => back.caller.forget(),
                }
                if lane.is_closed() {
                    format!("the rule chain {chain} has ended")
                } else {
                    format!("too many messages of other rule chains wait at the rule chain {chain}")
                }
            }
        };
        self.steps.not_entered(call, refused, &mut self.commands);
    }

    /// Sends a message back to the chain that it comes from; one that comes from none ends.
    pub(super) fn send_back(&mut self, branch: Branch, relation: Option<&str>) {
        let sent = match self.steps.receipt(branch.account) {
            Some(Owed::Caller(caller)) => {
                let relation = relation.map_or_else(|| Arc::clone(&self.steps.graph().nodes[branch.node].name), Arc::from);
                caller.send_back(relation, Arc::clone(&branch.message))
            }
            Some(Owed::Receipt(_)) | None => Ok(()),
        };
        match sent {
            Ok(()) => self.steps.sent_back(&branch, &mut self.commands),
            Err(reason) => self.steps.decided(branch, Err(reason), &mut self.commands),
        }
    }
}
