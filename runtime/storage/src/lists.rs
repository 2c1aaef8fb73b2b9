//! Which rows belong to a list, and in which order they come: the same for every back end. Pure: back ends read the rows.

pub mod alarms;
pub mod entities;
pub mod readings;
pub mod rpcs;

use model::PageRequest;

/// The text that a request searches for, in lower case.
pub fn search(page: &PageRequest) -> Option<String> {
    page.text_search.as_ref().map(|text| text.to_lowercase())
}

/// Whether a name contains a text, in any case; no text: always.
pub fn matches(search: Option<&String>, name: &str) -> bool {
    search.is_none_or(|text| name.to_lowercase().contains(text))
}
