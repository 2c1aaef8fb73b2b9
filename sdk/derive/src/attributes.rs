//! What stands in `#[config(…)]` and in documentation comments.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, ExprLit, ExprUnary, Lit, LitStr, UnOp};

use crate::names::Case;

/// Of a struct or enum.
pub struct Container {
    /// How its fields or variants are called.
    pub case: Case,
}

/// Of a field or variant.
#[derive(Default)]
pub struct Item {
    /// Its name in JSON.
    pub rename: Option<String>,
    /// Name for people.
    pub title: Option<String>,
    /// The comment.
    pub description: String,
    /// JSON that stands for an absent value.
    pub default: Option<String>,
    /// JSON of a new node; an absent value is an error.
    pub initial: Option<String>,
    /// Members of its schema, in place of those of its type.
    pub schema: Option<String>,
    /// At least.
    pub minimum: Option<Number>,
    /// At most.
    pub maximum: Option<Number>,
    /// More than.
    pub above: Option<Number>,
    /// Less than.
    pub below: Option<Number>,
}

/// A number, as it is written.
pub struct Number(Expr);

impl Number {
    /// As JSON.
    pub fn json(&self) -> Result<String, Error> {
        json(&self.0)
    }

    /// As an expression of type `f64`.
    pub fn tokens(&self) -> TokenStream {
        let Number(expression) = self;
        quote::quote!((#expression) as f64)
    }
}

impl Container {
    /// Reads them.
    ///
    /// # Errors
    /// At what is not known.
    pub fn read(attributes: &[Attribute]) -> Result<Self, Error> {
        let mut container = Container { case: Case::Same };
        each(attributes, |meta| {
            if meta.path.is_ident("rename_all") {
                container.case = Case::parse(&meta.value()?.parse()?)?;
                return Ok(());
            }
            Err(meta.error("a struct or enum has rename_all"))
        })?;
        Ok(container)
    }
}

impl Item {
    /// Reads them.
    ///
    /// # Errors
    /// At what is not known.
    pub fn read(attributes: &[Attribute]) -> Result<Self, Error> {
        let mut item = Item {
            description: comment(attributes),
            ..Item::default()
        };
        each(attributes, |meta| {
            let text = |meta: &ParseNestedMeta| -> Result<String, Error> { Ok(meta.value()?.parse::<LitStr>()?.value()) };
            let number = |meta: &ParseNestedMeta| -> Result<Number, Error> { Ok(Number(meta.value()?.parse()?)) };
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "rename" => item.rename = Some(text(&meta)?),
                "title" => item.title = Some(text(&meta)?),
                "schema" => item.schema = Some(text(&meta)?),
                "default" => item.default = Some(json(&meta.value()?.parse()?)?),
                "initial" => item.initial = Some(json(&meta.value()?.parse()?)?),
                "initial_json" => item.initial = Some(text(&meta)?),
                "default_json" => item.default = Some(text(&meta)?),
                "minimum" => item.minimum = Some(number(&meta)?),
                "maximum" => item.maximum = Some(number(&meta)?),
                "above" => item.above = Some(number(&meta)?),
                "below" => item.below = Some(number(&meta)?),
                _ => {
                    let known =
                        "one of rename, title, schema, default, default_json, initial, initial_json, minimum, maximum, above, below";
                    return Err(meta.error(known));
                }
            }
            Ok(())
        })?;
        Ok(item)
    }
}

fn each(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta) -> Result<(), Error>) -> Result<(), Error> {
    let ours = attributes.iter().filter(|attribute| attribute.path().is_ident("config"));
    ours.into_iter().try_for_each(|attribute| attribute.parse_nested_meta(&mut read))
}

/// A literal as JSON.
fn json(expression: &Expr) -> Result<String, Error> {
    let refuse = || Error::new_spanned(expression, "a number, a text, true or false");
    match expression {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Ok(quoted(&text.value())),
            Lit::Int(number) => Ok(number.base10_digits().to_owned()),
            // `1.` is a number of Rust and not of JSON.
            Lit::Float(number) => Ok(number.base10_digits().to_owned() + if number.base10_digits().ends_with('.') { "0" } else { "" }),
            Lit::Bool(value) => Ok(value.value.to_string()),
            _ => Err(refuse()),
        },
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_), expr, ..
        }) if !matches!(**expr, Expr::Unary(_)) => Ok(format!("-{}", json(expr)?)),
        _ => Err(refuse()),
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// A documentation comment as one line.
fn comment(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| {
            let value = &attribute.meta.require_name_value().ok()?.value;
            let text: LitStr = syn::parse2(value.to_token_stream()).ok()?;
            Some(text.value().trim().to_owned())
        });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn literals_become_json() {
        for (rust, wanted) in [
            ("5", Some("5")),
            ("-1.5", Some("-1.5")),
            ("2.", Some("2.0")),
            ("1_000u32", Some("1000")),
            ("true", Some("true")),
            ("\"a\\\"b\\n\"", Some("\"a\\\"b\\n\"")),
            ("a + b", None),
            ("'c'", None),
        ] {
            let expression: Expr = syn::parse_str(rust).unwrap();
            assert_eq!(json(&expression).ok().as_deref(), wanted, "{rust}");
        }
    }

    #[test]
    fn comments_and_attributes_are_read() {
        let field: syn::Field = syn::parse_quote! {
            /// How hot
            /// it may be.
            #[config(default = 25, minimum = -40, title = "Limit")]
            limit: f64
        };
        let item = Item::read(&field.attrs).unwrap();
        assert_eq!(
            (&*item.description, item.default.as_deref(), item.title.as_deref()),
            ("How hot it may be.", Some("25"), Some("Limit"))
        );
        assert_eq!(item.minimum.unwrap().json().unwrap(), "-40");
        let field: syn::Field = syn::parse_quote!(#[config(defualt = 25)] limit: f64);
        assert!(Item::read(&field.attrs).is_err(), "typing errors are seen");
    }
}
