//! The names that a component imports and exports, read from its outermost layer. Nothing is validated here: the compiler does that.

use wasmparser::{Parser, Payload};

use super::Refusal;

/// Imports and exports of a component at most; more are no component of ours.
const NAMES_MAX: usize = 1_000;

/// The names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// What it asks for.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Names {
    /// Reads them.
    ///
    /// # Errors
    /// [`Refusal`], when this is no component or cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if Parser::is_core_wasm(bytes) {
            return Err(Refusal::CoreModule);
        }
        if !Parser::is_component(bytes) {
            return Err(Refusal::NotWasm);
        }
        let broken = |error: wasmparser::BinaryReaderError| Refusal::Broken(error.to_string());
        let mut names = Names::default();
        // Modules and components inside have names of their own, which nobody outside sees.
        let mut depth = 0usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        names.imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        names.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            if names.imports.len() + names.exports.len() > NAMES_MAX {
                return Err(Refusal::Broken(format!("it has more than {NAMES_MAX} imports and exports")));
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_names_count() {
        let text = r#"(component
            (import "outer" (func))
            (core module (import "inner" "x" (func)) (export "inner" (func 0)))
            (component (import "within" (func)) (export "within" (func 0)))
            (export "offered" (func 0))
        )"#;
        let names = Names::read(&wat::parse_str(text).expect("text")).expect("readable");
        assert_eq!(
            (&names.imports[..], &names.exports[..]),
            (&["outer".to_owned()][..], &["offered".to_owned()][..])
        );
    }
}
