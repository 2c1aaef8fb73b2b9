//! Paging: `pageSize`, `page`, `textSearch`, `sortProperty`, `sortOrder`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::PageRequest;
use serde::Deserialize;

use super::Params;
use crate::ApiError;

/// Rows of a page at most.
pub const PAGE_SIZE_MAX: u32 = 10_000;

/// The page that a request asks for.
#[derive(Clone, Debug)]
pub struct Paging(pub PageRequest);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    page_size: Option<i64>,
    page: Option<i64>,
    text_search: Option<String>,
    sort_property: Option<String>,
    sort_order: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Params(asked) = Params::<Asked>::from_request_parts(parts, state).await?;
        page(asked).map(Paging)
    }
}

fn page(asked: Asked) -> Result<PageRequest, ApiError> {
    let missing = |name: &str| ApiError::Invalid(format!("Required request parameter '{name}' is not present"));
    let size = asked.page_size.ok_or_else(|| missing("pageSize"))?;
    let page = asked.page.ok_or_else(|| missing("page"))?;
    let page_size = u32::try_from(size)
        .ok()
        .filter(|size| (1..=PAGE_SIZE_MAX).contains(size))
        .ok_or_else(|| {
            ApiError::Invalid(format!(
                "Incorrect page link page size '{size}'. Page size must be between 1 and {PAGE_SIZE_MAX}."
            ))
        })?;
    let page =
        u32::try_from(page).map_err(|_| ApiError::Invalid(format!("Incorrect page link page '{page}'. Page must be positive integer.")))?;
    let sort_property = asked.sort_property.filter(|property| !property.is_empty());
    let descending = match asked.sort_order.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "ASC") => false,
        Some("DESC") => true,
        Some(other) => {
            return Err(ApiError::Invalid(format!(
                "Unsupported sort order '{other}'! Only 'ASC' or 'DESC' types are allowed."
            )));
        }
    };
    let text_search = asked.text_search.filter(|text| !text.is_empty());
    Ok(PageRequest {
        page_size,
        page,
        text_search,
        descending: descending && sort_property.is_some(),
        sort_property,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<PageRequest, ApiError> {
        let uri = format!("/x?{query}").parse().expect("a path");
        page(axum::extract::Query::<Asked>::try_from_uri(&uri).expect("a query").0)
    }

    #[test]
    fn understands_what_thingsboard_clients_send() {
        let page = asked("pageSize=10&page=2&textSearch=Dev&sortProperty=name&sortOrder=desc").expect("fine");
        let expected = PageRequest {
            page_size: 10,
            page: 2,
            text_search: Some("Dev".to_owned()),
            sort_property: Some("name".to_owned()),
            descending: true,
        };
        assert_eq!(page, expected);
        assert_eq!(asked("pageSize=1&page=0&textSearch="), Ok(PageRequest::first(1)));
    }

    #[test]
    fn refuses_what_is_no_page() {
        for query in [
            "",
            "page=0",
            "pageSize=5",
            "pageSize=0&page=0",
            "pageSize=10001&page=0",
            "pageSize=1&page=-1",
            "pageSize=1&page=0&sortOrder=UP",
        ] {
            assert!(matches!(asked(query), Err(ApiError::Invalid(_))), "{query}");
        }
    }
}
