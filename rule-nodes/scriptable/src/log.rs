//! What is known of the log node, whichever component serves it.

use pacificsoft_sdk::Descriptor;

/// What ThingsBoard writes into a new node, in both languages.
pub const DEFAULT: &str = r"return '\nIncoming message:\n' + JSON.stringify(msg) + '\nIncoming metadata:\n' + JSON.stringify(metadata);";

/// Relations.
pub const RELATIONS: &[&str] = &["Success", "Failure"];

/// What people and the server know of it.
pub fn descriptor(configuration_schema: &'static str) -> Descriptor {
    Descriptor {
        type_name: "log",
        class_ids: &["org.thingsboard.rule.engine.action.TbLogNode"],
        title: "log",
        family: "ACTION",
        description: "Writes messages to the tenant's log, as a script in JavaScript puts them into words.",
        details: concat!(
            "The script is the body of function(msg, metadata, msgType) and returns text. Without one, and with the default one, type, data and ",
            "metadata of the message become a line. ",
            crate::script_rules!()
        ),
        icon: "menu",
        configuration_schema,
        default_configuration: r#"{"scriptLang":"JS","jsScript":"return '\\nIncoming message:\\n' + JSON.stringify(msg) + '\\nIncoming metadata:\\n' + JSON.stringify(metadata);","tbelScript":"return '\\nIncoming message:\\n' + JSON.stringify(msg) + '\\nIncoming metadata:\\n' + JSON.stringify(metadata);"}"#,
        ..Descriptor::new()
    }
}
