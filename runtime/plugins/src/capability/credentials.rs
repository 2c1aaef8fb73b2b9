//! Interface `credentials`: what the tenant's devices log in with.

use model::DeviceId;
use wasmtime::component::Linker;

use crate::bindings::credentials::{DeviceCredentials, Host};
use crate::bindings::entity::EntityId;
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::at_once;

impl Host for Guest {
    fn of(&mut self, named: EntityId) -> wasmtime::Result<Option<DeviceCredentials>> {
        at_once(self.credentials_of(named))
    }
}

/// Gives guests the interface, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/credentials@0.1.0")?;
    asynchronous!(interface, "of", (named: EntityId) => credentials_of);
    Ok(())
}

impl Guest {
    async fn credentials_of(&mut self, named: EntityId) -> wasmtime::Result<Option<DeviceCredentials>> {
        let (Some(readings), Ok(device)) = (&self.readings, DeviceId::try_from(self.own_entity(&named)?)) else {
            return Ok(None);
        };
        let found = readings.credentials(device).await.map_err(Unanswered::end)?;
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
