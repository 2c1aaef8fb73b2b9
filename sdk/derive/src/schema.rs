//! A type's members of a JSON Schema: pieces of text, known here or by the SDK, joined at compile time.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericArgument, PathArguments, Type};

/// Pieces of text, each an expression of type `&str`. Neighbours that are known are joined.
#[derive(Default)]
pub struct Pieces {
    done: Vec<TokenStream>,
    open: String,
}

impl Pieces {
    /// Adds text.
    pub fn text(&mut self, text: &str) {
        self.open.push_str(text);
    }

    /// Adds what a type says.
    pub fn members_of(&mut self, told: &Type) {
        let generic = container(told);
        match generic.as_ref().map(|(name, types)| (*name, &types[..])) {
            Some(("Option", [inner])) => self.members_of(inner),
            Some(("Vec", [inner])) => {
                self.text("\"type\":\"array\",\"items\":{");
                self.members_of(inner);
                self.text("}");
            }
            Some(("BTreeMap", [_, inner])) => {
                self.text("\"type\":\"object\",\"additionalProperties\":{");
                self.members_of(inner);
                self.text("}");
            }
            _ => {
                self.close();
                self.done
                    .push(quote!(<#told as ::pacificsoft_sdk::configuration::Setting>::MEMBERS));
            }
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let text = std::mem::take(&mut self.open);
            self.done.push(quote!(#text));
        }
    }

    /// A constant expression of type `&'static str`.
    pub fn joined(mut self) -> TokenStream {
        self.close();
        let pieces = &self.done;
        quote!({
            const PIECES: &[&str] = &[#(#pieces),*];
            const BYTES: [u8; ::pacificsoft_sdk::configuration::len(PIECES)] = ::pacificsoft_sdk::configuration::join(PIECES);
            ::pacificsoft_sdk::configuration::text(&BYTES)
        })
    }
}

/// Whether a value may be left out: an `Option`.
pub fn is_optional(told: &Type) -> bool {
    matches!(container(told), Some(("Option", _)))
}

/// The name of a generic type of the standard library, and its types.
fn container(told: &Type) -> Option<(&'static str, Vec<&Type>)> {
    let Type::Path(path) = told else { return None };
    let last = path.path.segments.last()?;
    let name = ["Option", "Vec", "BTreeMap"].into_iter().find(|name| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    });
    Some((name, types.collect()))
}
