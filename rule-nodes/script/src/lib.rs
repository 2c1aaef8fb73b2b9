//! Script nodes: filter, switch and transformation whose decision is a script in JavaScript, as in ThingsBoard's chains, and the generator,
//! whose messages a script makes.
//!
//! 1. [`configuration`] – what ThingsBoard's configurations say, and which script that means,
//! 2. [`engine`] – the interpreter: a realm that nothing outlives, made once for a node,
//! 3. [`told`] – the messages that a script returns; [`literal`] – those that it names without computing anything,
//! 4. [`filter`], [`switch`], [`transform`], [`generator`] – the nodes.
//!
//! The interpreter runs inside the node's own instance: a script can reach what this component imports, the message and the clock.

/// What holds for all scripts, for people.
macro_rules! rules {
    () => {
        concat!(
            "msg is the message's data, metadata an object of texts. scriptLang is JS; TBEL is not run, though what its default script says is understood. ",
            "Scripts compute, and nothing else: there is no network, no require and no eval; new Date() is the server's time, in UTC; ",
            "Math.random() is no source of secrets; promises and timers do not run. Numbers are doubles: whole ones beyond 2^53 are rounded. ",
            "Nothing is left from one message to the next: a variable that is not declared is gone, and what is built in cannot be changed. ",
            "The loops of a function go round 200000 times at most, calls are 200 deep at most; the time and memory of a message are limited."
        )
    };
}
pub(crate) use rules;

mod configuration;
mod engine;
mod filter;
mod generator;
mod literal;
mod switch;
mod told;
mod transform;

pub use filter::ScriptFilter;
pub use generator::Generator;
pub use switch::ScriptSwitch;
pub use transform::ScriptTransform;

pacificsoft_sdk::export_nodes!(ScriptFilter, ScriptSwitch, ScriptTransform, Generator);
