//! Nodes with a script in JavaScript, as in ThingsBoard's chains: filter, switch and transformation, whose decision it is; the generator, whose
//! messages it makes; the log, whose words it has; those for alarms, whose details it makes.
//!
//! 1. [`configuration`] – what ThingsBoard's configurations say, and which script that means,
//! 2. [`engine`] – the interpreter: a realm that nothing outlives, made once for a node,
//! 3. [`told`] – the messages that a script returns; [`literal`] – those that it names without computing anything,
//! 4. [`alarm_details`] – what a script makes of an alarm's details,
//! 5. [`filter`], [`switch`], [`transform`], [`generator`], [`log`] – the nodes. Those for alarms, and what else a script may be left out of, is in
//!    `rule-nodes/scriptable`.
//!
//! The interpreter runs inside the node's own instance. A script reaches the message and the clock; what else this component imports, such as
//! the alarm that is active, it is handed by its node.

use node_scriptable::script_rules as rules;

mod alarm_details;
mod configuration;
mod engine;
mod filter;
mod generator;
mod literal;
mod log;
mod switch;
mod told;
mod transform;

pub use alarm_details::ScriptedDetails;
pub use filter::ScriptFilter;
pub use generator::Generator;
pub use log::LogNode;
pub use node_scriptable::{ClearAlarmNode, CreateAlarmNode};
pub use switch::ScriptSwitch;
pub use transform::ScriptTransform;

pacificsoft_sdk::export_nodes!(
    ScriptFilter,
    ScriptSwitch,
    ScriptTransform,
    Generator,
    LogNode,
    CreateAlarmNode<ScriptedDetails>,
    ClearAlarmNode<ScriptedDetails>
);
