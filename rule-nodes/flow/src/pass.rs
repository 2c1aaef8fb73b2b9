//! acknowledge, checkpoint, synchronization start and end: each passes messages on.

use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};

macro_rules! passes {
    ($(#[$doc:meta])* $name:ident, $type_name:literal, $class:literal, $title:literal, $family:literal, $version:literal, $description:literal, $details:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl RuleNode for $name {
            const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

            fn descriptor() -> Descriptor {
                Descriptor {
                    type_name: $type_name,
                    class_ids: &[$class],
                    title: $title,
                    family: $family,
                    description: $description,
                    details: $details,
                    icon: "arrow_forward",
                    version: $version,
                    ..Descriptor::new()
                }
            }

            fn open(_: &str) -> Result<Self, String> {
                Ok($name)
            }

            fn process(&mut self, _: &Message) -> Result<Outcome, String> {
                Ok(Outcome::Forward(0))
            }
        }
    };
}

passes!(
    /// Where ThingsBoard acknowledges.
    Acknowledge, "acknowledge", "org.thingsboard.rule.engine.flow.TbAckNode", "acknowledge", "FLOW", 0,
    "Passes messages on.",
    "A message is acknowledged when everything it caused is durable, also what comes after this node."
);
passes!(
    /// Where ThingsBoard puts a message into another queue.
    Checkpoint, "checkpoint", "org.thingsboard.rule.engine.flow.TbCheckpointNode", "checkpoint", "FLOW", 1,
    "Passes messages on.",
    "There are no queues to choose from: messages of a device stay in their order."
);
passes!(
    /// Does nothing in ThingsBoard either.
    SynchronizationStart, "synchronization-start", "org.thingsboard.rule.engine.transaction.TbSynchronizationBeginNode",
    "synchronization start", "ACTION", 0, "Passes messages on.", "For old chains."
);
passes!(
    /// Does nothing in ThingsBoard either.
    SynchronizationEnd, "synchronization-end", "org.thingsboard.rule.engine.transaction.TbSynchronizationEndNode",
    "synchronization end", "ACTION", 0, "Passes messages on.", "For old chains."
);

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    fn passed<N: RuleNode>() -> bool {
        let mut node = N::open(N::descriptor().default_configuration).expect("the default");
        node.process(&TestMessage::telemetry("{}").message()) == Ok(Outcome::Forward(0)) && N::RELATIONS[0] == "Success"
    }

    #[test]
    fn messages_are_passed_on() {
        assert!(passed::<Acknowledge>() && passed::<Checkpoint>() && passed::<SynchronizationStart>() && passed::<SynchronizationEnd>());
    }
}
