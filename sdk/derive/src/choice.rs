//! Enums: one of some words.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Error};

use crate::attributes::{Container, Item, quoted};

/// Writes the implementation for an enum.
///
/// # Errors
/// When a variant has fields, or an attribute is not understood.
pub fn write(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream, Error> {
    let container = Container::read(&input.attrs)?;
    let (mut names, mut variants) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        if !variant.fields.is_empty() {
            return Err(Error::new_spanned(variant, "a variant of a configuration has no fields"));
        }
        let item = Item::read(&variant.attrs)?;
        names.push(item.rename.unwrap_or_else(|| container.case.of(&variant.ident.to_string())));
        variants.push(&variant.ident);
    }
    let list = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
    let (ident, members) = (&input.ident, format!("\"enum\":[{list}]"));
    let indices = 0..variants.len();
    Ok(quote! {
        impl ::pacificsoft_sdk::configuration::Setting for #ident {
            const MEMBERS: &'static str = #members;
            fn read(value: &::pacificsoft_sdk::configuration::Value) -> ::core::result::Result<Self, ::pacificsoft_sdk::configuration::Misfit> {
                match ::pacificsoft_sdk::configuration::choice(value, &[#(#names),*])? {
                    #(#indices => ::core::result::Result::Ok(#ident::#variants),)*
                    _ => ::core::result::Result::Err(::pacificsoft_sdk::configuration::Misfit::default()),
                }
            }
        }
    })
}
