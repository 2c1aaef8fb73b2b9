//! Lists of entities. Back ends read what is needed for choosing and sorting, and the whole records of one page only.

use std::cmp::Ordering;

use model::{Page, PageRequest};
use serde::Deserialize;
use uuid::Uuid;

use super::matches;
use crate::EntityFilter;

/// What an entity is chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type or profile name.
    pub subtype: &'a str,
    /// Its customer.
    pub customer: Option<Uuid>,
}

/// Whether an entity belongs to a list. `search`: part of its name, in lower case.
pub fn passes(seen: &Seen<'_>, filter: &EntityFilter, search: Option<&String>) -> bool {
    filter.customer.is_none_or(|customer| seen.customer == Some(customer))
        && filter.subtype.as_ref().is_none_or(|subtype| seen.subtype == *subtype)
        && matches(search, seen.name)
}

/// What a list is sorted by. The rest is read again for the page's rows: all of them may not fit into memory.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which entity.
    pub id: Uuid,
    text: String,
    created: i64,
}

impl Row {
    /// The row of an entity that [`passes`]. `created`: milliseconds since 1970-01-01 UTC.
    pub fn new(id: Uuid, seen: &Seen<'_>, created: i64, page: &PageRequest) -> Self {
        let text = match page.sort_property.as_deref() {
            Some("name") => seen.name,
            Some("type") => seen.subtype,
            _ => "",
        };
        Row {
            id,
            text: text.to_owned(),
            created,
        }
    }
}

/// The part that a request asks for, of the rows of all entities that pass.
pub fn page(mut rows: Vec<Row>, page: &PageRequest) -> Page<Row> {
    rows.sort_unstable_by(|a, b| if page.descending { order(b, a) } else { order(a, b) });
    Page::of(rows, page)
}

/// By the text asked for (none: all are equal), then by creation, then by id, so that pages never overlap.
fn order(a: &Row, b: &Row) -> Ordering {
    (&a.text, a.created, a.id).cmp(&(&b.text, b.created, b.id))
}

/// When an entity was created, by its body. One without a time, or that is no object, counts as the oldest.
pub fn created_time(body: &str) -> i64 {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "createdTime", default)]
        created_time: i64,
    }
    serde_json::from_str::<Created>(body).map_or(0, |body| body.created_time)
}
