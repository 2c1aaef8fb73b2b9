//! Nodes that a script may be part of: the log, and those for alarms. Most are configured without one, or with the one that is there from the
//! start, and then a small component serves, `action`. What that refuses as a script the component with an interpreter takes, `script`. Here is
//! what both have.
//!
//! 1. [`Scripts`] – the scripts of a configuration, and which of them runs,
//! 2. [`Details`] – how an alarm's details are made: the one thing in which both differ,
//! 3. [`CreateAlarmNode`], [`ClearAlarmNode`] – the nodes; [`log`] – what is known of the third.

/// What holds for all scripts, for people.
#[macro_export]
macro_rules! script_rules {
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

mod clear_alarm;
mod create_alarm;
mod details;
pub mod log;
mod scripts;

pub use clear_alarm::ClearAlarmNode;
pub use create_alarm::CreateAlarmNode;
pub use details::{DEFAULTS, Details, KeptDetails, Previous};
pub use scripts::{Chosen, SCRIPT_BYTES_MAX, Scripts, TBEL_REFUSED};
