//! Structs: objects with members.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataStruct, DeriveInput, Error, Fields};

use crate::attributes::{Container, Item, quoted};
use crate::schema::{Pieces, is_optional};

/// Writes the implementations for a struct.
///
/// # Errors
/// When it has no named fields, or an attribute is not understood.
pub fn write(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream, Error> {
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "a configuration has named fields"));
    };
    let container = Container::read(&input.attrs)?;
    let (mut schema, mut defaults, mut required, mut read) = (Pieces::default(), String::new(), Vec::new(), Vec::new());
    schema.text("\"type\":\"object\",\"properties\":{");
    for (index, field) in fields.named.iter().enumerate() {
        let Some(ident) = &field.ident else { continue };
        let item = Item::read(&field.attrs)?;
        let name = item.rename.clone().unwrap_or_else(|| container.case.of(&ident.to_string()));
        schema.text(if index > 0 { "," } else { "" });
        schema.text(&format!("{}:{{", quoted(&name)));
        match &item.schema {
            Some(members) => schema.text(members),
            None => schema.members_of(&field.ty),
        }
        schema.text(&members(&item)?);
        schema.text("}");
        if let Some(json) = item.default.as_ref().or(item.initial.as_ref()) {
            let comma = if defaults.is_empty() { "" } else { "," };
            defaults.push_str(&format!("{comma}{}:{json}", quoted(&name)));
        }
        if item.default.is_none() && !is_optional(&field.ty) {
            required.push(quoted(&name));
        }
        read.push(reading(ident, &name, &item));
    }
    schema.text("}");
    if !required.is_empty() {
        schema.text(&format!(",\"required\":[{}]", required.join(",")));
    }
    let (ident, members, defaults) = (&input.ident, schema.joined(), format!("{{{defaults}}}"));
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics ::pacificsoft_sdk::configuration::Setting for #ident #type_generics #where_clause {
            const MEMBERS: &'static str = #members;
            fn read(value: &::pacificsoft_sdk::configuration::Value) -> ::core::result::Result<Self, ::pacificsoft_sdk::configuration::Misfit> {
                let object = ::pacificsoft_sdk::configuration::object(value)?;
                ::core::result::Result::Ok(Self { #(#read),* })
            }
        }

        impl #impl_generics ::pacificsoft_sdk::configuration::Configuration for #ident #type_generics #where_clause {
            const SCHEMA: &'static str = {
                const PIECES: &[&str] = &["{", <#ident as ::pacificsoft_sdk::configuration::Setting>::MEMBERS, "}"];
                const BYTES: [u8; ::pacificsoft_sdk::configuration::len(PIECES)] = ::pacificsoft_sdk::configuration::join(PIECES);
                ::pacificsoft_sdk::configuration::text(&BYTES)
            };
            const DEFAULT: &'static str = #defaults;
        }
    })
}

/// What attributes add to a member's schema.
fn members(item: &Item) -> Result<String, Error> {
    let mut text = String::new();
    let mut add = |name: &str, json: String| text.push_str(&format!(",\"{name}\":{json}"));
    if let Some(title) = &item.title {
        add("title", quoted(title));
    }
    if !item.description.is_empty() {
        add("description", quoted(&item.description));
    }
    for (name, number) in [
        ("minimum", &item.minimum),
        ("maximum", &item.maximum),
        ("exclusiveMinimum", &item.above),
        ("exclusiveMaximum", &item.below),
    ] {
        if let Some(number) = number {
            add(name, number.json()?);
        }
    }
    if let Some(json) = &item.default {
        add("default", json.clone());
    }
    Ok(text)
}

/// One field of the struct.
fn reading(ident: &syn::Ident, name: &str, item: &Item) -> TokenStream {
    let default = match &item.default {
        Some(json) => quote!(::core::option::Option::Some(#json)),
        None => quote!(::core::option::Option::None),
    };
    let read = quote!(::pacificsoft_sdk::configuration::member(object, #name, #default)?);
    let limits: Vec<TokenStream> = [
        (&item.minimum, quote!(Minimum)),
        (&item.maximum, quote!(Maximum)),
        (&item.above, quote!(Above)),
        (&item.below, quote!(Below)),
    ]
    .into_iter()
    .filter_map(|(number, kind)| {
        let number = number.as_ref()?.tokens();
        Some(quote!(::pacificsoft_sdk::configuration::Limit::#kind(#number)))
    })
    .collect();
    if limits.is_empty() {
        return quote!(#ident: #read);
    }
    quote!(#ident: {
        let value = #read;
        ::pacificsoft_sdk::configuration::within(&value, #name, &[#(#limits),*])?;
        value
    })
}
