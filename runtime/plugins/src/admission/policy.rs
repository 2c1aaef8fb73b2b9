//! Which imports and exports are served, and why the others are not. Tables, and one function over them.

use super::names::Names;
use super::{Examined, Refusal};

/// The package of the contract.
pub const PACKAGE: &str = "pacificsoft:plugin";
/// The versions of the contract that are offered, as `major.minor`. A patch adds only.
pub const TRACKS: [&str; 1] = ["0.1"];

/// Kinds of components: an interface that is exported makes a component one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// A package of rule-node types.
    RuleNodes,
    /// Translates payloads of devices.
    PayloadAdapter,
    /// Speaks a whole protocol on a listener of its own.
    StreamAdapter,
}

impl World {
    /// Every kind, with the interface it exports.
    pub const ALL: [(&'static str, World); 3] = [
        ("nodes", World::RuleNodes),
        ("adapter", World::PayloadAdapter),
        ("protocol", World::StreamAdapter),
    ];

    /// Its name for people and in what is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            World::RuleNodes => "rule-nodes",
            World::PayloadAdapter => "payload-adapter",
            World::StreamAdapter => "stream-adapter",
        }
    }
}

/// Interfaces that share types, and through which a component gets and gives what it is called for: importing them asks for nothing.
pub const COMMON: [&str; 6] = ["answer", "entity", "json", "message", "outcome", "uplink"];

/// What other toolchains import by habit, and what the host answers with nothing: importing it grants nothing.
pub const STUBBED: [&str; 5] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"];

/// What no component gets: the beginning of a name, why, and what to do instead.
const REFUSED: [(&str, &str, &str); 6] = [
    (
        "wasi:sockets/",
        "opens network connections, which no component may",
        "answer with an effect, and the platform sends the request for it",
    ),
    (
        "wasi:http/",
        "sends requests past the platform's checks, which no component may",
        "answer with an effect, and the platform sends the request for it",
    ),
    (
        "wasi:keyvalue/",
        "is not offered by this server",
        "keep what must last in attributes or in the node's state",
    ),
    (
        "wasi:logging/",
        "is not offered by this server",
        "import pacificsoft:plugin/log, and build without WASI",
    ),
    (
        "wasi:",
        "reaches beyond the platform, which no component may",
        "build without WASI (Rust: for wasm32-unknown-unknown; JavaScript: with all features of componentize-js disabled; Python: \
         componentize-py with --stub-wasi)",
    ),
    (
        "env",
        "is no interface of a component",
        "build for wasm32-unknown-unknown, and link no C library that needs an operating system",
    ),
];

/// Judges a component by its names.
///
/// # Errors
/// [`Refusal`].
pub fn judge(names: &Names) -> Result<Examined, Refusal> {
    let offered: Vec<(&str, World, &str)> = names
        .exports
        .iter()
        .filter_map(|name| {
            let (interface, version) = ours(name)?;
            let (name, world) = World::ALL.into_iter().find(|(known, _)| *known == interface)?;
            Some((name, world, version))
        })
        .collect();
    let (world, contract) = match offered[..] {
        [(_, world, version)] => (world, version.to_owned()),
        [] => {
            return Err(Refusal::NoWorld {
                known: World::ALL.map(|(interface, _)| interface).join(", "),
                package: PACKAGE,
            });
        }
        _ => {
            let several: Vec<_> = offered.iter().map(|(interface, ..)| *interface).collect();
            return Err(Refusal::SeveralWorlds(several.join(", ")));
        }
    };
    check_track(&contract)?;
    let mut imports = Vec::new();
    for name in &names.imports {
        if STUBBED.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let Some((interface, version)) = ours(name) else {
            return Err(refused(name));
        };
        check_track(version)?;
        if !COMMON.contains(&interface) {
            imports.push(interface.to_owned());
        }
    }
    imports.sort_unstable();
    imports.dedup();
    Ok(Examined { world, contract, imports })
}

/// Interface and version of a name of the contract.
fn ours(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')
}

fn check_track(version: &str) -> Result<(), Refusal> {
    let patch_of = |track: &str| version.strip_prefix(track).is_some_and(|rest| rest.starts_with('.'));
    if TRACKS.into_iter().any(patch_of) {
        return Ok(());
    }
    Err(Refusal::Contract {
        built: version.to_owned(),
        offered: TRACKS.join(", "),
    })
}

fn refused(name: &str) -> Refusal {
    let (_, why, fix) = REFUSED.into_iter().find(|(start, ..)| name.starts_with(start)).unwrap_or((
        "",
        "this server does not know",
        "use the interfaces of pacificsoft:plugin only",
    ));
    Refusal::Import {
        name: name.to_owned(),
        why,
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_of_an_offered_track_is_taken() {
        for (version, taken) in [
            ("0.1.0", true),
            ("0.1.17", true),
            ("0.10.0", false),
            ("0.2.0", false),
            ("1.1.0", false),
            ("0.1", false),
        ] {
            assert_eq!(check_track(version).is_ok(), taken, "{version}");
        }
    }

    #[test]
    fn every_refused_import_says_why_and_what_to_do() {
        for name in ["wasi:sockets/udp@0.2.0", "wasi:nn/graph@0.2.0", "env", "a:b/c@1.0.0", "run"] {
            let Refusal::Import { name: told, why, fix } = refused(name) else {
                panic!("{name}")
            };
            assert!(told == name && !why.is_empty() && !fix.is_empty());
        }
    }
}
