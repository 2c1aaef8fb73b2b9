//! What handlers take from a request: who asks ([`principal`]), which page ([`paging`]), and body, query and path with refusals in the
//! API's own form ([`parts`]).
//!
//! Knows no resource.

pub mod paging;
pub mod parts;
pub mod principal;

pub use paging::Paging;
pub use parts::{Body, OptionalBody, Params, PathOf, csv};
pub use principal::{Member, Principal, SysAdmin, TenantAdmin};
