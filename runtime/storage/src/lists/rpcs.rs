//! Lists of requests to a device.

use model::entity::{Rpc, RpcStatus};
use model::{Page, PageRequest};
use uuid::Uuid;

use super::matches;

/// Whether a request belongs to a list. `search`: part of its method, in lower case.
pub fn passes(rpc: &Rpc, status: Option<RpcStatus>, search: Option<&String>) -> bool {
    status.is_none_or(|status| status == rpc.status) && matches(search, &rpc.request.body.method)
}

/// The part that a request asks for, of all that pass. Newest first unless the request names a property, and with it a direction.
pub fn page(mut all: Vec<Rpc>, page: &PageRequest) -> Page<Rpc> {
    match page.sort_property.as_deref() {
        Some("status") => all.sort_unstable_by_key(|rpc| (rpc.status.as_str(), age(rpc))),
        Some("expirationTime") => all.sort_unstable_by_key(|rpc| (rpc.expiration_time, age(rpc))),
        _ => all.sort_unstable_by_key(age),
    }
    if page.descending || page.sort_property.is_none() {
        all.reverse();
    }
    Page::of(all, page)
}

/// The oldest first. Ids may be the callers' own and tell nothing of age.
pub fn age(rpc: &Rpc) -> (i64, u32, Uuid) {
    (rpc.created_time, rpc.request_number, rpc.id.id)
}
