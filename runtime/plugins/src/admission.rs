//! What is found out about an upload before it is compiled: pure, on bytes alone.
//!
//! Compiling is what costs; a component that cannot be served is refused before, with the reason and what to do about it.
//!
//! 1. [`names`] – the names a component imports and exports, read without validating it,
//! 2. [`policy`] – which of them are served; why the others are not.

pub mod names;
pub mod policy;

pub use policy::World;

use names::Names;

/// What an upload is, by its own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// What it is a component of.
    pub world: World,
    /// Version of the contract it was built for.
    pub contract: String,
    /// Interfaces of the contract it asks for: what it may come to know or do.
    pub imports: Vec<String>,
}

/// Why an upload is not taken, in words for its author: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is larger than a component may be.
    #[error("the component has {len} bytes, more than the {max} allowed: leave out debug information and what is not used")]
    TooLarge {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// It is something else.
    #[error("this is no WebAssembly: upload the .wasm file that the build wrote")]
    NotWasm,
    /// It has not been made a component.
    #[error(
        "this is a core module, not a component: make it one with `wasm-tools component new module.wasm -o component.wasm`, \
         or build with the plugin tool, which does so"
    )]
    CoreModule,
    /// Its end is missing, or bytes were changed.
    #[error("the component cannot be read, it may be incomplete or damaged: {0}")]
    Broken(String),
    /// It exports nothing that is known.
    #[error("it exports none of {known}: implement one of these interfaces of {package}")]
    NoWorld {
        /// The interfaces there are.
        known: String,
        /// The contract's package.
        package: &'static str,
    },
    /// It exports several.
    #[error("it exports {0}: a component is one of them; make two components of it")]
    SeveralWorlds(String),
    /// It was built for another version of the contract.
    #[error("built for plugin contract {built}, this server offers {offered}: build it again with the SDK of this version")]
    Contract {
        /// The version it names.
        built: String,
        /// The versions there are.
        offered: String,
    },
    /// It asks for something that is not there, or that no component gets.
    #[error("imports {name}, which {why}: {fix}")]
    Import {
        /// What it asks for.
        name: String,
        /// Why it does not get it.
        why: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// The compiler refuses it.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// Compiling it takes more than it may.
    #[error("compiling it took more than {0}: make it smaller, or split large functions")]
    CompileLimit(String),
    /// It fits the contract in name only, or fails when it is tried.
    #[error("{0}")]
    Trial(String),
    /// A type does not open with the configuration that it offers as default.
    #[error("its node type {type_name:?} refuses its own default configuration: {reason}")]
    Configuration {
        /// Which.
        type_name: String,
        /// In its words.
        reason: String,
    },
}

/// Looks at an upload.
///
/// # Errors
/// [`Refusal`].
pub fn examine(bytes: &[u8], bytes_max: usize) -> Result<Examined, Refusal> {
    if bytes.len() > bytes_max {
        return Err(Refusal::TooLarge {
            len: bytes.len(),
            max: bytes_max,
        });
    }
    policy::judge(&Names::read(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Result<Examined, Refusal> {
        examine(&wat::parse_str(text).expect("well-formed text"), 1 << 20)
    }

    fn nodes(version: &str, imports: &str) -> String {
        format!("(component {imports} (instance $i) (export \"pacificsoft:plugin/nodes@{version}\" (instance $i)))")
    }

    fn import(name: &str) -> String {
        format!("(import \"{name}\" (instance (export \"x\" (func))))")
    }

    #[test]
    fn what_can_be_served_is_told_by_its_names() {
        let imports = [import("pacificsoft:plugin/log@0.1.0"), import("pacificsoft:plugin/message@0.1.0")].concat();
        let examined = component(&nodes("0.1.0", &imports)).expect("served");
        assert_eq!(
            (examined.world, &*examined.contract, &examined.imports[..]),
            (World::RuleNodes, "0.1.0", &["log".to_owned()][..]),
            "types that interfaces share are no permission"
        );
    }

    #[test]
    fn what_cannot_be_served_is_told_the_reason_and_the_fix() {
        let adapter = "(component (instance $i) (export \"pacificsoft:plugin/nodes@0.1.0\" (instance $i)) \
                       (export \"pacificsoft:plugin/adapter@0.1.0\" (instance $i)))";
        let cases: [(&str, Result<Examined, Refusal>, &[&str]); 9] = [
            ("empty", examine(b"", 10), &["no WebAssembly"]),
            ("large", examine(&[0; 11], 10), &["11 bytes", "10 allowed"]),
            ("module", component("(module)"), &["core module", "wasm-tools component new"]),
            (
                "nothing",
                component("(component)"),
                &["exports none of", "nodes", "pacificsoft:plugin"],
            ),
            ("both", component(adapter), &["nodes, adapter", "two components"]),
            ("contract", component(&nodes("0.3.0", "")), &["contract 0.3.0", "offers 0.1", "SDK"]),
            (
                "import of another contract",
                component(&nodes("0.1.0", &import("pacificsoft:plugin/log@0.3.0"))),
                &["contract 0.3.0", "offers 0.1"],
            ),
            (
                "sockets",
                component(&nodes("0.1.0", &import("wasi:sockets/tcp@0.2.0"))),
                &["imports wasi:sockets/tcp@0.2.0", "network", "effect"],
            ),
            (
                "somebody",
                component(&nodes("0.1.0", &import("acme:tools/magic@1.0.0"))),
                &["acme:tools/magic", "this server does not know"],
            ),
        ];
        for (what, examined, says) in cases {
            let words = examined.expect_err(what).to_string();
            assert!(says.iter().all(|part| words.contains(part)), "{what}: {words}");
        }
    }

    #[test]
    fn cut_at_any_byte_it_is_refused_or_still_whole() {
        let bytes = wat::parse_str(nodes("0.1.0", &import("pacificsoft:plugin/log@0.1.0"))).expect("text");
        let whole = examine(&bytes, 1 << 20).expect("served");
        for len in 0..bytes.len() {
            match examine(&bytes[..len], 1 << 20) {
                Ok(examined) => assert_eq!(examined.world, whole.world, "cut at {len}"),
                Err(Refusal::NotWasm | Refusal::Broken(_) | Refusal::NoWorld { .. }) => {}
                Err(other) => panic!("cut at {len}: {other}"),
            }
        }
    }
}
