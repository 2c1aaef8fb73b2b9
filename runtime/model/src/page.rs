//! Paging, as the REST API does it.

use serde::{Deserialize, Serialize};

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRequest {
    /// Rows of a page, 1 to 1 000 000.
    pub page_size: u32,
    /// Counts from 0.
    pub page: u32,
    /// Only rows whose name contains this, in any case.
    pub text_search: Option<String>,
    /// Field to sort by.
    pub sort_property: Option<String>,
    /// Largest first.
    pub descending: bool,
}

impl PageRequest {
    /// The first rows.
    pub fn first(page_size: u32) -> Self {
        PageRequest {
            page_size,
            page: 0,
            text_search: None,
            sort_property: None,
            descending: false,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// Rows.
    pub data: Vec<T>,
    /// Pages there are in all.
    pub total_pages: u64,
    /// Rows there are in all.
    pub total_elements: u64,
    /// Whether another page follows.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The part of a complete, sorted list that a request asks for.
    pub fn of(all: Vec<T>, request: &PageRequest) -> Self {
        let total = all.len() as u64;
        let size = u64::from(request.page_size.max(1));
        let skip = u64::from(request.page).saturating_mul(size);
        let data: Vec<T> = all
            .into_iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(request.page_size.max(1) as usize)
            .collect();
        Page {
            has_next: skip + (data.len() as u64) < total && !data.is_empty(),
            data,
            total_pages: total.div_ceil(size),
            total_elements: total,
        }
    }

    /// The same page with these rows.
    pub fn with<U>(&self, data: Vec<U>) -> Page<U> {
        Page {
            data,
            total_pages: self.total_pages,
            total_elements: self.total_elements,
            has_next: self.has_next,
        }
    }

    /// The same page, each row as another.
    pub fn map<U>(mut self, f: impl FnMut(T) -> U) -> Page<U> {
        let rows = std::mem::take(&mut self.data);
        self.with(rows.into_iter().map(f).collect())
    }

    /// The same page, each row as another.
    ///
    /// # Errors
    /// The first one of a row.
    pub fn try_map<U, E>(mut self, f: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let rows = std::mem::take(&mut self.data);
        Ok(self.with(rows.into_iter().map(f).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_pages() {
        let request = PageRequest {
            page: 1,
            ..PageRequest::first(2)
        };
        let page = Page::of(vec![1, 2, 3, 4, 5], &request);
        assert_eq!(
            (page.data, page.total_pages, page.total_elements, page.has_next),
            (vec![3, 4], 3, 5, true)
        );
        let last = Page::of(
            vec![1, 2, 3, 4, 5],
            &PageRequest {
                page: 2,
                ..request.clone()
            },
        );
        assert!(!last.has_next);
        let beyond = Page::of(vec![1], &PageRequest { page: 9, ..request });
        assert!(beyond.data.is_empty() && !beyond.has_next);
    }
}
