//! Components made by hand, for tests: WebAssembly text under the contract's own signatures. They can do what no SDK lets an author do:
//! answer with text that is no text, with lists that are not there, spin where an SDK's code would run.
//!
//! 1. [`image`] – what lies in memory, 2. [`says`] – what a component says of itself, 3. [`deeds`] – bodies of functions,
//! 4. [`bombs`] – much work for the compiler.
//!
//! A [`Guest`] behaves until it is told otherwise, function by function. Must not know the host.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod bombs;
pub mod deeds;
pub mod image;
pub mod says;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, Resolve, WorldItem};

use image::Image;

/// Kinds of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Rule nodes.
    Nodes,
    /// A payload adapter.
    Adapter,
    /// A stream adapter.
    Protocol,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            World::Nodes => "rule-node",
            World::Adapter => "payload-adapter",
            World::Protocol => "stream-adapter",
        }
    }
}

/// A component in the making.
#[derive(Clone, Debug)]
pub struct Guest {
    world: World,
    /// What lies in its memory.
    pub image: Image,
    /// Bodies of exports, and of `start`, `cabi_realloc` and `post-…`.
    bodies: BTreeMap<String, String>,
    imports: String,
    fields: String,
    pages: Option<u32>,
}

impl Guest {
    /// One that behaves.
    pub fn new(world: World) -> Self {
        let mut image = Image::new();
        let described = match world {
            World::Nodes => says::types(&mut image, &[says::NodeType::default()]),
            World::Adapter | World::Protocol => says::adapter(&mut image, b"handmade"),
        };
        let mut guest = Guest {
            world,
            image,
            bodies: BTreeMap::new(),
            imports: String::new(),
            fields: String::new(),
            pages: None,
        };
        guest = guest.with("describe", &deeds::answer(described));
        if world == World::Adapter {
            // A borrowed handle is given back.
            let drop = "(import \"pacificsoft:plugin/uplink@0.1.0\" \"[resource-drop]inbound\" (func $drop (param i32)))";
            guest = guest.importing(drop).with("decode", "(call $drop (local.get 0)) (i32.const 0)");
        }
        guest
    }

    /// Rule nodes that say something of themselves.
    pub fn saying(types: &[says::NodeType]) -> Self {
        let mut guest = Guest::new(World::Nodes);
        let described = says::types(&mut guest.image, types);
        guest.with("describe", &deeds::answer(described))
    }

    /// Gives a function another body. Besides the exports there are `start`, `cabi_realloc`, and `post-` before an export's name.
    pub fn with(mut self, function: &str, body: &str) -> Self {
        self.bodies.insert(function.to_owned(), body.to_owned());
        self
    }

    /// Imports a function, in WebAssembly text.
    pub fn importing(mut self, import: &str) -> Self {
        self.imports.push_str(import);
        self
    }

    /// Adds tables, globals and functions, in WebAssembly text.
    pub fn and(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// Starts with so many pages of memory.
    pub fn with_pages(mut self, pages: u32) -> Self {
        self.pages = Some(pages);
        self
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).unwrap();
        let world = resolve.select_world(&[package], Some(self.world.name())).unwrap();
        let mut text = format!("(module {}", self.imports);
        for item in resolve.worlds[world].exports.values() {
            let WorldItem::Interface { id, .. } = item else { continue };
            let interface = resolve.id_of(*id).unwrap();
            for function in resolve.interfaces[*id].functions.values() {
                self.export(&mut text, &resolve, &interface, function);
            }
        }
        self.rest(&mut text);
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let encoder = ComponentEncoder::default().validate(true).module(&module).unwrap();
        let mut encoder = encoder;
        encoder.encode().unwrap_or_else(|error| panic!("{error:#}\n{text}"))
    }

    fn export(&self, text: &mut String, resolve: &Resolve, interface: &str, function: &Function) {
        let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
        let types = |types: &[WasmType]| types.iter().map(|one| core_type(*one)).collect::<Vec<_>>().join(" ");
        let (parameters, results) = (types(&signature.params), types(&signature.results));
        let body = self.bodies.get(&function.name).map_or("(i32.const 0)", String::as_str);
        let name = &function.name;
        let _ = write!(
            text,
            "(func (export \"{interface}#{name}\") (param {parameters}) (result {results}) {body})"
        );
        if let Some(body) = self.bodies.get(&format!("post-{name}")) {
            let _ = write!(text, "(func (export \"cabi_post_{interface}#{name}\") (param {results}) {body})");
        }
    }

    fn rest(&self, text: &mut String) {
        let heap = self.image.len();
        let pages = self.pages.unwrap_or(heap.div_ceil(1 << 16) + 1);
        let realloc = self.bodies.get("cabi_realloc").map_or(deeds::ALLOCATE, String::as_str);
        let _ = write!(
            text,
            "(memory (export \"memory\") {pages}) (global $heap (mut i32) (i32.const {heap})) \
             (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32) {realloc}) {} {}",
            self.image.segment(),
            self.fields
        );
        if let Some(body) = self.bodies.get("start") {
            let _ = write!(text, "(func $start {body}) (start $start)");
        }
        text.push(')');
    }
}

fn core_type(told: WasmType) -> &'static str {
    match told {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_can_be_made() {
        for world in [World::Nodes, World::Adapter, World::Protocol] {
            assert!(Guest::new(world).build().len() > 500, "{world:?}");
        }
    }
}
