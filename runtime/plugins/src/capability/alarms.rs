//! Interface `alarms`: the tenant's alarms, in the form of the REST API.

use model::entity::Alarm;
use uuid::Uuid;
use wasmtime::component::Linker;

use crate::bindings::alarms::Host;
use crate::bindings::entity::EntityId;
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::at_once;

/// Alarms of one answer at most.
const ALARMS_MAX: u32 = 100;

impl Host for Guest {
    fn get(&mut self, id: String) -> wasmtime::Result<Option<String>> {
        at_once(self.alarm(id))
    }

    fn active(&mut self, named: EntityId, alarm_type: String) -> wasmtime::Result<Option<String>> {
        at_once(self.active_alarm(named, alarm_type))
    }

    fn all_active(&mut self, named: EntityId, limit: u32) -> wasmtime::Result<Vec<String>> {
        at_once(self.active_alarms(named, limit))
    }
}

/// Gives guests the interface, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/alarms@0.1.0")?;
    asynchronous!(interface, "get", (id: String) => alarm);
    asynchronous!(interface, "active", (named: EntityId, alarm_type: String) => active_alarm);
    asynchronous!(interface, "all-active", (named: EntityId, limit: u32) => active_alarms);
    Ok(())
}

impl Guest {
    async fn alarm(&mut self, id: String) -> wasmtime::Result<Option<String>> {
        let (Some(readings), Ok(id)) = (&self.readings, Uuid::try_parse(&id)) else {
            return Ok(None);
        };
        let found = readings.alarm(self.tenant, id).await.map_err(Unanswered::end)?;
        Ok(found.as_ref().map(shown))
    }

    async fn active_alarm(&mut self, named: EntityId, alarm_type: String) -> wasmtime::Result<Option<String>> {
        let originator = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.active_alarm(originator, &alarm_type).await.map_err(Unanswered::end)?;
        Ok(found.as_ref().map(shown))
    }

    async fn active_alarms(&mut self, named: EntityId, limit: u32) -> wasmtime::Result<Vec<String>> {
        let originator = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let found = readings
            .active_alarms(originator, limit.clamp(1, ALARMS_MAX))
            .await
            .map_err(Unanswered::end)?;
        Ok(found.iter().map(shown).collect())
    }
}

fn shown(alarm: &Alarm) -> String {
    let mut json = serde_json::to_value(alarm).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("status".to_owned(), alarm.status().into());
    }
    json.to_string()
}
