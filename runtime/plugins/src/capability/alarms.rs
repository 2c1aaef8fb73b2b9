//! Interface `alarms`: the tenant's alarms, in the form of the REST API.

use model::entity::Alarm;
use uuid::Uuid;

use crate::bindings::alarms::Host;
use crate::bindings::entity::EntityId;
use crate::error::Unanswered;
use crate::guest::Guest;

/// Alarms of one answer at most.
const ALARMS_MAX: u32 = 100;

impl Host for Guest {
    fn get(&mut self, id: String) -> wasmtime::Result<Option<String>> {
        let (Some(readings), Ok(id)) = (&self.readings, Uuid::try_parse(&id)) else {
            return Ok(None);
        };
        let found = readings.alarm(self.tenant, id).map_err(Unanswered::end)?;
        Ok(found.as_ref().map(shown))
    }

    fn active(&mut self, named: EntityId, alarm_type: String) -> wasmtime::Result<Option<String>> {
        let originator = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.active_alarm(originator, &alarm_type).map_err(Unanswered::end)?;
        Ok(found.as_ref().map(shown))
    }

    fn all_active(&mut self, named: EntityId, limit: u32) -> wasmtime::Result<Vec<String>> {
        let originator = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let found = readings
            .active_alarms(originator, limit.clamp(1, ALARMS_MAX))
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
