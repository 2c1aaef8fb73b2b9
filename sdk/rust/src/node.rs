//! Rule nodes: the trait an author implements, and the glue that makes a package of them.

use std::cell::RefCell;

use crate::bindings::node::exports::pacificsoft::plugin::nodes as contract;
use crate::{Message, Outcome};

/// What people and the server know of a node type. See `wit/rule-node.wit` for the fields.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Name inside the package, in kebab case.
    pub type_name: &'static str,
    /// Ids under which rule-chain files may name the type; the first one is written.
    pub class_ids: &'static [&'static str],
    /// Name people see.
    pub title: &'static str,
    /// `FILTER`, `ENRICHMENT`, `TRANSFORMATION`, `ACTION`, `EXTERNAL` or `FLOW`.
    pub family: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// More help.
    pub details: &'static str,
    /// Name of a Material icon, or empty.
    pub icon: &'static str,
    /// Whether a configuration can add relations.
    pub custom_relations: bool,
    /// JSON Schema of the configuration.
    pub configuration_schema: &'static str,
    /// Configuration of a new node, as JSON.
    pub default_configuration: &'static str,
    /// Version of the configuration's form.
    pub version: u32,
    /// Effects the type may return, by their names in the contract.
    pub effects: &'static [&'static str],
    /// Names the form of what nodes of the type keep in [`crate::state`]; empty: they keep nothing.
    pub state_schema: &'static str,
    /// Name of a timer that is due as soon as a node begins to serve with no timer set, so that it can act before any message comes; empty:
    /// none. For types that have a state schema.
    pub start_timer: &'static str,
    /// Whether nodes of the type decide by what they have saved, such as the details of an alarm. In one chain, no message is handed to a
    /// node of such a type before the effects are done that such nodes have asked for with the messages of the same originator before it.
    pub in_turn: bool,
    /// False for types that only make messages: no connection leads to their nodes.
    pub takes_messages: bool,
}

impl Descriptor {
    /// Empty fields, an empty object as configuration, no effects.
    pub const fn new() -> Self {
        Descriptor {
            type_name: "",
            class_ids: &[],
            title: "",
            family: "ACTION",
            description: "",
            details: "",
            icon: "",
            custom_relations: false,
            configuration_schema: r#"{"type":"object"}"#,
            default_configuration: "{}",
            version: 0,
            effects: &[],
            state_schema: "",
            start_timer: "",
            in_turn: false,
            takes_messages: true,
        }
    }
}

impl Default for Descriptor {
    fn default() -> Self {
        Descriptor::new()
    }
}

/// A type of rule nodes. One value is one node of one chain.
pub trait RuleNode: Sized + 'static {
    /// Relations that messages can leave along, `Failure` among them. [`Outcome::Forward`] counts in this list.
    const RELATIONS: &'static [&'static str];

    /// The type.
    fn descriptor() -> Descriptor;

    /// Makes a node from its configuration, JSON of the present version.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words for its author.
    fn open(configuration: &str) -> Result<Self, String>;

    /// Decides about one message.
    ///
    /// # Errors
    /// Why the message cannot be processed: it leaves along `Failure`.
    fn process(&mut self, message: &Message) -> Result<Outcome, String>;

    /// A timer of the node is due, see [`crate::timers`]. In hand is a message that stands for it: type `TIMER`, the rule node as
    /// originator, an empty object as payload.
    ///
    /// # Errors
    /// Why nothing could be done: the timer's message leaves along `Failure`.
    fn on_timer(&mut self, name: &str, message: &Message) -> Result<Outcome, String> {
        let _ = message;
        Err(["the node type knows no timer ", name].concat())
    }

    /// Brings a configuration of an older version to the present one.
    ///
    /// # Errors
    /// What is wrong with it.
    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        let _ = from_version;
        Ok(configuration.to_owned())
    }
}

/// The position of a relation in a list, for [`Outcome::Forward`]. Meant for constants: a name that is not in the list is an error at
/// compile time.
pub const fn relation(relations: &[&str], name: &str) -> u32 {
    let mut index = 0;
    while index < relations.len() {
        if same(relations[index].as_bytes(), name.as_bytes()) {
            return index as u32;
        }
        index += 1;
    }
    panic!("no such relation")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// An opened node of whichever type.
#[doc(hidden)]
pub trait Opened {
    fn process(&mut self, message: &Message) -> Result<Outcome, String>;
    fn on_timer(&mut self, name: &str, message: &Message) -> Result<Outcome, String>;
}

impl<N: RuleNode> Opened for N {
    fn on_timer(&mut self, name: &str, message: &Message) -> Result<Outcome, String> {
        RuleNode::on_timer(self, name, message)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        RuleNode::process(self, message)
    }
}

thread_local! {
    static NODE: RefCell<Option<Box<dyn Opened>>> = const { RefCell::new(None) };
}

#[doc(hidden)]
pub fn contract_descriptor<N: RuleNode>() -> contract::Descriptor {
    let own = N::descriptor();
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    contract::Descriptor {
        type_name: own.type_name.to_owned(),
        class_ids: texts(own.class_ids),
        title: own.title.to_owned(),
        family: own.family.to_owned(),
        description: own.description.to_owned(),
        details: own.details.to_owned(),
        icon: own.icon.to_owned(),
        relations: texts(N::RELATIONS),
        custom_relations: own.custom_relations,
        configuration_schema: own.configuration_schema.to_owned(),
        default_configuration: own.default_configuration.to_owned(),
        version: own.version,
        effects: texts(own.effects),
        state_schema: own.state_schema.to_owned(),
        extensions: extensions(&own),
    }
}

fn extensions(own: &Descriptor) -> Vec<(String, String)> {
    let timer = ("start-timer", own.start_timer);
    let turn = ("in-turn", if own.in_turn { "originator" } else { "" });
    let input = ("input", if own.takes_messages { "" } else { "none" });
    let said = [timer, turn, input].into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[doc(hidden)]
pub fn open<N: RuleNode>(configuration: &str) -> Result<(), String> {
    let node = N::open(configuration)?;
    NODE.with_borrow_mut(|place| *place = Some(Box::new(node)));
    Ok(())
}

/// Decides about the message in hand, in the form of the contract: a relation's number, or an answer handed over.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub fn process() -> u32 {
    answered(|node| node.process(&Message::host()))
}

/// A timer is due: answers like [`process`].
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub fn on_timer(name: &str) -> u32 {
    answered(|node| node.on_timer(name, &Message::host()))
}

#[cfg(target_arch = "wasm32")]
fn answered(decide: impl FnOnce(&mut dyn Opened) -> Result<Outcome, String>) -> u32 {
    use crate::bindings::node::pacificsoft::plugin::{answer, outcome};

    /// Says that the answer was handed over.
    const HANDED_OVER: u32 = u32::MAX;
    let outcome = NODE.with_borrow_mut(|place| match place {
        Some(node) => decide(node.as_mut()),
        None => Err("the node was not opened".to_owned()),
    });
    match outcome {
        Ok(Outcome::Forward(relation)) => return relation,
        Ok(Outcome::Effect(effect)) => answer::decide(&outcome::Outcome::Effect(effect)),
        Ok(Outcome::Steps(steps)) => answer::decide(&outcome::Outcome::Steps(steps)),
        Err(reason) => answer::fail(&reason),
    }
    HANDED_OVER
}

/// Exports a package of node types: `export_nodes!(TypeA, TypeB);`, once in a component.
#[macro_export]
macro_rules! export_nodes {
    ($($node:ty),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::node::exports::pacificsoft::plugin::nodes as contract;

            struct Package;

            impl contract::Guest for Package {
                fn describe() -> Vec<contract::Descriptor> {
                    vec![$($crate::node::contract_descriptor::<$node>()),+]
                }

                fn upgrade(type_name: String, from_version: u32, configuration: String) -> Result<String, String> {
                    $(if <$node as $crate::RuleNode>::descriptor().type_name == type_name {
                        return <$node as $crate::RuleNode>::upgrade(from_version, &configuration);
                    })+
                    Err(unknown(&type_name))
                }

                fn open(type_name: String, configuration: String) -> Result<(), String> {
                    $(if <$node as $crate::RuleNode>::descriptor().type_name == type_name {
                        return $crate::node::open::<$node>(&configuration);
                    })+
                    Err(unknown(&type_name))
                }

                fn process() -> u32 {
                    $crate::node::process()
                }

                fn on_timer(name: String) -> u32 {
                    $crate::node::on_timer(&name)
                }
            }

            fn unknown(type_name: &str) -> String {
                let mut text = String::from("the component has no node type ");
                text.push_str(type_name);
                text
            }

            $crate::bindings::node::export_rule_node!(Package with_types_in $crate::bindings::node);
        };
    };
}
