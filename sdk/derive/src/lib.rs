//! `#[derive(Configuration)]`, re-exported by `pacificsoft-sdk`, which explains it.
//!
//! 1. [`attributes`] – what stands in `#[config(…)]` and in comments, 2. [`names`] – how fields and variants are called in JSON,
//! 3. [`schema`] – a type's part of a JSON Schema, 4. [`object`] and [`choice`] – the implementations for structs and enums.
//!
//! Writes constants and calls into the SDK: as little code as can be, since each component carries it.

mod attributes;
mod choice;
mod names;
mod object;
mod schema;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

/// See `pacificsoft_sdk::configuration`.
#[proc_macro_derive(Configuration, attributes(config))]
pub fn configuration(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let written = match &input.data {
        Data::Struct(data) => object::write(&input, data),
        Data::Enum(data) => choice::write(&input, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input.ident, "a configuration is a struct or an enum")),
    };
    written.unwrap_or_else(syn::Error::into_compile_error).into()
}
