//! What customers are called, for lists of what is assigned to them: each is looked up once.

use std::collections::HashMap;

use model::TenantId;
use model::entity::{Customer, IdRef};
use uuid::Uuid;

use crate::state::ApiState;
use crate::{ApiError, record};

/// Titles of customers looked up so far; none: there is no such customer.
pub(super) struct CustomerTitles {
    tenant: TenantId,
    found: HashMap<Uuid, Option<String>>,
}

impl CustomerTitles {
    /// Of a tenant's customers.
    pub(super) fn new(tenant: TenantId) -> Self {
        CustomerTitles {
            tenant,
            found: HashMap::new(),
        }
    }

    /// The title of a customer, as a request or an answer names it.
    pub(super) async fn of(&mut self, api: &ApiState, customer: Option<IdRef>) -> Result<Option<String>, ApiError> {
        let Some(customer) = record::given_customer(customer) else {
            return Ok(None);
        };
        if let Some(title) = self.found.get(&customer.id) {
            return Ok(title.clone());
        }
        let found: Option<Customer> = record::find(&*api.store, self.tenant, customer.id).await?;
        let title = found.map(|customer| customer.title);
        self.found.insert(customer.id, title.clone());
        Ok(title)
    }
}
