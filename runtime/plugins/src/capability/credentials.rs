//! Interface `credentials`: what the tenant's devices log in with.

use model::DeviceId;

use crate::bindings::credentials::{DeviceCredentials, Host};
use crate::bindings::entity::EntityId;
use crate::error::Unanswered;
use crate::guest::Guest;

impl Host for Guest {
    fn of(&mut self, named: EntityId) -> wasmtime::Result<Option<DeviceCredentials>> {
        let (Some(readings), Ok(device)) = (&self.readings, DeviceId::try_from(self.own_entity(&named)?)) else {
            return Ok(None);
        };
        let found = readings.credentials(device).map_err(Unanswered::end)?;
        Ok(found.map(|found| DeviceCredentials {
            credentials_type: serde_json::to_value(found.credentials_type)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            credentials_id: found.credentials_id,
            value: found.credentials_value,
        }))
    }
}
